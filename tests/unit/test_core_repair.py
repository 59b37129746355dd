"""Rows that a digest found are merged, raise no head, and are counted if our heads had claimed them (R11)."""

from cluster.core.offers import Page, Range, Repair
from cluster.core.rows import Row
from tests.unit.tables import ELSEWHERE, SONG, THERE, Table, row


def test_a_row_that_our_head_had_claimed_is_a_repair() -> None:
    table = Table()
    table.hear(THERE, 0, 5, row(1, 5, who=2))
    changes = table.commit(Repair([row(3, 4), row(7, 5, who=3)]))
    assert changes.repairs == 2
    assert table.count() == 11
    assert changes.heads == {}


def test_a_row_above_our_head_is_none() -> None:
    table = Table()
    table.hear(THERE, 0, 5)
    changes = table.commit(Repair([row(3, 6), row(3, 1, who=2, origin=ELSEWHERE)]))
    assert (changes.repairs, table.count()) == (0, 6)
    assert table.heads == {THERE: 5}


def test_a_row_that_changes_nothing_is_none() -> None:
    table = Table()
    table.hear(THERE, 0, 5, row(3, 4))
    assert table.commit(Repair([row(3, 4), row(2, 3)])).repairs == 0


def test_a_head_that_the_same_batch_raises_had_claimed_nothing() -> None:
    table = Table()
    assert table.commit(Range(THERE, 0, 5, []), Repair([row(3, 4)])).repairs == 0


def test_only_what_a_digest_found_is_counted() -> None:
    table = Table()
    table.hear(THERE, 0, 5)
    assert table.commit(Page([row(3, 4)]), Range(THERE, 5, 6, [row(3, 3, who=2)])).repairs == 0


def test_a_bad_row_of_a_comparison_is_counted_against_its_link() -> None:
    table = Table()
    changes = table.commit(Repair([row(51, item=SONG), Row("x", b"", 0, 0, THERE, 1), row(1, 2)], source=7))
    assert (changes.bad_rows, changes.repairs, table.count()) == ({7: 2}, 0, 1)
