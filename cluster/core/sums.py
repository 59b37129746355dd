"""What the rows of an item come to: its count, and the digest by which replicas find out that they differ (R11).

1. An item's digest is the sum mod 2^128 of the hashes of its rows of the current generation, so it changes with
   each row in O(1) and does not depend on their order. It looks at gen and n, not at who wrote the row.
2. A bucket, one of 1,024 by hash of the item, is the sum of its items' digests.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from cluster.core.hashes import keyed
from cluster.core.items import counted
from cluster.core.rows import Row

BUCKETS: Final = 1024
DIGEST_KEY: Final = b"distributed-event-handler/1"
DIGEST_LENGTH: Final = 16
DIGEST_MASK: Final = (1 << 128) - 1


class ItemSums(msgspec.Struct, frozen=True, gc=False):
    """An item row: what its rows of the current generation come to. `digest` is a sum mod 2^128."""

    gen: int = 0
    count: int = 0
    rows: int = 0
    digest: int = 0


_digest_of: Final = keyed(DIGEST_LENGTH, DIGEST_KEY)
_bucket_hash: Final = keyed(2, DIGEST_KEY)
_two_numbers: Final = struct.Struct(">QQ").pack


def row_hash(row: Row) -> int:
    """The row's share of its item's digest: BLAKE2b-128 of (item, actor, gen, n) under a fixed public key."""
    content = b"%b\0%b%b" % (row.item.encode(), row.actor, _two_numbers(row.gen, row.n))
    return int.from_bytes(_digest_of(content), "big")


@lru_cache(maxsize=4096)
def bucket_of(item: str) -> int:
    """Which bucket the item's digest is summed into."""
    return int.from_bytes(_bucket_hash(item.encode()), "big") % BUCKETS


def replaced(sums: ItemSums, old: Row | None, new: Row) -> ItemSums:
    """The item's sums when `new` stands where `old` stood; both of the sums' generation."""
    return with_digest(counted_with(sums, old, new), digest_shift(old, new))


def counted_with(sums: ItemSums, old: Row | None, new: Row) -> ItemSums:
    """All of them but the digest."""
    if old is None:
        return ItemSums(sums.gen, sums.count + counted(new.item, new.n), sums.rows + 1, sums.digest)
    more = counted(new.item, new.n) - counted(old.item, old.n)
    return ItemSums(sums.gen, sums.count + more, sums.rows, sums.digest)


def digest_shift(old: Row | None, new: Row) -> int:
    """By how much the item's digest changes then."""
    if old is None:
        return row_hash(new)
    return 0 if old.n == new.n else row_hash(new) - row_hash(old)


def with_digest(sums: ItemSums, shift: int) -> ItemSums:
    """The item's sums when its digest has changed by so much."""
    return ItemSums(sums.gen, sums.count, sums.rows, shifted(sums.digest, shift))


def without(sums: ItemSums, row: Row) -> ItemSums:
    """The item's sums when this row of its generation is gone."""
    return ItemSums(
        sums.gen,
        sums.count - counted(row.item, row.n),
        sums.rows - 1,
        shifted(sums.digest, -row_hash(row)),
    )


def sums_of(gen: int, rows: Iterable[Row]) -> ItemSums:
    """The sums of an item whose rows of its generation are these; what `merge` keeps up to date."""
    sums = ItemSums(gen)
    for row in rows:
        sums = replaced(sums, None, row)
    return sums


def shifted(digest: int, by: int) -> int:
    """A digest after a sum below it has changed by so much."""
    return (digest + by) & DIGEST_MASK
