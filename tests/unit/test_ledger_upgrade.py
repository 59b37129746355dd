"""A ledger of the first version is brought up to date with everything that it held (R15, R12)."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from cluster import ledger_file
from cluster.core.items import erasure_key
from cluster.core.press import ItemState
from cluster.core.rows import Row
from cluster.ledger import LedgerError, open_ledger
from cluster.surface import StartError
from tests.support.versions import FIRST, unpack
from tests.unit.ledgers import assert_sums_are_right, change_behind_its_back, count, go_whole_round, rows_of, sql
from tests.unit.tables import HERE, HOME, POST, THERE, actor, erasure, header, press, visitor

# Run by the first version itself, in the folder where it was unpacked.
MAKE_LEDGER = """
import sys
from pathlib import Path
from cluster.core.merge import Page, Press, Range
from cluster.core.rows import Row
from cluster.ledger import Ledger

def actor(number):
    return number.to_bytes(10, "big") + bytes(6)

home, post, here, there = "tap:home", "once:post", b"h" * 16, b"t" * 16
reset = Row(post, b"", 1, 0, there, 8)
erased = Row("", bytes.fromhex(sys.argv[2]), 0, 1, there, 3)
ledger = Ledger(Path(sys.argv[1]))
ledger.commit([Press(home, actor(1), None, 5), Press(post, actor(2), None, 1)], here, {})
ledger.commit([Range(there, 0, 2, [Row(home, actor(3), 0, 7, there, 2, b"later")])], here, {})
ledger.commit([Page([Row(home, actor(4), 0, 9, there, 9), reset, erased])], here, {})
others = [Press(f"tap:{each}", actor(each), None, each) for each in range(5, 60)]
ledger.commit([Press(post, actor(4), 1, 3), *others], here, {})
print(ledger.id.hex())
ledger.close()
"""


class FirstLedger:
    """A folder with a ledger of the first version, and its id."""

    def __init__(self, folder: Path, ledger_id: bytes) -> None:
        self.folder, self.id = folder, ledger_id


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FirstLedger:
    folder = tmp_path_factory.mktemp("first")
    place = unpack(FIRST, folder)
    arguments = [sys.executable, "-c", MAKE_LEDGER, str(folder / "data"), erasure_key(visitor(4)).hex()]
    done = subprocess.run(arguments, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return FirstLedger(folder / "data", bytes.fromhex(done.stdout.strip()))


@pytest.fixture
def first(made: FirstLedger, tmp_path: Path) -> FirstLedger:
    """A copy of it."""
    for file in made.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return FirstLedger(tmp_path, made.id)


def version_of(folder: Path) -> int:
    db = apsw.Connection(str(folder / "ledger.db"))
    try:
        return int(db.pragma("user_version"))
    finally:
        db.close()


def content_of(folder: Path) -> list[object]:
    """Every row of every table."""
    db = apsw.Connection(str(folder / "ledger.db"))
    try:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        ]
        return [(name, list(db.execute(f"SELECT * FROM {name} ORDER BY 1, 2"))) for name in tables]
    finally:
        db.close()


def test_rows_heads_seqs_and_id_are_what_they_were(first: FirstLedger) -> None:
    assert version_of(first.folder) == 1
    ledger = open_ledger(first.folder)
    rows = {each.key: each for each in rows_of(ledger)}
    assert ledger.id == first.id
    assert (ledger.heads, ledger.seqs) == ({HERE: 58, THERE: 2}, {HERE: 58, THERE: 9})
    assert rows[HOME, actor(3)] == Row(HOME, actor(3), 0, 7, THERE, 2, b"later")
    assert rows[HOME, actor(4)] == Row(HOME, actor(4), 0, 9, THERE, 9)
    assert rows[POST, b""] == header(1, 8, item=POST)
    assert rows["", erasure(4).actor] == erasure(4, 3)
    assert len(rows) == 3 + 1 + 1 + 1 + 55
    assert ledger.read([HOME, POST], []).items == {HOME: ItemState(0, 21), POST: ItemState(1, 1)}
    ledger.close()


def test_sums_and_buckets_are_right_and_stay_so(first: FirstLedger) -> None:
    for _ in range(2):
        ledger = open_ledger(first.folder)
        assert_sums_are_right(ledger)
        assert ledger.sums("tap:59").count == 59
        ledger.close()
    assert version_of(first.folder) == ledger_file.SCHEMA_VERSION


def test_what_the_first_version_could_not_erase_is_removed(first: FirstLedger) -> None:
    ledger = open_ledger(first.folder)
    assert ledger.erased == {erasure(4).actor}
    assert ledger.round.is_wanted
    assert ledger.commit([press(1, who=4)], HERE, {}).outcomes[0].refusal == "erased"
    go_whole_round(ledger)
    assert (count(ledger, HOME), count(ledger, POST), ledger.round.is_wanted) == (12, 0, False)
    assert sql(ledger, "SELECT count(*) FROM tallies WHERE actor IN (?, ?)", actor(4), actor(2)) == [(0,)]
    ledger.close()


def test_it_goes_on_as_any_ledger(first: FirstLedger) -> None:
    ledger = open_ledger(first.folder)
    ledger.commit([press(6), press(1, item="tap:new")], b"n" * 16, {})
    ledger.close()
    ledger = open_ledger(first.folder)
    go_whole_round(ledger)
    assert (count(ledger), ledger.heads[b"n" * 16]) == (13, 2)
    ledger.close()


def test_nothing_of_the_old_tables_is_left(first: FirstLedger) -> None:
    open_ledger(first.folder).close()
    fresh = first.folder / "fresh"
    open_ledger(fresh).close()
    assert [name for name, _ in content_of(first.folder)] == [name for name, _ in content_of(fresh)]  # type: ignore[misc]


@pytest.mark.parametrize("after", ["RENAME", "INSERT INTO meta", "DROP"])
def test_a_failure_midway_leaves_the_old_ledger_as_it_was(
    first: FirstLedger, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    before = content_of(first.folder)
    upgrade = ledger_file.from_first_version

    class Failing:
        """A connection that is full once it has done this."""

        def __init__(self, db: apsw.Connection) -> None:
            self.db = db

        def __getattr__(self, name: str) -> object:
            return getattr(self.db, name)

        def execute(self, statement: str, *values: object) -> object:
            found = self.db.execute(statement, *values)  # type: ignore[arg-type]
            if after in statement:
                raise apsw.FullError("database or disk is full")
            return found

    with monkeypatch.context() as patch:
        patch.setattr(ledger_file, "from_first_version", lambda db, *rest: upgrade(Failing(db), *rest))  # type: ignore[arg-type]
        with pytest.raises(StartError, match="Free space"):
            open_ledger(first.folder)
    assert (version_of(first.folder), content_of(first.folder)) == (1, before)
    ledger = open_ledger(first.folder)
    assert count(ledger) == 21
    ledger.close()


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE tallies SET n = -5 WHERE ext != x''",
        "UPDATE tallies SET n = 'x' WHERE ext != x''",
        "UPDATE tallies SET seq = 1.5 WHERE ext != x''",
        "UPDATE tallies SET ext = 'x' WHERE ext != x''",
    ],
)
def test_a_row_that_was_spoilt_before_is_found_after(first: FirstLedger, spoil: str) -> None:
    change_behind_its_back(first.folder, spoil)
    ledger = open_ledger(first.folder)
    with pytest.raises(LedgerError, match="a row of 'tap:home'"):
        rows_of(ledger)
    ledger.close()
    ledger = open_ledger(first.folder)
    assert (ledger.quarantined, ledger.heads, count(ledger)) == (1, {}, 14)
    assert_sums_are_right(ledger)
    ledger.close()


@pytest.mark.parametrize("spoil", ["count = 'x'", "digest = 'x'", "digest = 7", "gen = 1.5"])
def test_sums_that_were_spoilt_before_are_made_anew(first: FirstLedger, spoil: str) -> None:
    change_behind_its_back(first.folder, f"UPDATE items SET {spoil} WHERE item = 'tap:home'")
    ledger = open_ledger(first.folder)
    with pytest.raises(LedgerError, match="the sums of 'tap:home'"):
        ledger.read([HOME], [])
    ledger.close()
    ledger = open_ledger(first.folder)
    assert (ledger.quarantined, count(ledger)) == (0, 21)
    assert_sums_are_right(ledger)
    ledger.close()


def test_an_origin_that_was_spoilt_before_is_checked_at_once(first: FirstLedger) -> None:
    change_behind_its_back(first.folder, "UPDATE origins SET head = 'x' WHERE head = 2")
    ledger = open_ledger(first.folder)
    assert (ledger.heads, ledger.quarantined, count(ledger)) == ({}, 0, 21)
    ledger.close()


def test_an_item_without_a_name_is_refused_with_what_to_do(first: FirstLedger) -> None:
    change_behind_its_back(first.folder, "UPDATE items SET item = x'ff' WHERE item = 'tap:home'")
    ledger = open_ledger(first.folder)
    with pytest.raises(LedgerError):
        go_whole_round(ledger)
    ledger.close()
    with pytest.raises(StartError, match="move it and the -wal beside it away"):
        open_ledger(first.folder)
