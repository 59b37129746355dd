"""Digests: what rows, items and buckets come to, and which buckets are compared (R11)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.compare import HOT_A_LOOK, LOOKS_HOT, Buckets, Looks, is_equal, is_whole, part, whole
from cluster.core.rows import Row
from cluster.core.sums import BUCKETS, DIGEST_LENGTH, DIGEST_MASK, ItemSums, bucket_of, shifted, sums_of, without
from cluster.core.wire import MalformedError, Span
from tests.unit.tables import HOME, POST, Table, actor, row, rows_of_few_keys

OURS = [0] * BUCKETS

# -- sums


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(0, 11))
def test_sums_without_a_row_are_those_of_the_others(tallies: list[int], place: int) -> None:
    rows = [row(n, who=who, gen=1) for who, n in enumerate(tallies)]
    gone = rows.pop(place % len(rows))
    assert without(sums_of(1, [*rows, gone]), gone) == sums_of(1, rows)


@given(st.lists(rows_of_few_keys(), max_size=12), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order_of_rows(rows: list[Row], dice: random.Random) -> None:
    shuffled = list(rows)
    dice.shuffle(shuffled)
    assert sums_of(0, rows) == sums_of(0, shuffled)


@pytest.mark.parametrize("other", [row(2), row(1, gen=1), row(1, who=2), row(1, item=POST)])
def test_a_digest_looks_at_item_actor_generation_and_tally(other: Row) -> None:
    assert sums_of(0, [row(1)]).digest != sums_of(0, [other]).digest


def test_a_digest_does_not_look_at_who_wrote_the_row() -> None:
    assert sums_of(0, [row(1)]) == sums_of(0, [Row(HOME, actor(1), 0, 1, b"x" * 16, 9, b"later")])


@given(st.integers(0, DIGEST_MASK), st.integers(-DIGEST_MASK, DIGEST_MASK))
def test_a_digest_shifted_there_and_back_is_the_same(digest: int, by: int) -> None:
    assert 0 <= shifted(digest, by) <= DIGEST_MASK
    assert shifted(shifted(digest, by), -by) == digest


def test_items_are_spread_over_all_buckets() -> None:
    buckets = {bucket_of(f"tap:{number}") for number in range(20_000)}
    assert buckets == set(range(BUCKETS))


@given(st.lists(rows_of_few_keys(), max_size=20))
def test_buckets_changed_by_commits_are_those_of_the_table(rows: list[Row]) -> None:
    table, buckets = Table(), Buckets([0] * BUCKETS)
    for each in rows:
        buckets.change(table.take(each).buckets)
    assert buckets.digests == table.buckets


def test_what_is_told_is_every_digest_in_its_place() -> None:
    digests = [*range(BUCKETS - 1), DIGEST_MASK]
    told = Buckets(digests).tell().buckets
    assert len(told) == BUCKETS * DIGEST_LENGTH
    assert Looks().look(told, digests) == []
    assert told[-DIGEST_LENGTH:] == b"\xff" * DIGEST_LENGTH


# -- looks


def theirs(**digests: int) -> bytes:
    """The buckets of a peer, 0 but for those named b<number>."""
    told = [0] * BUCKETS
    for name, digest in digests.items():
        told[int(name[1:])] = digest
    return Buckets(told).tell().buckets


def test_a_bucket_that_differs_twice_in_the_same_way_is_compared() -> None:
    looks = Looks()
    assert looks.look(theirs(b3=7, b9=1), OURS) == []
    assert looks.look(theirs(b3=7, b9=1), OURS) == [3, 9]
    assert looks.look(theirs(b3=7), OURS) == [3], "and again, for as long as it differs"
    assert looks.differing == 1


def test_a_bucket_that_differs_otherwise_at_every_look_is_compared_at_every_twentieth() -> None:
    looks = Looks()
    compared = [number for number in range(1, 3 * LOOKS_HOT + 1) if looks.look(theirs(b3=number), OURS)]
    assert compared == [LOOKS_HOT, 2 * LOOKS_HOT, 3 * LOOKS_HOT]


def test_of_many_buckets_that_change_all_the_time_few_are_compared_at_one_look_and_all_in_turn() -> None:
    looks, many, compared = Looks(), 3 * HOT_A_LOOK, list[int]()
    for number in range(1, LOOKS_HOT + 4):
        found = looks.look(theirs(**{f"b{bucket}": number for bucket in range(many)}), OURS)
        assert len(found) <= HOT_A_LOOK
        compared += found
    assert compared == [*range(many)]


def test_a_change_on_our_side_counts_as_another_difference() -> None:
    looks = Looks()
    looks.look(theirs(b3=7), OURS)
    assert looks.look(theirs(b3=7), [*OURS[:3], 5, *OURS[4:]]) == []


def test_a_bucket_that_is_equal_again_is_forgotten() -> None:
    looks = Looks()
    looks.look(theirs(b3=7), OURS)
    assert looks.look(theirs(), OURS) == []
    assert looks.differing == 0
    assert looks.look(theirs(b3=7), OURS) == [], "one look is not two in a row"
    for number in range(LOOKS_HOT - 2):
        assert looks.look(theirs(b3=100 + number), OURS) == [], "and it is counted from its first look on"
    assert looks.look(theirs(b3=1), OURS) == [3]


@pytest.mark.parametrize("length", [0, 16, BUCKETS * DIGEST_LENGTH - 1, BUCKETS * DIGEST_LENGTH + 16])
def test_digests_of_another_length_are_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        Looks().look(bytes(length), OURS)


# -- spans


def test_a_whole_span_is_all_of_an_item() -> None:
    sums = sums_of(0, [row(1), row(2, who=2)])
    span = whole(HOME, sums)
    assert is_whole(span)
    assert is_equal(span, sums)
    assert (span.item, span.rows) == (HOME, 2)


def test_a_span_is_equal_only_with_as_many_rows_of_the_same_digest() -> None:
    sums = sums_of(0, [row(1)])
    span = whole(HOME, sums)
    assert not is_equal(span, ItemSums(0, 1, 2, sums.digest))
    assert not is_equal(span, sums_of(0, [row(2)]))


def test_a_part_of_a_span_has_the_rows_that_are_in_it() -> None:
    rows = [row(1), row(2, who=2)]
    cut = part(whole(HOME, sums_of(0, rows)), b"a", b"b", rows[:1])
    assert cut == Span(HOME, b"a", b"b", 1, sums_of(0, rows[:1]).digest.to_bytes(16, "big"))
    assert not is_whole(cut)
    assert not is_whole(part(cut, b"", b"b", rows))
    assert not is_whole(part(cut, b"a", b"", rows))
