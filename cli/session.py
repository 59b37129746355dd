"""Keeps a conversation going with any node of the cluster, until it is closed.

It owns the one task that dials, reads and writes (`_run`), what that task knows (state of the connection, counts),
and the way to wait for a change (`until`). Commands call `press` and then `wait_until_saved`; both on the loop.

1. A press is in the state file before this task sends it.
2. A lost node costs a reconnect with full jitter to any known address, and nothing else: targets are absolute.
3. Everything is looked at every `TICK_S`: nobody feels it, and nothing has to wake anything else.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from cli.addresses import Addresses
from cli.connection import DIAL_S, ConnectionEndedError, dial
from cli.conversation import Conversation, Tell
from cli.counts import Counts
from cli.nodes import NodesError, fetch_nodes
from cli.presses import Outcome, Presses
from cli.tally import Tally
from cli.wire import WireError

TICK_S: Final = 0.02


class Session:
    """One run's connection to the cluster. `async with` starts and ends it."""

    def __init__(self, http: aiohttp.ClientSession, addresses: Addresses, presses: Presses, tell: Tell) -> None:
        self.presses = presses
        self.addresses = addresses
        # The node we talk to, empty where there is none, and the address of the last one.
        self.node = ""
        self.address = addresses.given
        self.was_connected = False
        # The state of the connection, for people.
        self.words = "not connected"
        # Why no node will ever talk to us again.
        self.ended: ConnectionEndedError | None = None
        self._http = http
        self._tell = tell
        self._items: set[str] = set()
        self._counts = Counts()
        self._progress_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._is_starting_over = False

    async def __aenter__(self) -> "Session":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in filter(None, (self._task, self._asking)):
            task.cancel()
            await asyncio.wait([task])

    @property
    def is_connected(self) -> bool:
        return bool(self.node)

    def watch(self, *items: str) -> None:
        self._items = set(items)

    def shown(self, item: str) -> int | None:
        """The count to show: the node's, and own presses that are not in it yet. None: no node told it yet."""
        count = self._counts.shown(item, time.monotonic())
        return None if count is None else count + self.presses.uncounted(item)

    def press(self, item: str, presses: int = 1) -> Tally:
        self._progress_at = time.monotonic()
        return self.presses.press(item, presses)

    def choose(self, item: str, *, liked: bool) -> tuple[Tally, bool]:
        """Like a `once` item or take it back; also returns whether that changed anything."""
        self._progress_at = time.monotonic()
        return self.presses.choose(item, liked)

    def start_over(self) -> None:
        """Leave this connection, whose visitor is no longer ours, for the next one."""
        self._is_starting_over = True

    async def wait_until_saved(self, tally: Tally, patience_s: float) -> Outcome:
        """Until the nodes acknowledged the tally, or refused it, or made no progress for `patience_s`."""
        while (left_s := self._progress_at + patience_s - time.monotonic()) > 0 and not self.ended:
            if await self.until(lambda: self.presses.outcome(tally) is not None, left_s):
                break
        return self.presses.outcome(tally) or Outcome("unsaved", text=self.words)

    async def until(self, is_true: Callable[[], bool], within_s: float) -> bool:
        """Wait for what a node may make true; False if the time is over, or no node will talk to us."""
        deadline = time.monotonic() + within_s
        while not is_true():
            if time.monotonic() >= deadline or self.ended:
                return False
            if self._task.done():
                self._task.result()
            await asyncio.sleep(TICK_S)
        return True

    async def _run(self) -> None:
        while self.ended is None:
            address = self.addresses.next()
            self.words = f"connecting to {address}"
            try:
                await self._converse(address)
                why = "moving to another node"
            except (ConnectionEndedError, WireError) as error:
                why = str(error)
                self._lose(error)
            self.node = ""
            wait_s = self.addresses.wait_s()
            self.words = why if self.ended else f"{why}, trying again in {wait_s:.1f} s"
            await asyncio.sleep(wait_s)

    async def _converse(self, address: str) -> None:
        """Talk to one node until it is to be left (returns), or the connection ends (raises)."""
        self._is_starting_over = False
        conversation = Conversation(self.presses, self._counts, self._tell)
        greeted_by = time.monotonic() + DIAL_S
        async with dial(self._http, address) as connection:
            while not self._is_to_leave(conversation):
                for frame in conversation.frames_to_send(self._items, time.monotonic()):
                    await connection.send(frame)
                text = await connection.receive(TICK_S)
                if text is not None:
                    conversation.receive(text, time.monotonic())
                    self._look_at(conversation, address)
                if not self.is_connected and time.monotonic() >= greeted_by:
                    raise ConnectionEndedError(f"no hello within {DIAL_S:.0f} s")

    def _is_to_leave(self, conversation: Conversation) -> bool:
        has_others = len(self.addresses.all) > 1
        is_time = self._is_starting_over or time.monotonic() >= conversation.leave_at
        return is_time or (conversation.is_read_only and has_others)

    def _look_at(self, conversation: Conversation, address: str) -> None:
        """What the last frame changed that is of interest beyond this conversation."""
        self._progress_at = max(self._progress_at, conversation.progress_at)
        if conversation.is_open and not self.is_connected:
            self._connected(conversation.node, address)

    def _connected(self, node: str, address: str) -> None:
        self._counts.reconnected(time.monotonic())
        self.addresses.connected()
        self.node, self.address = node, address
        self.words = f"connected to {node}"
        if self.was_connected:
            self._tell("connected", self.words)
        self.was_connected = True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._meet_nodes(address))

    async def _meet_nodes(self, address: str) -> None:
        try:
            nodes = await fetch_nodes(self._http, address)
        except NodesError as error:
            # The address that was given is still there to go back to.
            self._tell("nodes_unknown", f"the other nodes are not known: {error}")
            return
        self.addresses.meet(node.public_address for node in nodes)

    def _lose(self, error: Exception) -> None:
        if isinstance(error, ConnectionEndedError) and error.is_final:
            self.ended = error
        if self.ended or self.is_connected:
            self._tell("ended" if self.ended else "lost", f"{self.node}: {error}")
