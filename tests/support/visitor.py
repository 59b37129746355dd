"""A person with a page open: presses until they are acknowledged, over as many connections as it takes.

It keeps to what docs/protocol.md asks of a page: it owns its number and sends it again after every reconnect,
gives a connection 5 s to say hello, asks a silent one for a pong, waits with full jitter between tries, and follows
a `leaving`. Its presses go to one item, from one tab.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.support.browser import Browser, ConnectionEndedError
from tests.support.waiting import wait_for

# The numbers of the page, in app/static/timing.js.
PING_INTERVAL_S: Final = 2.0
PONG_WITHIN_S: Final = 3.0
FIRST_PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 10.0

# What an attempt or a connection ends with when the node or nginx is at fault, and the visitor tries again.
_TRY_AGAIN: Final = (aiohttp.ClientError, OSError, TimeoutError, AssertionError, ConnectionEndedError)


class Visitor:
    """`async with Visitor([nginx.address]) as visitor: visitor.press(); await visitor.wait_until_saved()`."""

    def __init__(self, addresses: Sequence[str], item: str = "tap:home") -> None:
        """Connects to the addresses in turn; nginx's alone is what a page has."""
        self.item = item
        self.pressed = 0
        self.saved = 0
        self.node = ""
        self.connections = 0
        self.errors: list[str] = []
        self.outages_s: list[float] = []
        self._addresses = list(addresses)
        self._token: str | None = None
        self._tab = secrets.token_hex(8)
        self._browser: Browser | None = None
        self._lost_at: float | None = None
        self._wake = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live())
        await wait_for(lambda: self.is_connected, 10, "the visitor's first connection")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._life is not None
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)

    @property
    def is_connected(self) -> bool:
        return self._browser is not None and self._browser.is_open

    def press(self, times: int = 1) -> None:
        """Press now; it is sent when there is a connection, and again until it is acknowledged."""
        self.pressed += times
        self._wake.set()

    async def press_steadily(self, per_second: float, until: asyncio.Event) -> None:
        while not until.is_set():
            self.press()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1 / per_second):
                    await until.wait()

    async def wait_until_saved(self, within_s: float = 10.0) -> None:
        """Every press so far is acknowledged."""
        await wait_for(
            lambda: self.saved >= self.pressed,
            within_s,
            lambda: f"{self.pressed} presses to be saved, {self.saved} are (on {self.node}, {self.errors})",
        )

    async def _live(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            address = self._addresses[self.connections % len(self._addresses)]
            try:
                self.connections += 1
                async with await Browser.connect(address, token=self._token, tab=self._tab) as self._browser:
                    pause_s = FIRST_PAUSE_S
                    await self._serve(self._browser)
            except _TRY_AGAIN as error:
                self.errors.append(f"{self.node}: {error!r}")
            self._browser = None
            self._lost_at = self._lost_at or time.monotonic()
            await asyncio.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def _serve(self, browser: Browser) -> None:
        """Until this connection ends, falls silent or is told to go elsewhere."""
        self.node, self._token = browser.node, browser.token
        await browser.watch(self.item)
        if self._lost_at is not None:
            self.outages_s.append(time.monotonic() - self._lost_at)
            self._lost_at = None
        sent, ping_at = 0, time.monotonic() + PING_INTERVAL_S
        while browser.is_open:
            self.saved = max(self.saved, browser.acknowledged.get(self.item, 0))
            if self.pressed > sent:
                sent = self.pressed
                await browser.send_target(self.item, sent)
            if time.monotonic() > ping_at:
                self._lost_at = time.monotonic() - PING_INTERVAL_S
                await asyncio.wait_for(browser.ask({"type": "ping"}, "pong"), PONG_WITHIN_S)
                self._lost_at, ping_at = None, time.monotonic() + PING_INTERVAL_S
            if leaving := next((each for each in browser.received if each["type"] == "leaving"), None):
                await asyncio.sleep(leaving["after"])
                self.saved = max(self.saved, browser.acknowledged.get(self.item, 0))
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await self._wake.wait()
            self._wake.clear()
