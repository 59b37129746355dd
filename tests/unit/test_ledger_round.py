"""The round looks at everything, raises no false alarm, and removes what counts no more (R12, R13)."""

from collections.abc import Iterator, Mapping
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.core.items import erasure_key
from cluster.core.offers import Page
from cluster.core.press import Erasure, Reset
from cluster.core.sums import ItemSums, bucket_of
from cluster.ledger import Ledger, LedgerError, LedgerFullError
from cluster.ledger_table import Table
from tests.unit.ledgers import (
    assert_sums_are_right,
    commit_rows,
    count,
    go_whole_round,
    in_memory,
    rows_of,
    sql,
    start_again,
)
from tests.unit.replicas import rows_above
from tests.unit.tables import (
    HERE,
    HOME,
    POST,
    THERE,
    actor,
    erasure,
    header,
    press,
    row,
    rows_of_few_keys,
    visitor,
)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = in_memory()
    yield made
    made.close()


def stored(ledger: Ledger) -> list[bytes]:
    """The actors of all rows of the table, also of those that count no more."""
    return [actor for (actor,) in sql(ledger, "SELECT actor FROM tallies ORDER BY item_id, actor")]  # type: ignore[misc]


def steps_until_removed(ledger: Ledger, rows_max: int = 2000) -> int:
    """How many rows were removed until nothing more waits."""
    removed = 0
    for _ in range(100_000):
        if not ledger.round.is_wanted:
            return removed
        removed += len(ledger.go_round(rows_max).removed)
    raise AssertionError("it never ends")


# -- the walk


def test_a_round_over_a_sound_ledger_changes_nothing_and_ends(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(1500, THERE))
    before = rows_of(ledger)
    go_whole_round(ledger)
    assert (ledger.round.passes, rows_of(ledger)) == (1, before)


def test_a_step_looks_at_about_so_many_rows(ledger: Ledger) -> None:
    commit_rows(ledger, [*rows_above(95, THERE), row(1, item=POST)])
    looks = [ledger._table.rows_of]
    seen: list[int] = []

    def rows_of_item(*arguments: Any) -> Any:
        found = looks[0](*arguments)
        seen.append(len(found))
        return found

    ledger._table.rows_of = rows_of_item  # type: ignore[method-assign]
    for _ in range(10):
        ledger.go_round(10)
    assert seen == [10] * 9 + [5, 1]


def test_an_empty_ledger_is_walked_too(ledger: Ledger) -> None:
    go_whole_round(ledger)
    assert ledger.round.passes == 1


@pytest.mark.parametrize("who", [5, 25], ids=["behind", "ahead of"])
def test_a_commit_behind_or_ahead_of_the_walk_is_no_false_alarm(ledger: Ledger, who: int) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.go_round(15)
    ledger.commit([press(9, who=who), press(2, who=who, tab=1), Page([row(4, 40, who=who)])], HERE, {})
    go_whole_round(ledger)
    assert_sums_are_right(ledger)


def test_a_generation_raised_in_the_middle_is_no_false_alarm(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.go_round(15)
    ledger.commit([Reset(HOME), press(2, who=3), press(7, who=29)], HERE, {})
    ledger.go_round(5)
    ledger.commit([press(3, who=3), Page([row(4, 90, who=2, gen=2)])], HERE, {})
    go_whole_round(ledger)
    assert count(ledger) == 4


def test_items_that_come_while_it_walks_are_no_false_alarm(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(30, THERE))
    ledger.go_round(15)
    ledger.commit([press(1, item=f"tap:{number}") for number in range(50)], HERE, {})
    ledger.go_round(60)
    ledger.commit([press(2, item="tap:3"), press(1, item="tap:new")], HERE, {})
    go_whole_round(ledger)
    assert ledger.round.passes >= 1


# -- any interleaving

commits = st.one_of(
    st.lists(rows_of_few_keys(), min_size=1, max_size=4).map(Page),
    st.builds(lambda who, n: press(n, who=who), st.integers(1, 3), st.integers(1, 50)),
    st.sampled_from([Reset(HOME), Reset(POST), Erasure(visitor(1)), Erasure(visitor(2)), Page([erasure(3)])]),
)
steps = st.integers(1, 6)


def few_buckets(patch: pytest.MonkeyPatch) -> None:
    """So that a pass is short, and every bucket is in use."""
    for module in ("core.merge", "core.sweep", "ledger_table"):
        patch.setattr(f"cluster.{module}.bucket_of", lambda item: bucket_of(item) % 4)
    patch.setattr("cluster.ledger_round.BUCKETS", 4)
    patch.setattr("cluster.ledger_round.BUCKET_ROWS", 1)


@settings(max_examples=60)
@given(st.lists(st.one_of(commits, steps, steps), max_size=40))
def test_no_interleaving_of_commits_and_steps_is_a_false_alarm(happenings: list[Any]) -> None:
    ledger = in_memory()
    with pytest.MonkeyPatch.context() as patch:
        few_buckets(patch)
        for happening in happenings:
            if isinstance(happening, int):
                ledger.go_round(happening)
            else:
                ledger.commit([happening], HERE, {})
        steps_until_removed(ledger, 3)
        go_whole_round(ledger)
        assert_all_that_stands_counts(ledger)
    ledger.close()


def assert_all_that_stands_counts(ledger: Ledger) -> None:
    rows = rows_of(ledger)
    assert len(rows) == len(stored(ledger)), "no row of an older generation is left"
    assert not [each for each in rows if each.item and each.actor and erasure_key(each.actor[:10]) in ledger.erased]
    for item in {each.item for each in rows}:
        assert ledger.sums(item).rows == sum(each.item == item for each in rows)


# -- what it finds


def test_sums_that_do_not_fit_end_the_ledger(ledger: Ledger) -> None:
    ledger.commit([press(5)], HERE, {})
    ledger._table.write_sums(1, HOME, ItemSums(0, 6, 1, ledger.sums(HOME).digest))
    with pytest.raises(LedgerError, match="not those of its rows"):
        go_whole_round(ledger)
    assert ledger._table.meta("suspect") == 1
    with pytest.raises(LedgerError):
        ledger.commit([press(6)], HERE, {})


def test_a_row_spoilt_while_nobody_asks_for_it_is_found(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(300, THERE))
    sql(ledger, "UPDATE tallies SET n = 2 WHERE actor = ?", actor(299))
    with pytest.raises(LedgerError, match="checksum"):
        go_whole_round(ledger)


# -- what it removes


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


# -- a full disk


def be_full_at_the_third_bucket(patch: pytest.MonkeyPatch) -> None:
    """And have room again for those that are written after it."""
    left, write = [3], Table._write_buckets

    def write_or_fail(table: Table, changed: Mapping[int, int]) -> None:
        left[0] -= len(changed)
        if left[0] == 0:
            raise_full()
        write(table, changed)

    patch.setattr(Table, "_write_buckets", write_or_fail)


def test_a_step_on_a_full_disk_is_undone_and_the_round_begins_anew(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [f"tap:{number}" for number in range(4)]
    ledger.commit([press(1, item=item, who=who) for item in items for who in (1, 2)], HERE, {})
    ledger.commit([Erasure(visitor(2))], HERE, {})
    ledger = start_again(ledger)
    before = stored(ledger), list(ledger.buckets)
    be_full_at_the_third_bucket(monkeypatch)
    with pytest.raises(LedgerFullError):
        ledger.go_round(1000)
    assert (stored(ledger), list(ledger.buckets)) == before
    assert [count(ledger, item) for item in items] == [2] * 4
    assert steps_until_removed(ledger, 3) == 4, "also those of the items that it had passed"
    assert_sums_are_right(ledger)


def test_what_goes_on_after_a_full_disk_counts_the_passes_before_it_too(ledger: Ledger) -> None:
    ledger.commit([press(1)], HERE, {})
    go_whole_round(ledger)
    ledger.load()
    assert ledger.round.passes == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "items_of", raise_full)
        with pytest.raises(LedgerFullError):
            ledger.go_round(1000)
    assert ledger.round.passes == 1


def raise_full(*_: object) -> None:
    raise apsw.FullError("database or disk is full")
