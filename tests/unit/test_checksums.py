"""Whatever the disk changes in a ledger is noticed when it is read, or by the next round (R13)."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from cluster.checksums import KEY_NAMES, Checksums
from cluster.core.offers import Page, Range
from cluster.core.press import Erasure, Reset
from cluster.core.rows import Row
from cluster.core.sums import ItemSums
from cluster.ledger import Ledger, LedgerError
from cluster.ledger_file import FILE_NAME
from cluster.ledger_lookup import Lookup
from cluster.ledger_round import Round
from cluster.ledger_table import SpoiltError, Table
from tests.unit.ledgers import Open, in_memory, sql
from tests.unit.tables import HERE, HOME, POST, THERE, actor, press, row, visitor

INTEGERS = [
    ("tallies", "item_id"), ("tallies", "gen"), ("tallies", "n"), ("tallies", "origin_id"), ("tallies", "seq"),
    ("items", "id"), ("items", "gen"), ("items", "count"), ("items", "rows"),
    ("origins", "id"), ("origins", "head"), ("origins", "seq_max"),
]  # fmt: skip
BLOBS = [
    ("tallies", "actor"), ("tallies", "ext"), ("tallies", "checksum"), ("items", "digest"), ("items", "checksum"),
    ("origins", "origin"), ("origins", "checksum"),
]  # fmt: skip


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Two items, an erasure and a reset, of two origins."""
    made = in_memory()
    made.commit([press(5), press(3, who=2), Erasure(visitor(9))], HERE, {})
    made.commit([Reset(POST), press(1, item=POST)], HERE, {})
    made.commit([Range(THERE, 0, 2, [Row(HOME, actor(3), 0, 2, THERE, 2, b"later")])], HERE, {})
    yield made
    made.close()


def read_all(ledger: Ledger, *, also_buckets: bool = False) -> None:
    """What a start reads, and what a round does."""
    walk = Round(Table(ledger._db))
    while walk._bucket < 0 or (also_buckets and walk.passes == 0):
        walk.step(100, ledger.erased)


def is_noticed(ledger: Ledger, *, also_buckets: bool = False) -> bool:
    try:
        read_all(ledger, also_buckets=also_buckets)
    except (SpoiltError, UnicodeError):
        return True
    return False


def one_row(ledger: Ledger, table: str, column: str) -> tuple[object, str]:
    """A value of this column that says something, and where it stands."""
    where = {
        "tallies": "ext != x''",
        "items": f"item = '{POST}'",
        "origins": "seq_max = 2",
        "buckets": "digest != zeroblob(16)",
    }[table]
    ((value,),) = sql(ledger, f"SELECT {column} FROM {table} WHERE {where} LIMIT 1")
    return value, where


def flips(value: object) -> Iterator[object]:
    """The value with each of its bits flipped."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(63))
        yield ~value
    else:
        assert isinstance(value, bytes)
        for bit in range(8 * len(value)):
            yield (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


def put(ledger: Ledger, place: tuple[str, str], at: str, value: object) -> None:
    table, column = place
    sql(ledger, f"UPDATE {table} SET {column} = ? WHERE {at}", value)


def assert_each_is_noticed(
    ledger: Ledger, place: tuple[str, str], values: list[object], *, also_buckets: bool = False
) -> None:
    """Each of these values, one after the other, in place of the right one."""
    assert not is_noticed(ledger, also_buckets=True)
    right, where = one_row(ledger, *place)
    for value in values:
        ledger._db.execute("SAVEPOINT before")
        try:
            put(ledger, place, where, value)
        except apsw.ConstraintError:
            continue  # an id that is another row's
        else:
            assert is_noticed(ledger, also_buckets=also_buckets), f"{place}: {right!r} became {value!r}"
        finally:
            ledger._db.execute("ROLLBACK TO before; RELEASE before")


@pytest.mark.parametrize("place", [*INTEGERS, *BLOBS], ids=".".join)
def test_any_flipped_bit_is_noticed(ledger: Ledger, place: tuple[str, str]) -> None:
    assert_each_is_noticed(ledger, place, list(flips(one_row(ledger, *place)[0])))


@pytest.mark.parametrize("place", INTEGERS, ids=".".join)
def test_a_number_that_became_something_else_is_noticed(ledger: Ledger, place: tuple[str, str]) -> None:
    others: list[object] = ["x", 1.5, -1, b"blob", 1e300, 0x7FFFFFFFFFFFFFFF]
    if place[1] == "id":
        others = [-1, 0x7FFFFFFFFFFFFFFF]
    assert_each_is_noticed(ledger, place, others)


@pytest.mark.parametrize("place", BLOBS, ids=".".join)
def test_bytes_that_became_something_else_are_noticed(ledger: Ledger, place: tuple[str, str]) -> None:
    assert_each_is_noticed(ledger, place, ["text", "", 7, 1.5, b"", b"x" * 16, b"x" * 300])


@pytest.mark.parametrize(
    "place", [each for each in [*INTEGERS, *BLOBS] if each[1] not in ("id", "item_id", "actor")]
)
def test_what_became_nothing_is_noticed(ledger: Ledger, place: tuple[str, str]) -> None:
    ledger._db.execute("PRAGMA writable_schema = ON")
    ledger._db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')")
    ledger._db.execute("PRAGMA writable_schema = RESET")
    assert_each_is_noticed(ledger, place, [None])


@pytest.mark.parametrize("value", [*range(24), "x", None, 70])
def test_of_the_checksum_key_one_sound_copy_is_enough(ledger: Ledger, value: object) -> None:
    kept = ledger._table.meta("checksum_key")
    if isinstance(value, int) and value < 24:
        value = bytes(byte ^ (number == value) for number, byte in enumerate(kept))
    for name in KEY_NAMES:
        ledger._table.set_meta(name, value)
        assert Lookup(Table(ledger._db)).held([(HOME, actor(1))])[1]
        ledger._table.set_meta(name, kept)
    for name in KEY_NAMES:
        ledger._table.set_meta(name, value)
    with pytest.raises(SpoiltError):
        Table(ledger._db)


def test_every_bit_of_a_bucket_is_noticed_by_a_round(ledger: Ledger) -> None:
    values = list(flips(one_row(ledger, "buckets", "digest")[0]))[::9]
    assert_each_is_noticed(ledger, ("buckets", "digest"), [*values, b"", b"x" * 15], also_buckets=True)


@pytest.mark.parametrize("value", ["text", 7, 1.5])
def test_a_bucket_that_is_no_digest_is_noticed_at_once(ledger: Ledger, value: object) -> None:
    put(ledger, ("buckets", "digest"), "id = 5", value)
    with pytest.raises(SpoiltError):
        Table(ledger._db).buckets()


def test_every_bit_of_an_items_name_and_place_is_noticed(ledger: Ledger) -> None:
    names = [value.decode("latin-1") for value in flips(POST.encode()) if isinstance(value, bytes)]
    assert_each_is_noticed(ledger, ("items", "item"), [*names, POST.encode(), 7, 1.5, ""])
    assert_each_is_noticed(ledger, ("items", "bucket"), list(flips(one_row(ledger, "items", "bucket")[0])))


def test_a_bucket_that_differs_from_the_indexs_is_noticed_by_a_round(
    reopen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index finds the item as before, and the wrong bucket stands in its row alone: a start would see it."""
    monkeypatch.setattr(Table, "check_names", lambda self: None)
    ledger = reopen()
    ledger.commit([press(5)], HERE, {})
    page_size = ledger._db.pragma("page_size")
    ledger.close()
    flip_the_bucket(tmp_path / FILE_NAME, page_size)
    with pytest.raises(SpoiltError, match="bucket"):
        read_all(reopen())


def flip_the_bucket(file: Path, page_size: int) -> None:
    """In the only leaf of a table (sqlite.org/fileformat2.html, 1.6) that names the item."""
    leaf_of_table, name = b"\x0d", HOME.encode()
    content = bytearray(file.read_bytes())
    pages = [at for at in range(page_size, len(content), page_size) if content[at : at + 1] == leaf_of_table]
    (place,) = (at for page in pages if (at := content.find(name, page, page + page_size)) >= 0)
    content[place - 1] ^= 1  # the end of the bucket, which stands before the name
    file.write_bytes(content)


# -- rows that are right elsewhere


def test_a_row_moved_under_another_item_fails(ledger: Ledger) -> None:
    sql(ledger, f"UPDATE tallies SET item_id = (SELECT id FROM items WHERE item = '{POST}') WHERE n = 3")
    with pytest.raises(LedgerError, match="checksum"):
        ledger.rows_of(POST, b"", b"", 10)


def test_a_row_copied_from_another_ledger_fails(ledger: Ledger) -> None:
    other = in_memory()
    other.commit([press(5), press(900, who=2)], HERE, {})
    (copied,) = sql(other, "SELECT * FROM tallies WHERE n = 900")
    assert other._db.execute("SELECT origin FROM origins").get == HERE
    ledger._db.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", copied)
    with pytest.raises(SpoiltError, match="checksum"):
        read_all(ledger)


def test_an_older_row_put_back_is_noticed_by_a_round(ledger: Ledger) -> None:
    """Its checksum is right: a write that the disk has lost. The sums of its item tell."""
    (old,) = sql(ledger, "SELECT * FROM tallies WHERE n = 5")
    ledger.commit([press(6)], HERE, {})
    ledger._db.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", old)
    with pytest.raises(SpoiltError, match="not those of its rows"):
        read_all(ledger)


def test_an_older_item_put_back_takes_no_rows_of_its_later_generation_away(ledger: Ledger) -> None:
    """A write that the disk has lost: by the old generation the new one's rows would count no more."""
    (old,) = sql(ledger, f"SELECT * FROM items WHERE item = '{HOME}'")
    ledger.commit([Reset(HOME), *(press(1, who=who) for who in range(20, 40))], HERE, {})
    ledger._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)", old)
    with pytest.raises(LedgerError, match="later generation"):
        while not ledger.round.passes:
            ledger.go_round(10)
    assert len(sql(ledger, "SELECT * FROM tallies WHERE gen = 1 AND n = 1 AND actor >= ?", actor(20))) >= 20


def test_a_row_that_vanished_is_noticed_by_a_round(ledger: Ledger) -> None:
    sql(ledger, "DELETE FROM tallies WHERE n = 5")
    with pytest.raises(SpoiltError, match="not those of its rows"):
        read_all(ledger)


# -- what is summed


def test_no_two_contents_are_summed_alike() -> None:
    checksums = Checksums(b"k" * 16)
    rows = [
        row(1), row(2), row(1, 2), row(1, gen=1), row(1, who=2), row(1, item=POST), row(1, origin=HERE),
        Row(HOME, actor(1), 0, 1, THERE, 1, b"x"), Row("tap:hom", b"e" + actor(1), 0, 1, THERE, 1),
    ]  # fmt: skip
    assert len({checksums.of_row(each) for each in rows}) == len(rows)
    items = [
        ItemSums(0, 1, 1, 9),
        ItemSums(1, 1, 1, 9),
        ItemSums(0, 2, 1, 9),
        ItemSums(0, 1, 2, 9),
        ItemSums(0, 1, 1, 8),
    ]
    assert len({checksums.of_item(HOME, each) for each in items} | {checksums.of_item(POST, items[0])}) == 6
    origins = [(HERE, 1, 2, b""), (HERE, 2, 1, b""), (THERE, 1, 2, b""), (HERE, 1, 3, b""), (HERE, 1, 2, b"stamp")]
    assert len({checksums.of_origin(*each) for each in origins}) == 5


def test_another_key_gives_other_checksums() -> None:
    assert Checksums(b"k" * 16).of_row(row(1)) != Checksums(b"l" * 16).of_row(row(1))


def test_every_ledger_has_a_key_of_its_own() -> None:
    assert in_memory()._table.meta("checksum_key") != in_memory()._table.meta("checksum_key")


def test_a_right_ledger_is_read_to_its_end(ledger: Ledger) -> None:
    ledger.commit([Page([row(7, 3, who=4)])], HERE, {})
    read_all(ledger, also_buckets=True)
