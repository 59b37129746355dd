"""Copies: when an answer's row is held by so many other ledgers (R9)."""

import pytest

from cluster.core.copies import Copies, Owed
from tests.unit.tables import HOME, POST, THERE, actor

OWN = b"own ledger------"
LEDGERS = [b"ledger-1--------", b"ledger-2--------"]


@pytest.fixture
def copies() -> Copies:
    return Copies(OWN)


def owed(seq: int, *, owner: str = "tab", item: str = HOME, wanted: int = 1) -> Owed:
    return Owed(owner, (item, actor(1)), THERE, seq, wanted)


def link(copies: Copies, number: int, ledger: bytes, head: int = 0) -> dict[bytes, int]:
    heads = {THERE: head}
    copies.open_link(number, ledger, heads)
    return heads


def settled(copies: Copies) -> list[tuple[int, int]]:
    return [(each.seq, count) for each, count in copies.settle()]


def test_a_ledger_confirms_what_lies_at_or_below_its_head(copies: Copies) -> None:
    link(copies, 1, LEDGERS[0], head=5)
    assert [copies.count(THERE, seq) for seq in (4, 5, 6)] == [1, 1, 0]


def test_ledgers_count_and_not_links(copies: Copies) -> None:
    link(copies, 1, LEDGERS[0], head=5)
    link(copies, 2, LEDGERS[0], head=5)
    assert copies.count(THERE, 5) == 1
    link(copies, 3, LEDGERS[1], head=5)
    assert copies.count(THERE, 5) == 2


def test_the_own_ledger_is_no_copy(copies: Copies) -> None:
    link(copies, 1, OWN, head=5)
    copies.owe(owed(3))
    assert copies.count(THERE, 5) == 0
    assert settled(copies) == []


def entries(copies: Copies) -> int:
    return sum(len(waiting) for waiting in copies._waiting.values())


def test_an_answer_is_settled_once_when_its_copies_exist(copies: Copies) -> None:
    heads = link(copies, 1, LEDGERS[0], head=2)
    copies.owe(owed(3))
    assert settled(copies) == []
    heads[THERE] = 3
    assert settled(copies) == [(3, 1)]
    assert settled(copies) == []


def test_two_copies_need_two_ledgers(copies: Copies) -> None:
    first = link(copies, 1, LEDGERS[0], head=3)
    copies.owe(owed(3, wanted=2))
    second = link(copies, 2, LEDGERS[1], head=2)
    assert settled(copies) == []
    first[THERE] = 9
    assert settled(copies) == []
    second[THERE] = 3
    assert settled(copies) == [(3, 2)]


def test_a_link_that_ends_takes_its_confirmations_with_it(copies: Copies) -> None:
    link(copies, 1, LEDGERS[0], head=5)
    copies.owe(owed(5))
    copies.close_link(1)
    assert (copies.count(THERE, 5), settled(copies)) == (0, [])


def test_a_second_link_keeps_the_confirmation_of_its_ledger(copies: Copies) -> None:
    link(copies, 1, LEDGERS[0], head=5)
    link(copies, 2, LEDGERS[0], head=5)
    copies.close_link(1)
    assert copies.count(THERE, 5) == 1


def test_of_one_owner_and_tally_only_the_newest_press_is_owed(copies: Copies) -> None:
    heads = link(copies, 1, LEDGERS[0])
    for seq in (1, 2, 3):
        copies.owe(owed(seq))
    heads[THERE] = 3
    assert settled(copies) == [(3, 1)]


def test_the_newest_press_is_owed_even_if_it_rests_on_an_older_row(copies: Copies) -> None:
    heads = link(copies, 1, LEDGERS[0])
    copies.owe(owed(7))
    copies.owe(owed(2))
    heads[THERE] = 2
    assert settled(copies) == [(2, 1)]


def test_two_owners_and_two_items_are_owed_apart(copies: Copies) -> None:
    heads = link(copies, 1, LEDGERS[0])
    for each in (owed(1), owed(2, owner="http"), owed(3, item=POST)):
        copies.owe(each)
    heads[THERE] = 3
    assert settled(copies) == [(1, 1), (2, 1), (3, 1)]


def test_what_is_forgotten_is_never_settled(copies: Copies) -> None:
    heads = link(copies, 1, LEDGERS[0])
    copies.owe(owed(1))
    copies.owe(owed(2, owner="http"))
    copies.forget("tab")
    heads[THERE] = 2
    assert settled(copies) == [(2, 1)]


def test_pressing_for_a_week_without_peers_owes_one_answer_and_little_memory(copies: Copies) -> None:
    for seq in range(1, 5001):
        copies.owe(owed(seq))
    assert entries(copies) <= 65
    for number in range(1000):
        copies.owe(owed(5000, owner=f"request {number}"))
        copies.forget(f"request {number}")
    assert entries(copies) <= 65
