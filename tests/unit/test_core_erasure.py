"""An erased visitor stays erased: whoever offers its rows, in whatever order (R12)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.items import erasure_key
from cluster.core.offers import Changes, Offer, Page, Range, Repair
from cluster.core.press import Erasure
from cluster.core.rows import Row
from cluster.core.sums import BUCKETS, bucket_of, shifted, sums_of
from tests.unit.tables import (
    ELSEWHERE,
    HERE,
    HOME,
    POST,
    THERE,
    Table,
    actor,
    batches_of,
    erasure,
    header,
    press,
    row,
    rows_of_few_keys,
    visitor,
)

# -- the wish


def test_an_erasure_keeps_a_hash_of_the_visitor_and_not_the_visitor() -> None:
    changes = Table().commit(Erasure(visitor(1)))
    own = Row("", erasure_key(visitor(1)), 0, 1, HERE, 1)
    assert list(changes.own.values()) == [own]
    assert (changes.erased, changes.has_stale) == ({own.actor}, True)
    assert visitor(1) not in own.actor
    outcome = changes.outcomes[0]
    assert (outcome.n, outcome.origin, outcome.seq, outcome.refusal) == (1, HERE, 1, None)


def test_an_erasure_wished_again_rests_on_the_row_that_made_it() -> None:
    table = Table()
    table.hear(THERE, 0, 4, erasure(seq=4))
    changes = table.commit(Erasure(visitor(1)), Erasure(visitor(1)))
    assert (changes.own, changes.rows) == ({}, {})
    assert [(o.origin, o.seq) for o in changes.outcomes] == [(THERE, 4)] * 2


def test_an_erasure_above_the_head_of_its_origin_is_offered_again_as_our_own() -> None:
    table = Table()
    table.take(erasure(seq=4))
    changes = table.commit(Erasure(visitor(1)))
    assert list(changes.own.values()) == [erasure(origin=HERE)]
    assert changes.outcomes[0].origin == HERE
    assert table.items[""].rows == 1


def test_every_tab_and_every_item_of_an_erased_visitor_is_refused() -> None:
    table = Table()
    table.press(press(5))
    table.commit(Erasure(visitor(1)))
    outcomes = table.press(press(6), press(1, tab=3), press(1, item=POST), press(1, gen=9), press(2, who=2))
    assert [o.refusal for o in outcomes] == ["erased"] * 4 + [None]
    assert outcomes[0].n == 0


def test_a_refused_press_of_an_erased_visitor_costs_nothing() -> None:
    table = Table()
    table.commit(Erasure(visitor(1)))
    assert table.commit(press(6), allowances={visitor(1): 9}).spent == {}


def test_a_press_of_the_same_batch_counts_before_the_erasure_and_not_after() -> None:
    outcomes = Table().press(press(2), Erasure(visitor(1)), press(3))  # type: ignore[arg-type]
    assert [o.refusal for o in outcomes] == [None, None, "erased"]


# -- rows of peers


def offers_of(*rows: Row) -> list[Offer]:
    return [Page(rows), Repair(rows), Range(ELSEWHERE, 0, 9, rows)]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["page", "repair", "range"])
def test_a_row_of_an_erased_visitor_is_refused_by_every_kind_of_offer(kind: int) -> None:
    table = Table()
    table.commit(Erasure(visitor(1)))
    changes = table.commit(offers_of(row(5), row(1, 2, who=2))[kind])
    assert list(changes.rows) == [(HOME, actor(2))]
    assert table.count() == 1
    assert table.heads.get(ELSEWHERE, 0) == (9 if kind == 2 else 0), "a refused row holds no head back"


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["page", "repair", "range"])
def test_a_row_after_the_erasure_in_the_same_offer_is_refused_too(kind: int) -> None:
    table = Table()
    changes = table.commit(offers_of(erasure(), row(5, 2))[kind])
    assert list(changes.rows) == [("", erasure_key(visitor(1)))]
    assert table.count() == 0


def test_headers_and_other_erasures_are_of_no_visitor() -> None:
    table = Table()
    table.commit(Erasure(b""), Erasure(erasure(2).actor[:10]))  # what their actors would be taken for
    taken = table.take(header(1), erasure(who=2, seq=2)).rows
    assert list(taken) == [(HOME, b""), ("", erasure_key(visitor(2)))]


def test_what_was_counted_before_waits_to_be_removed() -> None:
    table = Table()
    table.press(press(5), press(1, who=2))
    changes = table.take(erasure())
    assert (changes.has_stale, table.count()) == (True, 6)
    table.sweep()
    assert table.count() == 1


# -- whatever the order

erasures = st.builds(erasure, st.integers(1, 2), st.integers(1, 6), origin=st.sampled_from([HERE, THERE]))
rows_and_erasures = st.lists(st.one_of(rows_of_few_keys(), rows_of_few_keys(), erasures), max_size=25)


def assert_sums_are_right(table: Table) -> None:
    buckets = [0] * BUCKETS
    for item, sums in table.items.items():
        assert sums == sums_of(sums.gen, table.current_rows(item))
        buckets[bucket_of(item)] = shifted(buckets[bucket_of(item)], sums.digest)
    assert table.buckets == buckets


def take_in(table: Table, kind: int, rows: list[Row]) -> Changes:
    return table.commit(offers_of(*rows)[kind % 3])


@given(
    rows_and_erasures,
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 25), max_size=4),
    st.lists(st.integers(0, 25), max_size=4),
)
def test_any_order_and_batching_with_erasures_and_headers_gives_the_same_table(
    rows: list[Row], dice: random.Random, cuts: list[int], other_cuts: list[int]
) -> None:
    one, other = Table(HERE), Table(ELSEWHERE)
    for batch in batches_of(rows, cuts):
        take_in(one, dice.randrange(3), list(batch))
    shuffled = rows + dice.sample(rows, len(rows) // 2)
    dice.shuffle(shuffled)
    for batch in batches_of(shuffled, other_cuts):
        take_in(other, dice.randrange(3), list(batch))
        if dice.random() < 0.3:
            other.sweep()
    for table in (one, other):
        table.sweep()
        assert_sums_are_right(table)
    assert one.state() == other.state()
    assert (one.buckets, one.erased) == (other.buckets, other.erased)
