"""A reset begins the item's next generation, and whoever hears of that writes it down (R12)."""

import pytest

from cluster.core.items import GEN_MAX
from cluster.core.merge import HEADERS_MAX
from cluster.core.offers import Page
from cluster.core.press import Reset
from cluster.core.rows import Row, fault_of
from cluster.core.sums import ItemSums, row_hash
from tests.unit.tables import HERE, HOME, POST, THERE, Table, actor, erasure, header, press, row

# -- the wish


def test_a_reset_begins_the_next_generation_and_counts_from_zero() -> None:
    table = Table()
    table.press(press(5), press(6, who=2))
    changes = table.commit(Reset(HOME))
    outcome = changes.outcomes[0]
    assert (outcome.gen, outcome.n, outcome.count, outcome.refusal) == (1, 0, 0, None)
    assert changes.own == {(HOME, b""): Row(HOME, b"", 1, 0, HERE, 3)}
    assert (outcome.origin, outcome.seq) == (HERE, 3), "the answer rests on the header"
    assert changes.items[HOME] == ItemSums(1, 0, 1, row_hash(Row(HOME, b"", 1, 0, HERE, 3)))


def test_a_reset_leaves_rows_to_be_removed_only_where_there_were_some() -> None:
    table = Table()
    assert not table.commit(Reset(HOME)).has_stale
    assert table.commit(Reset(HOME)).has_stale, "the header of the first one"


def test_other_items_keep_their_generation() -> None:
    table = Table()
    table.press(press(5), press(1, item=POST))
    table.commit(Reset(HOME))
    assert (table.count(HOME), table.count(POST), table.items[POST].gen) == (0, 1, 0)


def test_two_resets_in_one_batch_are_two_generations() -> None:
    table = Table()
    changes = table.commit(Reset(HOME), press(2), Reset(HOME), press(3))
    assert [(o.gen, o.n, o.count) for o in changes.outcomes] == [(1, 0, 0), (1, 2, 2), (2, 0, 0), (2, 3, 3)]
    assert [each.gen for each in changes.own.values()] == [2, 2], "a key is pushed once, with its last row"
    assert table.count() == 3


def test_presses_after_a_reset_say_which_generation_they_mean() -> None:
    table = Table()
    table.press(press(5))
    table.commit(Reset(HOME))
    old, present, later = table.press(press(6, gen=0), press(2, gen=1), press(9, gen=2))
    assert (old.refusal, old.gen, old.n) == ("reset", 1, 0)
    assert (present.refusal, present.n, present.count) == (None, 2, 2)
    assert (later.refusal, later.gen, later.n) == ("behind", 1, 2)


def test_tallies_of_the_old_generation_are_absent_for_who_says_no_number() -> None:
    table = Table()
    table.press(press(5))
    table.commit(Reset(HOME))
    assert table.press(press())[0].n == 1


# -- rows of peers


def test_a_row_of_an_older_generation_raises_its_head_and_nothing_else() -> None:
    table = Table()
    table.commit(Reset(HOME))
    before = dict(table.items), dict(table.rows)
    changes = table.hear(THERE, 0, 1, row(9))
    assert (table.heads[THERE], table.items, table.rows) == (1, *before)
    assert (changes.rows, changes.buckets, changes.has_stale) == ({}, {}, False)


def test_the_header_is_written_where_only_a_tally_of_the_new_generation_arrives() -> None:
    table = Table()
    table.press(press(4))
    changes = table.hear(THERE, 0, 7, row(2, seq=7, gen=3))
    assert changes.own == {(HOME, b""): Row(HOME, b"", 3, 0, HERE, 2)}
    assert (table.items[HOME].gen, table.count(), table.items[HOME].rows) == (3, 2, 2)
    assert table.heads == {HERE: 2, THERE: 7}


@pytest.mark.parametrize("rows", [[row(2, gen=3), header(3, 2)], [header(3, 2), row(2, gen=3)]])
def test_no_header_is_written_where_it_arrives_in_the_same_batch(rows: list[Row]) -> None:
    table = Table()
    assert table.take(*rows).own == {}
    assert table.rows[HOME, b""] == header(3, 2)


def test_the_header_of_an_older_generation_does_not_stand_for_the_new_one() -> None:
    table = Table()
    changes = table.take(header(1), row(2, gen=2, seq=2))
    assert [each.gen for each in changes.own.values()] == [2]


def test_a_header_that_is_known_is_not_written_again() -> None:
    table = Table()
    table.take(row(2, gen=1))
    assert table.take(row(3, gen=1, seq=2, who=2)).own == {}


def test_a_batch_writes_so_many_headers_and_no_more() -> None:
    table = Table()
    rows = [row(1, seq, item=f"tap:{seq}", gen=1) for seq in range(1, HEADERS_MAX + 6)]
    assert len(table.take(*rows).own) == HEADERS_MAX
    assert all(table.items[each.item].gen == 1 for each in rows)


def test_the_generation_is_raised_even_by_a_row_of_an_erased_visitor() -> None:
    table = Table()
    table.take(erasure(who=1), row(5, who=2))
    changes = table.take(row(9, gen=1, seq=2, who=1))
    assert (table.items[HOME].gen, table.count()) == (1, 0)
    assert (HOME, actor(1)) not in table.rows
    assert [(key, each.gen) for key, each in changes.own.items()] == [((HOME, b""), 1)]
    assert changes.has_stale, "the other visitor's row waits to be removed"


def test_two_who_reset_the_same_generation_agree() -> None:
    one, other = Table(HERE), Table(THERE)
    for table in (one, other):
        table.commit(Reset(HOME))
    one.commit(Page(list(other.rows.values())))
    other.commit(Page(list(one.rows.values())))
    assert one.state() == other.state()
    assert one.items[HOME].gen == 1


def test_no_reset_writes_a_generation_out_of_bounds() -> None:
    """A peer may have sent the last one. The next would be a row that no ledger can read again (R13)."""
    table = Table()
    table.take(header(GEN_MAX))
    changes = table.commit(Reset(HOME))
    assert changes.outcomes[0].gen == GEN_MAX
    assert [fault_of(each) for each in changes.own.values()] == [None]
