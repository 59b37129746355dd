"""A row of the table: one tally with its version, and the bounds that every row must keep.

    (item, actor) -> (gen, n, origin, seq)          merge: keep the larger (gen, n, origin, seq)

1. The order of two rows of one key is total (R6), so replicas that saw the same rows hold the same row.
2. A row out of bounds (R13) never enters a table, whoever offers it.
3. `ext` holds what later versions append to a row, and is relayed byte for byte (R15).

Three sorts of keys: (item, 16-byte actor) is a tally; (item, empty) is an item's header, which only raises its
generation; (empty, 16 bytes) says that a visitor was erased, for good: there is no later generation. The last two
are stored and relayed like any row.
"""

from typing import Final

import msgspec

from cluster.core.items import ACTOR_LENGTH, GEN_MAX, SEQ_MAX, is_item, tally_max

ORIGIN_LENGTH: Final = 16
EXT_LENGTH_MAX: Final = 256

Key = tuple[str, bytes]
Rank = tuple[int, int, bytes, int]


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row as it stands in a table, in the ring, and (packed by `wire`) between peers."""

    item: str
    actor: bytes
    gen: int
    n: int
    origin: bytes
    seq: int
    ext: bytes = b""

    @property
    def key(self) -> Key:
        return self.item, self.actor

    @property
    def rank(self) -> Rank:
        """What the total order compares."""
        return self.gen, self.n, self.origin, self.seq


def fault_of(row: Row) -> str | None:
    """Why this row may not enter a table, or None if it may (R13)."""
    if not 0 <= row.gen <= GEN_MAX:
        return "gen out of bounds"
    if not 1 <= row.seq <= SEQ_MAX:
        return "seq out of bounds"
    if len(row.origin) != ORIGIN_LENGTH:
        return "origin of wrong length"
    if len(row.ext) > EXT_LENGTH_MAX:
        return "ext too long"
    return None if _is_legal(row) else "illegal key, or n out of bounds for it"


def _is_legal(row: Row) -> bool:
    if row.item == "":
        return len(row.actor) == ACTOR_LENGTH and row.n == 1 and row.gen == 0
    if row.actor == b"":
        return is_item(row.item) and row.n == 0
    return is_item(row.item) and len(row.actor) == ACTOR_LENGTH and 0 <= row.n <= tally_max(row.item)
