"""The socket side: joined writes, order, how it ends, and clients that do not read."""

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest

from app import connection as connection_module
from app import frames, keys, wire
from app.connection import BACKLOG_BYTES_MAX
from tests.unit.lazy import Lazy
from tests.unit.sites import Site, until
from tests.unit.transports import Connect, connecting, said


@pytest.fixture
def connect() -> Iterator[Connect]:
    with connecting() as make:
        yield make


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


async def test_one_that_is_gone_is_not_aborted(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio's own transport has no loop any more, once it has told of its end."""
    monkeypatch.setattr(connection_module, "LINGER_S", 0.0)
    (connection, transport, _), (last, last_transport, _) = connect(), connect()
    connection.close(4001)
    connection.connection_lost(None)
    last.close(4001)
    await until(lambda: last_transport.is_aborted)
    assert not transport.is_aborted


async def test_the_stream_ends_behind_the_close_frame_and_not_where_it_has_ended(connect: Connect) -> None:
    (connection, transport, _), (gone, closing, _) = connect(), connect()
    connection.close(4001)
    closing.is_closed = True
    gone.close(4001)
    assert (transport.is_ended, closing.is_ended) == (True, False)


async def test_a_client_that_never_reads_is_closed_and_others_do_not_notice(site: Site) -> None:
    """Over a real socket: a client asks and asks, and never reads what comes back."""
    lazy = Lazy(site)
    await lazy.come()
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
