"""Ledgers of tests: opened, opened anew, changed behind their backs, and read whole."""

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from cluster.core.rows import Row
from cluster.ledger import Ledger, open_ledger
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
