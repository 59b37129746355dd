"""A WebSocket client that speaks the browser protocol (docs/protocol.md), one connection long.

It owns its numbers as a page does: a press raises the own tally before it is sent, and the target is absolute.
What the node sends is kept: the last `counts` and `mine`, every `pressed`, every error, and why it closed.
`Visitor` in `visitor.py` is the one that reconnects.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from tests.support.waiting import wait_for

Message = dict[str, Any]

HELLO_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 5.0


class ConnectionEndedError(Exception):
    """The node ended the connection before it said what the test waits for."""


class Browser:
    """One connection to /live. Use `await Browser.connect(address)` or as an async context manager."""

    def __init__(self, address: str, *, token: str | None = None, tab: str | None = None) -> None:
        self.address = address.rstrip("/")
        self.tab = tab
        self.token = token
        self.node = ""
        self.counts: dict[str, int] = {}
        self.mine: dict[str, Message] = {}
        self.received: list[Message] = []
        self.close_code: int | None = None
        self.own: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}
        self._last_id = 0
        self._session: aiohttp.ClientSession | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        token: str | None = None,
        tab: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Self:
        browser = cls(address, token=token, tab=tab)
        await browser.open(headers or {})
        return browser

    async def open(self, headers: dict[str, str]) -> None:
        """Connect and wait for the node's hello; with a token or a tab of our own, say who we are."""
        self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                # A frozen node would otherwise let `close` wait 10 s for its part of the farewell.
                patience = aiohttp.ClientWSTimeout(ws_close=0.5)
                self._socket = await self._session.ws_connect(
                    f"{self.address}/live", headers=headers, timeout=patience
                )
                self._reader = asyncio.create_task(self._read())
                first = await self.wait_for_message("hello", HELLO_WITHIN_S)
            self.node = first["node"]
            if self.token is None and self.tab is None:
                self.token = first["token"]
            else:
                await self.hello(self.token or first["token"], self.tab)
        except BaseException:
            await self.close()
            raise

    async def __aenter__(self) -> Self:
        if self._session is None:
            await self.open({})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        try:
            if self._reader is not None:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)
                await self._socket.close()
        finally:  # also if the test has lost patience meanwhile
            if self._session is not None:
                await self._session.close()

    @property
    def is_open(self) -> bool:
        return self.close_code is None and self._session is not None and not self._session.closed

    @property
    def host(self) -> str:
        """What the Host header says: with the port."""
        return urlsplit(self.address).netloc

    async def hello(self, token: str, tab: str | None = None) -> Message:
        """Later presses are this visitor's; the answer brings the token signed anew."""
        message: Message = {"type": "hello", "token": token}
        if tab is not None:
            message["tab"] = tab
        answer = await self.ask(message, "hello")
        self.token, self.tab = answer.get("token", token), tab
        return answer

    async def watch(self, *items: str) -> dict[str, int]:
        """Watch the items and wait until their counts came."""
        await self.send({"type": "watch", "items": list(items)})
        await wait_for(
            lambda: all(item in self.counts for item in items),
            ANSWER_WITHIN_S,
            f"counts of {items} from {self.node}",
        )
        return {item: self.counts[item] for item in items}

    async def press(self, item: str, times: int = 1, within_s: float = ANSWER_WITHIN_S) -> Message:
        """Press and wait for the acknowledgement: the `pressed` that has all the copies it wants."""
        number = await self.send_press(item, times)
        return await self.wait_until_acknowledged(number, within_s)

    async def send_press(self, item: str, times: int = 1) -> int:
        """Raise the own tally, send it as the target, do not wait. The id of the message."""
        self.own[item] = self.own.get(item, 0) + times
        return await self.send_target(item, self.own[item])

    async def send_target(self, item: str, n: int, **more: object) -> int:
        """Send "my tally is n", also one sent before: a repetition."""
        self._last_id += 1
        await self.send({"type": "press", "id": self._last_id, "item": item, "n": n, **more})
        return self._last_id

    async def wait_until_acknowledged(self, number: int, within_s: float = ANSWER_WITHIN_S) -> Message:
        """The last answer to this press; AssertionError if it was refused.

        Only the newest press per item is owed its last answer, so an answer to a later one for as much counts.
        """

        def answers(message: Message) -> bool:
            if message["type"] == "error" and message.get("id") == number:
                raise AssertionError(f"press {number} was refused: {message}")
            return is_last_answer(message) and message["id"] >= number

        return await self._first(answers, within_s, f"the acknowledgement of press {number}")

    async def wait_for_count(self, item: str, count: int, within_s: float = ANSWER_WITHIN_S) -> None:
        await wait_for(
            lambda: self.counts.get(item) == count,
            within_s, lambda: f"{self.node} to push {item} = {count}, it pushed {self.counts.get(item)}",
        )  # fmt: skip

    async def wait_for_tally(self, item: str, n: int, within_s: float = ANSWER_WITHIN_S) -> None:
        """Wait for a `mine` with this tally."""
        await wait_for(
            lambda: self.mine.get(item, {}).get("n") == n,
            within_s, lambda: f"mine {item} = {n}, last {self.mine.get(item)}",
        )  # fmt: skip

    async def wait_for_error(self, code: str, within_s: float = ANSWER_WITHIN_S) -> Message:
        return await self._first(lambda m: m["type"] == "error" and m["code"] == code, within_s, f"error {code}")

    async def wait_for_message(self, kind: str, within_s: float = ANSWER_WITHIN_S, *, after: int = 0) -> Message:
        """The first message of this type, of those received from position `after` on."""
        return await self._first(lambda message: message["type"] == kind, within_s, f"a {kind}", after=after)

    async def wait_until_closed(self, within_s: float = ANSWER_WITHIN_S) -> int:
        """The close code; 1006 where the connection just ended."""
        await wait_for(lambda: self.close_code is not None, within_s, "the node to close")
        assert self.close_code is not None
        return self.close_code

    async def ask(self, message: Message, kind: str) -> Message:
        """Send a message and wait for the next one of this type."""
        after = len(self.received)
        await self.send(message)
        return await self.wait_for_message(kind, after=after)

    async def send(self, message: Message) -> None:
        await self._socket.send_json(message)

    async def send_text(self, text: str) -> None:
        """Anything, for tests of bad input."""
        await self._socket.send_str(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def _first(
        self, wanted: Callable[[Message], bool], within_s: float, say: str, *, after: int = 0
    ) -> Message:
        """The first wanted message of those received from position `after` on; each is looked at once."""
        looked_at = after

        def found() -> Message | None:
            nonlocal looked_at
            while looked_at < len(self.received):
                message = self.received[looked_at]
                looked_at += 1
                if wanted(message):
                    return message
            if self.close_code is not None:
                raise ConnectionEndedError(f"{self.node or self.address} closed with {self.close_code}")
            return None

        message = await wait_for(found, within_s, lambda: f"{say}; received {self.received[-5:]}")
        assert message is not None
        return message

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._take(frame.json())
        self.close_code = self._socket.close_code or 1006

    def _take(self, message: Message) -> None:
        self.received.append(message)
        if message["type"] == "counts":
            self.counts |= message["counts"]
        elif message["type"] == "mine":
            self.mine |= message["tallies"]
        elif is_last_answer(message):
            item = message["item"]
            self.acknowledged[item] = max(self.acknowledged.get(item, 0), message["n"])


def is_last_answer(message: Message) -> bool:
    """Whether this is the `pressed` that *acknowledged* means."""
    return bool(message["type"] == "pressed" and message["copies"] >= message["wanted"])
