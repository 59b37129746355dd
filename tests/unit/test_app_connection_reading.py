"""What comes in: heard in order, held back, refused, and answered with a close."""

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from app import connection as connection_module
from app import frames, wire
from tests.unit.sites import until
from tests.unit.transports import Connect, connecting, said


@pytest.fixture
def connect() -> Iterator[Connect]:
    with connecting() as make:
        yield make


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
    # The stream has ended, and ends on the other side too now.
    assert transport.is_ended


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
