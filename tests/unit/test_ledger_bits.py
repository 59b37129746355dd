"""One bit of the file is another: whatever it was, nobody is shown a wrong number once the round has come by.

The bits are those of the file and not of a column: a row whose key has changed stands where nobody looks for it.
"""

from pathlib import Path

import pytest

from cluster.core.press import Press
from cluster.core.rows import Key
from cluster.core.sums import BUCKETS
from cluster.ledger import LedgerError, open_ledger
from cluster.ledger_file import FILE_NAME
from cluster.surface import StartError
from tests.unit.tables import HERE, actor

ITEMS = [f"tap:item-{number}" for number in range(7)]
KEYS: list[Key] = [(item, actor(who)) for item in ITEMS for who in range(1, 5)]


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    ledger = open_ledger(tmp_path)
    for n, (item, who) in enumerate(KEYS, start=1):
        ledger.commit([Press(item, who, 0, n)], HERE, {})
    ledger.close()
    return tmp_path / FILE_NAME


def pages_of_tallies(file: Path) -> list[range]:
    """Where in the file the rows stand."""
    ledger = open_ledger(file.parent)
    found = ledger._db.execute("SELECT pageno, pgsize FROM dbstat WHERE name = 'tallies'")
    pages = [range((number - 1) * size, number * size) for number, size in found]
    ledger.close()
    return pages


def fate(folder: Path) -> str:
    """What a node and its visitors notice: `noticed`, `nothing`, or what is wrong and was not."""
    try:
        ledger = open_ledger(folder)
    except StartError:
        return "noticed"
    try:
        while ledger.round.passes < 1:
            ledger.go_round(BUCKETS * 20)
        snapshot = ledger.read(ITEMS, KEYS)
    except LedgerError:
        return "noticed"
    finally:
        ledger.close()
    tallies = [snapshot.tallies[key].n for key in KEYS]
    counts = [snapshot.items[item].count for item in ITEMS]
    right = list(range(1, len(KEYS) + 1))
    per_item = len(KEYS) // len(ITEMS)
    if tallies != right or counts != [sum(right[at : at + per_item]) for at in range(0, len(right), per_item)]:
        return f"{tallies} are shown, and {counts}"
    return "nothing"


def flip(file: Path, sound: bytes, place: int, bit: int) -> str:
    spoilt = bytearray(sound)
    spoilt[place] ^= 1 << bit
    file.write_bytes(spoilt)
    return fate(file.parent)


def test_no_flipped_bit_of_a_row_shows_a_wrong_number(ledger_file: Path) -> None:
    """Of every third byte of the rows' pages that is not 0, one bit or another."""
    pages = pages_of_tallies(ledger_file)
    sound = ledger_file.read_bytes()
    places = [place for page in pages for place in page if sound[place]][::3]
    fates = {place: flip(ledger_file, sound, place, place % 8) for place in places}
    assert {place: said for place, said in fates.items() if said not in ("noticed", "nothing")} == {}
    assert list(fates.values()).count("noticed") > len(fates) * 0.9


@pytest.mark.parametrize("bit", range(8))
def test_a_row_that_was_moved_under_another_item_is_noticed_by_the_round(ledger_file: Path, bit: int) -> None:
    """In place of its own item's number it has a smaller or a larger one; it stays where it stood."""
    sound = ledger_file.read_bytes()
    pages = pages_of_tallies(ledger_file)
    for item, who in KEYS[4::5]:  # the number 1 takes no byte
        number = ITEMS.index(item) + 1
        key = bytes((number,)) + who
        (place,) = (at for page in pages if (at := sound.find(key, page.start, page.stop)) >= 0)
        assert flip(ledger_file, sound, place, bit) == "noticed", (item, who, bit)
