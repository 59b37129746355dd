"""The durable table of tallies of one node: SQLite, used by one thread (R2, R14).

1. Nobody else opens the file (`cluster.ledger_file`).
2. One transaction = rows, item sums, buckets and heads. `commit` returns only after COMMIT with synchronous=FULL.
3. After an error at a commit nothing is known (the commit may come back): `LedgerError`, and whatever is asked of
   this ledger afterwards raises it again. A full disk is `LedgerFullError`, and the only one after which the same
   process may go on, with a new origin.
4. What the disk has changed is never handed on (R13). The first such thing marks the ledger as suspect, and the
   node must exit: its next start checks the whole (`cluster.ledger_check`), puts aside what is spoilt, drops all
   heads, and pulls everything; or, where the file's structure is broken, refuses to start.
5. Item rows hold the sums of their rows, and buckets those of their items, so a start reads none of the tallies.

Not thread-safe: all calls come from the writer thread (`cluster.batches`), the first and the last ones too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from cluster.checksums import UNSUITABLE
from cluster.core import flags
from cluster.core.flags import FLAGS, set_among
from cluster.core.merge import merge
from cluster.core.offers import Changes, Held, Offer, keys_of
from cluster.core.press import ItemState, Payer, Tally
from cluster.core.rows import Key, Row
from cluster.core.sums import BUCKETS, ItemSums, shifted
from cluster.ledger_check import check_whole
from cluster.ledger_file import REPLACE_IT, LedgerFile, open_file, unusable
from cluster.ledger_lookup import Lookup
from cluster.ledger_round import Round
from cluster.ledger_table import COLUMNS, SpoiltError, Table
from cluster.surface import Listed, Place, Snapshot

SCAN_ROWS: Final = 1000

Cursor = tuple[int, bytes]


class LedgerError(Exception):
    """The ledger cannot promise anything any more; the message is for the operator."""


class LedgerFullError(LedgerError):
    """The disk is full; what was committed is safe and readable."""


def open_ledger(data_dir: Path) -> "Ledger":
    """Open or create `ledger.db` in this folder. Raises StartError."""
    return Ledger(open_file(data_dir))


class Ledger:
    """An open ledger. `id` is random, made with the file; `heads`, `seqs`, `stamps`, `buckets`, `erased` (the
    erasure keys) and `flags` (the names that are set) are as of the last commit. `quarantined` counts rows that
    were put aside."""

    def __init__(self, file: LedgerFile) -> None:
        """Raises StartError if the file cannot be worked with."""
        self._file, self._db = file, file.db
        self._end: str | None = None
        try:
            self._open_table()
        except (apsw.Error, UnicodeError) as error:
            self.close()
            raise unusable(file.name, error) from error
        except BaseException:
            self.close()
            raise

    def _open_table(self) -> None:
        """Read what a start needs, after a whole check if the disk has changed anything."""
        try:
            self._begin()
            self._table.check_names()
            is_suspect = bool(self._table.meta("suspect"))
        except SpoiltError:
            is_suspect = True  # the check says what is spoilt
        if is_suspect:
            with self._transaction():
                check_whole(self._db, self._file.name, self._file.draw)
            self._begin()

    def _begin(self) -> None:
        self._table = Table(self._db)
        self.round = Round(self._table)
        self.load()

    def load(self) -> list[int]:
        """Read what a start needs, none of the tallies; returns the buckets of this moment."""
        table = self._table
        table.load()
        self._lookup = Lookup(table)
        self.id = table.id
        self.heads, self.seqs, self.stamps = table.heads, table.seqs, table.stamps
        self.buckets = table.buckets()
        self.erased = {row.actor for row in self._all_rows("")}
        self.flags = {item: set_among(self._all_rows(item)) for item in FLAGS}
        self.quarantined: int = self._db.execute("SELECT count(*) FROM quarantine").get
        self.round.begin_again()
        return list(self.buckets)

    def _all_rows(self, item: str) -> list[Row]:
        found = self._table.item(item)
        return self._table.rows_of(found[0], item, b"", -1) if found else []

    def close(self) -> None:
        self._file.close()

    # -- writing

    def commit(
        self,
        offers: Sequence[Offer],
        origin: bytes,
        allowances: Mapping[Payer, int],
        live: Collection[bytes] = (),
    ) -> Changes:
        """Merge these offers in one transaction; what it changed, after COMMIT. Raises LedgerError."""
        with self._translated(), self._transaction():
            ids, rows, sums = self._lookup.held(keys_of(offers))
            held = Held(rows, sums, self.erased, self.stamps.get(origin, b""), self.flags)
            changes = merge(held, offers, self.heads, origin=origin, allowances=allowances, live=live)
            seqs = self._table.write(changes, ids)
            if changes.has_stale:
                self.round.want_sweep()
        self._table.note(changes, seqs)
        self._note(changes)
        self.round.note(held, changes)
        return changes

    def go_round(self, rows_max: int) -> Changes:
        """Look after so many rows more: check them, and remove those that count no more. Raises LedgerError."""
        try:
            with self._translated(), self._transaction():
                changes = self.round.step(rows_max, self.erased)
        except LedgerFullError:
            self.round.begin_again()
            raise
        self._note(changes)
        return changes

    def _note(self, changes: Changes) -> None:
        self._lookup.note(changes)
        self.erased |= changes.erased
        flags.note(self.flags, changes.flags)
        for bucket, by in changes.buckets.items():
            self.buckets[bucket] = shifted(self.buckets[bucket], by)

    def size_bytes(self) -> int:
        """What a copy of it takes."""
        with self._translated():
            return int(self._db.pragma("page_count") * self._db.pragma("page_size"))

    def begin_backup(self, copy: apsw.Connection) -> apsw.Backup:
        """A copy into this empty database, to be stepped on the writer thread until it says that it is done.

        What goes wrong with the copy is the copy's affair. Raises LedgerError, apsw.Error.
        """
        if self._end is not None:
            raise LedgerError(self._end)
        return copy.backup("main", self._db, "main")

    def has_room(self) -> bool:
        """Whether a commit succeeds again after the disk was full."""
        try:
            with self._translated():
                with self._transaction():
                    self._db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(262144))")
                with self._transaction():
                    self._db.execute("DELETE FROM meta WHERE key = 'probe'")
        except LedgerFullError:
            return False
        return True

    # -- reading

    def read(self, items: Sequence[str], keys: Sequence[Key]) -> Snapshot:
        """Item states and tallies as of the last commit; absent ones are zero."""
        with self._translated():
            _, rows, sums = self._lookup.held([*((item, b"") for item in items), *keys])
        states = {item: _state(sums.get(item)) for item in items}
        return Snapshot(states, {key: _tally(rows.get(key), sums.get(key[0])) for key in keys})

    def sums(self, item: str) -> ItemSums:
        """What the item's rows come to."""
        with self._translated():
            found = self._table.item(item)
        return found[1] if found else ItemSums()

    def items_of(self, bucket: int, after: str | None, limit: int) -> list[tuple[str, ItemSums]]:
        """Items of a bucket behind this one, in their order; None: from the first, which may be ""."""
        with self._translated():
            return self._table.items_of(bucket, after, limit)

    def list_items(self, place: Place, limit: int) -> Listed:
        """So many items from there on, with the rest of erased visitors left out."""
        (bucket, after), found = place, list[tuple[str, ItemState]]()
        with self._translated():
            while bucket < BUCKETS and len(found) < limit:
                page = self._table.items_of(bucket, after, limit - len(found))
                found += ((item, _state(sums)) for item, sums in page if item not in FLAGS)
                bucket, after = (bucket, page[-1][0]) if page else (bucket + 1, "")
        return Listed(found, (bucket, after) if bucket < BUCKETS else None)

    def rows_of(self, item: str, start: bytes, stop: bytes, limit: int) -> list[Row]:
        """The item's rows of its generation by actor: `start` <= actor < `stop`, where b"" is the end."""
        rows: list[Row] = []
        with self._translated():
            found = self._table.item(item)
            while found is not None and len(rows) < limit:
                page = self._table.rows_of(found[0], item, start, limit, stop)
                rows += (row for row in page if row.gen == found[1].gen)
                if len(page) < limit:
                    break
                start = page[-1].actor + b"\0"
        return rows[:limit]

    def scan(self, after: Cursor, base: Mapping[bytes, int]) -> tuple[list[Row], Cursor | None]:
        """The next 1,000 rows in primary-key order, of which those above `base`; where to go on, None at the end.

        The first page is asked for with (0, b"").
        """
        rows: list[Row] = []
        last: Cursor | None = None
        seen = 0
        with self._translated():
            for item_id, actor, item, current, *columns in self._db.execute(
                f"SELECT t.item_id, t.actor, i.item, i.gen, {COLUMNS} "  # noqa: S608 - names of columns
                "FROM tallies t JOIN items i ON i.id = t.item_id WHERE (t.item_id, t.actor) > (?, ?) "
                "ORDER BY t.item_id, t.actor LIMIT ?",
                (*after, SCAN_ROWS),
            ):
                seen, last = seen + 1, (item_id, actor)
                row = self._table.checked_row(item, actor, *columns)
                if row.gen == current and row.seq > base.get(row.origin, 0):
                    rows.append(row)
        return rows, last if seen == SCAN_ROWS else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """BEGIN, and COMMIT or ROLLBACK.

        Not apsw's own context manager, which rolls back what SQLite has rolled back already when the disk is full,
        and so hides that it is.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors, and what the disk has spoilt, into what the node decides on."""
        if self._end is not None:
            raise LedgerError(self._end)
        try:
            yield
        except apsw.FullError as error:
            raise LedgerFullError(f"{self._file.name}: no space left on the disk") from error
        except (apsw.CorruptError, apsw.NotADBError, UnicodeError) as error:
            # The next start must find it too, and refuse: else the node would serve until it comes to that page.
            self._end = f"{self._file.name}: {error}. {REPLACE_IT}"
            self._mark_suspect()
            raise LedgerError(self._end) from error
        except apsw.Error as error:
            self._end = f"{self._file.name}: {error}. Check the disk"
            raise LedgerError(self._end) from error
        except (SpoiltError, *UNSUITABLE) as error:
            self._end = f"{self._file.name}: {error}. The next start checks the whole ledger; check the disk"
            self._mark_suspect()
            raise LedgerError(self._end) from error

    def _mark_suspect(self) -> None:
        # If even this fails, the next start finds the same again by itself.
        try:
            with self._transaction():
                self._table.set_meta("suspect", 1)
        except apsw.Error as error:
            self._end = f"{self._end} ({error})"


def _state(sums: ItemSums | None) -> ItemState:
    return ItemState(sums.gen, sums.count) if sums else ItemState()


def _tally(row: Row | None, sums: ItemSums | None) -> Tally:
    gen = sums.gen if sums else 0
    return Tally(gen, row.n if row is not None and row.gen == gen else 0)
