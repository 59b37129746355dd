"""Whom to ask for heads that stay above ours (R7)."""

from cluster.core.behind import Behind
from cluster.core.sessions import Session
from tests.unit.replicas import Side, linked
from tests.unit.tables import ELSEWHERE, HERE, THERE


def sessions(**heads: dict[bytes, int]) -> dict[int, Session]:
    """Open links whose peers have announced these heads."""
    ann, found = Side("a"), {}
    for number, (name, announced) in enumerate(heads.items(), 1):
        linked(ann, Side(name), number)
        session = ann.replica.sessions[number]
        session.heads = announced
        found[number] = session
    return found


def test_only_what_stays_above_for_a_whole_look_is_asked_for() -> None:
    behind, peers = Behind(), sessions(b={THERE: 5})
    assert behind.look(peers, {}) == []
    assert behind.look(peers, {}) == [1]


def test_what_came_meanwhile_is_not_asked_for() -> None:
    behind, peers = Behind(), sessions(b={THERE: 5})
    behind.look(peers, {THERE: 3})
    assert behind.look(peers, {THERE: 5}) == []


def test_a_head_that_rose_meanwhile_is_not_old_yet_where_we_have_the_former_one() -> None:
    behind, peers = Behind(), sessions(b={THERE: 5})
    behind.look(peers, {})
    peers[1].heads[THERE] = 8
    assert behind.look(peers, {THERE: 6}) == []
    assert behind.look(peers, {THERE: 6}) == [1]


def test_everybody_who_has_more_can_help_also_with_less_than_the_most() -> None:
    behind, peers = Behind(), sessions(b={THERE: 5}, c={THERE: 2}, d={ELSEWHERE: 1}, e={THERE: 1})
    mine = {THERE: 1, HERE: 9, ELSEWHERE: 1}
    behind.look(peers, mine)
    assert behind.look(peers, mine) == [1, 2]


def test_who_is_gone_cannot_help() -> None:
    behind, peers = Behind(), sessions(b={THERE: 5})
    behind.look(peers, {})
    assert behind.look({}, {}) == []
    assert behind.look(peers, {}) == [], "nobody said so at the last look"
