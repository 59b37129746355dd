"""One visitor of the load: it presses on whatever happens, and says in the history what it sent and what came back.

It keeps to what docs/protocol.md asks of a page: it owns its numbers; after every reconnect it sends again what was
not acknowledged, and its once and clap tallies; it gives a connection 5 s to say hello, asks a silent one for a
pong, waits with full jitter between tries, follows a `leaving`, and leaves a node that is read-only.

Unlike `tests.support.visitor` it keeps nothing of what it receives, and presses tap, once and clap items: thousands
of presses a second fit into the process of the test.
"""

import asyncio
import contextlib
import json
import random
import secrets
import time
from typing import Any, Final

import aiohttp

from app.visitors import actor_of
from tests.faults.history import History
from tests.faults.tokens import visitor_in
from tests.support.visitor import FIRST_PAUSE_S, PAUSE_MAX_S, PING_INTERVAL_S, PONG_WITHIN_S

HELLO_WITHIN_S: Final = 5.0
RETRY_S: Final = 0.5
CLAP_MAX: Final = 50

# What ends a connection, or a try to make one, when a node, nginx or the network is at fault.
_TRY_AGAIN: Final = (aiohttp.ClientError, OSError, TimeoutError)


class LeftError(OSError):
    """The connection is no good any more: the visitor goes elsewhere."""


class ToldToLeaveError(LeftError):
    """The node said when to go."""


class Presser:
    """`name` of the row, so that no other history shares its items; `group` says with whom it shares them."""

    def __init__(self, number: int, address: str, history: History, *, row: str, group: int) -> None:
        self.number = number
        self.node = ""
        self.sent: dict[str, int] = {}
        self.saved: dict[str, int] = {}
        self.broken = 0
        self.longest_wait_s = 0.0
        self._address = address
        self._history = history
        self._row, self._group = row, group
        self._tap, self._once = f"tap:{row}-{group}", f"once:{row}-{group}"
        self._claps = 0
        self._tab = secrets.token_hex(8)
        self._token: str | None = None
        self._actors: dict[str, str] = {}
        self._unsent: dict[str, float] = {}
        self._unsaved_since: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._ids = 0
        self._heard_at = time.monotonic()
        self._leave_at = float("inf")
        self._pinged = False
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._wake = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        return self._socket is not None and not self._socket.closed

    @property
    def is_saved(self) -> bool:
        return all(self.saved.get(item, 0) >= n for item, n in self.sent.items())

    def press(self, turn: int) -> None:
        """What a person does in one turn: mostly taps, now and then a like, and claps until they are used up."""
        if turn % 5 == 3:
            self._raise(self._once, 1)
        elif turn % 5 == 4:
            self._clap(5)
        else:
            self._raise(self._tap, 5)

    def _clap(self, times: int) -> None:
        item = f"clap:{self._row}-{self._group}-{self._claps}"
        if self.sent.get(item, 0) >= CLAP_MAX:
            self._claps += 1
            item = f"clap:{self._row}-{self._group}-{self._claps}"
        self._raise(item, times)

    def _raise(self, item: str, times: int) -> None:
        if not self._token:
            return  # nobody yet: a page that never had a connection has no visitor
        self.sent[item] = self.sent.get(item, 0) + times
        self._unsent[item] = 0.0
        self._unsaved_since.setdefault(item, time.monotonic())
        self._history.add("sent", who=self.number, item=item, actor=self._actor(item), n=self.sent[item])
        self._wake.set()

    def _actor(self, item: str) -> str:
        if item not in self._actors:
            assert self._token is not None, "who presses has a token"
            self._actors[item] = actor_of(item, visitor_in(self._token), self._tab).hex()
        return self._actors[item]

    async def live(self, session: aiohttp.ClientSession) -> None:
        """Connect, and connect again, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(HELLO_WITHIN_S):
                    self._socket = await session.ws_connect(
                        f"{self._address}/live", timeout=aiohttp.ClientWSTimeout(ws_close=0.2)
                    )
                    await self._say_hello(self._socket)
                pause_s = FIRST_PAUSE_S
                await self._converse(self._socket)
            except _TRY_AGAIN as error:
                self.broken += not isinstance(error, ToldToLeaveError)
                silent_s = time.monotonic() - self._heard_at
                why = f"{self.node}: {error!r}"
                self._history.add("lost", who=self.number, why=why, silent_s=round(silent_s, 4))
            finally:
                await self._let_go()
            await asyncio.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def _let_go(self) -> None:
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def _say_hello(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        hello = await _receive(socket)
        self.node, self._token = hello["node"], self._token or hello["token"]
        await socket.send_json({"type": "hello", "token": self._token, "tab": self._tab})
        await socket.send_json({"type": "watch", "items": [self._tap, self._once]})
        self._counts.clear()
        self._heard_at, self._leave_at, self._pinged = time.monotonic(), float("inf"), False
        self._history.add("connected", who=self.number, node=self.node)
        for item, n in self.sent.items():
            if self.saved.get(item, 0) < n or item == self._once:
                self._unsent[item] = 0.0

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        reader = asyncio.create_task(self._read(socket))
        try:
            while not reader.done():
                await self._send_due(socket)
                self._wake.clear()
                # Not wait_for: until Python 3.12 it loses a cancellation that comes in the turn of the wake-up.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S / 2):
                        await self._wake.wait()
            await reader
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _send_due(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        now = time.monotonic()
        for item in [item for item, at in self._unsent.items() if at <= now]:
            del self._unsent[item]
            self._ids += 1
            await socket.send_json({"type": "press", "id": self._ids, "item": item, "n": self.sent[item]})
        silent_s = now - self._heard_at
        if now >= self._leave_at:
            raise ToldToLeaveError
        if silent_s > PING_INTERVAL_S + PONG_WITHIN_S:
            raise LeftError("silent")
        if silent_s > PING_INTERVAL_S and not self._pinged:
            self._pinged = True
            await socket.send_json({"type": "ping"})

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            self._take(await _receive(socket))

    def _take(self, message: dict[str, Any]) -> None:
        self._heard_at, self._pinged = time.monotonic(), False
        match message["type"]:
            case "pressed":
                self._pressed(message)
            case "counts":
                self._show(message["counts"])
            case "leaving":
                self._leave_at = time.monotonic() + message["after"]
            case "error":
                self._refused(message)

    def _pressed(self, message: dict[str, Any]) -> None:
        item, n = message["item"], message["n"]
        if message["copies"] < message["wanted"]:
            return
        if n > self.saved.get(item, 0):
            self.saved[item] = n
            waited_s = time.monotonic() - self._unsaved_since.pop(item, time.monotonic())
            self.longest_wait_s = max(waited_s, self.longest_wait_s)
            self._history.add("saved", who=self.number, item=item, actor=self._actor(item), n=n)

    def _show(self, counts: dict[str, int]) -> None:
        for item, count in counts.items():
            before = self._counts.get(item, -1)
            self._counts[item] = count
            if count < before:
                self._history.add("fell", who=self.number, item=item, count=count)
            elif count > before:
                self._history.show(self.number, item, count)

    def _refused(self, error: dict[str, Any]) -> None:
        """Send everything that is not saved again, later; on another node, if this one cannot save."""
        self._history.add("refused", who=self.number, code=error["code"])
        if error["code"] == "read_only":
            self._leave_at = 0.0
        later = time.monotonic() + error.get("retry_after", RETRY_S)
        self._unsent |= {item: later for item, n in self.sent.items() if self.saved.get(item, 0) < n}


async def _receive(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    frame = await socket.receive()
    if frame.type is not aiohttp.WSMsgType.TEXT:
        raise LeftError(f"closed with {socket.close_code}")
    message: dict[str, Any] = json.loads(frame.data)
    return message
