"""A round removes what counts no more, and the wish for it outlives a restart (R12)."""

from collections.abc import Iterator

import pytest

from cluster.core.offers import Page
from cluster.core.press import Erasure, Reset
from cluster.core.sums import ItemSums
from cluster.ledger import Ledger
from tests.unit.ledgers import (
    assert_sums_are_right,
    commit_rows,
    count,
    in_memory,
    start_again,
    steps_until_removed,
    stored,
)
from tests.unit.replicas import rows_above
from tests.unit.tables import HERE, HOME, POST, THERE, actor, header, press, visitor


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = in_memory()
    yield made
    made.close()


def test_rows_of_older_generations_are_removed_and_no_sum_changes(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.commit([Reset(HOME), press(2)], HERE, {})
    sums, buckets = ledger.sums(HOME), list(ledger.buckets)
    assert ledger.round.is_wanted
    assert steps_until_removed(ledger) == 29
    assert stored(ledger) == [b"", actor(1)]
    assert (ledger.sums(HOME), list(ledger.buckets)) == (sums, buckets)
    assert_sums_are_right(ledger)


@pytest.mark.parametrize("rows_max", [1, 7, 2000])
def test_rows_of_erased_visitors_are_removed_and_told_of(ledger: Ledger, rows_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster.ledger_round.BUCKET_ROWS", 1)
        patch.setattr("cluster.ledger_round.BUCKETS", 3)
        commit_rows(ledger, rows_above(20, THERE))
        ledger.commit([press(3, who=2, tab=1), press(1, who=2, item=POST), Erasure(visitor(2))], HERE, {})
        assert count(ledger) == 23
        removed, items = [], {}
        while ledger.round.is_wanted:
            changes = ledger.go_round(rows_max)
            removed += changes.removed
            items |= changes.items
    assert sorted(removed) == [(POST, actor(2)), (HOME, actor(2)), (HOME, actor(2, tab=1))]
    assert (items[HOME].count, items[POST]) == (19, ItemSums())
    assert (count(ledger), count(ledger, POST)) == (19, 0)
    assert_sums_are_right(ledger)
    assert_sums_are_right(start_again(ledger))


def test_the_wish_stays_until_a_pass_that_began_after_it_has_ended(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.go_round(15)
    ledger.commit([Erasure(visitor(2))], HERE, {})
    while ledger.round.passes == 0:
        ledger.go_round(1000)
    assert ledger.round.is_wanted, "the pass had gone past the row already"
    assert actor(2) in stored(ledger)
    steps_until_removed(ledger)
    assert (ledger.round.passes, actor(2) in stored(ledger)) == (2, False)
    assert ledger._table.meta("sweep") is None


def test_a_wish_of_the_same_pass_is_another_one(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.commit([Erasure(visitor(9))], HERE, {})
    ledger.go_round(15)
    ledger.commit([Erasure(visitor(2))], HERE, {})
    steps_until_removed(ledger)
    assert not {actor(2), actor(9)} & set(stored(ledger))


def test_a_restart_begins_again(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.commit([Erasure(visitor(29))], HERE, {})
    ledger.go_round(15)
    again = start_again(ledger)
    assert again.round.is_wanted
    assert steps_until_removed(again) == 1
    assert not start_again(ledger).round.is_wanted


def test_no_wish_is_made_where_nothing_is_to_be_removed(ledger: Ledger) -> None:
    ledger.commit([press(1), Reset(POST), Page([header(3, item="tap:x")])], HERE, {})
    assert not ledger.round.is_wanted


@pytest.mark.parametrize("wish", ["x", 1.5, b"junk"])
def test_a_spoilt_wish_is_one(ledger: Ledger, wish: object) -> None:
    ledger._table.set_meta("sweep", wish)
    again = start_again(ledger)
    assert again.round.is_wanted
    steps_until_removed(again)
