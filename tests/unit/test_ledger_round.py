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
    steps_until_removed,
    stored,
)
from tests.unit.replicas import rows_above
from tests.unit.tables import (
    HERE,
    HOME,
    POST,
    THERE,
    actor,
    erasure,
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


# -- the walk


def test_a_round_over_a_sound_ledger_changes_nothing_and_ends(ledger: Ledger) -> None:
    commit_rows(ledger, rows_above(1500, THERE))
    before = rows_of(ledger)
    go_whole_round(ledger)
    assert (ledger.round.passes, rows_of(ledger)) == (1, before)
    assert ledger.round.checked == len(before)


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
    for module in ("core.merge", "core.sweep", "ledger_round", "ledger_table"):
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
