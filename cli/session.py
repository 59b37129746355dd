"""Keeps a conversation going with any node of the cluster, until it is closed.

It owns the one task that dials, reads and writes (`_run`), what that task knows (state of the connection, counts),
and the way to wait for a change (`until`). Commands call `press` and then `wait_until_saved`; both on the loop.

1. A press is in the state file before this task is woken to send it.
2. A lost node costs a reconnect with full jitter to any known address, and nothing else: targets are absolute.
3. A silent connection is given up after `conversation.SILENT_AFTER_S`.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import aiohttp

from cli import events
from cli.addresses import Addresses
from cli.connection import DIAL_S, Connection, ConnectionEndedError, dial
from cli.conversation import Conversation
from cli.counts import Counts
from cli.nodes import NodesError, fetch_nodes
from cli.notices import Notice, Outcome
from cli.presses import Presses
from cli.tallies import Key, Tally
from cli.wire import WireError

# A count that was held back is released by time alone, so waiting looks up this often.
_LOOK_UP_S: Final = 0.5
_LIMIT_NOTICE_EVERY_S: Final = 60.0


class Session:
    """One run's connection to the cluster. `async with` starts and ends it."""

    def __init__(
        self, http: aiohttp.ClientSession, addresses: Addresses, presses: Presses, tell: Callable[[Notice], None]
    ) -> None:
        self.presses = presses
        self.addresses = addresses
        self.items: set[str] = set()
        self._words = "not connected"
        self.node = ""
        self.was_connected = False
        self.ended: ConnectionEndedError | None = None
        self.copies: dict[Key, int] = {}
        self._http = http
        self._tell = tell
        self._counts = Counts()
        self._refusals: dict[str, Outcome] = {}
        self._told: set[str] = set()
        self._progress_at = self._limited_until = float("-inf")
        self._leave_at: float | None = None
        self._address = addresses.given
        self._lost_node = ""
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

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

    @property
    def words(self) -> str:
        """The state of the connection, for people."""
        wait_s = self._limited_until - time.monotonic()
        return f"{self._words}, next presses in {wait_s:.0f} s" if self.is_connected and wait_s > 0 else self._words

    @property
    def address(self) -> str:
        """Where to ask over HTTP: the node we talk to, else the address that was given."""
        return self._address if self.is_connected else self.addresses.given

    def watch(self, *items: str) -> None:
        self.items = set(items)
        self._wake.set()

    def shown(self, item: str) -> int | None:
        """The count to show: the node's, and own presses that are not in it yet. None: no node told it yet."""
        count = self._counts.shown(item, time.monotonic())
        return None if count is None else count + self.presses.uncounted(item)

    def knows_mine(self, item: str) -> bool:
        """Whether a node has told what it holds of this visitor's own presses on the item."""
        return item in self._told

    def press(self, item: str, presses: int = 1) -> Tally:
        return self._send(self.presses.press(item, presses))

    def choose(self, item: str, *, liked: bool) -> tuple[Tally, bool]:
        """Like a `once` item or take it back; also returns whether that changed anything."""
        tally, is_changed = self.presses.choose(item, liked)
        return self._send(tally), is_changed

    def _send(self, tally: Tally) -> Tally:
        self._refusals.pop(tally.item, None)
        self._progress_at = time.monotonic()
        self._touch()
        self._wake.set()
        return tally

    async def wait_until_saved(self, tally: Tally, patience_s: float) -> Outcome:
        """Until the nodes acknowledged the tally, or refused it, or made no progress for `patience_s`."""

        def is_saved() -> bool:
            return self.presses.get(tally.key).saved >= tally.n

        await self.until(lambda: is_saved() or tally.item in self._refusals, lambda: self._progress_at + patience_s)
        if is_saved():
            return Outcome("saved")
        return self._refusals.get(tally.item) or Outcome("unsaved", text=self.words)

    async def until(self, is_true: Callable[[], bool], deadline: Callable[[], float]) -> bool:
        """Wait for a condition that a frame or a new connection may make true."""
        while not is_true():
            left_s = deadline() - time.monotonic()
            if left_s <= 0 or self.ended:
                return False
            if self._task.done():
                self._task.result()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LOOK_UP_S)):
                    await self._changed.wait()
        return True

    async def _run(self) -> None:
        lost = ""
        while True:
            address = self.addresses.next(lost)
            self._say(f"connecting to {address}")
            lost = address
            try:
                await self._converse(address)
                self._say("moving to another node")
                continue
            except ConnectionEndedError as ended:
                self._lose(ended)
                if ended.is_final:
                    return
            wait_s = self.addresses.wait_s()
            self._say(f"not connected, trying again in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def _converse(self, address: str) -> None:
        """Talk to one node until it is leaving (returns), or the connection ends (raises)."""
        now = time.monotonic()
        conversation = Conversation(tab=self.presses.tab, now=now)
        greeted_by = now + DIAL_S
        self._leave_at = None
        try:
            async with await dial(self._http, address) as connection:
                while self._leave_at is None or time.monotonic() < self._leave_at:
                    if not conversation.is_open and time.monotonic() >= greeted_by:
                        raise ConnectionEndedError(f"no hello within {DIAL_S:.0f} s")
                    await self._exchange(connection, conversation, address, greeted_by)
        except WireError as error:
            raise ConnectionEndedError(str(error)) from error
        finally:
            self._lost_node, self.node = self.node, ""
            self._touch()

    async def _exchange(
        self, connection: Connection, conversation: Conversation, address: str, greeted_by: float
    ) -> None:
        """Write what is due, then take in one frame, or wake up in time for what is due next."""
        now = time.monotonic()
        if conversation.is_silent(now):
            raise ConnectionEndedError("the node fell silent")
        self._wake.clear()
        for frame in conversation.frames_to_send(self.items, self.presses, now):
            await connection.send(frame)
        due = [conversation.next_wake_at(now), self._leave_at or float("inf")]
        if not conversation.is_open:
            due.append(greeted_by)
        text = await connection.receive(self._wake, max(min(due) - time.monotonic(), 0.0))
        if text is None:
            return
        now = time.monotonic()
        for event in conversation.receive(text, now):
            self._apply(event, conversation, address, now)
        self._touch()

    def _apply(self, event: events.Event, conversation: Conversation, address: str, now: float) -> None:
        match event:
            case events.Offered(fresh):
                conversation.go_by(self.presses.adopt(fresh))
            case events.Greeted(node, said, token):
                self.presses.renew(said, token)
                self._connected(node, address, now)
            case events.TokenRefused(said, fresh):
                token, lost = self.presses.forget_visitor(said, fresh)
                self._told.clear()
                conversation.go_by(token)
                self._drop("bad_token", "the nodes no longer know this visitor: starting afresh", lost)
            case events.Counted(counts):
                self._counts.arrive(counts)
            case events.Learned(key, gen, n):
                self.presses.learn(key, gen, n)
                self._told.add(key[0])
            case events.Left(after):
                self._leave_at = now + after
                self._say(f"{conversation.node} is leaving")
            case _:
                self._apply_answer(event, now)

    def _apply_answer(self, event: events.Event, now: float) -> None:
        match event:
            case events.Taken(key, answer, is_first, is_saved, retry_after):
                if is_first:
                    self._counts.arrive({key[0]: answer.count})
                self.presses.take(key, answer.gen, answer.n, is_saved=is_saved)
                self.copies[key] = answer.copies
                self._progress_at = max(self._progress_at, now)
                if retry_after is not None:
                    self._limited(retry_after, now)
            case events.Delayed(_, "rate_limited", retry_after):
                self._limited(retry_after, now)
            case events.Delayed(_, "behind", retry_after):
                self._progress_at = max(self._progress_at, now + retry_after)
            case events.Delayed(_, "read_only", retry_after):
                self._tell(Notice("read_only", f"{self.node} cannot save at the moment: presses are kept"))
                if len(self.addresses.all) > 1:
                    self._leave_at = now + retry_after
            case events.Reset(item, gen):
                self._counts.reset(item)
                self._drop("reset", f"{item} was reset", self.presses.reset(item, gen), item)
            case events.Refused(key, code, message):
                self._refuse(key, code, message)

    def _connected(self, node: str, address: str, now: float) -> None:
        if self.is_connected:
            return
        self._counts.reconnected(now)
        self.addresses.connected()
        self.node, self._address = node, address
        self._progress_at = max(self._progress_at, now)
        self._say(f"connected to {node}")
        if self.was_connected:
            self._tell(Notice("connected", f"connected to {node}"))
        self.was_connected = True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._meet_nodes(address))

    async def _meet_nodes(self, address: str) -> None:
        try:
            nodes = await fetch_nodes(self._http, address)
        except NodesError as error:
            # The address that was given is still there to go back to.
            self._tell(Notice("nodes_unknown", f"the other nodes are not known: {error}"))
            return
        if self.addresses.meet(node.public_address for node in nodes if node.public_address):
            self.presses.remember_addresses(self.addresses.met)

    def _lose(self, ended: ConnectionEndedError) -> None:
        self.ended = ended if ended.is_final else None
        self._say(str(ended))
        if self._lost_node or ended.is_final:
            self._tell(Notice("ended" if ended.is_final else "lost", f"{self._lost_node}: {ended}"))

    def _limited(self, retry_after: float, now: float) -> None:
        if now - self._limited_until >= _LIMIT_NOTICE_EVERY_S:
            text = f"more presses than the nodes take at once: the next go out in {retry_after:.1f} s, and so on"
            self._tell(Notice("rate_limited", text))
        self._limited_until = self._progress_at = max(self._progress_at, now + retry_after)

    def _refuse(self, key: Key | None, code: str, message: str) -> None:
        text = message or code
        if key is not None:
            self.presses.withdraw(key)
            self._refusals[key[0]] = Outcome("refused", code, text)
        self._tell(Notice("refused", f"the node refused: {text}"))

    def _drop(self, code: str, text: str, lost: int, item: str = "") -> None:
        if lost:
            text = f"{text}; not saved and now void: {lost}"
            self._refusals |= dict.fromkeys([item] if item else self.items, Outcome("refused", code, text))
        if lost or code != "reset":
            self._tell(Notice(code, text))

    def _say(self, words: str) -> None:
        self._words = words
        self._touch()

    def _touch(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
