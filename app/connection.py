"""The socket side of one browser connection: whole frames out, joined, and never more than a client reads.

1. Frames are written synchronously to the transport, whole, so they never tear aiohttp's own close frames,
   and no task waits for a client that does not read.
2. What is sent within one turn of the loop leaves in one write, in order.
3. Over `BACKLOG_BYTES_MAX` unsent bytes the connection is closed: buffering more would freeze the loop. Who
   pushes looks after that by itself (`app.hub`).
4. A closed connection takes nothing more, and is aborted after `LINGER_S` if its client does not let go:
   a close that waits for unsent bytes waits for ever.

Made by `app.live`; sessions and the hub know it as `Outlet`.
"""

import asyncio
from typing import Final, Protocol

from aiohttp import web

from app import wire

BACKLOG_BYTES_MAX: Final = 256 * 1024
LINGER_S: Final = 1.0


class Outlet(Protocol):
    """Where a session's frames go."""

    def send(self, frame: bytes) -> None:
        """At the end of this turn of the loop, joined with what else was sent in it."""

    def push(self, frames: bytes) -> None:
        """Now, behind what was sent in this turn."""

    def backlog_bytes(self) -> int:
        """How much of what was sent the client has not taken off our hands."""

    def close(self, code: int) -> None:
        """Say why, and let go."""


class Connection:
    """One accepted WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._socket = socket
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._outbox: list[bytes] = []
        self._closing: asyncio.Task[bool] | None = None
        self.heard_at = self._loop.time()

    def send(self, frame: bytes) -> None:
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(frame)

    def push(self, frames: bytes) -> None:
        if self._outbox:
            self._outbox.append(frames)
            self._flush()
        elif not self.is_closing:
            self._transport.write(frames)

    def backlog_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        return self._closing is not None or self._transport.is_closing()

    def close(self, code: int) -> None:
        if self._closing is None:
            self._flush()
            self._closing = self._loop.create_task(self._socket.close(code=code, drain=False))
            self.release()

    def release(self) -> None:
        """The handler is done, or wants to be: whatever is still unsent has this long to leave."""
        self._loop.call_later(LINGER_S, self._transport.abort)

    def _flush(self) -> None:
        if not self._outbox:
            return
        frames = b"".join(self._outbox)
        self._outbox.clear()
        if self.is_closing or self._socket.closed:
            return
        self._transport.write(frames)
        if self.backlog_bytes() > BACKLOG_BYTES_MAX:
            self.close(wire.CLOSE_TOO_SLOW)
