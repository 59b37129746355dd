"""What no check can mend is refused at the start, with what to do, and not checked for ever (R13)."""

import re
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from cluster.checksums import KEY_NAMES
from cluster.core.offers import Page
from cluster.ledger import open_ledger
from cluster.ledger_file import FILE_NAME, REPLACE_IT
from cluster.surface import StartError
from tests.unit.ledgers import Open, change_behind_its_back
from tests.unit.replicas import rows_above
from tests.unit.tables import HERE, HOME, POST, THERE, press

# The last byte of it (sqlite.org/fileformat2.html, 1.3).
SCHEMA_FORMAT_AT = 47


def change_pages(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change all pages of a table or index."""
    db = apsw.Connection(str(path))
    pages = [page for (page,) in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (name,))]
    size = db.pragma("page_size")
    db.close()
    content = bytearray(path.read_bytes())
    for page in pages:
        place = slice((page - 1) * size, page * size)
        content[place] = change(bytes(content[place]))
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tallies", lambda page: b"\xaa" * len(page)),
        # The item's row is fine, but nothing finds it by its name: only SQLite's own check can tell.
        ("sqlite_autoindex_items_1", lambda page: page.replace(b"tap:home", b"tap:hole")),
    ],
    ids=["pages of junk", "an index that leads astray"],
)
def test_a_broken_structure_is_refused_with_what_to_do(
    reopen: Open, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    ledger = reopen()
    ledger.commit([Page(rows_above(50, THERE))], HERE, {})
    ledger._table.set_meta("suspect", 1)
    ledger.close()
    change_pages(tmp_path / "ledger.db", name, change)
    for _ in range(2):
        with pytest.raises(StartError, match="move it and the -wal beside it away"):
            reopen()


@pytest.mark.parametrize("key", ["a text", 7, b"x" * 65])
def test_a_key_that_is_none_is_refused_with_what_to_do(reopen: Open, tmp_path: Path, key: object) -> None:
    ledger = reopen()
    ledger.commit([press(1)], HERE, {})
    for name in KEY_NAMES:
        ledger._table.set_meta(name, key)
    ledger.close()
    for _ in range(2):
        with pytest.raises(StartError, match="move it and the -wal beside it away"):
            reopen()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET item = 'tap:hole'",
        "UPDATE items SET item = 'not an item'",
        "UPDATE items SET item = CAST('tap:home' AS BLOB)",
        "UPDATE items SET bucket = 1 - bucket",
        "DELETE FROM meta WHERE key = 'ledger_id'",
        "UPDATE meta SET value = 'a text' WHERE key = 'ledger_id'",
    ],
)
def test_what_no_check_can_mend_is_refused_and_not_checked_for_ever(
    reopen: Open, tmp_path: Path, statement: str
) -> None:
    ledger = reopen()
    ledger.commit([press(1)], HERE, {})
    ledger.close()
    change_behind_its_back(tmp_path, statement, "INSERT INTO meta VALUES ('suspect', 1)")
    for _ in range(2):
        with pytest.raises(StartError, match="move it and the -wal beside it away"):
            reopen()


@pytest.mark.parametrize("item", [HOME, POST])
def test_no_flipped_bit_of_a_name_makes_it_look_as_if_it_was_never_pressed(item: str, tmp_path: Path) -> None:
    """The table and its index have a copy each, and a start cannot wait for the round."""
    ledger = open_ledger(tmp_path)
    ledger.commit([press(5, item=HOME), press(1, item=POST)], HERE, {})
    ledger.close()
    path = tmp_path / FILE_NAME
    sound = path.read_bytes()
    places = [match.start() + len(item) - 1 for match in re.finditer(re.escape(item.encode()), sound)]
    assert len(places) >= 2
    for place in places:
        spoilt = bytearray(sound)
        spoilt[place] ^= 1
        path.write_bytes(spoilt)
        with pytest.raises(StartError, match=r"not found by its name|missing from index"):
            open_ledger(tmp_path).close()


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_of_the_number_of_the_files_format_is_taken_for_a_disk_that_may_not_be_read(
    bit: int, tmp_path: Path
) -> None:
    """SQLite calls it an error in the statement."""
    open_ledger(tmp_path).close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[SCHEMA_FORMAT_AT] ^= 1 << bit
    path.write_bytes(content)
    try:
        open_ledger(tmp_path).close()
    except StartError as error:
        assert REPLACE_IT in str(error)
    else:
        assert content[SCHEMA_FORMAT_AT] < 4, "an older format is read as well"
