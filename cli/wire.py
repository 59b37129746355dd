"""The frames of the browser protocol, version 1 (docs/protocol.md), as the client sees them.

The only module that knows their fields. A frame of an unknown type is none of this client's business and is
skipped; a known one with wrong fields is the node's mistake (`WireError`). Among the skipped is `pong`: that a
node still lives is asked with WebSocket pings (`connection`).
"""

from typing import Final

import msgspec


class WireError(Exception):
    """A node sent what is no frame of this protocol."""


class _Frame(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """One JSON object per frame, tagged by `type`."""


class SayHello(_Frame, frozen=True, tag="hello"):
    token: str
    tab: str


class Watch(_Frame, frozen=True, tag="watch"):
    items: list[str]


class Unwatch(_Frame, frozen=True, tag="unwatch"):
    items: list[str]


class Press(_Frame, frozen=True, tag="press"):
    """`gen` None: not known yet, the node's. `tab` empty where the kind has no use for one."""

    id: int
    item: str
    n: int
    gen: int | None = None
    tab: str = ""


class Ping(_Frame, frozen=True, tag="ping"):
    pass


class Hello(_Frame, frozen=True, tag="hello"):
    node: str
    token: str


class Counts(_Frame, frozen=True, tag="counts"):
    counts: dict[str, int]


class MyTally(msgspec.Struct, frozen=True):
    gen: int
    n: int


class Mine(_Frame, frozen=True, tag="mine"):
    tallies: dict[str, MyTally]


class Pressed(_Frame, frozen=True, tag="pressed"):
    item: str
    gen: int
    n: int
    count: int
    id: int | None = None
    copies: int = 0
    wanted: int = 0
    retry_after: float | None = None

    @property
    def is_last(self) -> bool:
        """Only then the press is saved."""
        return self.copies >= self.wanted


class Error(_Frame, frozen=True, tag="error"):
    code: str
    message: str = ""
    id: int | None = None
    retry_after: float | None = None


class Leaving(_Frame, frozen=True, tag="leaving"):
    after: float = 0.0


Outgoing = SayHello | Watch | Unwatch | Press | Ping
Incoming = Hello | Counts | Mine | Pressed | Error | Leaving

_decoder: Final[msgspec.json.Decoder[Incoming]] = msgspec.json.Decoder(Incoming)
_KNOWN: Final = frozenset(("hello", "counts", "mine", "pressed", "error", "leaving"))


class _Type(msgspec.Struct, frozen=True):
    type: str


def encode(frame: Outgoing) -> str:
    return msgspec.json.encode(frame).decode()


def decode(text: str) -> Incoming | None:
    """The frame, or None if its type is unknown (`pong`, `viewers`, and what later versions add)."""
    try:
        if msgspec.json.decode(text, type=_Type).type not in _KNOWN:
            return None
        return _decoder.decode(text)
    except msgspec.DecodeError as wrong:
        raise WireError(f"not a frame: {wrong}") from wrong
