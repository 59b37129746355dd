"""The ledger on a disk that spoils rows, breaks or is full: nothing wrong is passed on (R13, R14)."""

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from cluster.core.offers import Adoption, Page, Range
from cluster.core.press import Erasure
from cluster.core.rows import Row
from cluster.core.sums import ItemSums
from cluster.ledger import Ledger, LedgerError, LedgerFullError
from cluster.surface import StartError
from tests.unit.ledgers import Open, change_behind_its_back, count, go_whole_round, rows_of
from tests.unit.replicas import rows_above
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, actor, press, row, visitor

# -- what the disk is told


def test_every_commit_is_on_disk_when_it_returns(ledger: Ledger) -> None:
    """synchronous 2 is FULL: in WAL mode the log is synced at every commit (sqlite.org/pragma.html)."""
    assert ledger._db.pragma("journal_mode") == "wal"
    assert ledger._db.pragma("synchronous") == 2
    assert ledger._db.pragma("locking_mode") == "exclusive"


def test_what_was_removed_is_overwritten(ledger: Ledger, tmp_path: Path) -> None:
    """Not only unlinked: an erased visitor's id would stand in the file until its page was used again."""
    who = 0x_EA5E_D0_15_C0FFEE
    ledger.commit(
        [press(3, who=who), press(1, who=who, item=POST), *(press(1, who=each) for each in range(200))], HERE, {}
    )

    def stands_there() -> bool:
        ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return visitor(who) in (tmp_path / "ledger.db").read_bytes()

    assert stands_there()
    ledger.commit([Erasure(visitor(who))], HERE, {})
    go_whole_round(ledger)
    assert not ledger.round.is_wanted
    assert not stands_there()


# -- what the disk spoils


@pytest.fixture
def spoilt(reopen: Open, tmp_path: Path) -> Ledger:
    """Three visitors' presses, of which the disk has changed one."""
    ledger = reopen()
    ledger.commit([Range(THERE, 0, 3, [row(1, seq=seq, who=seq) for seq in (1, 2, 3)])], HERE, {})
    ledger.close()
    change_behind_its_back(tmp_path, "UPDATE tallies SET n = -5 WHERE seq = 2")
    return reopen()


def trigger_commit(ledger: Ledger) -> None:
    ledger.commit([press(9, who=2), press(9, who=3)], HERE, {})


def trigger_read(ledger: Ledger) -> None:
    ledger.read([], [(HOME, actor(2)), (HOME, actor(3))])


def trigger_scan(ledger: Ledger) -> None:
    ledger.scan((0, b""), {})


triggers = pytest.mark.parametrize("trigger", [trigger_commit, trigger_read, trigger_scan])


@triggers
def test_a_bad_row_is_dropped_with_every_head(
    spoilt: Ledger, trigger: Callable[[Ledger], None], reopen: Open
) -> None:
    with pytest.raises(LedgerError, match="check the disk"):
        trigger(spoilt)
    ledger = reopen()
    assert ledger.heads == {}
    assert [each.actor for each in rows_of(ledger)] == [actor(1), actor(3)]
    assert count(ledger) == 2
    assert ledger.commit([Page([row(1, seq=2, who=2)]), Adoption({}, {THERE: 3})], HERE, {}).adopted == 1
    assert count(ledger) == 3


@triggers
def test_after_a_bad_row_nothing_raises_a_head_again(
    spoilt: Ledger, trigger: Callable[[Ledger], None], reopen: Open
) -> None:
    """The next commit used to write its origin's old head back, and the dropped row was never pulled."""
    with pytest.raises(LedgerError):
        trigger(spoilt)
    with pytest.raises(LedgerError):
        spoilt.commit([Range(THERE, 3, 4, [row(1, seq=4, who=4)])], HERE, {})
    assert reopen().heads == {}


def test_a_row_of_an_unknown_origin_is_bad(reopen: Open, tmp_path: Path) -> None:
    ledger = reopen()
    ledger.commit([press(1)], HERE, {})
    ledger.close()
    change_behind_its_back(tmp_path, "UPDATE tallies SET origin_id = 77")
    with pytest.raises(LedgerError):
        reopen().scan((0, b""), {})
    assert rows_of(reopen()) == []


def overwrite(folder: Path, *, pages_of: str) -> None:
    """Write junk over all pages of a table but its first."""
    path = folder / "ledger.db"
    db = apsw.Connection(str(path))
    pages = [page for (page,) in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (pages_of,))]
    size = db.pragma("page_size")
    db.close()
    with path.open("r+b") as file:
        for page in pages[1:] or pages:
            file.seek((page - 1) * size)
            file.write(b"\xaa" * size)


def test_a_broken_page_is_a_ledger_error_and_the_last_thing_that_happens(reopen: Open, tmp_path: Path) -> None:
    ledger = reopen()
    ledger.commit([Page(rows_above(3000, THERE))], HERE, {})
    ledger.close()
    overwrite(tmp_path, pages_of="tallies")
    ledger = reopen()
    with pytest.raises(LedgerError):
        rows_of(ledger)
    with pytest.raises(LedgerError):
        ledger.commit([press(1, item=POST)], HERE, {})
    for _ in range(2):
        with pytest.raises(StartError, match="backup"):
            reopen()


def test_a_ledger_whose_origins_are_broken_is_refused_with_what_to_do(reopen: Open, tmp_path: Path) -> None:
    ledger = reopen()
    ledger.commit([press(1)], HERE, {})
    ledger.close()
    overwrite(tmp_path, pages_of="origins")
    for _ in range(2):
        with pytest.raises(StartError, match="backup"):
            reopen()


# -- a full disk


def fill(ledger: Ledger) -> None:
    """Commit until the disk is full."""
    pages = ledger._db.pragma("page_count")
    ledger._db.pragma("max_page_count", pages)
    for place in range(100):
        rows = rows_above(500, (b"%16d" % place)[-16:])
        rows = [Row(each.item, actor(each.seq, place + 1), 0, 1, each.origin, each.seq) for each in rows]
        ledger.commit([Page(rows)], HERE, {})


def test_a_full_disk_takes_nothing_and_stays_readable(ledger: Ledger) -> None:
    ledger.commit([press(5)], HERE, {})
    with pytest.raises(LedgerFullError):
        fill(ledger)
    heads, rows = dict(ledger.heads), rows_of(ledger)
    assert count(ledger) == sum(each.n for each in rows)
    assert not ledger.has_room()
    assert (ledger.heads, rows_of(ledger)) == (heads, rows)


def test_when_there_is_room_again_it_goes_on(ledger: Ledger, reopen: Open) -> None:
    ledger.commit([press(5)], HERE, {})
    with pytest.raises(LedgerFullError):
        fill(ledger)
    taken = count(ledger)
    ledger._db.pragma("max_page_count", 1 << 20)
    assert ledger.has_room()
    ledger.load()
    changes = ledger.commit([press(8), Range(b"n" * 16, 0, 1, [row(1, who=70, origin=b"n" * 16)])], ELSEWHERE, {})
    assert changes.outcomes[0].n == 8
    assert count(ledger) == taken + 4
    assert count(reopen()) == taken + 4
    assert reopen().heads[b"n" * 16] == 1


def test_unknown_items_of_a_batch_cost_no_row(ledger: Ledger) -> None:
    ledger.commit([press(5)], HERE, {actor(1)[:10]: 0})
    assert (rows_of(ledger), ledger.heads) == ([], {})
    assert ledger.sums(HOME) == ItemSums()
