"""The WebSocket handshake, and how a connection goes from aiohttp to the node's own protocol.

aiohttp routes the request and checks its form; its own WebSocket would then keep some 14 KB of each connection, a
tenth of which is enough (docs/decisions/0017-own-websocket.md).

1. What a handshake has to say is checked as RFC 6455, section 4.2.1, asks; nothing is negotiated.
2. aiohttp is made to let go before the first byte is written: from then on the transport is ours alone.
"""

import asyncio
import binascii
from base64 import b64decode, b64encode
from hashlib import sha1
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_VERSION: Final = "13"
_ACCEPTED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)  # fmt: skip


class TakenOver(web.StreamResponse):
    """What a handler returns when the answer was written past aiohttp: nothing is left to do."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Not an answer of aiohttp's."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


def accepted(request: web.Request) -> bytes:
    """The answer to a handshake. Raises an HTTP error for one that is none."""
    if "websocket" not in _words(request, hdrs.UPGRADE):
        raise web.HTTPUpgradeRequired(headers={hdrs.UPGRADE: "websocket"})
    if "upgrade" not in _words(request, hdrs.CONNECTION):
        raise web.HTTPBadRequest(reason="a WebSocket handshake says Connection: Upgrade")
    if request.version < HttpVersion11:
        raise web.HTTPBadRequest(reason="a WebSocket handshake is HTTP/1.1")
    if request.headers.getall(hdrs.SEC_WEBSOCKET_VERSION, []) != [_VERSION]:
        raise web.HTTPUpgradeRequired(headers={hdrs.UPGRADE: "websocket", hdrs.SEC_WEBSOCKET_VERSION: _VERSION})
    # A body would be read as frames.
    if hdrs.TRANSFER_ENCODING in request.headers or request.content_length:
        raise web.HTTPBadRequest(reason="a WebSocket handshake has no body")
    # A byte that is no UTF-8 has come as a surrogate, and is no base64 either. Two keys are none.
    key = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_KEY, [])).strip().encode(errors="replace")
    if not _is_key(key):
        raise web.HTTPBadRequest(reason="Sec-WebSocket-Key is 16 bytes in base64")
    return _ACCEPTED % b64encode(sha1(key + _GUID).digest())  # noqa: S324 - what the RFC asks for


def _words(request: web.Request, header: str) -> set[str]:
    """Of a header that is a list, in one line or in several."""
    return {word.strip() for line in request.headers.getall(header, []) for word in line.lower().split(",")}


def _is_key(key: bytes) -> bool:
    try:
        return len(b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def take_over(
    request: web.Request, transport: asyncio.Transport, protocol: asyncio.Protocol, answer: bytes
) -> bytes:
    """Give the connection to this protocol, and write the answer. Returns what the client has sent ahead of it."""
    old = request.protocol
    ahead = old._message_tail
    transport.set_protocol(protocol)
    # Without its transport it cannot close it, nor write to it; then it forgets the connection.
    old.transport = None
    old.connection_lost(None)
    # aiohttp may have stopped it, for much that was sent ahead.
    transport.resume_reading()
    transport.write(answer)
    return ahead
