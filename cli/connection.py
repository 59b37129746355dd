"""The WebSocket to one node: dialling it, one frame out, one frame in, and why it ended.

Owned by one task of `session`, which is its only reader and its only writer: sends never overlap.
Another library's exceptions stop here and become `ConnectionEndedError`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from cli import wire
from cli.addresses import trouble_with

DIAL_S: Final = 5.0
CLOSE_S: Final = 1.0
# A node from which nothing comes is pinged after this, and left when it does not answer within half of it: a frozen
# one is left after 6 s, so people are back within ten.
HEARTBEAT_S: Final = 4.0
# Ours to the node are at most 4 KiB; what a node sends may hold a hundred items of 200 characters.
FRAME_MAX: Final = 256 * 1024
# Section 5: after these, and 45xx, the same client would be refused again.
_FINAL_CODES: Final = frozenset((1002, 1003, 1007, 1008, 1009))


class ConnectionEndedError(Exception):
    """There is no connection (any more). `code` is the WebSocket close code, or None if it broke or never was."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code
        # Whether it is no use to connect again.
        self.is_final = code is not None and (code in _FINAL_CODES or 4500 <= code < 4600)


class Connection:
    """One open WebSocket. Use `dial`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: wire.Outgoing) -> None:
        try:
            await self._socket.send_str(wire.encode(frame))
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ConnectionEndedError(f"cannot send: {error}") from error

    async def receive(self, within_s: float) -> str | None:
        """The next frame, or None if none comes in this time."""
        try:
            message = await self._socket.receive(timeout=within_s)
        except TimeoutError:
            return None
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data)
            case aiohttp.WSMsgType.BINARY:
                raise ConnectionEndedError("the node sent a binary frame: it does not speak this protocol")
            case aiohttp.WSMsgType.CLOSE:
                # The frame's own code: the socket's may be 1006 by now, if the node was gone before our answer.
                why = f"the node closed the connection ({message.data} {message.extra or ''})"
                raise ConnectionEndedError(why, message.data)
        # The socket's code tells what we found wrong with a frame, such as its size.
        raise ConnectionEndedError("the connection broke, or the node fell silent", self._socket.close_code)


@asynccontextmanager
async def dial(http: aiohttp.ClientSession, address: str) -> AsyncIterator[Connection]:
    """A connection to a node; raises `ConnectionEndedError` after at most `DIAL_S`."""
    timeout = aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
    try:
        async with asyncio.timeout(DIAL_S):
            socket = await http.ws_connect(
                f"{address}/live", max_msg_size=FRAME_MAX, timeout=timeout, heartbeat=HEARTBEAT_S
            )
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise ConnectionEndedError(trouble_with(address, error)) from error
    try:
        yield Connection(socket)
    finally:
        await socket.close()
