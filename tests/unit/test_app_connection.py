"""The socket side: joined writes, order, what is held back, how it ends, and clients that do not read."""

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import connection as connection_module
from app import frames, keys, wire
from app.connection import BACKLOG_BYTES_MAX, Connection
from app.outboxes import Outboxes
from app.pace import WORK_PER_TURN
from tests.unit.sites import Site, until


class FakeTransport:
    """Of a socket that keeps writes apart. `kept` is what was given to the transport instead."""

    def __init__(self) -> None:
        self._client, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._client.setblocking(False)
        self._ours.setblocking(False)
        self._written: list[bytes] = []
        self.kept: list[bytes] = []
        self.backlog = 0
        self.is_aborted = self.is_closed = self.is_paused = False

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


@pytest.fixture
def connect() -> Iterator[Connect]:
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


async def test_what_is_sent_within_one_turn_leaves_in_one_write_in_order(connect: Connect) -> None:
    connection, transport, _ = connect()
    for frame in (b"1", b"2", b"3"):
        connection.send(frame)
    assert not transport.writes
    await asyncio.sleep(0)
    connection.send(b"4")
    await asyncio.sleep(0)
    assert transport.writes == [b"123", b"4"]


async def test_what_the_socket_does_not_take_is_the_transports_and_so_is_all_behind_it(connect: Connect) -> None:
    connection, transport, session = connect()
    while not transport.kept:
        connection.send(bytes(10_000))
        connection.flush()
    connection.pause_writing()
    connection.send(b"behind it")
    connection.flush()
    assert transport.kept == [bytes(10_000), b"behind it"]
    assert transport.writes
    connection.resume_writing()
    connection.send(b"straight again")
    connection.flush()
    assert transport.writes[-1] == b"straight again"
    assert session.told == ["fell behind", "caught up"]


async def test_a_socket_that_is_broken_is_left_to_its_transport(connect: Connect) -> None:
    connection, transport, _ = connect()
    transport.go_away()
    connection.send(b"nobody is there")
    connection.flush()
    assert transport.kept == [b"nobody is there"]


async def test_a_closing_transport_is_given_nothing(connect: Connect) -> None:
    connection, transport, _ = connect()
    transport.go_away()
    transport.is_closed = True
    connection.send(b"nobody is there")
    connection.flush()
    assert not transport.kept


async def test_what_waited_before_it_was_a_websocket_goes_first(connect: Connect) -> None:
    connection, transport, session = connect(waiting=1)
    connection.send(b"hello")
    connection.flush()
    assert (transport.kept, transport.writes) == ([b"hello"], [])
    connection.resume_writing()
    connection.send(b"straight")
    connection.flush()
    assert (transport.writes, session.told) == ([b"straight"], ["caught up"])


async def test_a_socket_is_closed_by_its_transport_only(connect: Connect) -> None:
    connection, transport, _ = connect()
    ours = transport.get_extra_info("socket").fileno()
    del connection
    gc.collect()
    os.fstat(ours)


async def test_half_a_connection_is_over(connect: Connect) -> None:
    connection, _, session = connect()
    connection.eof_received()
    connection.data_received(said(b"late"))
    assert (session.told, session.heard) == (["end"], [])


async def test_a_defect_of_one_leaves_nobody_elses_words_behind(connect: Connect) -> None:
    (broken, _, _), (other, transport, _) = connect(), connect()
    broken.write = lambda data: 1 // 0
    outboxes = broken._outboxes = other._outboxes
    broken.send(b"first")
    other.send(b"second")
    with pytest.raises(ZeroDivisionError):
        outboxes.flush()
    await asyncio.sleep(0)
    assert transport.writes == [b"second"]


async def test_too_much_unsent_closes_with_4002_and_nothing_more_is_written(connect: Connect) -> None:
    connection, transport, session = connect()
    connection.pause_writing()
    transport.backlog = BACKLOG_BYTES_MAX
    connection.send(b"fits")
    await asyncio.sleep(0)
    transport.backlog += 1
    connection.send(b"one too many")
    await asyncio.sleep(0)
    connection.send(b"later")
    await asyncio.sleep(0)
    assert transport.kept == [b"fits", b"one too many", frames.close_frame(4002)]
    assert not transport.writes
    assert session.told == ["fell behind", "end"]


async def test_a_session_ends_once_and_hears_nothing_after_that(connect: Connect) -> None:
    connection, _, session = connect()
    connection.close(4001)
    connection.pause_writing()
    connection.connection_lost(None)
    assert (session.told, session.lost) == (["end"], 1)


async def test_a_client_that_does_not_let_go_is_aborted(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "LINGER_S", 0.0)
    connection, transport, _ = connect()
    connection.close(4001)
    connection.close(4003)
    assert transport.writes == [frames.close_frame(4001)]
    await until(lambda: transport.is_aborted)


async def test_messages_and_pings_are_heard_in_order(connect: Connect) -> None:
    connection, transport, session = connect()
    connection.data_received(said(b"one", b"two") + said(b"there?", opcode=frames.PING) + said(b"three"))
    assert session.heard == [b"one", b"two", b"three"]
    await asyncio.sleep(0)
    assert transport.writes == [wire.pong_frame(b"there?")]


@pytest.mark.parametrize("hold_s", [0.0, 0.001])
async def test_what_is_held_back_is_heard_later_in_order_and_meanwhile_little_is_read(
    connect: Connect, hold_s: float
) -> None:
    connection, transport, session = connect()
    session.holds = [None, hold_s, hold_s, None]
    connection.data_received(said(b"one", b"two", b"three"))
    # Within a turn mostly nothing comes, and what does is the last.
    assert (session.heard, transport.is_paused) == ([b"one", b"two"], hold_s > 0)
    connection.data_received(said(b"four"))
    assert transport.is_paused
    assert session.heard == [b"one", b"two"]
    await until(lambda: len(session.heard) == 4)
    assert session.heard == [b"one", b"two", b"three", b"four"]
    assert not transport.is_paused


async def test_what_has_to_wait_is_kept_as_it_came(connect: Connect) -> None:
    """A read of pings without a word would be twenty times as long in messages."""
    connection, transport, session = connect()
    session.holds = [0.0] * 3
    pings = said(b"one") + said(b"", opcode=frames.PING) * 10_000 + said(b"two")
    connection.data_received(pings)
    assert len(connection._held or ()) <= connection_module.READ_BYTES / 6
    connection.data_received(said(b"three"))
    await until(lambda: len(session.heard) == 3)
    assert session.heard == [b"one", b"two", b"three"]
    await asyncio.sleep(0)
    assert sum(map(len, transport.writes)) == 2 * 10_000
    assert not transport.is_paused


async def test_nothing_is_heard_of_a_connection_that_was_closed(connect: Connect) -> None:
    connection, _, session = connect()
    connection.close(4003)
    connection.data_received(said(b"late"))
    assert not session.heard


async def test_what_is_held_back_is_forgotten_when_the_connection_is_gone(connect: Connect) -> None:
    connection, _, session = connect()
    session.holds = [0.0]
    connection.data_received(said(b"one", b"two"))
    connection.connection_lost(None)
    await asyncio.sleep(0.01)
    assert (session.heard, session.lost) == ([b"one"], 1)


@pytest.mark.parametrize(("payload", "code"), [(b"", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa1", 4001)])
async def test_a_clients_close_is_said_back_and_ends_it(connect: Connect, payload: bytes, code: int) -> None:
    connection, transport, _ = connect()
    connection.send(b"before")
    connection.data_received(said(payload, opcode=frames.CLOSE))
    assert transport.writes == [b"before", frames.close_frame(code)]
    assert transport.is_closed


async def test_a_close_that_we_said_first_is_not_said_again(connect: Connect) -> None:
    connection, transport, _ = connect()
    connection.close(4001)
    connection.data_received(said(b"\x0f\xa1", opcode=frames.CLOSE))
    assert transport.writes == [frames.close_frame(4001)]
    assert transport.is_closed


async def test_a_broken_rule_closes_after_what_came_whole_before_it(connect: Connect) -> None:
    connection, transport, session = connect()
    connection.data_received(said(b"one") + b"\x81\x03two")
    assert session.heard == [b"one"]
    assert transport.writes[0][2:4] == (1002).to_bytes(2)


async def test_bytes_are_no_message(connect: Connect) -> None:
    connection, transport, session = connect()
    connection.data_received(said(b"one", opcode=frames.BINARY))
    assert (session.heard, transport.writes) == ([], [frames.close_frame(1003)])


async def test_a_defect_is_logged_and_told(connect: Connect) -> None:
    connection, transport, _ = connect()
    with capture_logs() as logs:
        connection.data_received(said(b"defect", b"later"))
    assert [(each["event"], each["log_level"]) for each in logs] == [("live.failed", "error")]
    assert transport.writes == [frames.close_frame(1011)]


async def test_a_client_that_never_reads_is_closed_and_others_do_not_notice(site: Site) -> None:
    """Over a real socket: a client asks and asks, and never reads what comes back."""
    lazy = await _lazy_client(site)
    other = await site.browser()
    await other.hear("hello")
    live = site.client.app[keys.LIVE]
    session = next(iter(live._sessions))
    # More than any kernel buffers for one socket.
    while not session._is_closing:
        session.send(wire.frame(wire.Error(code="x", message="y" * 60_000)))
        await other.say(type="ping")
        assert (await other.hear())["type"] == "pong"
    await until(lambda: len(live._sessions) == 1)
    lazy.close()


async def _lazy_client(site: Site) -> socket.socket:
    """Shakes hands on `/live`, with a small buffer, and reads no more after that."""
    loop = asyncio.get_running_loop()
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.setblocking(False)
    await loop.sock_connect(lazy, (site.client.host, site.client.port))
    head = "GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    await loop.sock_sendall(lazy, head.encode())
    assert b" 101 " in await loop.sock_recv(lazy, 200)
    await until(lambda: site.client.app[keys.LIVE]._sessions)
    return lazy
