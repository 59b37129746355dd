"""How rows get from one replica to another: pushed, dropped, and pulled (R3, R4, R5, R7)."""

import msgspec
import pytest

from cluster.core.offers import Adoption, Range
from cluster.core.push import FEW_ROWS
from cluster.core.wire import End, Have, LeanPush, Pull, Push, Rows, Status, pack
from tests.unit.replicas import Side, carry, cut, haves, linked, open_link, pushes, rows_above, talk
from tests.unit.tables import THERE, press, row

# -- pushes


def test_a_press_is_pushed_and_both_tables_are_equal(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.press(3)
    talk(ann, ben)
    assert (ann.count(), ben.count()) == (3, 3)
    assert ben.table.heads == ann.table.heads == {ann.origin: 1}


def test_the_first_push_after_a_pause_goes_at_once_and_later_ones_are_joined(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(1.0)
    ann.out.clear()
    ann.press(1)
    assert [(push.start, push.to) for push in pushes(ann)] == [(0, 1)]
    ann.press(2)
    ann.press(1, who=2)
    ann.tick(0.002)
    assert len(pushes(ann)) == 1
    assert ann.replica.due_in_s(ann.now) == pytest.approx(0.001)
    ann.tick(0.001)
    assert [(push.start, push.to) for push in pushes(ann)] == [(0, 1), (1, 3)]
    assert len(haves(ann)) == 1
    assert ann.replica.due_in_s(ann.now) == pytest.approx(0.007)
    ann.tick(0.007)
    assert len(haves(ann)) == 2
    assert ann.replica.due_in_s(ann.now) is None


def test_where_many_rows_wait_they_are_joined_for_longer(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(1.0)
    ann.press(1)
    ann.commit(*(press(1, who=100 + place) for place in range(FEW_ROWS)))
    ann.tick(0.009)
    assert len(pushes(ann)) == 1
    ann.tick(0.001)
    assert [(push.start, push.to) for push in pushes(ann)] == [(0, 1), (1, 1 + FEW_ROWS)]


def test_an_announcement_of_what_others_wrote_holds_back_no_push(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(1.0)
    ann.commit(Range(THERE, 0, 1, [row(4, who=2)]))
    ann.press(1)
    assert [(push.start, push.to) for push in pushes(ann)] == [(0, 1)]


def test_a_peer_of_the_first_version_is_pushed_what_it_understands(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    link = ann.replica.sessions[1].link
    assert link.peer is not None
    link.peer = msgspec.structs.replace(link.peer, features=["something later"])
    cid = Side("c")
    linked(ann, cid, 2)
    ann.press(3)
    assert [type(message) for message in ann.said(1)] == [Push, Have]
    assert [type(message) for message in ann.said(2)] == [LeanPush, Have]
    talk(ann, ben)
    talk(ann, cid, 2)
    assert (ben.count(), cid.count()) == (3, 3)
    assert ben.table.heads == cid.table.heads == {ann.origin: 1}


def test_a_timer_that_ends_a_rounding_error_early_is_in_time(ann: Side, ben: Side) -> None:
    """uvloop's clock counts milliseconds, and every fifth of its timers of 10 ms took 20."""
    linked(ann, ben)
    ann.tick(1.0)
    ann.press(1)
    ann.out.clear()
    ann.press(2)
    ann.tick(0.003 - 1e-9)
    assert len(pushes(ann)) == 1


def test_only_pushes_may_be_dropped_by_a_full_queue(ann: Side, ben: Side) -> None:
    open_link(ann, ben)
    talk(ann, ben)
    ann.tick(1.0)
    ann.press(1)
    ann.replica.set_status(Status("ready", 3))
    ann.replica.tell_peers(["x:1"])
    ann.carry_out()
    droppable = [message for message, send in zip(ann.said(), ann.out[1], strict=True) if send.may_drop]
    assert droppable == pushes(ann) != []


def test_nothing_is_announced_before_its_commit(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ben.is_holding_offers = True
    ann.press(1)
    carry(ann, ben)
    ben.tick(0.02)
    assert haves(ben) == []
    ben.commit_offers()
    ben.tick(0.02)
    assert [have.heads for have in haves(ben)] == [{ann.origin: 1}]


def test_a_commit_that_does_not_fit_goes_into_a_frame_of_its_own(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(1.0)
    ann.press(1)
    for first in (0, 600):
        ann.commit(*(press(1, who=100 + first + place) for place in range(600)))
    ann.tick(0.010)
    assert [(push.start, push.to) for push in pushes(ann)] == [(0, 1), (1, 601), (601, 1201)]


def test_rows_of_other_origins_are_not_pushed_on(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.commit(Range(THERE, 0, 1, [row(4)]))
    ann.tick(0.02)
    assert pushes(ann) == []
    assert {THERE: 1} in [have.heads for have in haves(ann)]


# -- pulls


def test_both_ends_pull_when_a_link_opens(ann: Side, ben: Side) -> None:
    ann.press(2)
    ben.press(3, who=2)
    linked(ann, ben)
    assert (ann.count(), ben.count()) == (5, 5)
    assert ann.replica.holdings.has_adopted
    assert ben.replica.holdings.has_adopted


def test_a_pull_is_asked_after_the_heads_that_are_its_base(ann: Side, ben: Side) -> None:
    ann.press(2)
    open_link(ann, ben)
    carry(ann, ben)
    carry(ben, ann)
    said = [type(message) for message in ann.said()]
    assert said.index(Have) < said.index(Pull)
    assert haves(ann)[0].heads == {ann.origin: 1}


def test_a_question_stands_with_the_heads_that_were_announced_before_it(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.press(2)
    ann.commit(Range(THERE, 0, 3, [row(1, seq=3, who=3)]))
    ann.replica.pull(1, ann.now)
    session = ann.replica.sessions[1]
    assert session.pull is not None
    assert session.pull.asked == session.announced == {ann.origin: 1, THERE: 3}


def test_a_dropped_push_is_pulled_when_the_next_one_shows_the_gap(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(1.0)
    ann.press(1)
    carry(ann, ben, drop=LeanPush)
    ann.tick(1.0)
    ann.press(1, who=2)
    talk(ann, ben)
    assert ben.count() == 2
    assert ben.table.heads == ann.table.heads


def test_a_dropped_last_push_is_pulled_at_the_second_look(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.press(1)
    ann.tick(0.02)
    carry(ann, ben, drop=LeanPush)
    ben.look()
    assert not [message for message in ben.said() if isinstance(message, Pull)], "it may still be on its way"
    ben.look()
    assert [type(message) for message in ben.said()] == [Pull]
    talk(ann, ben)
    assert ben.count() == 1


def test_a_look_asks_one_peer_of_those_that_have_more(ann: Side, ben: Side) -> None:
    cid = Side("c")
    for link, peer in ((1, ben), (2, cid)):
        linked(ann, peer, link)
        peer.press(1)
        peer.tick(0.02)
        carry(peer, ann, link, drop=LeanPush)
    ann.look()
    ann.look(pick=0.99)
    assert [type(message) for message in ann.said(1) + ann.said(2)] == [Pull]
    assert [type(message) for message in ann.said(2)] == [Pull]


def test_one_pull_at_a_time_is_open_on_a_link(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.replica.pull(1, ann.now)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    assert len([message for message in ann.said() if isinstance(message, Pull)]) == 1


def test_an_answer_without_question_is_ignored(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.is_holding_offers = True
    ann.receive(1, Rows(77, pack([row(5)])))
    ann.receive(1, End(77, {THERE: 9}))
    assert ann.offers == []


def test_the_end_of_an_answer_counts_once(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    number = ann.replica.sessions[1].pull.id  # type: ignore[union-attr]
    ann.is_holding_offers = True
    for _ in range(2):
        ann.receive(1, End(number, {THERE: 9}))
    assert ann.offers == [Adoption(dict(ann.table.heads), {THERE: 9})]


def test_a_broken_link_adopts_nothing(ann: Side, ben: Side) -> None:
    ben.commit(Range(ben.origin, 0, 40, rows_above(40, ben.origin)))
    open_link(ann, ben)
    carry(ann, ben)
    carry(ben, ann)
    carry(ann, ben)
    carry(ben, ann, drop=End)
    cut(ann, ben)
    assert ann.count() == 40
    assert ann.table.heads == {}
    linked(ann, ben, link=2)
    assert ann.table.heads == ben.table.heads


def test_a_pull_that_does_not_move_for_half_a_minute_ends_the_link(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.replica.pull(1, ann.now)
    for _ in range(29):
        ann.receive(1, Status("ready", 0))
        ann.tick(1.0)
    assert ann.closed == []
    ann.receive(1, Rows(ann.replica.sessions[1].pull.id, pack([])))  # type: ignore[union-attr]
    for _ in range(30):
        ann.receive(1, Status("ready", 0))
        ann.tick(1.0)
    assert [close.code for close in ann.closed] == ["stalled"]


def test_a_pull_is_answered_with_all_origins_and_heads_above_the_askers(ann: Side, ben: Side) -> None:
    ann.commit(Range(THERE, 0, 3, [row(4, seq=3)]))
    ann.press(1, who=2)
    linked(ann, ben)
    assert ben.table.heads == {THERE: 3, ann.origin: 1}
    assert ben.count() == 5


def test_an_answer_from_before_the_ring_is_a_scan(ann: Side, ben: Side) -> None:
    ann.press(4)
    ann.begin()
    linked(ann, ben)
    assert ben.count() == 4
    assert ben.table.heads == ann.table.heads
