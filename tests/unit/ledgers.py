"""Ledgers of tests: opened, opened anew, changed behind their backs, and read whole."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw
import msgspec
import pytest

from cluster.core.offers import Page
from cluster.core.rows import Row
from cluster.core.sums import BUCKETS, bucket_of, shifted, sums_of
from cluster.ledger import Ledger, open_ledger
from cluster.ledger_file import LedgerFile, prepare
from cluster.ledger_round import BEFORE_ALL
from tests.unit.tables import HOME

Open = Callable[[], Ledger]


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Open]:
    """Closes the ledger if it is open, and opens it anew."""
    opened: list[Ledger] = []

    def open_again() -> Ledger:
        while opened:
            opened.pop().close()
        opened.append(open_ledger(tmp_path))
        return opened[-1]

    yield open_again
    while opened:
        opened.pop().close()


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return reopen()


def in_memory() -> Ledger:
    """A ledger without a disk, for many cases in one test."""
    db = apsw.Connection(":memory:")
    prepare(db, "ledger.db", secrets.token_bytes)
    return Ledger(LedgerFile(db, "ledger.db", db.close))


def start_again(ledger: Ledger) -> Ledger:
    """What the next start makes of the same file. Raises StartError."""
    return Ledger(msgspec.structs.replace(ledger._file, close=lambda: None))


def sql(ledger: Ledger, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Change or read an open ledger as the disk does: unseen."""
    return list(ledger._db.execute(statement, values))


def go_whole_round(ledger: Ledger) -> None:
    """Until a pass that begins now has ended, and all is removed that waits for it."""
    has_begun = ledger.round._item_id != BEFORE_ALL
    passes = ledger.round.passes + 1 + has_begun
    while ledger.round.passes < passes or ledger.round.is_wanted:
        ledger.go_round(10_000)


def stored(ledger: Ledger) -> list[bytes]:
    """The actors of all rows of the table, also of those that count no more."""
    return [actor for (actor,) in sql(ledger, "SELECT actor FROM tallies ORDER BY item_id, actor")]  # type: ignore[misc]


def steps_until_removed(ledger: Ledger, rows_max: int = 2000) -> int:
    """How many rows were removed until nothing more waits."""
    removed = 0
    for _ in range(100_000):
        if not ledger.round.is_wanted:
            return removed
        removed += len(ledger.go_round(rows_max).removed)
    raise AssertionError("it never ends")


def assert_sums_are_right(ledger: Ledger) -> None:
    """Sums, counts and buckets, as remembered and as stored, are those of the rows."""
    buckets = [0] * BUCKETS
    for (item,) in sql(ledger, "SELECT item FROM items"):
        assert isinstance(item, str)
        sums = ledger.sums(item)
        assert sums == sums_of(sums.gen, ledger.rows_of(item, b"", b"", 1 << 20)), item
        buckets[bucket_of(item)] = shifted(buckets[bucket_of(item)], sums.digest)
    assert list(ledger.buckets) == buckets
    assert ledger._table.buckets() == buckets


def commit_rows(ledger: Ledger, rows: Sequence[Row], origin: bytes = b"w" * 16) -> None:
    """Commit rows that raise no head, a thousand at a time."""
    for first in range(0, len(rows), 1000):
        ledger.commit([Page(rows[first : first + 1000])], origin, {})


def change_behind_its_back(folder: Path, *statements: str) -> None:
    db = apsw.Connection(str(folder / "ledger.db"))
    for statement in statements:
        db.execute(statement)
    db.close()


def rows_of(ledger: Ledger) -> list[Row]:
    rows, after = ledger.scan((0, b""), {})
    while after is not None:
        page, after = ledger.scan(after, {})
        rows += page
    return rows


def count(ledger: Ledger, item: str = HOME) -> int:
    return ledger.read([item], []).items[item].count
