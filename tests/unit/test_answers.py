"""Answers: who is told what of a press, and when again (R3, R9)."""

from collections.abc import Hashable

import pytest

from cluster.answers import Answers
from cluster.batches import Entry, entry_of
from cluster.core.copies import Copies
from cluster.core.offers import Outcome, Page
from cluster.core.press import Press
from cluster.surface import Answer
from tests.unit.tables import HERE, press

LEDGER = b"another ledger--"


class Tab:
    """Whoever presses: an owner and the answers it got."""

    def __init__(self, owner: Hashable = "tab") -> None:
        self.owner = owner
        self.heard: list[Answer] = []

    def entry(self, wish: Press) -> Entry:
        return Entry(wish, self.heard.append, self.owner)

    @property
    def copies(self) -> list[tuple[int, int, bool]]:
        return [(answer.copies, answer.wanted, answer.is_last) for answer in self.heard]


@pytest.fixture
def copies() -> Copies:
    return Copies(b"own ledger------")


@pytest.fixture
def tab() -> Tab:
    return Tab()


def taken(n: int, seq: int) -> Outcome:
    return Outcome(0, n, n, HERE, seq)


def confirm(answers: Answers, head: int) -> None:
    answers.copies.open_link(1, LEDGER, {HERE: head})
    for owed, copies in answers.copies.settle():
        answers.settled(owed, copies)


def test_without_copies_wanted_the_commit_is_the_last_word(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 0)
    answers.committed([tab.entry(press(3))], [taken(3, 1)])
    confirm(answers, 1)
    assert tab.copies == [(0, 0, True)]


def test_with_copies_wanted_a_second_answer_follows_when_they_exist(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 1)
    answers.committed([tab.entry(press(3))], [taken(3, 1)])
    assert tab.copies == [(0, 1, False)]
    confirm(answers, 1)
    assert tab.copies == [(0, 1, False), (1, 1, True)]
    assert [answer.n for answer in tab.heard] == [3, 3]


def test_a_row_that_is_copied_already_is_answered_once(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 1)
    confirm(answers, 5)
    answers.committed([tab.entry(press(3))], [taken(3, 5)])
    assert tab.copies == [(1, 1, True)]


def test_a_newer_press_takes_the_place_of_what_is_owed(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 1)
    answers.committed([tab.entry(press(1)), tab.entry(press(2))], [taken(1, 1), taken(2, 2)])
    confirm(answers, 2)
    assert [(answer.n, answer.is_last) for answer in tab.heard] == [(1, False), (2, False), (2, True)]


def test_an_owner_that_is_gone_hears_no_more(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 1)
    answers.committed([tab.entry(press(1))], [taken(1, 1)])
    copies.forget(tab.owner)
    confirm(answers, 1)
    assert len(tab.heard) == 1


def test_a_refusal_is_the_last_word(copies: Copies, tab: Tab) -> None:
    answers = Answers(copies, lambda: 1)
    answers.committed([tab.entry(press(3))], [Outcome(2, 1, 9, refusal="reset")])
    confirm(answers, 99)
    assert [(answer.refusal, answer.gen, answer.n, answer.is_last) for answer in tab.heard] == [
        ("reset", 2, 1, True)
    ]


def test_outcomes_belong_to_presses_in_their_order_and_not_to_what_peers_brought(copies: Copies) -> None:
    answers, one, other = Answers(copies, lambda: 0), Tab("one"), Tab("other")
    entries = [one.entry(press(1)), entry_of(Page([])), other.entry(press(2))]
    answers.committed(entries, [taken(1, 1), taken(2, 2)])
    assert ([answer.n for answer in one.heard], [answer.n for answer in other.heard]) == ([1], [2])


def test_what_a_ledger_did_not_take_is_refused_as_read_only(copies: Copies, tab: Tab) -> None:
    Answers(copies, lambda: 1).refuse([tab.entry(press(1)), entry_of(Page([]))])
    assert [(answer.refusal, answer.is_last) for answer in tab.heard] == [("read_only", True)]
