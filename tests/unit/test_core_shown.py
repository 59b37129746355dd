"""What peers may know of a run's commits (R10), and how the stamps travel."""

import pytest

from cluster.core.offers import Range
from cluster.core.shown import STAMP_LENGTH, Shown
from cluster.core.wire import End, Have, Pull, Push
from tests.unit.replicas import Side, carry, cut, linked, open_link, talk
from tests.unit.tables import HERE, HOME, THERE, Table, press, row


@pytest.fixture
def shown() -> Shown:
    return Shown(0)


def commits(*numbers: int) -> list[bytes]:
    """The stamp after each of these commits: presses by the visitors of these numbers."""
    shown, table, stamps = Shown(0), Table(), []
    for number in numbers:
        shown.committed(table.commit(press(1, who=number)))
        stamps.append(shown.stamp)
    return stamps


def test_nobody_may_know_what_was_not_shown(shown: Shown) -> None:
    assert shown.may_be_known(0, b"")
    shown.committed(Table().commit(press(1)))
    assert not shown.may_be_known(1, shown.stamp)
    assert not shown.may_be_known(1, b"")


def test_who_was_shown_a_commit_may_know_it_by_its_stamp_or_by_none(shown: Shown) -> None:
    shown.committed(Table().commit(press(1)))
    stamp = shown.show(1)
    assert len(stamp) == STAMP_LENGTH
    assert shown.may_be_known(1, stamp)
    assert shown.may_be_known(1, b"")
    assert not shown.may_be_known(1, b"another.")


def test_a_head_between_two_that_were_shown_is_of_another_run(shown: Shown) -> None:
    shown.show(1)
    shown.show(3)
    assert not shown.may_be_known(2, b"")


def test_runs_that_differ_anywhere_have_other_stamps_from_there_on() -> None:
    one, other = commits(1, 2, 3, 4), commits(1, 9, 3, 4)
    assert one[0] == other[0]
    assert not set(one[1:]) & set(other[1:])
    assert commits(1, 2, 3, 4) == one


def test_below_the_newest_nothing_is_judged() -> None:
    shown = Shown(0, shown_max=2)
    for head in (1, 3, 5, 7):
        shown.show(head)
    assert [shown.may_be_known(head, b"another.") for head in range(9)] == [True] * 4 + [False] * 5


def test_what_others_commit_changes_no_stamp() -> None:
    ann = Side("a")
    ann.press(1)
    before = ann.replica.shown.stamp
    ann.table.hear(THERE, 0, 1, row(1))
    ann.replica.committed(ann.table.hear(THERE, 1, 2, row(2, 2)), ann.now)
    assert ann.replica.shown.stamp == before


# -- on their way


def test_a_push_brings_its_stamp_and_the_confirmation_brings_it_back() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    (push,) = [each for each in ann.said() if isinstance(each, Push)]
    assert push.stamp == ann.replica.shown.stamp
    carry(ann, ben)
    assert ben.replica.holdings.stamps == {ann.origin: push.stamp}
    ben.tick(0.01)
    (have,) = [each for each in ben.said() if isinstance(each, Have)]
    assert have == Have({ann.origin: 1}, push.stamp)


def test_a_peer_is_told_the_stamp_of_its_own_head_only() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.commit(Range(THERE, 0, 1, [row(1)], 1, b"8 bytes."))
    ann.tick(0.02)
    assert [each.stamp for each in ann.said() if isinstance(each, Have)] == [b""]


def test_whoever_relays_a_head_relays_its_stamp() -> None:
    ann, ben, cid = Side("a"), Side("b"), Side("c")
    linked(ann, ben)
    ann.press(1)
    talk(ann, ben)
    linked(ben, cid, link=2)
    assert cid.replica.holdings.stamps == {ann.origin: ann.replica.shown.stamp}


def test_a_pull_shows_what_was_committed_alone() -> None:
    ann, ben = Side("a"), Side("b")
    ann.press(1)
    ann.press(2)
    linked(ann, ben)
    assert ann.fenced == []
    assert ben.replica.holdings.stamps == {ann.origin: ann.replica.shown.stamp}
    assert ann.replica.copies.count(ann.origin, 2) == 1


def test_a_head_that_came_without_a_stamp_has_none_any_more() -> None:
    ben = Side("b")
    ben.table.commit()
    ben.table.stamps[HERE] = b"8 bytes."
    ben.table.hear(HERE, 0, 1, row(1))
    assert ben.table.stamps[HERE] == b""


# -- rolled back


def rolled_back() -> tuple[Side, Side]:
    """ann has gone on from before her first commit, which ben knows, with another one."""
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1, who=7)
    talk(ann, ben)
    cut(ann, ben)
    again = Side("a")
    return again, ben


def test_a_run_that_shows_nobody_is_fenced_by_whoever_knows_more_than_it_has_shown() -> None:
    ann, ben = rolled_back()
    ann.press(1)
    ann.press(2)
    open_link(ben, ann, link=2)
    talk(ann, ben, link=2)
    assert "b knows commit 1 of this run, which has made another one in its place" in ann.fenced[0]
    assert ann.replica.copies.count(ann.origin, 1) == 0


def test_a_run_that_has_shown_its_commit_is_fenced_by_whoever_knows_another_one() -> None:
    ann, ben = rolled_back()
    dan = Side("d")
    linked(dan, ann)
    ann.press(1)
    open_link(ben, ann, link=2)
    talk(ann, ben, link=2)
    assert "which has made another one in its place" in ann.fenced[0]
    assert ann.replica.copies.count(ann.origin, 1) == 0


def test_an_answer_that_knows_another_commit_fences_too() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    (pull,) = [each for each in ann.said() if isinstance(each, Pull)]
    ann.receive(1, End(pull.id, {THERE: 4, ann.origin: 1}, [b"", b"another."]))
    assert len(ann.fenced) == 1
    assert ann.table.heads.get(THERE, 0) == 0


def test_an_answer_that_knows_this_very_commit_does_not() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    (pull,) = [each for each in ann.said() if isinstance(each, Pull)]
    ann.receive(1, End(pull.id, {THERE: 4, ann.origin: 1}, [b"", ann.replica.shown.stamp]))
    assert ann.fenced == []
    assert ann.table.heads[THERE] == 4
    assert ann.count(HOME) == 1
