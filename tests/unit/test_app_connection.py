"""The socket side: joined writes, order, and clients that do not read."""

import asyncio
import socket
from typing import Any

import pytest

from app import connection as connection_module
from app import keys, wire
from app.connection import BACKLOG_BYTES_MAX, Connection
from tests.unit.sites import Site, until


class FakeTransport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.backlog = 0
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class FakeSocket:
    closed = False

    def __init__(self) -> None:
        self.closed_with: list[int] = []

    async def close(self, *, code: int, drain: bool) -> bool:
        assert not drain, "a client that does not read would never let go"
        self.closed_with.append(code)
        return True


def connect() -> tuple[Connection, FakeTransport, FakeSocket]:
    transport: Any = FakeTransport()
    fake: Any = FakeSocket()
    return Connection(fake, transport), transport, fake


async def test_what_is_sent_within_one_turn_leaves_in_one_write_in_order() -> None:
    connection, transport, _ = connect()
    for frame in (b"1", b"2", b"3"):
        connection.send(frame)
    assert not transport.writes
    await asyncio.sleep(0)
    connection.send(b"4")
    await asyncio.sleep(0)
    assert transport.writes == [b"123", b"4"]


async def test_a_push_goes_behind_what_was_sent_before_it() -> None:
    connection, transport, _ = connect()
    connection.send(b"pressed")
    connection.push(b"counts")
    await asyncio.sleep(0)
    assert transport.writes == [b"pressedcounts"]


async def test_too_much_unsent_closes_with_4002_and_nothing_more_is_written() -> None:
    connection, transport, fake = connect()
    transport.backlog = BACKLOG_BYTES_MAX
    connection.send(b"fits")
    await asyncio.sleep(0)
    transport.backlog += 1
    connection.send(b"one too many")
    await asyncio.sleep(0)
    connection.push(b"late")
    connection.send(b"later")
    await asyncio.sleep(0)
    assert fake.closed_with == [4002]
    assert transport.writes == [b"fits", b"one too many"]


async def test_a_client_that_does_not_let_go_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "LINGER_S", 0.0)
    connection, transport, fake = connect()
    connection.close(4001)
    connection.close(4003)
    await until(lambda: transport.is_aborted)
    assert fake.closed_with == [4001]


async def test_a_client_that_never_reads_is_closed_and_others_do_not_notice(site: Site) -> None:
    """Over a real socket: a client asks and asks, and never reads what comes back."""
    lazy = await _lazy_client(site)
    other = await site.browser()
    await other.hear("hello")
    live = site.client.app[keys.LIVE]
    session = next(iter(live._sessions))
    # More than any kernel buffers for one socket.
    while not session.is_closing:
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
