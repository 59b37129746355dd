"""The ledger's tables as rows, item sums and heads: every statement that reads or writes them.

1. What is read is checked first: checksum, then bounds (R13). What fails raises `SpoiltError`, for the disk changed
   it; it is never handed on.
2. Nothing here begins or ends a transaction, and nothing is kept that a rollback would have to undo, but numbers of
   origins: `load` reads those anew.

Used by `cluster.ledger` and what stands beside it, on the writer thread.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import apsw

from cluster.checksums import KEY_LENGTH, KEY_NAMES, UNSUITABLE, Checksums, hash_of_key
from cluster.core.items import is_item
from cluster.core.link import LEDGER_LENGTH
from cluster.core.offers import Changes
from cluster.core.rows import Row, fault_of
from cluster.core.sums import BUCKETS, DIGEST_LENGTH, ItemSums, bucket_of, shifted

# The index has a copy of every name; which of the two SQLite looks at is its own choice, if nobody says.
_NOT_FOUND: Final = """
    SELECT 1 FROM items NOT INDEXED WHERE NOT EXISTS (
        SELECT 1 FROM items AS found INDEXED BY sqlite_autoindex_items_1
        WHERE found.bucket = items.bucket AND found.item = items.item AND found.id = items.id
    )"""
COLUMNS: Final = "t.gen, t.n, t.origin_id, t.seq, t.ext, t.checksum"


class SpoiltError(Exception):
    """Something in this ledger is not what was written; the message says what, for the operator."""


def bytes_of(db: apsw.Connection, key: str, length: int) -> bytes:
    """A value of the meta table that is made with the ledger and never changes."""
    value = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    if not isinstance(value, bytes) or len(value) != length:
        raise SpoiltError(f"its {key} is none")
    return value


def checksums_of(db: apsw.Connection) -> Checksums:
    """The ledger's own checksums, by whichever copy of their key is sound."""
    for name in KEY_NAMES:
        kept = db.execute("SELECT value FROM meta WHERE key = ?", (name,)).get
        if isinstance(kept, bytes) and kept[KEY_LENGTH:] == hash_of_key(kept[:KEY_LENGTH]):
            return Checksums(kept[:KEY_LENGTH])
    raise SpoiltError("both copies of its checksum_key are none")


class Table:
    """The tables of one open file."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        # One cursor for all that is looked up by key: to make one costs as much as to find a row.
        self._cursor = db.cursor()
        self.load()

    def load(self) -> None:
        """Read what a start needs, none of the tallies."""
        self.id = bytes_of(self.db, "ledger_id", LEDGER_LENGTH)
        self.checksums = checksums_of(self.db)
        self.heads: dict[bytes, int] = {}
        self.seqs: dict[bytes, int] = {}
        self.stamps: dict[bytes, bytes] = {}
        self.origins: dict[int, bytes] = {}
        for number, *columns, checksum in self.db.execute("SELECT * FROM origins"):
            self._check(checksum, "an origin", lambda: self.checksums.of_origin(*columns))  # noqa: B023
            origin, head, seq, stamp = columns
            self.origins[number], self.seqs[origin], self.stamps[origin] = origin, seq, stamp
            if head:
                self.heads[origin] = head
        self._origin_ids = {origin: number for number, origin in self.origins.items()}

    def meta(self, key: str) -> Any:
        """A value of the meta table, None if there is none."""
        return self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get

    def set_meta(self, key: str, value: object) -> None:
        """Write a value, or take it away with None."""
        if value is None:
            self.db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _check(self, checksum: object, what: str, expected: Any) -> None:
        try:
            is_right = checksum == expected()
        except UNSUITABLE:
            is_right = False
        if not is_right:
            raise SpoiltError(f"{what} does not fit its checksum")

    # -- reading

    def item(self, item: str) -> tuple[int, ItemSums] | None:
        """The item's number and its sums, None if it has none yet."""
        found = self._cursor.execute(
            "SELECT id, gen, count, rows, digest, checksum FROM items WHERE bucket = ? AND item = ?",
            (bucket_of(item), item),
        ).get
        return None if found is None else (int(found[0]), self.checked_sums(item, *found[1:]))

    def checked_sums(self, item: str, *columns: Any) -> ItemSums:
        """The sums in the columns gen, count, rows, digest, checksum."""
        gen, count, rows, digest, checksum = columns
        try:
            sums = ItemSums(gen, count, rows, int.from_bytes(digest, "big"))
        except UNSUITABLE as error:
            raise SpoiltError(f"the sums of {item!r} are none") from error
        self._check(checksum, f"the sums of {item!r}", lambda: self.checksums.of_item(item, sums))
        return sums

    def row(self, item_id: int, item: str, actor: bytes) -> Row | None:
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM tallies t WHERE item_id = ? AND actor = ?",  # noqa: S608 - names of columns
            (item_id, actor),
        ).get
        return None if found is None else self.checked_row(item, actor, *found)

    def checked_row(self, item: str, actor: bytes, *columns: Any) -> Row:
        """The row in `COLUMNS`."""
        gen, n, origin_id, seq, ext, checksum = columns
        row = Row(item, actor, gen, n, self.origins.get(origin_id, b""), seq, ext)
        if (fault := self.fault_of(row, checksum)) is not None:
            raise SpoiltError(f"a row of {item!r}: {fault}")
        return row

    def fault_of(self, row: Row, checksum: object) -> str | None:
        """What is wrong with a row as it was read, None if nothing is."""
        try:
            self._check(checksum, "it", lambda: self.checksums.of_row(row))
            return fault_of(row)
        except SpoiltError as error:
            return str(error)

    def rows_of(self, item_id: int, item: str, start: bytes, limit: int, stop: bytes = b"") -> list[Row]:
        """Rows of an item by actor, also those of older generations: `start` <= actor < `stop`, b"": to the end."""
        found = self.db.execute(
            f"SELECT t.item_id, t.actor, {COLUMNS} FROM tallies t "  # noqa: S608
            "WHERE item_id = ?1 AND actor >= ?2 AND (?3 = x'' OR actor < ?3) ORDER BY actor LIMIT ?4",
            (item_id, start, stop, limit),
        )
        rows: list[Row] = []
        for stored_id, actor, *columns in found:
            # SQLite walks from the item's first row to its last and does not look at each: one between them whose
            # number has become a smaller one fits its checksum here, and is found by nobody who asks for it.
            if stored_id != item_id or (rows and actor <= rows[-1].actor):
                raise SpoiltError(f"a row of {item!r} is not where it is looked for")
            rows.append(self.checked_row(item, actor, *columns))
        return rows

    def items_of(self, bucket: int, after: str | None, limit: int) -> list[tuple[str, ItemSums]]:
        """Items of a bucket behind this one, in their order; None: from the first, which may be ""."""
        return [
            (item, self.checked_sums(item, *columns))
            for item, *columns in self.db.execute(
                "SELECT item, gen, count, rows, digest, checksum FROM items "
                "WHERE bucket = ?1 AND (?2 IS NULL OR item > ?2) ORDER BY item LIMIT ?3",
                (bucket, after, limit),
            )
        ]

    def buckets(self) -> list[int]:
        """The digest of every bucket."""
        found = list(self.db.execute("SELECT id, digest FROM buckets ORDER BY id"))
        if [bucket for bucket, _ in found] != list(range(BUCKETS)):
            raise SpoiltError("the buckets are not those that there are")
        return [self._bucket(digest) for _, digest in found]

    def _bucket(self, digest: object) -> int:
        if not isinstance(digest, bytes) or len(digest) != DIGEST_LENGTH:
            raise SpoiltError("the digest of a bucket is none")
        return int.from_bytes(digest, "big")

    def check_names(self) -> None:
        """Every item is found by its name: one that is not would be shown as 0, as if it was never pressed.

        No checksum shows it, and the round comes by later. Under a microsecond an item.
        """
        if self.db.execute(_NOT_FOUND).get:
            raise SpoiltError("an item is not found by its name")

    # -- writing

    def write(self, changes: Changes, ids: dict[str, int]) -> dict[bytes, int]:
        """Write it all; `ids` are the numbers of the items, 0 for a new one.

        Returns the largest number of every origin that it wrote, to be noted after the commit.
        """
        for item, sums in changes.items.items():
            ids[item] = self.write_sums(ids[item], item, sums)
        seqs = self._write_origins(changes)
        checksums = self.checksums
        self.db.executemany(
            "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    ids[row.item], row.actor, row.gen, row.n, self._origin_ids[row.origin], row.seq, row.ext,
                    checksums.of_row(row),
                )
                for row in changes.rows.values()
            ),
        )  # fmt: skip
        self.remove((ids[item], actor) for item, actor in changes.removed)
        self._write_buckets(changes.buckets)
        return seqs

    def write_sums(self, item_id: int, item: str, sums: ItemSums) -> int:
        """The item's number, a new one if it had none."""
        digest, checksum = sums.digest.to_bytes(DIGEST_LENGTH, "big"), self.checksums.of_item(item, sums)
        values = (sums.gen, sums.count, sums.rows, digest, checksum)
        if item_id:
            self._cursor.execute(
                "UPDATE items SET gen = ?, count = ?, rows = ?, digest = ?, checksum = ? WHERE id = ?",
                (*values, item_id),
            )
            return item_id
        self.db.execute("INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", (bucket_of(item), item, *values))
        return self.db.last_insert_rowid()

    def _write_origins(self, changes: Changes) -> dict[bytes, int]:
        seqs = {origin: self.seqs.get(origin, 0) for origin in changes.heads}
        for row in changes.rows.values():
            if row.seq > seqs.get(row.origin, -1):
                seqs[row.origin] = max(row.seq, self.seqs.get(row.origin, 0))
        for origin, seq in seqs.items():
            head = changes.heads.get(origin, self.heads.get(origin, 0))
            stamp = changes.stamps.get(origin, self.stamps.get(origin, b""))
            self.write_origin(origin, head, seq, stamp)
        return seqs

    def write_origin(self, origin: bytes, head: int, seq_max: int, stamp: bytes) -> None:
        checksum = self.checksums.of_origin(origin, head, seq_max, stamp)
        self.db.execute(
            "INSERT INTO origins VALUES (NULL, ?1, ?2, ?3, ?4, ?5) ON CONFLICT (origin) "
            "DO UPDATE SET head = ?2, seq_max = ?3, stamp = ?4, checksum = ?5",
            (origin, head, seq_max, stamp, checksum),
        )
        if origin not in self._origin_ids:
            number = self.db.last_insert_rowid()
            self._origin_ids[origin], self.origins[number] = number, origin

    def _write_buckets(self, changed: Mapping[int, int]) -> None:
        for bucket, by in changed.items():
            digest = self._cursor.execute("SELECT digest FROM buckets WHERE id = ?", (bucket,)).get
            now = shifted(self._bucket(digest), by)
            self._cursor.execute(
                "UPDATE buckets SET digest = ? WHERE id = ?", (now.to_bytes(DIGEST_LENGTH, "big"), bucket)
            )

    def remove(self, keys: Iterable[tuple[int, bytes]]) -> None:
        """Delete the rows under these item numbers and actors."""
        self.db.executemany("DELETE FROM tallies WHERE item_id = ? AND actor = ?", keys)

    # -- after a commit

    def note(self, changes: Changes, seqs: Mapping[bytes, int]) -> None:
        """The transaction of these changes is committed, whose writing returned these numbers."""
        self.heads.update(changes.heads)
        self.stamps.update(changes.stamps)
        self.seqs.update(seqs)

    def all_items(self) -> Iterator[tuple[int, str, Any]]:
        """Every item with its number and its columns, unchecked."""
        for number, bucket, item, *columns in self.db.execute(
            "SELECT id, bucket, item, gen, count, rows, digest, checksum FROM items ORDER BY id"
        ):
            if not (isinstance(item, str) and (item == "" or is_item(item))) or bucket != bucket_of(item):
                raise SpoiltError(f"the name or bucket of an item, {item!r} in {bucket!r}, is wrong")
            yield number, item, columns
