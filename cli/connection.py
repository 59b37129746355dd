"""The WebSocket to one node: dialling it, one frame out, one frame in, and why it ended.

Owned by one task of `session`, which is its only reader and its only writer: sends never overlap.
Another library's exceptions stop here and become `ConnectionEndedError`.
"""

import asyncio
from types import TracebackType
from typing import Final

import aiohttp

from cli import wire

DIAL_S: Final = 5.0
SEND_S: Final = 5.0
CLOSE_S: Final = 1.0
# Ours to the node are at most 4 KiB; what a node sends may hold a hundred items of 200 characters.
FRAME_MAX: Final = 256 * 1024
# Section 5: after these the same client would be refused again.
_FINAL_CODES: Final = frozenset((1002, 1003, 1007, 1008, 1009))
_WORDS: Final = {
    4001: "the node is leaving",
    4002: "this connection was too slow",
    4003: "the node did not hear from us",
    4004: "the node is overloaded",
    4500: "the node says that this client broke the protocol",
    4502: "the node refuses this origin",
}


class ConnectionEndedError(Exception):
    """There is no connection (any more). `code` is the WebSocket close code, or None if it broke or never was."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code

    @property
    def is_final(self) -> bool:
        """Whether it is no use to connect again."""
        return self.code is not None and (self.code in _FINAL_CODES or 4500 <= self.code < 4600)


def _ended(code: int | None, reason: str | None) -> ConnectionEndedError:
    words = _WORDS.get(code or 0, "the connection was closed")
    return ConnectionEndedError(f"{words}: {reason}" if reason else words, code)


class Connection:
    """One open WebSocket. Use `dial`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._reading: asyncio.Task[aiohttp.WSMessage] | None = None

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._socket.close()

    async def send(self, frame: wire.Outgoing) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._socket.send_str(wire.encode(frame))
        except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
            raise ConnectionEndedError(f"cannot send: {error or 'the node does not read'}") from error

    async def receive(self, wake: asyncio.Event, within_s: float) -> str | None:
        """The next frame, or None when `wake` is set or the time is over; what arrives later is not lost."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._socket.receive())
        waking = asyncio.create_task(wake.wait())
        try:
            await asyncio.wait((self._reading, waking), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        if not self._reading.done():
            return None
        message, self._reading = self._reading.result(), None
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if message.type is aiohttp.WSMsgType.BINARY:
            raise ConnectionEndedError("the node sent a binary frame: it does not speak this protocol")
        # The frame's own code: the socket's may be 1006 by now, if the node was gone before our answer to it.
        is_close = message.type is aiohttp.WSMsgType.CLOSE
        raise _ended(message.data if is_close else self._socket.close_code, message.extra)


async def dial(http: aiohttp.ClientSession, address: str) -> Connection:
    """Connect to a node; raises `ConnectionEndedError` after at most `DIAL_S`."""
    try:
        async with asyncio.timeout(DIAL_S):
            socket = await http.ws_connect(
                f"{address}/live",
                max_msg_size=FRAME_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
    except TimeoutError as error:
        raise ConnectionEndedError(f"no answer within {DIAL_S:.0f} s") from error
    except aiohttp.WSServerHandshakeError as error:
        raise ConnectionEndedError(f"HTTP {error.status} instead of a WebSocket") from error
    except aiohttp.ClientConnectorError as error:
        raise ConnectionEndedError(f"nobody answers at {address}") from error
    except (OSError, aiohttp.ClientError) as error:
        raise ConnectionEndedError(str(error) or type(error).__name__) from error
    return Connection(socket)
