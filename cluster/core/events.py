"""What a replica wants done: its owner does these, in order, after every call.

Only the owner sends, stores and answers; the replica says what (see `cluster.core.replica`).
"""

from collections.abc import Mapping, Sequence

import msgspec

from cluster.core.copies import Owed
from cluster.core.offers import Adoption, Page, Range, Repair
from cluster.core.rows import Row
from cluster.core.wire import Hello, Span


class Send(msgspec.Struct, frozen=True):
    """Send this frame. One that may be dropped is left out when the link's queue is full."""

    link: int
    data: bytes
    may_drop: bool = False


class Close(msgspec.Struct, frozen=True):
    """Close this link; it is forgotten here already. `code` is a word for logs, `reason` for people."""

    link: int
    code: str
    reason: str


class Opened(msgspec.Struct, frozen=True):
    """The peer has proven the secret. A duplicate is there only to be closed."""

    link: int
    peer: Hello
    is_duplicate: bool = False


class Offered(msgspec.Struct, frozen=True):
    """Put this into the next transaction."""

    offer: Range | Page | Repair | Adoption


class Asked(msgspec.Struct, frozen=True):
    """Answer a pull: `rows` if the ring had them, else a scan of the table for rows above `base`; then `heads`,
    with the stamp of each (R10).

    While a scan goes on, `late` takes header and erasure rows that are committed meanwhile: they are sent before
    `heads`, and `Replica.end_scan` is called (R5).
    """

    link: int
    id: int
    base: Mapping[bytes, int]
    heads: dict[bytes, int]
    stamps: list[bytes]
    rows: Sequence[Row] | None
    late: list[Row] = []


class Differs(msgspec.Struct, frozen=True):
    """The peer's rows in these buckets are not ours: send it what we have there (R11)."""

    link: int
    buckets: Sequence[int]


class Compared(msgspec.Struct, frozen=True):
    """The peer has this in these spans: send ours where it differs (R11)."""

    link: int
    spans: Sequence[Span]


class Wanted(msgspec.Struct, frozen=True):
    """The peer wants our rows in these spans (R11)."""

    link: int
    spans: Sequence[Span]


class Fenced(msgspec.Struct, frozen=True):
    """A peer knows more of our origin than we do: we were rolled back, and must exit (R10)."""

    reason: str


class Learned(msgspec.Struct, frozen=True):
    """A peer named these cluster addresses."""

    addresses: tuple[str, ...]


class Settled(msgspec.Struct, frozen=True):
    """The copies that this answer waited for exist."""

    owed: Owed
    copies: int


Event = Send | Close | Opened | Offered | Asked | Differs | Compared | Wanted | Fenced | Learned | Settled
