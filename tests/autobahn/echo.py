"""Three servers that send every message back: a node's connection, its frames alone, and aiohttp's own.

1. The connection is a node's own, from the handshake on, but for the session: whoever hears a text sends it back.
   It takes no binary messages, so nobody can ask it for some; and here it takes messages as long as the suite's.
2. `app.frames` is on a transport with nothing between, and takes binary messages too. Its handshake believes
   whatever is asked.

For Autobahn's suite only, on loopback.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha1
from typing import Final, cast

from aiohttp import WSMsgType, web

from app import connection, wire
from app.connection import Connection
from app.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, close_frame
from app.handshake import TakenOver, accepted, take_over
from app.outboxes import Outboxes

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
        # uvloop's is one, and says that it is not.
        self._transport = cast("asyncio.Transport", transport)

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


class _Session:
    """Sends each text back."""

    work = 0

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self, text: bytes) -> None:
        self._connection.send(_frame(TEXT, text))

    def fell_behind(self) -> None:
        """What waits is the suite's to read."""

    caught_up = end = fell_behind


class _Owner:
    """Lets everybody speak."""

    def hold_s(self, connection: Connection, session: object) -> None:
        return None

    def lost(self, connection: Connection) -> None:
        """Nothing is kept of it."""


async def serve_connection() -> web.AppRunner:
    """A node's, on a port that was free: the runner's only address."""
    wire.MESSAGE_BYTES_MAX = connection.BACKLOG_BYTES_MAX = MESSAGE_BYTES_MAX  # type: ignore[misc]
    owner, outboxes = _Owner(), Outboxes(asyncio.get_running_loop())

    async def live(request: web.Request) -> web.StreamResponse:
        answer = accepted(request)
        assert request.transport is not None
        taken = Connection(request.transport, owner, outboxes)
        ahead = take_over(request, request.transport, taken, answer)
        taken.session = _Session(taken)
        if ahead:
            taken.data_received(ahead)
        return TakenOver()

    return await _serve(live)


async def serve_aiohttp() -> web.AppRunner:
    """aiohttp's, likewise."""
    return await _serve(_echo)


async def _serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/", handler)
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
