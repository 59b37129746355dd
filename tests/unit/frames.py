"""A client's frames, and what RFC 6455 says of them: written and read by the letter, with no thought for speed.

The tests of `app.frames` hold it against these, which share no line with it.
"""

from collections.abc import Iterator
from itertools import cycle, pairwise

from hypothesis import strategies as st

from app.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Event

MASK = bytes.fromhex("a1b2c3d4")
FINAL = 0x80

Ending = tuple[list[Event], int | None]


class ViolationError(Exception):
    """With its code."""


def frame(first: int, payload: bytes = b"", *, mask: bytes = MASK, form: int | None = None) -> bytes:
    """`first` is the whole first byte; `form`: how many bytes the length takes, the fewest if None."""
    size = len(payload)
    form = form or (1 if size < 126 else 2 if size < 1 << 16 else 8)
    short = size if form == 1 else 126 if form == 2 else 127
    length = b"" if form == 1 else size.to_bytes(form, "big")
    return bytes((first, 0x80 | short)) + length + mask + masked(payload, mask)


def text(payload: bytes) -> bytes:
    return frame(FINAL | TEXT, payload)


def masked(payload: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(payload, cycle(mask), strict=False))


def closing(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[begin:end] for begin, end in pairwise(edges)]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def begins_utf8(found: bytes, *, is_whole: bool = False) -> bool:
    """Table 3-7 of the Unicode standard: the well-formed byte sequences."""
    narrower = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
    missing, low, high = 0, 0x80, 0xBF
    for byte in found:
        if missing:
            if not low <= byte <= high:
                return False
            missing, low, high = missing - 1, 0x80, 0xBF
        elif byte >= 0x80:
            if not 0xC2 <= byte <= 0xF4:
                return False
            missing = 1 + (byte >= 0xE0) + (byte >= 0xF0)
            low, high = narrower.get(byte, (0x80, 0xBF))
    return not (is_whole and missing)


def expected(stream: bytes, limit: int) -> Ending:
    """What comes out, and the code of the violation, of all of a stream at once."""
    events: list[Event] = []
    try:
        for event in slowly(stream, limit):
            events.append(event)
    except ViolationError as violation:
        return events, violation.args[0]
    return events, None


def slowly(stream: bytes, limit: int) -> Iterator[Event]:
    kind, message = CONTINUATION, b""
    while len(stream) >= 2:
        first, opcode = stream[0], stream[0] & 15
        refuse_if(1002, is_wrong(first, stream[1], is_within=kind != CONTINUATION))
        size, stream = length_of(stream)
        if size is None:
            return
        refuse_if(1009, opcode < CLOSE and len(message) + size > limit)
        if len(stream) < 4:
            return
        payload, stream = masked(stream[4 : 4 + size], stream[:4]), stream[4 + size :]
        is_there = len(payload) == size
        if opcode < CLOSE:
            kind, message = kind or opcode, message + payload
            refuse_if(1007, kind == TEXT and not begins_utf8(message, is_whole=first >= FINAL and is_there))
        elif opcode == CLOSE:
            check_closing(payload, is_whole=is_there)
        if is_there and opcode >= CLOSE:
            yield opcode, payload
        elif is_there and first >= FINAL:
            yield kind, message
            kind, message = CONTINUATION, b""
        if opcode == CLOSE:
            return


def refuse_if(code: int, is_true: bool) -> None:
    if is_true:
        raise ViolationError(code)


def is_wrong(first: int, second: int, *, is_within: bool) -> bool:
    opcode, size = first & 15, second & 127
    if first & 0x70 or second < 128:
        return True
    if opcode in (CLOSE, PING, PONG):
        return first < FINAL or size > 125 or (opcode == CLOSE and size == 1)
    return opcode != CONTINUATION if is_within else opcode not in (TEXT, BINARY)


def length_of(stream: bytes) -> tuple[int | None, bytes]:
    """And what follows it; None while it is not whole."""
    short = stream[1] & 127
    if short < 126:
        return short, stream[2:]
    end, least = (4, 126) if short == 126 else (10, 1 << 16)
    if len(stream) < end:
        return None, b""
    size = int.from_bytes(stream[2:end], "big")
    refuse_if(1002, not least <= size < 1 << 63)
    return size, stream[end:]


def check_closing(payload: bytes, *, is_whole: bool) -> None:
    if len(payload) >= 2:
        code = int.from_bytes(payload[:2], "big")
        refuse_if(1002, not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006))
        refuse_if(1007, not begins_utf8(payload[2:], is_whole=is_whole))


MASKS = st.binary(min_size=4, max_size=4)
SIZES = st.sampled_from([0, 1, 2, 3, 4, 60, 125, 126, 127, 200, 255, 256, 300])
LARGE_SIZES = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536])
PLACES = st.lists(st.integers(0, 1 << 17), max_size=6)
CONTROLS = st.lists(st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)), max_size=2)
CODES = st.sampled_from([1000, 1003, 1007, 1014, 3000, 4999])
REASONS = st.sampled_from(["", "bye", "tschüß", "é" * 61 + "x"])
CLOSINGS = st.builds(lambda code, reason: closing(code, reason.encode()), CODES, REASONS)


@st.composite
def conversations(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> tuple[list[Event], bytes]:
    """What a correct client says, and how it is written."""
    said: list[Event] = []
    stream = b""
    for _ in range(draw(st.integers(0, 5))):
        kind, seed = draw(st.sampled_from([TEXT, BINARY])), draw(st.text(max_size=8)).encode()
        size = draw(sizes)
        payload = (seed * (size // len(seed)) if seed else b"").ljust(size, b"x")
        pieces = cut(payload, draw(PLACES)) or [b""]
        for number, piece in enumerate(pieces, 1):
            first = kind if number == 1 else CONTINUATION
            stream += frame(first | (FINAL if number == len(pieces) else 0), piece, mask=draw(MASKS))
            said += [(kind, payload)] if number == len(pieces) else []
            for control in draw(CONTROLS):
                stream += frame(FINAL | control[0], control[1], mask=draw(MASKS))
                said.append(control)
    if draw(st.booleans()):
        said.append((CLOSE, draw(st.just(b"") | CLOSINGS)))
        stream += frame(FINAL | CLOSE, said[-1][1], mask=draw(MASKS))
    return said, stream


FIRST_BYTES = st.sampled_from([0x81] * 4 + [0x01, 0x80, 0x00, 0x02, 0x82, 0x89, 0x8A, 0x88, 0xC1, 0x83, 0x09, 0x91])
PAYLOADS = (
    st.binary(max_size=130) | SIZES.map(lambda size: b"x" * size) | st.text(max_size=40).map(str.encode) | CLOSINGS
)


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """Frames of which all that has a meaning may be wrong, and mostly is not; the last may miss its end."""
    stream = b""
    for _ in range(draw(st.integers(1, 6))):
        payload = draw(PAYLOADS)
        shortest = 1 if len(payload) < 126 else 2
        form = draw(st.sampled_from([shortest] * 12 + [2, 8]))
        one = frame(draw(FIRST_BYTES), payload, mask=draw(MASKS), form=form)
        if draw(st.integers(0, 15)) == 0:
            at, bit = draw(st.integers(0, len(one) - 1)), draw(st.integers(0, 7))
            one = one[:at] + bytes((one[at] ^ 1 << bit,)) + one[at + 1 :]
        stream += one
    return stream[: len(stream) - draw(st.sampled_from([0, 0, 1, 3, 7, 50]))]
