"""The sweep removes what counts no more, and only that (R12)."""

from cluster.core.items import erasure_key
from cluster.core.press import Erasure, Reset
from cluster.core.sums import ItemSums, bucket_of, row_hash, shifted, sums_of
from cluster.core.sweep import sweep
from tests.unit.tables import HOME, POST, Table, actor, erasure, header, press, row, visitor


def test_rows_of_older_generations_go_and_change_no_sum() -> None:
    sums = sums_of(2, [header(2), row(4, gen=2)])
    changes = sweep(HOME, sums, [row(9), header(1), header(2), row(4, gen=2), row(3, gen=1, who=2)], ())
    assert changes.removed == [(HOME, actor(1)), (HOME, b""), (HOME, actor(2))]
    assert (changes.items, changes.buckets) == ({}, {})


def test_rows_of_erased_visitors_go_out_of_count_sums_and_bucket() -> None:
    rows = [row(4), row(5, who=2), header(0)]
    sums = sums_of(0, rows)
    changes = sweep(HOME, sums, rows, {erasure_key(visitor(1))})
    assert changes.removed == [(HOME, actor(1))]
    assert changes.items == {HOME: sums_of(0, rows[1:])}
    assert shifted(sums.digest, changes.buckets[bucket_of(HOME)]) == sums_of(0, rows[1:]).digest


def test_an_old_row_of_an_erased_visitor_was_not_in_the_sums() -> None:
    sums = sums_of(1, [header(1)])
    changes = sweep(HOME, sums, [row(4), header(1)], {erasure_key(visitor(1))})
    assert (changes.removed, changes.items) == ([(HOME, actor(1))], {})


def test_headers_and_erasures_of_the_present_generation_stay() -> None:
    """A header has no visitor, and an erasure row none but its hash, even if it is that of another erased one."""
    erased = {erasure_key(b""), erasure_key(erasure().actor[:10])}
    assert sweep(HOME, sums_of(1, [header(1)]), [header(1)], erased).removed == []
    assert sweep("", sums_of(0, [erasure()]), [erasure()], erased).removed == []


def test_what_was_swept_does_not_come_back() -> None:
    table = Table()
    table.press(press(5), press(1, item=POST), press(3, who=2))
    before = list(table.rows.values())
    table.commit(Erasure(visitor(1)), Reset(POST))
    table.sweep()
    assert set(table.rows) == {(HOME, actor(2)), ("", erasure_key(visitor(1))), (POST, b"")}
    assert table.take(*before).rows == {}
    assert (table.count(HOME), table.count(POST)) == (3, 0)


def test_an_item_of_which_nothing_is_left_has_the_sums_of_a_new_one() -> None:
    table = Table()
    table.press(press(5))
    table.commit(Erasure(visitor(1)))
    table.sweep()
    assert table.items[HOME] == ItemSums()
    assert table.buckets[bucket_of("")] == row_hash(erasure())
