"""Rows: their total order (R6) and the bounds that each must keep (R13)."""

import msgspec
import pytest
from hypothesis import given

from cluster.core.items import GEN_MAX, SEQ_MAX, TALLY_MAX
from cluster.core.rows import EXT_LENGTH_MAX, Row, fault_of
from tests.unit.tables import HERE, HOME, POST, SONG, THERE, Table, actor, erasure, press, row, rows_of_few_keys

GOOD = row(1)


@pytest.mark.parametrize(
    "change",
    [
        {"gen": 0}, {"gen": GEN_MAX}, {"seq": 1}, {"seq": SEQ_MAX}, {"n": 0}, {"n": TALLY_MAX},
        {"item": POST, "n": TALLY_MAX}, {"item": SONG, "n": 50}, {"item": "later:thing", "n": TALLY_MAX},
        {"item": SONG, "n": 0}, {"ext": b"x" * EXT_LENGTH_MAX},
    ],
)  # fmt: skip
def test_a_row_at_a_bound_may_enter(change: dict[str, object]) -> None:
    assert fault_of(msgspec.structs.replace(GOOD, **change)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"gen": -1}, {"gen": GEN_MAX + 1}, {"seq": 0}, {"seq": -1}, {"seq": SEQ_MAX + 1},
        {"n": -1}, {"n": TALLY_MAX + 1}, {"item": POST, "n": TALLY_MAX + 1}, {"item": SONG, "n": 51},
        {"item": "later:thing", "n": TALLY_MAX + 1}, {"item": SONG, "n": -1}, {"item": "tap:.."},
        {"origin": b"o" * 15}, {"origin": b"o" * 17}, {"origin": b""},
        {"actor": b"a" * 15}, {"actor": b"a" * 17}, {"ext": b"x" * (EXT_LENGTH_MAX + 1)},
    ],
)  # fmt: skip
def test_a_row_beyond_a_bound_may_not(change: dict[str, object]) -> None:
    assert fault_of(msgspec.structs.replace(GOOD, **change)) is not None


def test_a_header_row_has_no_presses() -> None:
    assert fault_of(Row(HOME, b"", 3, 0, THERE, 1)) is None
    assert fault_of(Row(HOME, b"", 3, 1, THERE, 1)) is not None
    assert fault_of(Row("home", b"", 3, 0, THERE, 1)) is not None


def test_an_erasure_row_has_one_press_and_no_item() -> None:
    assert fault_of(Row("", b"v" * 16, 0, 1, THERE, 1)) is None
    assert fault_of(Row("", b"v" * 16, 0, 2, THERE, 1)) is not None
    assert fault_of(Row("", b"v" * 16, 0, 0, THERE, 1)) is not None
    assert fault_of(Row("", b"", 0, 1, THERE, 1)) is not None


def test_no_later_generation_takes_erasures_back() -> None:
    """Its first row would make those of generation 0 count as absent, and the sweep would remove them."""
    assert fault_of(Row("", b"v" * 16, 1, 1, THERE, 1)) is not None
    table = Table()
    table.take(erasure())
    assert table.take(Row("", b"v" * 16, 1, 1, THERE, 2)).bad_rows == {0: 1}
    table.sweep()
    assert table.press(press(1))[0].refusal == "erased"
    assert list(table.rows.values()) == [erasure()]


def test_the_order_looks_at_generation_then_tally_then_origin_then_seq() -> None:
    ordered = [
        Row(HOME, actor(1), 0, 9, THERE, 9),
        Row(HOME, actor(1), 1, 1, THERE, 9),
        Row(HOME, actor(1), 1, 2, HERE, 8),
        Row(HOME, actor(1), 1, 2, HERE, 9),
        Row(HOME, actor(1), 1, 2, THERE, 1),
    ]
    ranks = [each.rank for each in ordered]
    assert sorted(ranks) == ranks
    assert len(set(ranks)) == len(ranks)


@given(rows_of_few_keys(), rows_of_few_keys())
def test_two_rows_of_one_key_are_equal_or_one_is_larger(one: Row, other: Row) -> None:
    other = msgspec.structs.replace(other, item=one.item, actor=one.actor)
    assert (one.rank == other.rank) == (one == other)
