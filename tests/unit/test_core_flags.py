"""Flags: rows that say what operators have set; an item that is frozen takes no press that would change it."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.flags import ALLOWED, FROZEN, NAME_BYTES_MAX, ext_of, flag_actor, name_of, next_n
from cluster.core.items import TALLY_MAX, is_item, is_pressable
from cluster.core.press import Flag, Reset
from cluster.core.rows import EXT_LENGTH_MAX, Row, fault_of
from tests.unit.tables import HERE, HOME, POST, THERE, Table, header, press, row


def freeze(item: str = HOME, *, is_set: bool = True) -> Flag:
    return Flag(FROZEN, item, is_set)


def frozen_row(n: int, seq: int = 1, *, name: str = HOME, origin: bytes = THERE, ext: bytes | None = None) -> Row:
    return Row(FROZEN, flag_actor(name), 0, n, origin, seq, ext_of(name) if ext is None else ext)


# -- the row


@pytest.mark.parametrize(
    ("n", "wanted", "after"),
    [(0, True, 1), (0, False, 2), (1, True, 1), (1, False, 2), (2, True, 3), (2, False, 2),
     (TALLY_MAX, True, TALLY_MAX), (TALLY_MAX - 1, False, TALLY_MAX)],
)  # fmt: skip
def test_the_next_n_says_what_is_wanted_and_never_leaves_the_bounds(n: int, wanted: bool, after: int) -> None:
    assert next_n(n, wanted=wanted) == after


def test_a_flag_is_a_row_that_any_version_keeps_and_nobody_presses() -> None:
    changes = Table().commit(freeze())
    own = changes.own[FROZEN, flag_actor(HOME)]
    assert (own.n, name_of(own), fault_of(own)) == (1, HOME, None)
    assert changes.items[FROZEN].count == 0
    assert (is_item(FROZEN), is_pressable(FROZEN), is_pressable(ALLOWED)) == (True, False, False)


def test_the_longest_name_fits_into_a_row() -> None:
    longest = "x" * NAME_BYTES_MAX
    assert len(ext_of(longest)) <= EXT_LENGTH_MAX
    table = Table()
    table.commit(Flag(ALLOWED, longest, True))
    assert table.flags[ALLOWED] == {longest}
    with pytest.raises(ValueError, match="at most 253 bytes"):
        Flag(ALLOWED, longest + "x", True)
    with pytest.raises(ValueError, match="at most 253 bytes"):
        Flag(ALLOWED, "ü" * 127, True)


@pytest.mark.parametrize("ext", [b"", b"\xff", b"\xa1\xff", ext_of(POST), b"\x93\x01\x02\x03"])
def test_a_row_that_does_not_say_its_own_name_is_kept_and_sets_nothing(ext: bytes) -> None:
    table = Table()
    table.take(frozen_row(1, ext=ext))
    assert (len(table.rows), table.flags[FROZEN]) == (1, set())


# -- the wish


def test_what_is_so_already_stays_and_rests_on_its_row() -> None:
    table = Table()
    table.hear(THERE, 0, 4, frozen_row(1, seq=4))
    changes = table.commit(freeze(), freeze())
    assert (changes.own, changes.flags) == ({}, {})
    assert [(each.origin, each.seq, each.n) for each in changes.outcomes] == [(THERE, 4, 1)] * 2


def test_a_flag_is_set_and_taken_back_as_often_as_wanted() -> None:
    table = Table()
    for number, is_set in enumerate([True, False, True, False], start=1):
        outcome = table.commit(freeze(is_set=is_set)).outcomes[0]
        assert (outcome.n, HOME in table.flags[FROZEN]) == (number, is_set)


def test_to_take_back_what_was_never_set_is_said_by_a_row_too() -> None:
    table = Table()
    outcome = table.commit(freeze(is_set=False)).outcomes[0]
    assert (outcome.n, outcome.origin, table.flags[FROZEN]) == (2, HERE, set())


# -- what it means


def test_a_frozen_item_takes_no_press_that_would_change_it() -> None:
    table = Table()
    table.press(press(3))
    table.commit(freeze())
    refused, again, new = table.press(press(4), press(3), press(1, who=2))
    assert [each.refusal for each in (refused, again, new)] == ["frozen", None, "frozen"]
    assert (refused.n, refused.count, again.n, table.count()) == (3, 3, 3, 3)


def test_a_like_on_a_frozen_item_is_not_taken_back() -> None:
    table = Table()
    table.press(press(1, item=POST))
    table.commit(freeze(POST))
    assert table.press(press(2, item=POST))[0].refusal == "frozen"
    assert table.count(POST) == 1


def test_others_are_pressed_as_before_and_so_is_this_one_afterwards() -> None:
    table = Table()
    table.commit(freeze())
    assert table.press(press(1, item=POST))[0].refusal is None
    table.commit(freeze(is_set=False))
    assert table.press(press(1))[0].refusal is None


def test_a_freeze_counts_from_its_place_in_the_batch_on() -> None:
    outcomes = Table().commit(press(1), freeze(), press(2), freeze(is_set=False), press(2)).outcomes
    assert [each.refusal for each in outcomes] == [None, None, "frozen", None, None]


def test_nothing_is_spent_on_a_press_that_is_refused_so() -> None:
    table = Table()
    table.commit(freeze())
    assert table.commit(press(1), allowances={press(1).payers[0]: 5}).spent == {}


def test_what_peers_took_before_they_heard_of_it_counts() -> None:
    table = Table()
    table.commit(freeze())
    table.take(row(5))
    assert table.count() == 5


def test_a_frozen_item_can_be_reset_and_stays_frozen() -> None:
    table = Table()
    table.press(press(3))
    table.commit(freeze(), Reset(HOME))
    assert (table.count(), table.press(press(1))[0].refusal) == (0, "frozen")


def test_a_reset_of_the_item_tells_an_old_press_that_rather() -> None:
    table = Table()
    table.take(header(1))
    table.commit(freeze())
    assert table.press(press(3, gen=0))[0].refusal == "reset"


# -- between replicas


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([HERE, THERE]), st.integers(1, 9)), max_size=5))
def test_replicas_that_saw_the_same_rows_agree(changes: list[tuple[int, bytes, int]]) -> None:
    rows = [frozen_row(n, seq, origin=origin) for n, origin, seq in changes]
    shuffled = random.Random(len(rows)).sample(rows, len(rows))
    one, other = Table(), Table()
    one.take(*rows)
    for each in shuffled:
        other.take(each)
    assert one.flags == other.flags
    assert (HOME in one.flags[FROZEN]) == (max((each.n for each in rows), default=0) % 2 == 1)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_older_change_that_comes_late_changes_nothing(order: tuple[int, ...]) -> None:
    rows = [frozen_row(1, 1), frozen_row(2, 2), frozen_row(3, 3)]
    table = Table()
    for place in order:
        table.take(rows[place])
    assert table.flags[FROZEN] == {HOME}
