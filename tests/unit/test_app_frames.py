"""Frames: what RFC 6455 allows comes out as it was meant, all else ends the connection, and cuts change nothing."""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader
from aiohttp.streams import EofStream
from hypothesis import given, settings
from hypothesis import strategies as st

from app.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, Event, FrameReader, close_frame
from tests.unit.frames import (
    LARGE_SIZES,
    PLACES,
    SIZES,
    Ending,
    begins_utf8,
    bytewise,
    closing,
    conversations,
    cut,
    expected,
    frame,
    nearly_right,
    text,
)

LARGE = 1 << 20
SMALL = 200
HELLO = "hello, wörld".encode()


def read(reads: list[bytes], limit: int = LARGE) -> Ending:
    """What came out, and the code of the violation; once there is one, nothing changes any more."""
    reader = FrameReader(limit)
    events: list[Event] = []
    for data in reads:
        was = reader.violation
        found = reader.feed(data)
        assert was is None or (found == [] and reader.violation is was)
        events += found
    return events, reader.violation and reader.violation[0]


WRONG = {
    "not masked": (b"\x81\x02hi", 1002),
    "RSV1": (frame(0xC1, b"hi"), 1002),
    "RSV2": (frame(0xA1, b"hi"), 1002),
    "RSV3": (frame(0x91, b"hi"), 1002),
    "RSV1 of a control frame": (frame(0xC9), 1002),
    **{f"opcode {opcode}": (frame(0x80 | opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": (frame(PING), 1002),
    "fragmented close": (frame(CLOSE), 1002),
    "126 bytes of ping": (frame(0x80 | PING, b"x" * 126), 1002),
    "126 bytes of close": (frame(0x80 | CLOSE, closing(1000) + b"x" * 124), 1002),
    "continuation of nothing": (frame(0x80 | CONTINUATION, b"hi"), 1002),
    "message in a message": (frame(TEXT, b"h") + text(b"i"), 1002),
    "message in an empty message": (frame(TEXT) + text(b"i"), 1002),
    "16 bits for 125": (frame(0x81, b"x" * 125, form=2), 1002),
    "64 bits for 125": (frame(0x81, b"x" * 125, form=8), 1002),
    "64 bits for 65535": (frame(0x82, b"x" * 65535, form=8), 1002),
    "64th bit of a length": (b"\x81\xff\x80" + bytes(7), 1002),
    "close of 1 byte": (frame(0x88, b"\x03"), 1002),
    **{
        f"close {code}": (frame(0x88, closing(code)), 1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "close with no text": (frame(0x88, closing(1000, b"\xff")), 1007),
    "close with half a character": (frame(0x88, closing(1000, "ö".encode()[:1])), 1007),
    "text that is none": (text(b"hi\xff"), 1007),
    "surrogate": (text(b"\xed\xa0\x80"), 1007),
    "half a character": (text(HELLO[:9]), 1007),
    "half a character, fragmented": (frame(TEXT, HELLO[:9]) + frame(0x80, HELLO[10:]), 1007),
    "half a character, and more to come": (frame(TEXT, HELLO[:9]) + frame(CONTINUATION, HELLO[10:]), 1007),
    "half a character, then nothing": (frame(TEXT, HELLO[:9]) + frame(0x80), 1007),
    "too long": (text(b"x" * (LARGE + 1)), 1009),
    "too long together": (frame(BINARY, b"x" * LARGE) + frame(0x80, b"x"), 1009),
}


@pytest.mark.parametrize(("stream", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_violation_has_its_code_and_what_came_before_it_counts(stream: bytes, code: int) -> None:
    before = text(b"before") + frame(0x89, b"!") + text(HELLO)
    said = [(TEXT, b"before"), (PING, b"!"), (TEXT, HELLO)]
    assert read([before + stream + text(b"behind"), text(b"later")]) == (said, code)
    assert read([stream, text(b"later")]) == ([], code)
    if len(stream) < 1000:
        assert read(bytewise(before + stream)) == (said, code)


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_a_close_code_that_may_be_sent_comes_out_with_its_reason(code: int) -> None:
    payload = closing(code, HELLO)
    assert read([frame(0x88, payload)]) == read(bytewise(frame(0x88, payload))) == ([(CLOSE, payload)], None)


def test_nothing_behind_a_close_frame_is_looked_at() -> None:
    for behind in (text(b"more"), b"\xff" * 20):
        stream = text(b"x") + frame(TEXT, b"begun") + frame(0x88) + behind
        assert read([stream, behind]) == read(bytewise(stream)) == ([(TEXT, b"x"), (CLOSE, b"")], None)


def test_a_message_of_any_length_is_unmasked() -> None:
    """The short texts in a way of their own, alone and with others, all else in the general one."""
    for size in (*range(300), 511, 512, 4096, 65535, 65536):
        payload = bytes(at * 7 % 128 for at in range(size))
        for kind in (TEXT, BINARY):
            stream, said = frame(0x80 | kind, payload, mask=b"\x00\xff\x55\x13"), (kind, payload)
            assert read([stream]) == ([said], None)
            assert read([stream + stream]) == ([said, said], None)


def test_a_short_text_may_be_cut_anywhere() -> None:
    for payload in (b"", b"x", HELLO, *(b"x" * size for size in (60, 125, 126, 127, 200, 255, 256))):
        stream = frame(0x81, payload, mask=b"\x00\x01\x02\x03")
        for at in range(len(stream)):
            assert read([stream[:at], stream[at:]]) == ([(TEXT, payload)], None)


def test_a_length_above_the_limit_is_refused_before_its_payload_comes() -> None:
    for limit in (0, 10, SMALL, 4096):
        full, over = frame(0x82, b"x" * limit), frame(0x82, b"x" * (limit + 1))
        assert read([full], limit) == read(bytewise(full), limit) == ([(BINARY, b"x" * limit)], None)
        assert read([over[: len(over) - limit - 1 - 4]], limit) == ([], 1009)
        assert read([text(b"x" * limit), text(b"x" * (limit + 1))], limit) == ([(TEXT, b"x" * limit)], 1009)
    assert read([frame(TEXT, b"x" * 150), frame(0, b"x" * 51)[:2]], SMALL) == ([], 1009)
    assert read([b"\x81\xff\x7f" + b"\xff" * 7]) == ([], 1009)


def test_control_frames_have_no_part_in_the_limit_of_a_message() -> None:
    ping = (PING, b"x" * 125)
    stream = frame(TEXT, b"x" * 5) + frame(0x89, ping[1]) + frame(0x80, b"x" * 5)
    assert read([stream], 10) == ([ping, (TEXT, b"x" * 10)], None)


def test_text_is_refused_with_the_first_byte_that_cannot_belong_to_it() -> None:
    """All beginnings of characters, in a frame of which more is to come."""
    for beginning in beginnings():
        code = None if begins_utf8(beginning, is_whole=False) else 1007
        assert read([frame(0x81, beginning + b"......")[:-6]]) == ([], code), beginning


def test_a_close_frame_is_refused_with_the_first_byte_that_is_wrong() -> None:
    for payload, code in ((closing(1005), 1002), (closing(1000, b"\xff"), 1007), (closing(1000, b"\xc3"), None)):
        assert read([frame(0x88, payload + b"more")[:-4]]) == ([], code)


def beginnings() -> Iterator[bytes]:
    """Of the characters that are not whole, those go on that stand at the edges of what may be there."""
    begun = [b""]
    for _ in range(4):
        longer = [begin + bytes((byte,)) for begin in begun for byte in range(256)]
        yield from longer
        unfinished = [begin for begin in longer if begins_utf8(begin) and not begins_utf8(begin, is_whole=True)]
        begun = [
            begin for begin in unfinished if begin[-1] in (0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, *range(0xC0, 0xF5))
        ]


@given(conversations(SIZES), PLACES)
def test_what_a_correct_client_says_comes_out_as_it_was_said(
    said: tuple[list[Event], bytes], places: list[int]
) -> None:
    events, stream = said
    assert read([stream]) == read(cut(stream, places)) == read(bytewise(stream)) == (events, None)
    assert expected(stream, LARGE) == (events, None)


@settings(max_examples=20)
@given(conversations(LARGE_SIZES), PLACES)
def test_long_messages_come_out_as_they_were_said(said: tuple[list[Event], bytes], places: list[int]) -> None:
    events, stream = said
    assert read([stream]) == read(cut(stream, places)) == (events, None)


@settings(max_examples=200)
@given(nearly_right(), PLACES, st.sampled_from([0, 10, SMALL, LARGE]))
def test_what_is_nearly_right_ends_where_the_rules_say_however_it_is_cut(
    stream: bytes, places: list[int], limit: int
) -> None:
    ending = expected(stream, limit)
    assert read([stream], limit) == read(cut(stream, places), limit) == read(bytewise(stream), limit) == ending


@given(st.binary(max_size=300), PLACES)
def test_garbage_ends_where_the_rules_say(stream: bytes, places: list[int]) -> None:
    assert read([stream], SMALL) == read(cut(stream, places), SMALL) == expected(stream, SMALL)


class Unpaused:
    _reading_paused = False


async def read_by_aiohttp(reads: list[bytes]) -> list[Event]:
    queue = WebSocketDataQueue(Unpaused(), 1 << 30, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    reader = WebSocketReader(queue, 0, compress=False, decode_text=False)
    for data in reads:
        assert reader.feed_data(data) == (False, b"")
    queue.feed_eof()
    events: list[Event] = []
    while True:
        try:
            message: Any = await queue.read()
        except EofStream:
            return events
        is_code = message.type == CLOSE and message.data
        payload = closing(message.data, message.extra.encode()) if is_code else message.data or b""
        events.append((int(message.type), bytes(payload)))


@given(conversations(SIZES), PLACES)
def test_aiohttp_reads_the_same(said: tuple[list[Event], bytes], places: list[int]) -> None:
    reads = cut(said[1], places)
    assert asyncio.run(read_by_aiohttp(reads)) == read(reads)[0]


def test_an_idle_reader_is_small() -> None:
    reader = FrameReader(SMALL)
    for stream in (text(HELLO), frame(TEXT, b"x" * 100) + frame(0x80, HELLO), frame(0x89, b"!")):
        assert len(reader.feed(stream[:7]) + reader.feed(stream[7:])) == 1
    assert reader.fragments == 1
    reader.fragments = 0
    of_its_own = [
        getattr(reader, name) for name in reader.__slots__ if getattr(reader, name) not in (None, SMALL, 0)
    ]
    assert of_its_own == [] and not hasattr(reader, "__dict__")
    assert sys.getsizeof(reader) + sys.getsizeof(SMALL) <= 150


def test_a_message_in_tiny_reads_costs_as_much_more_as_it_is_longer() -> None:
    def cost_s(size: int) -> float:
        reads = bytewise(text(b"x" * size))
        begun_at = time.process_time()
        assert len(read(reads)[0]) == 1
        return time.process_time() - begun_at

    assert min(cost_s(80_000) for _ in range(2)) < 8 * min(cost_s(20_000) for _ in range(2))


def test_a_server_closes_with_a_code_and_a_reason() -> None:
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(4001, "tschüß") == b"\x88\x0a\x0f\xa1" + "tschüß".encode()
    assert len(close_frame(1002, "x" * 123)) == 127


def test_a_reason_that_fits_into_no_close_frame_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        close_frame(1002, "x" * 124)
