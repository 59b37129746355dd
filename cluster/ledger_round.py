"""The walk that never ends: every row is looked at now and then, checked, and removed if it counts no more.

1. One pass goes over all items by number and their rows by actor, then over all buckets. Checksums are those of
   every read; at the end of an item the sums of its rows must be those in its item row, and likewise of buckets.
   Whatever does not fit raises `SpoiltError` (R13).
2. Commits go on between two steps: those to rows that were passed already are added to what was seen (`note`).
3. Rows of older generations and of erased visitors are removed (R12). The wish for it stands in the ledger until a
   pass that began after it has ended, so a restart begins again.

Used by `cluster.ledger`, inside its transactions. The owner decides how often to step: fast while `is_wanted`.
"""

from collections.abc import Collection
from typing import Final

from cluster.core.offers import Changes, Held
from cluster.core.sums import BUCKETS, ItemSums, bucket_of, replaced, shifted
from cluster.core.sweep import sweep
from cluster.ledger_table import SpoiltError, Table

PAGE_ROWS: Final = 1000
# A look at an empty bucket costs about as much as one at so many rows.
BUCKET_ROWS: Final = 10
# Below every number that SQLite knows: the disk may have made one negative.
BEFORE_ALL: Final = -(1 << 63)


class Round:
    """Where the walk is. `passes` counts the ends, `checked` the rows that were looked at."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.passes = self.checked = 0
        self.begin_again()

    def begin_again(self) -> None:
        """Forget how far it came: a rollback has undone some of that."""
        self._wish = int(bool(self._table.meta("sweep")))
        self._begin()

    def _begin(self) -> None:
        self._began_with = self._wish
        self._item_id, self._item, self._next_actor = BEFORE_ALL, "", b""
        self._is_inside = False
        self._seen = ItemSums()
        self._bucket = -1

    @property
    def is_wanted(self) -> bool:
        """Whether rows wait to be removed."""
        return self._wish > 0

    def want_sweep(self) -> None:
        """Rows that count no more were made; inside the transaction that made them."""
        self._wish += 1
        self._table.set_meta("sweep", self._wish)

    def note(self, held: Held, changes: Changes) -> None:
        """Take in what a commit has changed behind the walk's back."""
        if not self._is_inside or self._item not in changes.items:
            return
        gen = changes.items[self._item].gen
        if gen > self._seen.gen:
            self._seen = ItemSums(gen)
        for (item, actor), row in changes.rows.items():
            if item == self._item and actor < self._next_actor and row.gen == gen:
                old = held.rows.get((item, actor))
                self._seen = replaced(self._seen, old if old is not None and old.gen == gen else None, row)

    def step(self, rows_max: int, erased: Collection[bytes]) -> Changes:
        """Go on for about so many rows; what that changed, already written."""
        changes = Changes()
        while rows_max > 0:
            if self._bucket >= 0:
                rows_max -= self._check_bucket()
                if self._bucket < 0:
                    break
            elif self._is_inside or self._enter_next_item():
                rows_max -= self._look(min(rows_max, PAGE_ROWS), erased, changes)
            else:
                self._bucket = 0
        return changes

    def _enter_next_item(self) -> bool:
        found = self._table.db.execute(
            "SELECT id, item, bucket FROM items WHERE id > ? ORDER BY id LIMIT 1", (self._item_id,)
        ).fetchone()
        if found is None:
            return False
        self._item_id, self._item, bucket = found
        self._check_place(bucket)
        self._next_actor, self._is_inside = b"", True
        self._seen = ItemSums(self._sums().gen)
        return True

    def _check_place(self, bucket: object) -> None:
        """Found by its name or not: SQLite looks in the index, which has its own copy of the bucket."""
        if not isinstance(self._item, str) or bucket != bucket_of(self._item):
            raise SpoiltError(f"the item {self._item!r} is in a bucket that is not its own")

    def _sums(self) -> ItemSums:
        found = self._table.item(self._item)
        if found is None or found[0] != self._item_id:
            raise SpoiltError(f"the item {self._item!r} is not found by its name")
        return found[1]

    def _look(self, limit: int, erased: Collection[bytes], changes: Changes) -> int:
        """Look at the item's next rows; how much work that was."""
        rows = self._table.rows_of(self._item_id, self._item, self._next_actor, limit)
        self.checked += len(rows)
        sums = self._sums()
        if any(row.gen > sums.gen for row in rows):
            # Not to be removed: it is the item's own row that is older than it was.
            raise SpoiltError(f"{self._item!r} has rows of a later generation than its own")
        swept = sweep(self._item, sums, rows, erased)
        removed = set(swept.removed)
        if removed:
            self._table.write(swept, {self._item: self._item_id})
            _add(changes, swept)
        for row in rows:
            if row.key not in removed:
                self._seen = replaced(self._seen, None, row)
        if len(rows) == limit:
            self._next_actor = rows[-1].actor + b"\0"
            return limit
        if self._seen != swept.items.get(self._item, sums):
            raise SpoiltError(f"the sums of {self._item!r} are not those of its rows")
        self._is_inside = False
        return len(rows) + 1

    def _check_bucket(self) -> int:
        """Compare one bucket with its items; how much work that was."""
        total = items = 0
        after: str | None = None
        while page := self._table.items_of(self._bucket, after, PAGE_ROWS):
            total = shifted(total, sum(sums.digest for _, sums in page))
            items, after = items + len(page), page[-1][0]
        if total != self._stored_bucket():
            raise SpoiltError(f"the digest of bucket {self._bucket} is not that of its items")
        self._bucket += 1
        if self._bucket == BUCKETS:
            self._end()
        return items + BUCKET_ROWS

    def _stored_bucket(self) -> int:
        digest = self._table.db.execute("SELECT digest FROM buckets WHERE id = ?", (self._bucket,)).get
        return int.from_bytes(digest, "big") if isinstance(digest, bytes) else -1

    def _end(self) -> None:
        if self._wish and self._wish == self._began_with:
            self._wish = 0
            self._table.set_meta("sweep", None)
        self.passes += 1
        self._begin()


def _add(changes: Changes, more: Changes) -> None:
    changes.removed += more.removed
    changes.items |= more.items
    for bucket, by in more.buckets.items():
        changes.buckets[bucket] = changes.buckets.get(bucket, 0) + by
