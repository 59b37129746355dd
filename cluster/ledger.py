"""The durable table of tallies of one node: SQLite, used by one thread (R2, R14).

1. Nobody else opens the file (`cluster.ledger_file`).
2. One transaction = rows, item sums and heads. `commit` returns only after COMMIT with synchronous=FULL.
3. After an error at a commit nothing is known (the commit may come back): `LedgerError`, and whatever is asked of
   this ledger afterwards raises it again. A full disk is `LedgerFullError`, and the only one after which the same
   process may go on, with a new origin.
4. A row that breaks the bounds (R13) is deleted, with every head dropped in the same transaction, and the node
   must exit: its next start pulls everything, that row too.
5. Item rows hold the sums of their rows, so a start reads none of the tallies.

Not thread-safe: all calls come from the writer thread (`cluster.batches`), the first and the last ones too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from cluster.core.merge import Changes, Held, ItemSums, Offer, keys_of, merge, sums_of
from cluster.core.press import ItemState, Tally
from cluster.core.rows import Key, Row, fault_of
from cluster.ledger_file import FILE_NAME, open_file, unusable
from cluster.surface import Snapshot

SCAN_ROWS: Final = 1000

Cursor = tuple[int, bytes]


class LedgerError(Exception):
    """The ledger cannot promise anything any more; the message is for the operator."""


class LedgerFullError(LedgerError):
    """The disk is full; what was committed is safe and readable."""


class BadRowError(Exception):
    """A row of this ledger is out of bounds: the disk changed it."""

    def __init__(self, item_id: int, actor: bytes, fault: str) -> None:
        super().__init__(fault)
        self.item_id, self.actor, self.fault = item_id, actor, fault


class Ledger:
    """An open ledger. `id` is random, made with the file; `heads` and `seqs` are as of the last commit."""

    def __init__(self, data_dir: Path) -> None:
        """Open or create `ledger.db` in this folder. Raises StartError."""
        self._path = data_dir / FILE_NAME
        self._db, self._lock = open_file(data_dir)
        self._end: str | None = None
        try:
            self.load()
        except apsw.Error as error:
            self.close()
            raise unusable(self._path, error) from error

    def load(self) -> None:
        """Read what a start needs: the ledger's id, heads and origins."""
        self.id: bytes = self._db.execute("SELECT value FROM meta WHERE key = 'ledger_id'").get
        rows = list(self._db.execute("SELECT id, origin, head, seq_max FROM origins"))
        self._origin_ids: dict[bytes, int] = {origin: number for number, origin, _, _ in rows}
        self._origins: dict[int, bytes] = {number: origin for number, origin, _, _ in rows}
        self.heads: dict[bytes, int] = {origin: head for _, origin, head, _ in rows if head}
        self.seqs: dict[bytes, int] = {origin: seq for _, origin, _, seq in rows}

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    # -- writing

    def commit(self, offers: Sequence[Offer], origin: bytes, allowances: Mapping[bytes, int]) -> Changes:
        """Merge these offers in one transaction; what it changed, after COMMIT. Raises LedgerError."""
        with self._translated():
            try:
                with self._transaction():
                    ids, held = self._held(keys_of(offers))
                    changes = merge(held, offers, self.heads, origin=origin, allowances=allowances)
                    seqs = self._write(changes, ids)
            except BadRowError as error:
                self._drop(error)
        self.heads.update(changes.heads)
        self.seqs.update((origin, max(seq, self.seqs.get(origin, 0))) for origin, seq in seqs.items())
        return changes

    def _held(self, keys: Iterable[Key]) -> tuple[dict[str, int], Held]:
        ids: dict[str, int] = {}
        sums: dict[str, ItemSums] = {}
        rows: dict[Key, Row] = {}
        for key in keys:
            item, actor = key
            if item not in ids:
                ids[item] = self._load_item(item, sums)
            row = self._row(ids[item], item, actor)
            if row is not None:
                rows[key] = row
        return ids, Held(rows, sums)

    def _load_item(self, item: str, sums: dict[str, ItemSums]) -> int:
        """The item's number, 0 if it has none yet; its sums go into `sums`."""
        found = self._db.execute(
            "SELECT id, gen, count, rows, digest FROM items WHERE item = ?", (item,)
        ).fetchone()
        if found is None:
            return 0
        number, gen, count, rows, digest = found
        sums[item] = ItemSums(gen, count, rows, int.from_bytes(digest, "big"))
        return int(number)

    def _row(self, item_id: int, item: str, actor: bytes) -> Row | None:
        found = self._db.execute(
            "SELECT gen, n, origin_id, seq, ext FROM tallies WHERE item_id = ? AND actor = ?", (item_id, actor)
        ).fetchone()
        if found is None:
            return None
        return self._checked(item_id, item, actor, *found)

    def _checked(self, item_id: int, item: str, actor: bytes, *rest: int | bytes) -> Row:
        gen, n, origin_id, seq, ext = rest
        row = Row(item, actor, gen, n, self._origins.get(origin_id, b""), seq, ext)  # type: ignore[arg-type]
        if (fault := fault_of(row)) is not None:
            raise BadRowError(item_id, actor, fault)
        return row

    def _write(self, changes: Changes, ids: dict[str, int]) -> dict[bytes, int]:
        """Write it all; the highest seq written of each origin."""
        for item, sums in changes.items.items():
            values = (sums.gen, sums.count, sums.rows, sums.digest.to_bytes(16, "big"))
            if ids[item]:
                self._db.execute(
                    "UPDATE items SET gen = ?, count = ?, rows = ?, digest = ? WHERE id = ?", (*values, ids[item])
                )
            else:
                self._db.execute("INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?)", (item, *values))
                ids[item] = self._db.last_insert_rowid()
        seqs = self._write_origins(changes)
        self._db.executemany(
            "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (ids[row.item], row.actor, row.gen, row.n, self._origin_ids[row.origin], row.seq, row.ext)
                for row in changes.rows.values()
            ),
        )
        return seqs

    def _write_origins(self, changes: Changes) -> dict[bytes, int]:
        seqs: dict[bytes, int] = dict.fromkeys(changes.heads, 0)
        for row in changes.rows.values():
            seqs[row.origin] = max(row.seq, seqs.get(row.origin, 0))
        for origin, seq in seqs.items():
            head = changes.heads.get(origin, self.heads.get(origin, 0))
            self._db.execute(
                "INSERT INTO origins VALUES (NULL, ?1, ?2, ?3) ON CONFLICT (origin) "
                "DO UPDATE SET head = ?2, seq_max = max(seq_max, ?3)",
                (origin, head, seq),
            )
            if origin not in self._origin_ids:
                number = self._db.last_insert_rowid()
                self._origin_ids[origin], self._origins[number] = number, origin
        return seqs

    def _drop(self, bad: BadRowError) -> None:
        """Delete a row that the disk has spoilt, so that the next start pulls it again (R13)."""
        # A later commit would write heads as they were before, and the row would never be pulled.
        self._end = f"{self._path}: a row was out of bounds ({bad.fault}) and is dropped: check the disk"
        with self._transaction():
            self._db.execute("DELETE FROM tallies WHERE item_id = ? AND actor = ?", (bad.item_id, bad.actor))
            self._db.execute("UPDATE origins SET head = 0")
            item, gen = next(self._db.execute("SELECT item, gen FROM items WHERE id = ?", (bad.item_id,)))
            rows = (row for row in self._rows_of(bad.item_id, item) if row.gen == gen)
            sums = sums_of(gen, rows)
            self._db.execute(
                "UPDATE items SET count = ?, rows = ?, digest = ? WHERE id = ?",
                (sums.count, sums.rows, sums.digest.to_bytes(16, "big"), bad.item_id),
            )
        raise LedgerError(self._end)

    def _rows_of(self, item_id: int, item: str) -> Iterator[Row]:
        for actor, gen, n, origin_id, seq, ext in self._db.execute(
            "SELECT actor, gen, n, origin_id, seq, ext FROM tallies WHERE item_id = ?", (item_id,)
        ):
            row = Row(item, actor, gen, n, self._origins.get(origin_id, b""), seq, ext)
            if fault_of(row) is None:
                yield row

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
            try:
                _, held = self._held([*((item, b"") for item in items), *keys])
            except BadRowError as error:
                self._drop(error)
        states = {item: _state(held.items.get(item)) for item in items}
        return Snapshot(states, {key: _tally(held, key) for key in keys})

    def scan(self, after: Cursor, base: Mapping[bytes, int]) -> tuple[list[Row], Cursor | None]:
        """The next 1,000 rows in primary-key order, of which those above `base`; where to go on, None at the end.

        The first page is asked for with (0, b"").
        """
        rows: list[Row] = []
        last: Cursor | None = None
        seen = 0
        with self._translated():
            try:
                for item_id, actor, item, current, *rest in self._db.execute(
                    "SELECT t.item_id, t.actor, i.item, i.gen, t.gen, t.n, t.origin_id, t.seq, t.ext "
                    "FROM tallies t JOIN items i ON i.id = t.item_id WHERE (t.item_id, t.actor) > (?, ?) "
                    "ORDER BY t.item_id, t.actor LIMIT ?",
                    (*after, SCAN_ROWS),
                ):
                    seen, last = seen + 1, (item_id, actor)
                    row = self._checked(item_id, item, actor, *rest)
                    if row.gen == current and row.seq > base.get(row.origin, 0):
                        rows.append(row)
            except BadRowError as error:
                self._drop(error)
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
        """Turn SQLite's errors into what the node decides on."""
        if self._end is not None:
            raise LedgerError(self._end)
        try:
            yield
        except apsw.FullError as error:
            raise LedgerFullError(f"{self._path.parent}: no space left on the disk") from error
        except apsw.Error as error:
            self._end = f"{self._path}: {error}"
            raise LedgerError(self._end) from error


def _state(sums: ItemSums | None) -> ItemState:
    return ItemState(sums.gen, sums.count) if sums else ItemState()


def _tally(held: Held, key: Key) -> Tally:
    gen = held.items.get(key[0], ItemSums()).gen
    row = held.rows.get(key)
    return Tally(gen, row.n if row is not None and row.gen == gen else 0)
