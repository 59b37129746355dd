"""Which rows count no more and may go: those of older generations, and those of erased visitors (R12).

A row of an older generation counts as absent from the commit on that raised the generation, so its removal changes
no sum. A row of an erased visitor counts until it is removed. Neither ever comes back: a row below its item's
generation, or of an erased visitor, is refused by every merge.
"""

from collections.abc import Collection, Iterable

from cluster.core.items import VISITOR_LENGTH, erasure_key
from cluster.core.offers import Changes
from cluster.core.rows import Row
from cluster.core.sums import ItemSums, bucket_of, without


def sweep(item: str, sums: ItemSums, rows: Iterable[Row], erased: Collection[bytes]) -> Changes:
    """What removing the dead ones among these rows of the item changes."""
    changes = Changes()
    swept = sums
    for row in rows:
        is_current = row.gen == sums.gen
        if is_current and not _is_erased(row, erased):
            continue
        changes.removed.append(row.key)
        if is_current:
            swept = without(swept, row)
    if swept != sums:
        changes.items[item] = swept
        changes.buckets[bucket_of(item)] = swept.digest - sums.digest
    return changes


def _is_erased(row: Row, erased: Collection[bytes]) -> bool:
    if not erased or not row.item or not row.actor:
        return False
    return erasure_key(row.actor[:VISITOR_LENGTH]) in erased
