"""One browser's WebSocket: the node's own protocol on a transport that aiohttp has let go of (`app.handshake`).

1. What comes is read by `app.frames` as it comes, without a task. Where `hold` of its owner says how long, the rest
   waits, and the transport is not read from: TCP then holds the client back.
2. What is sent within one turn of the loop leaves in one write, in order, in whole frames.
3. Over `BACKLOG_BYTES_MAX` unsent bytes the connection is closed: buffering more would freeze the loop. Who pushes
   looks after that by itself (`app.hub`).
4. A closed connection takes nothing more and hears nothing more. It ends when the client has said its close too,
   and is aborted after `LINGER_S` if it does not: a close that waits for unsent bytes waits for ever.

Made by `app.live`; sessions and the hub know it as `Outlet`.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, Protocol

import structlog

from app import frames, wire
from app.frames import Event, FrameReader
from app.pace import WORK_PER_TURN, Pace

BACKLOG_BYTES_MAX: Final = 256 * 1024
LINGER_S: Final = 1.0
# The longest message fits.
READ_BYTES: Final = 8 * 1024
# RFC 6455, section 7.4.1.
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_INTERNAL_ERROR: Final = 1011
CLOSE_NORMAL: Final = 1000

_log = structlog.get_logger(__name__)


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


class Conversation(Protocol):
    """Whose messages these are: what a connection tells its session."""

    work: int

    def receive(self, text: bytes) -> None:
        """A message of the client."""


class Owner(Protocol):
    """Whose connections these are."""

    def hold_s(self, connection: "Connection", session: Conversation) -> float | None:
        """How long the client's next message has to wait; None: not at all."""

    def lost(self, connection: "Connection") -> None:
        """It is gone; called once."""


class Connection(asyncio.Protocol):
    """An accepted WebSocket. `session` is None before it begins and after it has ended."""

    __slots__ = (
        "_held", "_is_closing", "_is_waiting", "_look_at", "_loop", "_outbox", "_owner", "_reader", "_transport",
        "_unread", "heard_at", "pace", "session",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, owner: Owner) -> None:
        self._transport = transport
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(wire.MESSAGE_BYTES_MAX)
        self._outbox: list[bytes] = []
        # Messages that wait until the client may be heard again, and what came behind them; None: nothing waits.
        self._held: deque[Event] | None = None
        self._unread = b""
        self._is_waiting = False
        self._is_closing = False
        self._look_at = 0
        self.heard_at = self._loop.time()
        self.pace: Pace | None = None
        self.session: Conversation | None = None

    # -- what goes out

    def send(self, frame: bytes) -> None:
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(frame)

    def push(self, frames: bytes) -> None:
        if self._outbox:
            self._outbox.append(frames)
            self._flush()
        elif not self._is_closing:
            self._transport.write(frames)

    def backlog_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    def close(self, code: int, reason: str = "") -> None:
        if not self._is_closing:
            self._flush()
            self._end(frames.close_frame(code, reason))

    def _end(self, last: bytes) -> None:
        """Say this, and nothing after it."""
        if self._is_closing:
            return
        self._is_closing = True
        if not self._transport.is_closing():
            self._transport.write(last)
            self._loop.call_later(LINGER_S, self._transport.abort)

    def _flush(self) -> None:
        if not self._outbox:
            return
        joined = b"".join(self._outbox)
        self._outbox.clear()
        if self._is_closing or self._transport.is_closing():
            return
        self._transport.write(joined)
        if self.backlog_bytes() > BACKLOG_BYTES_MAX:
            self.close(wire.CLOSE_TOO_SLOW)

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._held is not None:
            self._unread += data
        elif len(data) <= READ_BYTES:
            self._take(self._feed(data))
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """In parts: what has to wait is kept as it came, for a message of six bytes is a hundred when read."""
        for at in range(0, len(data), READ_BYTES):
            self._take(self._feed(data[at : at + READ_BYTES]))
            if self._held is not None:
                self._unread = data[at + READ_BYTES :]
                return

    def _feed(self, data: bytes) -> list[Event]:
        events = self._reader.feed(data)
        if self._reader.fragments:
            if self.session is not None:
                self.session.work += self._reader.fragments
            self._reader.fragments = 0
        return events

    def eof_received(self) -> None:
        """The transport closes itself; `connection_lost` follows."""

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closing = True
        self._held, self._unread = None, b""
        self._outbox.clear()
        self._owner.lost(self)

    def _take(self, events: Iterable[Event]) -> None:
        """Hear these; where the client has to wait, the rest stays."""
        rest = iter(events)
        try:
            for opcode, payload in rest:
                self._hear(opcode, payload)
                session = self.session
                if session is not None and session.work >= self._look_at and self._must_wait(session, rest):
                    return
            if self.session is not None and self._must_wait(self.session, rest):
                return
        except Exception:  # noqa: BLE001 - logged, and told to the client
            # The handshake is done, so no HTTP answer can tell of it any more.
            _log.exception("live.failed")
            self.close(CLOSE_INTERNAL_ERROR)
            return
        if self._reader.violation is not None:
            self.close(*self._reader.violation)

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            # Section 5.5.1: the code is said back, and whoever says the last word closes.
            code = int.from_bytes(payload[:2]) if payload else CLOSE_NORMAL
            self._flush()
            self._end(frames.close_frame(code))
            self._transport.close()
        elif self._is_closing or self.session is None:
            return
        elif opcode == frames.TEXT:
            self.session.receive(payload)
        elif opcode == frames.BINARY:
            self.close(CLOSE_UNSUPPORTED)
        else:
            self.session.work += 1
            if opcode == frames.PING:
                self.send(wire.pong_frame(payload))

    def _must_wait(self, session: Conversation, rest: Iterable[Event]) -> bool:
        """Looked at with every read, and where it brings much, in between."""
        self._look_at = session.work + WORK_PER_TURN
        hold_s = self._owner.hold_s(self, session)
        if hold_s is not None:
            self._hold(deque(rest), hold_s)
        return hold_s is not None

    def _hold(self, events: deque[Event], seconds: float) -> None:
        # Not twice: what is heard after a wait may have to wait again.
        if not self._is_waiting:
            self._is_waiting = True
            self._transport.pause_reading()
        self._held = events
        if seconds > 0:
            self._loop.call_later(seconds, self._go_on)
        else:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Look whether the client may be heard again."""
        if self._held is None:
            return
        if self.session is not None and not self._is_closing:
            hold_s = self._owner.hold_s(self, self.session)
            if hold_s is not None:
                self._hold(self._held, hold_s)
                return
        held, self._held = self._held, None
        self._take(held)
        if self._held is None:
            unread, self._unread = self._unread, b""
            self._read(unread)
        if self._held is None and not self._transport.is_closing():
            self._is_waiting = False
            self._transport.resume_reading()
