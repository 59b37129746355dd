"""How many watch in the whole cluster: own numbers and those of linked peers, added up."""

import msgspec
import pytest

from cluster.core.viewers import Viewers
from cluster.core.wire import VIEWED_MAX, Watching
from tests.unit.replicas import Side, carry, cut, linked, open_link, talk
from tests.unit.tables import HOME, SONG

THERE = b"a ledger of 16 b"


class Board:
    """What a subscriber has last heard of each item, and how often it was told."""

    def __init__(self, viewers: Viewers) -> None:
        self.shown: dict[str, int] = {}
        self.times = 0
        viewers.subscribe(self._hear)

    def _hear(self, totals: dict[str, int]) -> None:
        self.times += 1
        self.shown |= totals


def total(side: Side, item: str = HOME) -> int:
    return side.replica.viewers.total(item)


def tell(*sides: Side) -> None:
    """What each of them does every second."""
    for side in sides:
        side.replica.tell_viewers()
        side.carry_out()


# -- one node


def test_own_viewers_are_told_once_with_the_newest_number() -> None:
    viewers = Viewers()
    board = Board(viewers)
    for _ in range(3):
        viewers.change_own(HOME, 1)
    viewers.publish()
    viewers.publish()
    assert (board.shown, board.times) == ({HOME: 3}, 1)


def test_an_item_that_nobody_watches_any_more_is_told_as_0_and_forgotten() -> None:
    viewers = Viewers()
    board = Board(viewers)
    viewers.change_own(HOME, 1)
    viewers.publish()
    viewers.change_own(HOME, -1)
    viewers.publish()
    assert board.shown == {HOME: 0}
    assert viewers.own == {}


def test_a_peers_newer_link_takes_the_place_of_its_older_one() -> None:
    viewers = Viewers()
    viewers.open_link(1, THERE)
    viewers.hear(1, {HOME: 5})
    viewers.open_link(2, THERE)
    viewers.hear(1, {HOME: 9})
    viewers.hear(2, {HOME: 4})
    assert viewers.total(HOME) == 4
    viewers.close_link(1)
    assert viewers.total(HOME) == 4
    viewers.close_link(2)
    assert viewers.total(HOME) == 0


def test_what_is_said_of_no_item_or_on_no_link_is_left_out() -> None:
    viewers = Viewers()
    board = Board(viewers)
    viewers.open_link(1, THERE)
    viewers.hear(1, {"": 5, "tap:": 1, "no item": 2})
    viewers.hear(7, {HOME: 3})
    viewers.publish()
    assert board.shown == {}


# -- between replicas


def test_numbers_of_all_linked_nodes_are_added_up(ann: Side, ben: Side) -> None:
    cid = Side("c")
    linked(ann, ben, 1)
    linked(ben, cid, 2)
    linked(ann, cid, 3)
    for number, side in enumerate((ann, ben, cid), 1):
        side.replica.viewers.change_own(HOME, number)
    tell(ann, ben, cid)
    for one, other, link in ((ann, ben, 1), (ben, cid, 2), (ann, cid, 3)):
        talk(one, other, link)
    assert [total(side) for side in (ann, ben, cid)] == [6, 6, 6]


def test_a_new_link_is_told_all_and_later_what_has_changed(ann: Side, ben: Side) -> None:
    ann.replica.viewers.change_own(HOME, 2)
    ann.replica.viewers.change_own(SONG, 1)
    tell(ann)
    linked(ann, ben)
    assert (total(ben), total(ben, SONG)) == (2, 1)
    ann.replica.viewers.change_own(HOME, -2)
    tell(ann)
    assert [each.viewers for each in ann.said() if isinstance(each, Watching)] == [{HOME: 0}]
    talk(ann, ben)
    assert (total(ben), total(ben, SONG)) == (0, 1)


def test_a_lost_peers_viewers_are_gone_and_subscribers_hear_of_it(ann: Side, ben: Side) -> None:
    board = Board(ann.replica.viewers)
    ann.replica.viewers.change_own(HOME, 1)
    ben.replica.viewers.change_own(HOME, 4)
    linked(ann, ben)
    tell(ann)
    assert board.shown == {HOME: 5}
    cut(ann, ben)
    tell(ann)
    assert board.shown == {HOME: 1}


def test_a_silent_peers_viewers_are_gone_with_its_link(ann: Side, ben: Side) -> None:
    ben.replica.viewers.change_own(HOME, 4)
    linked(ann, ben)
    assert total(ann) == 4
    ann.tick(5.1)
    assert total(ann) == 0


def test_more_items_than_a_message_holds_go_in_several(ann: Side, ben: Side) -> None:
    for number in range(VIEWED_MAX + 1):
        ann.replica.viewers.change_own(f"tap:{number}", 1)
    open_link(ann, ben)
    carry(ann, ben)
    carry(ben, ann)
    assert [len(each.viewers) for each in ann.said() if isinstance(each, Watching)] == [VIEWED_MAX, 1]


def test_a_peer_that_does_not_understand_it_is_not_told(ann: Side, ben: Side) -> None:
    linked(ann, ben)
    link = ann.replica.sessions[1].link
    assert link.peer is not None
    link.peer = msgspec.structs.replace(link.peer, features=["something later"])
    ann.replica.viewers.change_own(HOME, 1)
    tell(ann)
    assert ann.said() == []


@pytest.mark.parametrize("number", [-1, 1 << 60])
def test_numbers_out_of_bounds_close_the_link(ann: Side, ben: Side, number: int) -> None:
    linked(ann, ben)
    ann.receive(1, Watching({HOME: number}))
    assert [close.code for close in ann.closed] == ["malformed"]
