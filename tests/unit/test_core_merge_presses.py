"""The merge of presses: what a budget takes, and what a reset leaves."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cluster.core.offers import Page
from cluster.core.press import Reset
from cluster.core.rows import Row
from cluster.core.sums import ItemSums, row_hash
from tests.unit.tables import (
    HOME,
    POST,
    SONG,
    THERE,
    Table,
    press,
    row,
    visitor,
)

# -- budgets


def test_a_visitor_without_allowance_is_unlimited() -> None:
    assert Table().commit(press(900)).outcomes[0].n == 900


def test_what_is_left_of_a_budget_is_taken_of_a_tap_or_clap() -> None:
    for item in (HOME, SONG):
        changes = Table().commit(press(10, item=item), allowances={visitor(1): 4})
        assert (changes.outcomes[0].n, changes.outcomes[0].refusal) == (4, None)
        assert changes.spent == {visitor(1): 4}


def test_once_costs_one_and_is_taken_whole_or_not_at_all() -> None:
    table = Table()
    taken = table.commit(press(7, item=POST), allowances={visitor(1): 1})
    assert (taken.outcomes[0].n, taken.spent) == (7, {visitor(1): 1})
    refused = table.commit(press(8, item=POST), allowances={visitor(1): 0})
    assert (refused.outcomes[0].n, refused.outcomes[0].refusal) == (7, "rate_limited")
    assert (refused.rows, refused.spent) == ({}, {})


def test_all_presses_of_a_visitor_in_one_batch_share_the_budget() -> None:
    table = Table()
    changes = table.commit(
        press(3), press(3, tab=1), press(1, item=POST), press(9, who=2), allowances={visitor(1): 5}
    )
    assert [(o.n, o.refusal) for o in changes.outcomes] == [
        (3, None), (2, None), (0, "rate_limited"), (9, None)
    ]  # fmt: skip
    assert changes.spent == {visitor(1): 5, visitor(2): 9}


def test_a_press_that_changes_nothing_costs_nothing() -> None:
    table = Table()
    table.press(press(5))
    changes = table.commit(press(5), allowances={visitor(1): 0})
    assert (changes.outcomes[0].refusal, changes.spent) == (None, {})


@given(
    st.lists(st.tuples(st.integers(1, 50), st.sampled_from([HOME, POST, SONG])), max_size=12), st.integers(0, 60)
)
def test_no_batch_spends_more_than_the_allowance(wishes: list[tuple[int, str]], allowance: int) -> None:
    table = Table()
    presses = [press(n, item=item, tab=place % 3) for place, (n, item) in enumerate(wishes)]
    changes = table.commit(*presses, allowances={visitor(1): allowance})
    assert changes.spent.get(visitor(1), 0) <= allowance
    granted = sum(r.n for r in table.rows.values() if r.item != POST)
    assert granted <= allowance


# -- generations


def test_a_higher_generation_from_a_peer_starts_the_item_afresh() -> None:
    table = Table()
    table.take(row(5), row(6, seq=2, who=2))
    table.take(Row(HOME, b"", 1, 0, THERE, 3))
    assert (table.items[HOME].gen, table.count()) == (1, 0)
    table.take(row(2, seq=4, gen=1))
    assert table.count() == 2


def test_rows_of_a_lower_generation_count_as_absent() -> None:
    table = Table()
    table.take(Row(HOME, b"", 1, 0, THERE, 3))
    assert not table.take(row(9, seq=4)).rows
    assert table.press(press(2, gen=1))[0].n == 2
    assert table.count() == 2


def test_a_press_of_the_old_generation_is_told_of_the_reset() -> None:
    table = Table()
    table.take(row(5, gen=2))
    outcome = table.press(press(6, gen=1))[0]
    assert (outcome.refusal, outcome.gen, outcome.n) == ("reset", 2, 5)


def test_a_press_of_a_later_generation_is_told_that_we_are_behind() -> None:
    table = Table()
    table.take(row(5, gen=2))
    changes = table.commit(press(6, gen=3))
    assert (changes.outcomes[0].refusal, changes.outcomes[0].gen) == ("behind", 2)
    assert (changes.rows, table.items[HOME].gen) == ({}, 2)


def test_a_press_without_generation_is_of_the_nodes() -> None:
    table = Table()
    table.take(row(5, gen=2))
    assert table.press(press(6))[0].gen == 2


def test_a_reset_in_the_same_batch_stands_before_later_presses() -> None:
    table = Table()
    table.press(press(5))
    changes = table.commit(Page([Row(HOME, b"", 1, 0, THERE, 1)]), press(6, gen=0), press(1, gen=1))
    assert [o.refusal for o in changes.outcomes] == ["reset", None]
    assert table.count() == 1


def test_rows_of_an_unknown_kind_are_kept_but_not_counted() -> None:
    table = Table()
    table.take(row(9, item="later:thing"))
    assert table.items["later:thing"] == ItemSums(0, 0, 1, row_hash(row(9, item="later:thing")))


def test_all_who_pay_for_a_press_pay_the_same_and_the_poorest_decides() -> None:
    table = Table()
    mine = replace(press(10), payers=(visitor(1), b"net", HOME))
    changes = table.commit(mine, allowances={visitor(1): 9, b"net": 4, HOME: 7})
    assert changes.outcomes[0].n == 4
    assert changes.spent == {visitor(1): 4, b"net": 4, HOME: 4}


def test_an_actors_first_press_is_a_debut_and_later_ones_are_not() -> None:
    table = Table()
    first = replace(press(1, item=POST), debut=b"new")
    assert table.commit(first, allowances={b"new": 1}).spent == {visitor(1): 1, b"new": 1}
    again = replace(press(2, item=POST), debut=b"new")
    assert table.commit(again, allowances={b"new": 0}).spent == {visitor(1): 1}
    other = replace(press(1, item=POST, who=2), debut=b"new")
    refused = table.commit(other, allowances={b"new": 0})
    assert (refused.outcomes[0].refusal, refused.spent) == ("rate_limited", {})


def test_debuts_of_one_batch_are_counted_together() -> None:
    wishes = [replace(press(1, item=POST, who=who), debut=b"new", payers=()) for who in range(1, 6)]
    changes = Table().commit(*wishes, allowances={b"new": 3})
    assert [outcome.refusal for outcome in changes.outcomes] == [None] * 3 + ["rate_limited"] * 2
    assert changes.spent == {b"new": 3}


def test_a_reset_begins_afresh_for_newcomers_too() -> None:
    table = Table()
    table.commit(press(1, item=POST), Reset(POST))
    changes = table.commit(replace(press(1, item=POST, gen=1), debut=b"new"), allowances={b"new": 5})
    assert changes.spent[b"new"] == 1
