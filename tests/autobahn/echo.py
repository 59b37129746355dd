"""Two servers that send every message back: `app.frames` on a transport with nothing between, and aiohttp's own.

For Autobahn's suite only, on loopback: the handshake believes whatever is asked.
"""

import asyncio
from base64 import b64encode
from hashlib import sha1
from typing import Final

from aiohttp import WSMsgType, web

from app.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, close_frame

HOST: Final = "127.0.0.1"
# More than any case of the suite sends.
MESSAGE_BYTES_MAX: Final = 1 << 24

_FINAL: Final = 0x80
_HANDSHAKE_END: Final = b"\r\n\r\n"
_ANSWERS: Final = {TEXT: TEXT, BINARY: BINARY, PING: PONG, CLOSE: CLOSE}


class Echo(asyncio.Protocol):
    """One connection: its handshake, and then frames until either side closes."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._request: bytes | None = b""
        self._reader = FrameReader(MESSAGE_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._request is None:
            self._answer(data)
            return
        self._request += data
        request, end, data = self._request.partition(_HANDSHAKE_END)
        if end:
            self._request = None
            self._transport.write(_accept(request))
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        for opcode, payload in self._reader.feed(data):
            if opcode in _ANSWERS:
                self._transport.write(_frame(_ANSWERS[opcode], payload))
            if opcode == CLOSE:
                self._transport.close()
        if self._reader.violation is not None and not self._transport.is_closing():
            self._transport.write(close_frame(*self._reader.violation))
            self._transport.close()


def _accept(request: bytes) -> bytes:
    """RFC 6455, section 4.2.2."""
    lines = (line.partition(b":") for line in request.split(b"\r\n"))
    headers = {name.lower(): value.strip() for name, _, value in lines}
    proof = sha1(headers[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + b64encode(proof) + _HANDSHAKE_END


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes((size,))
    elif size < 1 << 16:
        length = b"\x7e" + size.to_bytes(2)
    else:
        length = b"\x7f" + size.to_bytes(8)
    return bytes((_FINAL | opcode,)) + length + payload


async def serve_frames() -> asyncio.Server:
    """Ours, on a port that was free."""
    return await asyncio.get_running_loop().create_server(Echo, HOST, 0)


async def serve_aiohttp() -> web.AppRunner:
    """aiohttp's, on a port that was free: the runner's only address."""
    app = web.Application()
    app.router.add_get("/", _echo)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    return runner


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_BYTES_MAX)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket
