"""What a replica holds as of the last commit, and what a scan under way still has to send (R3, R5)."""

from cluster.core.events import Asked
from cluster.core.holdings import Holdings
from cluster.core.press import Erasure, Reset
from cluster.core.sums import BUCKETS
from cluster.core.wire import Pull
from tests.unit.replicas import Side, linked
from tests.unit.tables import HERE, HOME, THERE, Table, erasure, header, press, row, visitor


def holdings(table: Table) -> Holdings:
    return Holdings(table.heads, stamps={}, floor=table.heads, buckets=table.buckets)


def scan(number: int = 1) -> Asked:
    return Asked(1, number, {}, {}, [], None)


def test_heads_buckets_and_ring_are_those_of_the_commit() -> None:
    table = Table()
    held = holdings(Table())
    held.committed(table.commit(press(3)))
    held.committed(table.hear(THERE, 0, 2, row(1, 2, who=2)))
    assert held.heads == table.heads == {HERE: 1, THERE: 2}
    assert held.buckets.digests == table.buckets != [0] * BUCKETS
    assert held.ring.since({}) == list(table.rows.values())


def test_what_was_adopted_once_stays_adopted() -> None:
    table = Table()
    held = holdings(table)
    assert not held.has_adopted
    held.committed(table.adopt({}, {THERE: 2}))
    held.committed(table.commit(press(3)))
    assert held.has_adopted


def test_headers_and_erasures_committed_during_a_scan_are_sent_after_it() -> None:
    table = Table()
    held, asked = holdings(table), scan()
    held.committed(table.take(header(1, item="tap:early")))
    held.scans.append(asked)
    held.committed(table.commit(Reset(HOME), press(3), Erasure(visitor(2))))
    held.committed(table.take(header(7), erasure(3), row(9, who=9)))
    assert asked.late == [
        header(1, 1, origin=HERE), erasure(2, 3, origin=HERE), header(7), erasure(3),
    ]  # fmt: skip


def test_a_header_that_the_merge_adds_by_itself_is_late_too() -> None:
    table = Table()
    held, asked = holdings(table), scan()
    held.scans.append(asked)
    held.committed(table.take(row(2, gen=3)))
    assert asked.late == [header(3, 1, origin=HERE)]


def test_a_scan_that_ended_takes_no_more() -> None:
    table = Table()
    held, one, other = holdings(table), scan(), scan()
    held.scans += [one, other]
    held.end_scan(one)
    held.committed(table.commit(Reset(HOME)))
    assert (one.late, len(other.late)) == ([], 1)
    assert held.scans == [other]


def test_a_scan_is_under_way_from_its_question_on_and_an_answer_from_the_ring_never_is() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.receive(1, Pull(5))
    assert ann.replica.holdings.scans == []
    ann.press(4)
    ann.begin()  # what is held now lies below the ring's floor
    linked(ann, Side("c"), 2)
    assert [asked.link for asked in ann.replica.holdings.scans] == [2]
