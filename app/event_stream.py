"""What a node says to a browser, as an event stream: for whom no WebSocket comes through, and for `EventSource`.

1. The same messages as on a WebSocket, in the same order: each is the data of one event. Nothing comes in; what is
   watched, and by whom, was said in the request.
2. Sessions and the hub write the frames of a WebSocket; their payloads are taken out of them here.
3. It gives a sign of life by itself, since nobody can ask for it.
4. It ends by an event `close` with the code that a WebSocket would be closed with. One that is asked to end does so
   when all was told that is true now, without that event: then it is the answer to a poll.

Made by `app.live`.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from app import guards, wire
from app.connection import Connection, Owner
from app.outboxes import Outboxes
from app.problems import RefusedError
from app.session import ITEMS_MAX

BEAT_S: Final = 2.0
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
)
_PONG: Final = wire.frame(wire.Pong())


class EventStream(Connection):
    """A connection that only speaks. `ends` when all was told that is true now."""

    __slots__ = ("_beating", "_ends")

    def __init__(self, transport: asyncio.Transport, owner: Owner, outboxes: Outboxes, *, ends: bool) -> None:
        super().__init__(transport, owner, outboxes)
        self._ends = ends
        self.write = self._write_events
        self._beating = self._loop.call_later(BEAT_S, self._beat)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        # A ring with itself, and one that waits for its time, would be left to the collector.
        self._beating.cancel()
        self.write = _nowhere

    def _write_events(self, frames: bytes) -> int:
        """All of it is taken: what the socket does not take waits in the transport."""
        super().keep(b"".join(_events(frames)))
        return len(frames)

    def keep(self, rest: bytes) -> None:
        self._write_events(rest)

    def flush(self) -> None:
        super().flush()
        if self._ends and self.session is not None and not self.session.unanswered:
            self.finish()

    def finish(self) -> None:
        """Without a close event: what asks again is not told to go elsewhere."""
        self._stop()
        self._transport.close()
        self._abort_later()

    def close(self, code: int, reason: str = "") -> None:
        super().close(code, reason)
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Nobody asks anything here."""

    def _beat(self) -> None:
        if self._is_closing:
            return
        # Who does not take it is soon a slow watcher: nobody is kept who is gone, though nothing is heard of them.
        self.heard_at = self._loop.time()
        self.send(_PONG)
        self._beating = self._loop.call_later(BEAT_S, self._beat)


def _nowhere(frames: bytes) -> int:
    """Where a stream that is gone writes to."""
    return len(frames)


def _events(frames: bytes) -> Iterator[bytes]:
    """Each message as an event (WHATWG HTML, section 9.2.5), and a close frame as one that says its code."""
    for first, payload in wire.payloads(frames):
        if first == wire.TEXT:
            yield b"data: %b\n\n" % payload
        else:
            yield b"event: close\ndata: %d\n\n" % int.from_bytes(payload[:2], "big")


def wishes_of(request: web.Request) -> list[wire.Hello | wire.Watch]:
    """What a client would say on a WebSocket: who it is, and what it watches. Raises `RefusedError`."""
    items = request.query.getall("item", [])
    if len(set(items)) > ITEMS_MAX:
        raise RefusedError("too_many_items")
    token, tab = guards.bearer_token(request), request.query.get("tab")
    wishes: list[wire.Hello | wire.Watch] = []
    if token is not None or tab is not None:
        wishes.append(wire.Hello(token, tab))
    if items:
        wishes.append(wire.Watch(items))
    return wishes


def head_for(request: web.Request) -> bytes:
    """The answer's status and headers."""
    named = guards.cors_headers(request).items()
    return HEAD + "".join(f"{name}: {value}\r\n" for name, value in named).encode("latin-1") + b"\r\n"
