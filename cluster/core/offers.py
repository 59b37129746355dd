"""What goes into a transaction and what comes out of it: the words between the merge, its ledger and the loop."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from cluster.core.flags import NONE_SET, FlagName, Names
from cluster.core.press import Erasure, Flag, Payer, Press, Reset, Wish
from cluster.core.rows import Key, Row
from cluster.core.sums import ItemSums

Refusal = Literal["rate_limited", "reset", "behind", "erased", "frozen"]


class Range(msgspec.Struct, frozen=True):
    """A peer's commits start+1..to of one origin (R4), heard on the link `source`. `stamp` is of `to` (R10)."""

    origin: bytes
    start: int
    to: int
    rows: Sequence[Row]
    source: int = 0
    stamp: bytes = b""


class Page(msgspec.Struct, frozen=True):
    """Rows of a pull's answer; they raise no head (R5)."""

    rows: Sequence[Row]
    source: int = 0


class Repair(msgspec.Struct, frozen=True):
    """Rows of a part of the table in which a peer's digest differs from ours; they raise no head (R11)."""

    rows: Sequence[Row]
    source: int = 0


class Adoption(msgspec.Struct, frozen=True):
    """The end of a pull's answer: take these heads if the ones it was asked with still stand (R5).

    `stamps` are theirs, as far as they have one (R10).
    """

    asked: Mapping[bytes, int]
    heads: Mapping[bytes, int]
    stamps: Mapping[bytes, bytes] = {}


Offer = Wish | Range | Page | Repair | Adoption


class Held(msgspec.Struct, frozen=True):
    """What the table holds under the keys and items that a batch touches; absent ones are missing.

    `erased` are the erasure keys of all erased visitors, `flags` the names of all flags that are set, `stamp` is
    that of this run's last commit (R10).
    """

    rows: Mapping[Key, Row]
    items: Mapping[str, ItemSums]
    erased: Collection[bytes] = frozenset()
    stamp: bytes = b""
    flags: Names = NONE_SET


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one wish, in its place in the batch. Without refusal it rests on the row (origin, seq)."""

    gen: int
    n: int
    count: int
    origin: bytes = b""
    seq: int = 0
    refusal: Refusal | None = None


class Changes(msgspec.Struct):
    """What a transaction changed: written as a whole, and only then told to anyone.

    `rows` now stand in the table, `removed` are gone from it (R12). `buckets` says by how much each digest bucket
    changed. `stamps` are those of the raised heads (R10). `own` are this run's rows, to be pushed, also those
    that the table did not keep. `erased` are erasure keys, `flags` says which are set now and which no more.
    `has_stale` says that rows now stand in the table that count no more, so they wait to be removed. `gaps` and
    `bad_rows` name the links whose ranges began above our head, or held rows out of bounds. `repairs` counts rows
    that a digest found and our heads had claimed (R11): not one, unless a disk lied. `presses` is by how much own
    wishes raised tallies.
    """

    rows: dict[Key, Row] = {}
    removed: list[Key] = []
    items: dict[str, ItemSums] = {}
    buckets: dict[int, int] = {}
    heads: dict[bytes, int] = {}
    stamps: dict[bytes, bytes] = {}
    outcomes: list[Outcome] = []
    spent: dict[Payer, int] = {}
    own: dict[Key, Row] = {}
    erased: set[bytes] = set()
    flags: dict[FlagName, bool] = {}
    has_stale: bool = False
    gaps: set[int] = set()
    bad_rows: dict[int, int] = {}
    adopted: int = 0
    repairs: int = 0
    presses: int = 0


def keys_of(offers: Iterable[Offer]) -> Collection[Key]:
    """Every key that a merge of these offers may look at, once."""
    keys: dict[Key, None] = {}
    for offer in offers:
        if isinstance(offer, Press):
            keys[offer.item, offer.actor] = None
        elif isinstance(offer, Reset | Erasure | Flag):
            keys[offer.key] = None
        elif isinstance(offer, Range | Page | Repair):
            for row in offer.rows:
                keys[row.item, row.actor] = None
    return keys
