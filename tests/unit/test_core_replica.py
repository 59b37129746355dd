"""A replica between its links: what it relays, confirms and refuses, and which links it keeps (R7, R9, R13)."""

import pytest

from cluster.core.copies import Owed
from cluster.core.items import SEQ_MAX
from cluster.core.offers import Page
from cluster.core.wire import Block, Have, Peers, Push, Status, WireRow, pack
from tests.unit.replicas import Side, carry, cut, linked, open_link, talk
from tests.unit.tables import HOME, SONG, THERE, actor, row

# -- relay


def test_three_nodes_in_a_row_are_equal_though_the_ends_never_meet(ann: Side, ben: Side) -> None:
    cid = Side("c")
    linked(ann, ben, link=1)
    linked(ben, cid, link=2)
    ann.press(3)
    talk(ann, ben, 1)
    ben.tick(0.02)
    carry(ben, cid, 2)
    cid.look()
    cid.look()
    talk(ben, cid, 2)
    assert cid.count() == 3


def test_an_announced_head_that_falls_is_believed(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.receive(1, Have({THERE: 9}))
    ann.receive(1, Have({THERE: 2}))
    assert ann.replica.sessions[1].heads[THERE] == 2


# -- copies


def test_an_answer_is_settled_when_the_peer_has_committed(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    outcome = ann.press(1).outcomes[0]
    owed = Owed("tab", (HOME, actor(1)), outcome.origin, outcome.seq, 1)
    ann.replica.owe(owed)
    talk(ann, ben)
    assert ann.settled == [(owed, 1)]


def test_confirmations_end_with_the_link(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.press(1)
    talk(ann, ben)
    assert ann.replica.copies.count(ann.origin, 1) == 1
    cut(ann, ben)
    assert ann.replica.copies.count(ann.origin, 1) == 0


def test_a_no_op_on_a_row_whose_origin_died_is_copied_as_our_own(ann: Side, ben: Side) -> None:
    """The dead node's row came in a page; nobody can ever announce its origin's head."""
    linked(ann, ben)
    ann.commit(Page([row(5, seq=4)]))
    outcome = ann.press(5).outcomes[0]
    talk(ann, ben)
    assert ann.replica.copies.count(outcome.origin, outcome.seq) == 1
    assert ben.count() == 5


# -- links


def test_of_two_links_the_one_dialled_by_the_smaller_origin_stays(ann: Side, ben: Side) -> None:
    open_link(ann, ben, link=1)
    open_link(ben, ann, link=2)
    for link in (2, 1):
        talk(ann, ben, link)
    for side in (ann, ben):
        assert list(side.replica.open_sessions()) == [1]
        assert {close.link for close in side.closed} <= {2}
    ann.press(1)
    talk(ann, ben, 1)
    assert ben.count() == 1


def test_a_second_link_of_one_dialer_is_given_up_by_the_dialer(ann: Side, ben: Side) -> None:
    linked(ann, ben, link=1)
    open_link(ann, ben, link=2)
    talk(ann, ben, 2)
    assert [(close.link, close.code) for close in ann.closed] == [(2, "duplicate")]
    assert ben.closed == []


def test_a_frame_of_a_closed_link_is_ignored(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    cut(ann, ben)
    ann.is_holding_offers = True
    ann.receive(1, Push(THERE, 0, 1, pack([row(1)])))
    assert ann.offers == []


@pytest.mark.parametrize(
    "frame",
    [b"junk", Push(THERE, 0, 1, Block([], [], [WireRow(0, b"", 0, 1, 0, 1)])), Have({b"short": 1})],
)
def test_a_malformed_frame_closes_the_link_at_once(ann: Side, ben: Side, frame: object) -> None:
    linked(ann, ben)
    ann.receive(1, frame)  # type: ignore[arg-type]
    assert [close.code for close in ann.closed] == ["malformed"]
    assert ann.replica.sessions == {}


def test_a_silent_peer_is_given_up_after_five_seconds(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.tick(4.9)
    assert ann.closed == []
    ann.tick(0.2)
    assert [close.code for close in ann.closed] == ["timeout"]


def test_peers_and_status_are_passed_on(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.receive(1, Peers(["x:1", "y:2"]))
    ann.receive(1, Status("read_only", 7))
    assert ann.learned == ["x:1", "y:2"]
    assert ann.replica.sessions[1].status == Status("read_only", 7)


def test_a_status_is_said_once(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    for _ in range(3):
        ann.replica.set_status(Status("ready", 1))
    ann.carry_out()
    assert ann.said() == [Status("ready", 1)]


def test_a_peer_that_joins_later_is_told_the_status(ann: Side, ben: Side) -> None:
    ann.replica.set_status(Status("ready", 5))
    linked(ann, ben)
    assert ben.replica.sessions[1].status == Status("ready", 5)


# -- R13


def bad_rows(count: int) -> Push:
    return Push(THERE, 0, 1, pack([row(51, item=SONG, who=number) for number in range(count)]))


def test_a_hundred_bad_rows_a_minute_are_borne_and_one_more_closes_the_link(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.receive(1, bad_rows(100))
    assert ann.closed == []
    assert ann.table.heads == {THERE: 1}
    ann.receive(1, bad_rows(1))
    assert [close.code for close in ann.closed] == ["bad_rows"]


def test_bad_rows_are_counted_by_the_minute(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    ann.receive(1, bad_rows(100))
    ann.now += 61
    ann.receive(1, bad_rows(100))
    assert ann.closed == []


def test_a_peer_with_bad_rows_stays_away_for_a_minute(ann: Side, ben: Side) -> None:
    linked(ann, ben, link=1)
    ann.receive(1, bad_rows(101))
    for seconds, link, reason in ((59, 2, ["bad_rows"] * 2), (1, 3, ["bad_rows"] * 2)):
        ann.now += seconds
        ben.now = ann.now
        open_link(ben, ann, link)
        talk(ann, ben, link)
        assert [close.code for close in ann.closed] == reason
    assert list(ann.replica.open_sessions()) == [3]


# -- what peers are told of lag


def test_lag_is_what_the_peer_has_not_confirmed(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    for who in range(4):
        ann.press(1, who=who)
    session = ann.replica.sessions[1]
    assert session.lag_rows(ann.replica.heads) == 4
    talk(ann, ben)
    assert session.lag_rows(ann.replica.heads) == 0


# -- many origins


def test_more_heads_than_a_message_holds_are_announced_and_adopted_in_parts(ann: Side, ben: Side) -> None:
    """A node that starts again every second for half a day leaves so many origins behind."""
    ann.table.heads = {number.to_bytes(16, "big"): SEQ_MAX for number in range(45_000)}
    ann.begin()
    linked(ann, ben)
    for _ in range(6):
        ben.look()
        talk(ann, ben)
    assert (ben.table.heads, ben.closed, ann.closed) == (ann.table.heads, [], [])
