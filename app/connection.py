"""One browser's WebSocket: the node's own protocol on a transport that aiohttp has let go of (`app.handshake`).

1. What comes is read by `app.frames` as it comes, without a task. Where `hold_s` of its owner says how long, the
   rest waits; where that is more than a turn, or more has come, the transport is not read from: TCP then holds the
   client back.
2. What is sent within one turn of the loop leaves in one write, in order, in whole frames (`app.outboxes`).
3. It goes straight to the socket; only what that does not take is given to the transport, and then it is the
   transport's turn until all of that has left: `is_backed_up`, which the session is told. The system keeps up to
   `SOCKET_BYTES` for a client that does not read, and no more than `BACKLOG_BYTES_MAX` wait here.
4. A closed connection takes nothing more and hears nothing more, and its session is over. The stream ends behind
   the close frame: the node closes first, as RFC 6455 asks (section 7.1.1), but its own half only, so that what the
   client still sends resets nothing. It is aborted after `LINGER_S` if the client does not close too: a close that
   waits for unsent bytes waits for ever. What is unsent then is dropped: nobody else bounds what the system keeps
   for clients that are gone.

Made by `app.live`; sessions and the hub know it as `app.outlet.Outlet`.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol

import structlog
from aiohttp import WSCloseCode

from app import frames, wire
from app.frames import Event, FrameReader
from app.outboxes import Outboxes
from app.outlet import Conversation, Write
from app.pace import WORK_PER_TURN, Pace

BACKLOG_BYTES_MAX: Final = 256 * 1024
# Linux keeps twice as much, with what it needs itself: numbers that are old by the time a slow client reads them.
SOCKET_BYTES: Final = 32 * 1024
# Of a hundred that flood, Linux would keep 25 MB, to be read in one turn of the loop once they are heard again.
SOCKET_BYTES_IN: Final = 16 * 1024
LINGER_S: Final = 1.0
# For a client that is far away: a close frame may still be on its way.
LEFT_BYTES_MAX: Final = 1024
# The longest message fits.
READ_BYTES: Final = 8 * 1024
# `struct linger`: on, for 0 s. A close is a reset then, and the system keeps nothing.
_NO_LONGER: Final = struct.pack("ii", 1, 0)

_log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Whose connections these are."""

    def hold_s(self, connection: "Connection", session: Conversation) -> float | None:
        """How long the client's next message has to wait; None: not at all."""

    def lost(self, connection: "Connection") -> None:
        """It is gone, its session ended before; called once."""


class Connection(asyncio.Protocol):
    """An accepted WebSocket. `session` is None before it begins and after it has ended."""

    __slots__ = (
        "_held", "_is_closing", "_is_waiting", "_look_at", "_loop", "_outbox", "_outboxes", "_owner", "_reader",
        "_socket", "_transport", "_unread", "heard_at", "is_backed_up", "pace", "session", "write",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, owner: Owner, outboxes: Outboxes) -> None:
        self._transport, self._owner, self._outboxes = transport, owner, outboxes
        self._loop = asyncio.get_running_loop()
        # The transport's own socket, which it keeps open until after `connection_lost`.
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES_IN)
        self._socket = socket.SocketType(
            connected.family, connected.type, connected.proto, fileno=connected.fileno()
        )
        self.write: Write = self._socket.send
        # Then it says of every byte that waits, and that none does. Of those that wait already it tells whoever was
        # its protocol before, and tells us when they have left.
        transport.set_write_buffer_limits(0)
        self.is_backed_up = transport.get_write_buffer_size() > 0
        self._reader = FrameReader(wire.MESSAGE_BYTES_MAX)
        self._outbox: list[bytes] = []
        # Messages that wait until the client may be heard again, and what came behind them; None: nothing waits.
        self._held: deque[Event] | None = None
        self._unread = b""
        self._is_waiting = self._is_closing = False
        self._look_at = 0
        self.heard_at = self._loop.time()
        self.pace: Pace | None = None
        self.session: Conversation | None = None

    def __del__(self) -> None:
        """Where the loop ended before the connection did: the descriptor is the transport's to close."""
        if hasattr(self, "_socket"):
            self._socket.detach()

    # -- what goes out

    def send(self, frame: bytes) -> None:
        if not self._outbox:
            self._outboxes.add(self)
        self._outbox.append(frame)

    def flush(self) -> None:
        if self._outbox:
            joined = b"".join(self._outbox)
            self._outbox.clear()
            if not self._is_closing:
                self._write(joined)

    def _write(self, data: bytes) -> None:
        if not self.is_backed_up:
            try:
                sent = self.write(data)
            except OSError:
                sent = 0  # Full, or broken: the transport meets the same, and knows what to do.
            if sent == len(data):
                return
            data = data[sent:]
        self.keep(data)

    def keep(self, rest: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(rest)
        if self.backlog_bytes() > BACKLOG_BYTES_MAX:
            self.close(wire.CLOSE_TOO_SLOW)

    def pause_writing(self) -> None:
        self.is_backed_up = True
        if self.session is not None:
            self.session.fell_behind()

    def resume_writing(self) -> None:
        self.is_backed_up = False
        if self.session is not None:
            self.session.caught_up()

    def backlog_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    def untaken_bytes(self) -> int:
        in_socket = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(in_socket, sys.byteorder) + self.backlog_bytes()

    def close(self, code: int, reason: str = "") -> None:
        self._say_last(frames.close_frame(code, reason))

    def _say_last(self, last: bytes) -> None:
        """Behind all that was sent before it."""
        self.flush()
        if not self._is_closing:
            self._stop()
            self._write(last)
            if not self._transport.is_closing():
                # asyncio's own transport lets the system's error out; the client is gone then.
                with suppress(OSError):
                    self._transport.write_eof()
            self._abort_later()

    def _abort_later(self) -> None:
        """The transport would wait for what is not read to be read."""
        self._loop.call_later(LINGER_S, self._abort)

    def _abort(self) -> None:
        if self._socket.fileno() < 0:
            return
        if self.untaken_bytes() > LEFT_BYTES_MAX:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LONGER)
        self._transport.abort()

    def _stop(self) -> None:
        """Nobody else writes here, or is told anything, from now on."""
        self._is_closing = True
        session, self.session = self.session, None
        if session is not None:
            session.end()

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self.heard_at = self._loop.time()
        if self._held is not None:
            self._unread += data
            self._pause_reading()
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
        """The transport closes itself, `connection_lost` follows; what it does not take any more is lost."""
        self._stop()
        self._abort_later()

    def connection_lost(self, error: Exception | None) -> None:
        self._socket.detach()
        self._stop()
        self._held, self._unread = None, b""
        self._outbox.clear()
        self._owner.lost(self)

    def _take(self, events: Iterable[Event]) -> None:
        """Hear these; where the client has to wait, the rest stays."""
        rest = iter(events)
        try:
            for opcode, payload in rest:
                session = self.session
                if session is not None and opcode == frames.TEXT:
                    session.receive(payload)
                else:
                    self._hear(opcode, payload)
                session = self.session
                if session is not None and session.work >= self._look_at and self._must_wait(session, rest):
                    return
            if self.session is not None and self._must_wait(self.session, rest):
                return
        except Exception:  # noqa: BLE001 - logged, and told to the client
            # The handshake is done, so no HTTP answer can tell of it any more.
            _log.exception("live.failed")
            self.close(WSCloseCode.INTERNAL_ERROR)
            return
        if self._reader.violation is not None:
            self.close(*self._reader.violation)

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            # Section 5.5.1: the code is said back, and whoever says the last word closes.
            code = int.from_bytes(payload[:2]) if payload else WSCloseCode.OK
            self._say_last(frames.close_frame(code))
            self._transport.close()
        elif self._is_closing or self.session is None:
            return
        elif opcode == frames.BINARY:
            self.close(WSCloseCode.UNSUPPORTED_DATA)
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
        self._held = events
        if seconds > 0:
            self._pause_reading()
            self._loop.call_later(seconds, self._go_on)
        else:
            # Reading goes on: mostly nothing comes within a turn.
            self._loop.call_soon(self._go_on)

    def _pause_reading(self) -> None:
        """Not twice: what is heard after a wait may have to wait again."""
        if not self._is_waiting:
            self._is_waiting = True
            self._transport.pause_reading()

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
        if self._is_waiting and self._held is None and not self._transport.is_closing():
            self._is_waiting = False
            self._transport.resume_reading()
