"""A connection on a transport of the test's, with a session that keeps what it hears."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from app import frames
from app.connection import Connection
from app.outboxes import Outboxes
from app.pace import WORK_PER_TURN


class FakeTransport:
    """Of a socket that keeps writes apart. `kept` is what was given to the transport instead."""

    def __init__(self) -> None:
        self._client, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._client.setblocking(False)
        self._ours.setblocking(False)
        self._written: list[bytes] = []
        self.kept: list[bytes] = []
        self.backlog = 0
        self.is_aborted = self.is_closed = self.is_ended = self.is_paused = False

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self._ours

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    @property
    def writes(self) -> list[bytes]:
        """What the client got, write by write."""
        with suppress(BlockingIOError):
            while data := self._client.recv(1 << 16):
                self._written.append(data)
        return self._written

    def go_away(self) -> None:
        self._client.close()

    def end(self) -> None:
        self._client.close()
        self._ours.close()

    def write(self, data: bytes) -> None:
        self.kept.append(data)

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def write_eof(self) -> None:
        assert not self.is_closing()
        self.is_ended = True

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False


class Session:
    """Keeps what it hears; the one who holds it back says how long."""

    work = 0

    def __init__(self) -> None:
        self.told: list[str] = []
        self.heard: list[bytes] = []
        self.holds: list[float | None] = []
        self.lost = 0

    def receive(self, text: bytes) -> None:
        self.heard.append(text)
        self.work += WORK_PER_TURN
        if text == b"defect":
            raise ZeroDivisionError

    def fell_behind(self) -> None:
        self.told.append("fell behind")

    def caught_up(self) -> None:
        self.told.append("caught up")

    def end(self) -> None:
        self.told.append("end")

    def hold_s(self, connection: Connection, session: object) -> float | None:
        return self.holds.pop(0) if self.holds else None

    def on_lost(self, connection: Connection) -> None:
        self.lost += 1


class Owner:
    def __init__(self, session: Session) -> None:
        self.hold_s, self.lost = session.hold_s, session.on_lost


Connect = Callable[..., tuple[Connection, FakeTransport, Session]]


@contextmanager
def connecting() -> Iterator[Connect]:
    """Makes connections, which end with the body."""
    with ExitStack() as stack:

        def make(waiting: int = 0) -> tuple[Connection, FakeTransport, Session]:
            transport: Any = FakeTransport()
            transport.backlog = waiting
            stack.callback(transport.end)
            session = Session()
            connection = Connection(transport, Owner(session), Outboxes(asyncio.get_running_loop()))
            connection.session = session
            return connection, transport, session

        yield make


def said(*payloads: bytes, opcode: int = frames.TEXT) -> bytes:
    """Frames of a client, with a mask of zeros."""
    return b"".join(bytes((0x80 | opcode, 0x80 | len(each))) + bytes(4) + each for each in payloads)
