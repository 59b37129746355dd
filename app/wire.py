"""The browser protocol's messages, version 1 (docs/protocol.md): the only module that knows their fields.

1. One JSON object per frame, tagged by `type`; fields not named here are ignored.
2. Whatever a client sends, `decode` returns a message or raises `MessageError`, and nothing else.
3. A frame is encoded once and may be written to any number of connections: servers do not mask (RFC 6455,
   section 5.1) and nothing is compressed.

Used on the loop's thread by sessions, the hub and the HTTP API.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final, TypeVar

import msgspec

from cluster.core.items import GEN_MAX

VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 4096
TAB_LENGTH_MAX: Final = 64
CLOSE_LEAVING: Final = 4001
CLOSE_TOO_SLOW: Final = 4002
CLOSE_SILENT: Final = 4003
CLOSE_OVERLOADED: Final = 4004
CLOSE_PROTOCOL_VIOLATION: Final = 4500
CLOSE_FORBIDDEN_ORIGIN: Final = 4502

# What JavaScript can hold exactly.
Id = Annotated[int, msgspec.Meta(ge=-GEN_MAX, le=GEN_MAX)]
Gen = Annotated[int, msgspec.Meta(ge=0, le=GEN_MAX)]
Tab = Annotated[str, msgspec.Meta(max_length=TAB_LENGTH_MAX)]

_T = TypeVar("_T")

TEXT: Final = 0x81
_PONG: Final = 0x8A
# Of frames with less than 126 bytes, which most are.
_SHORT_HEADERS: Final = {first: [bytes((first, length)) for length in range(126)] for first in (TEXT, _PONG)}


class MessageError(Exception):
    """The client's mistake. `id` is the message's, where it could still be read."""

    def __init__(self, reason: str, message_id: int | None = None) -> None:
        super().__init__(reason)
        self.id = message_id


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Without a token: the visitor stays, only the tab is named."""

    token: str | None = None
    tab: Tab | None = None


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    items: list[str]


class Unwatch(msgspec.Struct, frozen=True, tag="unwatch"):
    items: list[str]


class PressWish(msgspec.Struct, frozen=True, gc=False, tag="press"):
    """`n` is checked against its item later: out of range is `bad_tally`, not `bad_message`."""

    item: str
    id: Id | None = None
    gen: Gen | None = None
    n: int | None = None
    tab: Tab | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    pass


class PressBody(msgspec.Struct, frozen=True):
    """The body of a press over the HTTP API."""

    gen: Gen | None = None
    n: int | None = None
    tab: Tab | None = None


class ResetBody(msgspec.Struct, frozen=True):
    """The body of a reset. With `gen`: only while that is the item's."""

    gen: Gen | None = None


class ImportBody(msgspec.Struct, frozen=True):
    """Some visitors of an import, from number `first` on, each with n presses; the item, or a page and a kind."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    visitors: Annotated[int, msgspec.Meta(ge=1)]
    n: Annotated[int, msgspec.Meta(ge=1)]
    first: Annotated[int, msgspec.Meta(ge=0, le=GEN_MAX)] = 0
    item: str = ""
    page: str = ""
    kind: str = "clap"


class NodeHello(msgspec.Struct, frozen=True, tag="hello"):
    node: str
    token: str
    version: int = VERSION


class Counts(msgspec.Struct, frozen=True, tag="counts"):
    counts: dict[str, int]


class OriginBody(msgspec.Struct, frozen=True):
    """Whether pages of this origin may connect and press."""

    origin: Annotated[str, msgspec.Meta(min_length=1, max_length=250)]
    allowed: bool


class Viewers(msgspec.Struct, frozen=True, tag="viewers", omit_defaults=True):
    """How many browsers watch, in the whole cluster. `frozen` are those of these items that nobody may press."""

    viewers: dict[str, int]
    frozen: list[str] = []


class MyTally(msgspec.Struct, frozen=True):
    gen: int
    n: int


class Mine(msgspec.Struct, frozen=True, tag="mine"):
    tallies: Mapping[str, MyTally]


class Pressed(msgspec.Struct, frozen=True, gc=False, tag="pressed", kw_only=True, omit_defaults=True):
    """Committed. `token` only over HTTP, where the node made one for this press."""

    item: str
    gen: int
    n: int
    count: int
    copies: int
    wanted: int
    id: int | None = None
    retry_after: float | None = None
    token: str | None = None


class Reset(msgspec.Struct, frozen=True, tag="reset", kw_only=True):
    """Over HTTP only: the item's next generation has begun."""

    item: str
    gen: int
    count: int
    copies: int
    wanted: int


class Flagged(msgspec.Struct, frozen=True, tag="flagged", kw_only=True):
    """Over HTTP only: an item is frozen, or an origin allowed, or not any more."""

    name: str
    is_set: bool
    copies: int
    wanted: int


class Imported(msgspec.Struct, frozen=True, tag="imported", kw_only=True):
    """Over HTTP only: those visitors have pressed, which raised the count by `added`."""

    item: str
    count: int
    copies: int
    wanted: int
    added: int


class Erased(msgspec.Struct, frozen=True, tag="erased", kw_only=True):
    """Over HTTP only: the visitor is forgotten."""

    copies: int
    wanted: int


class Error(msgspec.Struct, frozen=True, tag="error", kw_only=True, omit_defaults=True):
    """`erased`: it answers nothing, but says that the visitor of this connection was erased; a hello follows.

    `n`: of a frozen item, the tally that the press would have raised.
    """

    code: str
    message: str
    id: int | None = None
    retry_after: float | None = None
    n: int | None = None
    erased: bool = False


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    after: float


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    pass


class _Numbered(msgspec.Struct, frozen=True):
    id: Id | None = None


ClientMessage = Hello | Watch | Unwatch | PressWish | Ping
NodeMessage = NodeHello | Counts | Viewers | Mine | Pressed | Error | Leaving | Pong

_client_messages: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)
_numbered: Final = msgspec.json.Decoder(_Numbered)
_encoder: Final = msgspec.json.Encoder()

# UnicodeError and msgspec's DecodeError are ValueErrors; too deep a nesting is a RecursionError.
_UNREADABLE: Final = (ValueError, RecursionError)


def decode(text: bytes | str) -> ClientMessage:
    """One message of a client, or `MessageError` with the reason in words for its author."""
    try:
        return _client_messages.decode(text)
    except _UNREADABLE as wrong:
        raise MessageError(f"not a message of this protocol: {wrong}", _id_of(text)) from wrong


def _reader_of(body_type: type[_T], what: str, empty: _T | None = None) -> Callable[[bytes], _T]:
    """Reads the body of a request, or raises `MessageError`; `empty` is what an empty one says, if it may be."""
    decoder = msgspec.json.Decoder(body_type)

    def read(body: bytes) -> _T:
        if not body and empty is not None:
            return empty
        try:
            return decoder.decode(body)
        except _UNREADABLE as wrong:
            raise MessageError(f"not {what}: {wrong}") from wrong

    return read


decode_press_body: Final = _reader_of(PressBody, "a press", PressBody())
# Empty: whatever generation there is.
decode_reset_body: Final = _reader_of(ResetBody, "a reset", ResetBody())
decode_import_body: Final = _reader_of(ImportBody, "an import")
decode_origin_body: Final = _reader_of(OriginBody, "an origin")


def _id_of(text: bytes | str) -> int | None:
    try:
        return _numbered.decode(text).id
    except _UNREADABLE:
        return None


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def frame(message: NodeMessage) -> bytes:
    """The message as one whole WebSocket frame."""
    payload = _encoder.encode(message)
    length = len(payload)
    return (_SHORT_HEADERS[TEXT][length] if length < 126 else _header(TEXT, length)) + payload


def payloads(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """What whole frames of this node say: the first byte of each, and its payload."""
    at = 0
    while at < len(frames):
        length, start = frames[at + 1], at + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(frames[at + 2 : start], "big")
        yield frames[at], frames[start : start + length]
        at = start + length


def pong_frame(payload: bytes) -> bytes:
    """The answer to a WebSocket ping, whose payload has at most 125 bytes."""
    return _header(_PONG, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    """RFC 6455, section 5.2."""
    if length < 126:
        return _SHORT_HEADERS[first][length]
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")
