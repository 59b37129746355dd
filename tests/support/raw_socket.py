"""A WebSocket client as cheap as one can be: a handshake and frames written by hand, no tasks, no buffers kept.

Ten thousand of these fit into one process on one core beside the node that they load. Subclasses say what a client
does (`on_open`, `on_text`, `on_end`); `crowd.py` has those that behave, `rude.py` those that do not.
"""

import asyncio
import struct
from typing import Final, cast

# The mask may be anything (RFC 6455, section 5.3); zeros leave the payload as it is.
_MASK: Final = bytes(4)
_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9


def handshake(address: str, path: str = "/live") -> bytes:
    """What a browser would send, to be let in."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    ).encode()


def text_frame(payload: bytes) -> bytes:
    """One whole masked frame."""
    return _head(_TEXT, len(payload)) + _MASK + payload


def ping_frame() -> bytes:
    return _head(_PING, 0) + _MASK


def _head(kind: int, length: int) -> bytes:
    if length < 126:
        return bytes((0x80 | kind, 0x80 | length))
    if length < 1 << 16:
        return bytes((0x80 | kind, 0x80 | 126)) + struct.pack(">H", length)
    return bytes((0x80 | kind, 0x80 | 127)) + struct.pack(">Q", length)


class RawSocket(asyncio.Protocol):
    """One connection. `status` is the handshake's HTTP status, 0 until it came; `code` what a close frame said."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.status = 0
        self.code = 0
        self.transport: asyncio.Transport
        self._unread = b""

    def on_open(self) -> None:
        """The handshake is done."""

    def on_text(self, payload: bytes) -> None:
        """A message of the node."""

    def on_end(self) -> None:
        """The connection is gone, whoever ended it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own says that it is none
        self.transport.write(handshake(self.address))

    def connection_lost(self, error: Exception | None) -> None:
        self.on_end()

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        if not self.status:
            data = self._read_head(data)
        self._unread = self._read_frames(data) if self.status == 101 else data

    def _read_head(self, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return data
        self.status = int(head.split(b" ", 2)[1])
        if self.status == 101:
            self.on_open()
        else:
            self.transport.close()
        return rest

    def _read_frames(self, data: bytes) -> bytes:
        """The unread rest."""
        while len(data) >= 2:
            kind, length, start = data[0] & 0xF, data[1], 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(data[2:start], "big")
            if len(data) < start + length:
                break
            self._take(kind, data[start : start + length])
            data = data[start + length :]
        return data

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _TEXT:
            self.on_text(payload)
        elif kind == _CLOSE:
            self.code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.transport.close()
