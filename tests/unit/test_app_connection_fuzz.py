"""Whatever a client sends, however it is cut and held back: the connection hears what the rules let through.

Held against the reading by the letter in `frames.py`.
"""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app import frames, wire
from tests.unit.frames import PLACES, Ending, conversations, cut, expected, nearly_right
from tests.unit.sites import until
from tests.unit.transports import FakeTransport, connecting

# None: it may be heard on. 0: in the loop's next turn.
HOLDS = st.lists(st.sampled_from([None, None, 0.0, 0.0005]), max_size=8)
STREAMS = nearly_right() | st.binary(max_size=300) | conversations(st.sampled_from([0, 1, 125, 126, 300])).map(
    lambda said: said[1]
)  # fmt: skip


def answers_to(ending: Ending) -> tuple[list[bytes], list[bytes], int | None]:
    """The texts that a session hears, the pongs, and the code that the connection is closed with."""
    events, violation = ending
    heard, pongs = [], []
    for opcode, payload in events:
        if opcode == frames.TEXT:
            heard.append(payload)
        elif opcode == frames.PING:
            pongs.append(payload)
        elif opcode == frames.BINARY:
            return heard, pongs, 1003
        elif opcode == frames.CLOSE:
            return heard, pongs, int.from_bytes(payload[:2]) if payload else 1000
    return heard, pongs, violation


def said(writes: bytes) -> tuple[list[bytes], list[int]]:
    """The pongs and the codes of closes in what was written."""
    pongs, codes = [], []
    while writes:
        opcode, size = writes[0] & 15, writes[1]
        assert writes[0] & 0x80 and size < 126, "short and whole"
        payload, writes = writes[2 : 2 + size], writes[2 + size :]
        assert not codes, "nothing follows a close"
        if opcode == frames.PONG:
            pongs.append(payload)
        else:
            assert opcode == frames.CLOSE
            codes.append(int.from_bytes(payload[:2]))
    return pongs, codes


async def converse(stream: bytes, places: list[int], holds: list[float | None]) -> None:
    expected_heard, expected_pongs, code = answers_to(expected(stream, wire.MESSAGE_BYTES_MAX))
    with connecting() as connect:
        connection, transport, session = connect()
        session.holds = list(holds)
        for read in cut(stream, places):
            # A transport that is closed, or does not read, brings nothing.
            await until(lambda: transport.is_closing() or not transport.is_paused)
            if not transport.is_closing():
                connection.data_received(read)
        await until(lambda: connection._held is None or transport.is_closing())
        await asyncio.sleep(0)
        assert session.heard == expected_heard
        pongs, codes = said(b"".join(_written(transport)))
        assert codes == ([] if code is None else [code])
        # Those that were due in the turn in which it was closed may be left out.
        assert pongs == expected_pongs[: len(pongs)]
        assert code is not None or pongs == expected_pongs
        connection.connection_lost(None)
        assert session.lost == 1


def _written(transport: FakeTransport) -> list[bytes]:
    return [*transport.writes, *transport.kept]


@settings(max_examples=300, deadline=None)
@given(STREAMS, PLACES, HOLDS)
def test_it_hears_what_the_rules_let_through_and_answers_once(
    stream: bytes, places: list[int], holds: list[float | None]
) -> None:
    with capture_logs() as logs:
        asyncio.run(converse(stream, places, holds))
    assert not logs


def test_the_reading_by_the_letter_is_not_empty() -> None:
    """What is compared above says something."""
    stream = b"".join([b"\x81\x82\0\0\0\0hi", b"\x89\x81\0\0\0\0p", b"\x88\x82\0\0\0\0\x03\xe9"])
    assert answers_to(expected(stream, 100)) == ([b"hi"], [b"p"], 1001)
    with pytest.raises(AssertionError):
        said(b"\x88\x02\x03\xe8\x8a\x00")
