"""The frames of a browser's WebSocket, read as strictly as RFC 6455 asks: no socket, no clock.

`FrameReader` takes what a transport read, and returns whole messages and control frames. No extension is ever
negotiated. What a text says is for `app.wire`. Sections are the RFC's.

1. How the stream is cut into reads changes nothing in what is returned, nor in how it ends.
2. Nothing behind a violation or a close frame is looked at; what came whole before it is returned.
3. What cannot become valid any more is refused at once: a length when it is there, text when its bytes are.
   No more than `message_bytes_max` bytes of a message are ever kept.
4. A read costs time in proportion to its length, also when every byte comes alone.
5. Between messages a reader holds nothing. An event costs a client 6 bytes: how many may come is for the
   caller to limit.

Browsers send short texts of ASCII, each in one frame. Such a frame takes a way of its own, and whatever is not
just that is left to `_Unfinished`, which knows all rules.
"""

import struct
import sys
from codecs import utf_8_decode
from collections.abc import Callable
from typing import Any, Final

Event = tuple[int, bytes]

# Opcodes, section 5.2. From 8 on they are control frames.
CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# Close codes, section 7.4.1.
PROTOCOL_ERROR: Final = 1002
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009
# Those below 3000 that may be sent, 1012 to 1014 from IANA's registry. 1005, 1006 and 1015 never are.
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))

CONTROL_BYTES_MAX: Final = 125
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_HEADER_BYTES: Final = 6
_LENGTH_BYTES: Final = {126: 2, 127: 8}
_NO_FRAME: Final = -1

# A text in one frame, and the second byte of a masked frame whose length is in the next two.
_WHOLE_TEXT: Final = _FINAL | TEXT
_LENGTH_FOLLOWS: Final = _MASKED | 126
_KEY_MAX: Final = 511

_Layout = tuple[Callable[..., tuple[Any, ...]], int, int, int, int]
_NO_LAYOUT: Final[_Layout] = (struct.unpack_from, sys.maxsize, 0, 0, 0)


def _layout(key: int) -> _Layout:
    """How to take apart a masked frame, by its second byte, or 256 + the length in the two bytes behind that.

    What unpacks its first byte, mask and payload; its size, that of the payload; and what makes of the mask, as a
    number, one as long as the payload: times `ones`, without the last `cut` bits. Python has no faster exclusive
    or than that of numbers. Where the key is of no such frame, the size is one that no read has.
    """
    is_long = key > 255
    length = key - (256 if is_long else _MASKED)
    if not (length >= 126 if is_long else 0 <= length < 126):
        return _NO_LAYOUT
    frame = struct.Struct(f">B{3 if is_long else 1}xI{length}s")
    ones = sum(1 << 32 * word for word in range((length + 3) // 4))
    return frame.unpack_from, frame.size, length, ones, -length % 4 * 8


# 170 KB for all connections.
_LAYOUTS: Final = tuple(map(_layout, range(_KEY_MAX + 1)))


class FrameReader:
    """Of one connection. `violation`: the code and words to close with, once the client broke a rule. `fragments`
    counts frames of messages in several: they cost as much as messages, and an empty one shows nowhere.
    """

    __slots__ = ("_message_bytes_max", "_unfinished", "fragments", "violation")

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._unfinished: _Unfinished | None = None
        self.violation: tuple[int, str] | None = None
        self.fragments = 0

    def feed(self, data: bytes) -> list[Event]:
        """What has become whole with this read, in order: opcode and payload.

        TEXT is valid UTF-8, not decoded; CLOSE is empty, or a valid code in two bytes and a reason in UTF-8.
        """
        size = len(data)
        if size >= _HEADER_BYTES and self._unfinished is None:
            unpack, whole, length, ones, cut = _LAYOUTS[data[1]]
            if whole == size and length <= self._message_bytes_max:
                first, mask, payload = unpack(data)
                payload = (int.from_bytes(payload) ^ mask * ones >> cut).to_bytes(length)
                if first == _WHOLE_TEXT and payload.isascii():
                    return [(TEXT, payload)]
        return self._feed_any(data)

    def _feed_any(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        at = 0
        unfinished = self._unfinished
        if unfinished is None:
            at = self._read_short_texts(data, at, events)
            if at == len(data):
                return events
            unfinished = self._unfinished = _Unfinished(self._message_bytes_max)
        data, unfinished.header = unfinished.header + data, b""
        try:
            while at < len(data):
                at = unfinished.read(data, at, events)
                if unfinished.is_nothing:
                    at = self._read_short_texts(data, at, events)
        except _ViolationError as wrong:
            self.violation = wrong.args
            unfinished.is_over = True
        self.fragments += unfinished.fragments
        unfinished.fragments = 0
        if unfinished.is_nothing:
            self._unfinished = None
        return events

    def _read_short_texts(self, data: bytes, at: int, events: list[Event]) -> int:
        """All that are whole; returns the index of the first frame that is something else."""
        size = len(data)
        while size - at >= _HEADER_BYTES:
            key = data[at + 1]
            if key == _LENGTH_FOLLOWS and size - at >= _HEADER_BYTES + 2:
                key = 256 + (data[at + 2] << 8 | data[at + 3])
                if key > _KEY_MAX:
                    break
            unpack, whole, length, ones, cut = _LAYOUTS[key]
            if whole > size - at or length > self._message_bytes_max:
                break
            first, mask, payload = unpack(data, at)
            payload = (int.from_bytes(payload) ^ mask * ones >> cut).to_bytes(length)
            if first != _WHOLE_TEXT or not payload.isascii():
                break
            events.append((TEXT, payload))
            at += whole
        return at


class _ViolationError(Exception):
    """The client's: a close code, and words. Never leaves this module."""


class _Unfinished:
    """What has come of a frame or of a message that is not whole; after its end for ever nothing."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self.is_over = False
        self.fragments = 0
        self.header = b""
        # Of the frame. The mask begins with the byte for the next of those that are missing.
        self._opcode = _NO_FRAME
        self._is_final = False
        self._missing = 0
        self._mask = b""
        self._control = bytearray()
        # Of the message: 0 is none. The tail is a character that has come in part.
        self._message_opcode = CONTINUATION
        self._message = bytearray()
        self._tail = b""

    @property
    def is_nothing(self) -> bool:
        return self._opcode == _NO_FRAME and not (self.is_over or self.header or self._message_opcode)

    def read(self, data: bytes, at: int, events: list[Event]) -> int:
        """One frame, or what is there of it; returns the index behind that."""
        if self.is_over:
            return len(data)
        if self._opcode == _NO_FRAME:
            begin = self._begin(data, at)
            if begin == at:
                self.header = data[at:]
                return len(data)
            at = begin
        piece = data[at : at + self._missing]
        self._take(piece)
        if not self._missing:
            self._finish(events)
        return at + len(piece)

    def _begin(self, data: bytes, at: int) -> int:
        """The index of a frame's payload, or of the frame while its header is not whole. Section 5.2."""
        if len(data) < at + 2:
            return at
        first, second = data[at], data[at + 1]
        opcode, length = first & 0x0F, second & 0x7F
        self._check_head(first, second)
        mask_at = at + 2 + _LENGTH_BYTES.get(length, 0)
        if len(data) < mask_at:
            return at
        if length > 125:
            length = _long_length(data[at + 2 : mask_at])
        if opcode < CLOSE and length > self._message_bytes_max - len(self._message):
            raise _ViolationError(TOO_BIG, f"a message has at most {self._message_bytes_max} bytes")
        begin = mask_at + 4
        if len(data) < begin:
            return at
        self._opcode, self._is_final, self._missing = opcode, first >= _FINAL, length
        self._mask = data[mask_at:begin]
        self._message_opcode = opcode if opcode in (TEXT, BINARY) else self._message_opcode
        return begin

    def _check_head(self, first: int, second: int) -> None:
        """Sections 5.2, 5.4 and 5.5."""
        opcode, length = first & 0x0F, second & 0x7F
        if first & _RESERVED:
            raise _ViolationError(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _ViolationError(PROTOCOL_ERROR, "the opcode is reserved")
        if not second & _MASKED:
            raise _ViolationError(PROTOCOL_ERROR, "a client's frame is masked")
        if opcode >= CLOSE and first < _FINAL:
            raise _ViolationError(PROTOCOL_ERROR, "a control frame is not fragmented")
        if opcode >= CLOSE and length > CONTROL_BYTES_MAX:
            raise _ViolationError(PROTOCOL_ERROR, f"a control frame has at most {CONTROL_BYTES_MAX} bytes")
        if opcode == CLOSE and length == 1:
            raise _ViolationError(PROTOCOL_ERROR, "a close code has two bytes")
        if opcode < CLOSE and (opcode == CONTINUATION) != (self._message_opcode != CONTINUATION):
            raise _ViolationError(PROTOCOL_ERROR, "continuation frames continue a message, and nothing else does")

    def _take(self, piece: bytes) -> None:
        """Some more of the frame's payload; it may be the last, and empty. Section 5.3."""
        size = len(piece)
        mask = (self._mask * (size // 4 + 2))[: size + 4]
        payload = (int.from_bytes(piece) ^ int.from_bytes(mask[:size])).to_bytes(size)
        self._mask = mask[size:]
        self._missing -= size
        if self._opcode >= CLOSE:
            self._control += payload
            if self._opcode == CLOSE and len(self._control) >= 2:
                _check_close(bytes(self._control), is_whole=not self._missing)
            return
        self._message += payload
        if self._message_opcode == TEXT and (self._tail or not payload.isascii()):
            text = self._tail + payload
            self._tail = text[_count_valid(text) :]

    def _finish(self, events: list[Event]) -> None:
        opcode, self._opcode = self._opcode, _NO_FRAME
        if opcode >= CLOSE:
            events.append((opcode, bytes(self._control)))
            self._control.clear()
            self.is_over = opcode == CLOSE
        elif self._is_final:
            _count_valid(self._tail, is_whole=True)
            events.append((self._message_opcode, bytes(self._message)))
            self._message_opcode = CONTINUATION
            self._message.clear()
        else:
            self.fragments += 1


def _long_length(field: bytes) -> int:
    """Section 5.2: at most 63 bits, in the shortest of the three forms."""
    length = int.from_bytes(field)
    if length >> 63:
        raise _ViolationError(PROTOCOL_ERROR, "a length has at most 63 bits")
    if length < (126 if len(field) == 2 else 1 << 16):
        raise _ViolationError(PROTOCOL_ERROR, "a length takes as few bytes as it can")
    return length


def _check_close(payload: bytes, *, is_whole: bool) -> None:
    """The code, and as much of the reason as is there. Section 7.4."""
    code = int.from_bytes(payload[:2])
    if code not in _CLOSE_CODES and not 3000 <= code < 5000:
        raise _ViolationError(PROTOCOL_ERROR, "such a close code is never sent")
    _count_valid(payload[2:], is_whole=is_whole)


def _count_valid(text: bytes, *, is_whole: bool = False) -> int:
    """How many bytes are whole characters; those behind, if it is not whole, may still become one. Section 8.1."""
    try:
        count = utf_8_decode(text, "strict", is_whole)[1]
    except UnicodeDecodeError as wrong:
        raise _ViolationError(INVALID_TEXT, "text is UTF-8") from wrong
    # The one case in which Python's decoder waits in vain: a surrogate's third byte makes no character.
    if b"\xed\xa0" <= text[count:] < b"\xee":
        raise _ViolationError(INVALID_TEXT, "text is UTF-8")
    return count


def close_frame(code: int, reason: str = "") -> bytes:
    """What a server says before it lets go; the reason has at most 123 bytes."""
    payload = code.to_bytes(2) + reason.encode()
    assert len(payload) <= CONTROL_BYTES_MAX
    return bytes((_FINAL | CLOSE, len(payload))) + payload
