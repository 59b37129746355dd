"""The merge: what one transaction does with presses, pushes, pages and heads."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cluster.core.items import CLAP_MAX, TALLY_MAX
from cluster.core.offers import Range
from cluster.core.rows import Row
from cluster.core.sums import row_hash, sums_of
from tests.unit.tables import (
    ELSEWHERE,
    HERE,
    HOME,
    POST,
    SONG,
    THERE,
    Table,
    actor,
    batches_of,
    press,
    row,
    rows_of_few_keys,
)

many_rows = st.lists(rows_of_few_keys(), max_size=25)

# -- R6: the larger row wins


@given(many_rows, st.randoms(use_true_random=False), st.lists(st.integers(0, 25), max_size=4))
def test_any_order_and_any_batching_give_the_same_table(
    rows: list[Row], dice: random.Random, cuts: list[int]
) -> None:
    one, other = Table(), Table()
    one.take(*rows)
    shuffled = rows + dice.sample(rows, len(rows) // 2)
    dice.shuffle(shuffled)
    for batch in batches_of(shuffled, cuts):
        other.take(*batch)
    assert one.state() == other.state()


@given(many_rows, many_rows)
def test_two_replicas_that_exchange_their_tables_are_equal(ours: list[Row], theirs: list[Row]) -> None:
    one, other = Table(), Table(THERE)
    one.take(*ours)
    other.take(*theirs)
    seen = list(one.rows.values())
    one.take(*other.rows.values())
    other.take(*seen)
    assert one.state() == other.state()


@given(many_rows, st.lists(st.integers(0, 25), max_size=4))
def test_item_sums_are_those_of_their_rows(rows: list[Row], cuts: list[int]) -> None:
    table = Table()
    for batch in batches_of(rows, cuts):
        table.take(*batch)
    for item, sums in table.items.items():
        assert sums == sums_of(sums.gen, table.current_rows(item))


def test_merging_a_table_again_changes_nothing() -> None:
    table = Table()
    table.take(row(3), row(5, seq=2, who=2))
    assert not table.take(row(3), row(5, seq=2, who=2)).rows


def test_late_duplicate_changes_nothing() -> None:
    table = Table()
    table.take(row(7, seq=2))
    changes = table.take(row(3, seq=1))
    assert (changes.rows, changes.items, table.count()) == ({}, {}, 7)


def test_of_equal_tallies_the_larger_origin_stands_and_the_count_stays() -> None:
    table = Table()
    table.take(row(7, seq=1, origin=ELSEWHERE))
    changes = table.take(row(7, seq=5, origin=THERE))
    assert list(changes.rows.values()) == [row(7, seq=5, origin=THERE)]
    assert table.count() == 7
    assert not table.take(row(7, seq=9, origin=ELSEWHERE)).rows


def test_a_digest_is_the_sum_of_its_rows_hashes_mod_2_to_the_128() -> None:
    rows = [row(n, seq=n, who=n) for n in range(1, 9)]
    table = Table()
    table.take(*rows)
    assert table.items[HOME].digest == sum(row_hash(each) for each in rows) % (1 << 128)


def test_a_digest_does_not_look_at_origin_and_seq() -> None:
    assert row_hash(row(3, seq=1, origin=HERE)) == row_hash(row(3, seq=9, origin=THERE))
    assert len({row_hash(each) for each in (row(3), row(4), row(3, who=2), row(3, gen=1), row(3, item=POST))}) == 5


# -- R13: bounds


def test_a_bad_row_is_dropped_and_counted_and_the_rest_is_merged() -> None:
    table = Table()
    bad = row(51, seq=2, item=SONG)
    changes = table.commit(Range(THERE, 0, 3, [row(1), bad, row(2, seq=3, who=2)], source=8))
    assert changes.bad_rows == {8: 1}
    assert table.count() == 3
    assert table.count(SONG) == 0
    assert table.heads == {THERE: 3}


# -- R1, R3: own rows


def test_own_rows_get_the_next_numbers_of_the_origin() -> None:
    table = Table()
    table.press(press(1), press(1, who=2))
    changes = table.commit(press(2))
    assert [each.seq for each in changes.own.values()] == [3]
    assert changes.heads == {HERE: 3}


def test_a_key_pressed_twice_in_one_batch_is_pushed_once_with_its_last_row() -> None:
    changes = Table().commit(press(1), press(4))
    assert list(changes.own.values()) == [Row(HOME, actor(1), 0, 4, HERE, 2)]
    assert changes.heads == {HERE: 2}


def test_without_n_a_press_is_one_more_than_all_that_was_asked_before() -> None:
    table = Table()
    outcomes = table.press(press(3), press(), press())
    assert [outcome.n for outcome in outcomes] == [3, 4, 5]


def test_without_n_a_full_tally_stays_full() -> None:
    table = Table()
    table.press(press(CLAP_MAX, item=SONG))
    assert table.press(press(item=SONG))[0].n == CLAP_MAX
    table.press(press(TALLY_MAX))
    assert table.press(press())[0].n == TALLY_MAX


def test_each_outcome_says_the_count_after_its_own_press() -> None:
    outcomes = Table().press(press(2), press(3, who=2), press(4))
    assert [outcome.count for outcome in outcomes] == [2, 5, 7]


# -- R4: ranges


def test_a_range_that_follows_on_raises_the_head() -> None:
    table = Table()
    table.hear(THERE, 0, 2, row(1, seq=1), row(2, seq=2, who=2))
    table.hear(THERE, 2, 5, row(3, seq=5))
    assert table.heads == {THERE: 5}


def test_a_range_that_overlaps_raises_the_head() -> None:
    table = Table()
    table.hear(THERE, 0, 3, row(1, seq=3))
    table.hear(THERE, 1, 5, row(2, seq=5))
    assert table.heads == {THERE: 5}


def test_a_range_after_a_gap_is_merged_but_raises_no_head_and_asks_for_a_pull() -> None:
    table = Table()
    changes = table.commit(Range(THERE, 3, 5, [row(2, seq=5)], source=9))
    assert table.count() == 2
    assert (table.heads, changes.gaps) == ({}, {9})


def test_an_old_range_lowers_no_head() -> None:
    table = Table()
    table.hear(THERE, 0, 5)
    table.hear(THERE, 0, 2)
    assert table.heads == {THERE: 5}


def test_ranges_of_one_batch_build_on_each_other() -> None:
    table = Table()
    changes = table.commit(Range(THERE, 0, 2, []), Range(THERE, 2, 4, []))
    assert (table.heads, changes.gaps) == ({THERE: 4}, set())


# -- R5: pulls


def test_pages_raise_no_head() -> None:
    table = Table()
    table.take(row(5, seq=9))
    assert table.heads == {}


def test_heads_are_adopted_while_the_question_stands() -> None:
    table = Table()
    changes = table.adopt({THERE: 0}, {THERE: 7})
    assert (table.heads, changes.adopted) == ({THERE: 7}, 1)


def test_heads_asked_for_with_more_than_we_have_now_are_not_adopted() -> None:
    table = Table()
    table.heads = {THERE: 3}
    changes = table.adopt({THERE: 4}, {THERE: 9, ELSEWHERE: 2})
    assert (table.heads, changes.adopted) == ({THERE: 3}, 0)


def test_adoption_lowers_no_head() -> None:
    table = Table()
    table.heads = {THERE: 8}
    table.adopt({THERE: 3}, {THERE: 5, ELSEWHERE: 2})
    assert table.heads == {THERE: 8, ELSEWHERE: 2}


# -- R9: what an answer rests on


def test_a_press_that_changes_nothing_rests_on_the_row_that_makes_it_so() -> None:
    table = Table()
    table.hear(THERE, 0, 4, row(5, seq=4))
    changes = table.commit(press(5), press(3))
    assert changes.own == {}
    assert [(o.n, o.origin, o.seq) for o in changes.outcomes] == [(5, THERE, 4)] * 2


def test_a_no_op_on_a_row_above_its_origins_head_is_offered_again_as_our_own() -> None:
    table = Table()
    table.take(row(5, seq=4))
    changes = table.commit(press(5))
    outcome = changes.outcomes[0]
    assert (outcome.n, outcome.origin, outcome.seq) == (5, HERE, 1)
    assert list(changes.own.values()) == [Row(HOME, actor(1), 0, 5, HERE, 1)]
    assert table.heads == {HERE: 1}
    assert table.count() == 5
    assert table.rows[HOME, actor(1)].origin == THERE, "the larger origin still stands (R6)"


def test_a_no_op_on_a_row_of_a_run_that_has_ended_is_offered_again_as_our_own() -> None:
    """It may have been put back before it ended: a number then stands for two commits, and no peer knows which."""
    table = Table()
    table.hear(THERE, 0, 4, row(5, seq=4))
    changes = table.commit(press(5), live=(ELSEWHERE,))
    assert (changes.outcomes[0].origin, changes.outcomes[0].seq) == (HERE, 1)
    assert list(changes.own.values()) == [Row(HOME, actor(1), 0, 5, HERE, 1)]
    assert (changes.spent, table.count()) == ({}, 5)


def test_what_later_versions_append_to_a_row_is_offered_again_with_it() -> None:
    table = Table()
    table.take(Row(HOME, actor(1), 0, 5, THERE, 4, b"\x07"))
    assert table.commit(press(5)).own[HOME, actor(1)].ext == b"\x07"
