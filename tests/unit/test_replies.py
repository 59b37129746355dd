"""Comparisons with one peer take turns, and what waits of them is bounded (R11)."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cluster.batches import Batches
from cluster.core.compare import whole
from cluster.core.events import Compared, Differs, Wanted
from cluster.core.holdings import Holdings
from cluster.core.sums import ItemSums
from cluster.core.wire import Mend, Span
from cluster.ledger import Ledger
from cluster.replies import SPANS_WAITING_MAX, Replies
from cluster.tasks import Tasks
from tests.support.waiting import wait_for
from tests.unit.ledgers import commit_rows, in_memory
from tests.unit.link_owners import TakingPeer
from tests.unit.replicas import rows_above
from tests.unit.tables import HOME, THERE
from tests.unit.test_batches import Owner


class Answerer:
    """A ledger with some rows, and how many jobs of comparisons stand before its thread at once."""

    def __init__(self, batches: Batches, ledger: Ledger) -> None:
        self.batches, self.ledger, self.tasks = batches, ledger, Tasks()
        self.queued = self.queued_max = self.done = 0
        self._run = batches.run
        batches.run = self._note  # type: ignore[method-assign]
        self.replies = Replies(batches, self.tasks)
        self.replies.begin(ledger, Holdings({}, stamps={}, floor={}, buckets=ledger.buckets))

    def _note(self, job: Callable[[], object]) -> object:
        self.queued += 1
        self.queued_max = max(self.queued, self.queued_max)
        future = self._run(job)
        future.add_done_callback(self._note_end)
        return future

    def _note_end(self, _: object) -> None:
        self.queued -= 1
        self.done += 1

    def ask(self, event: Compared | Wanted, peer: TakingPeer) -> None:
        self.replies.to_comparison(event, peer)  # type: ignore[arg-type]


@pytest.fixture
async def answerer() -> AsyncIterator[Answerer]:
    batches = Batches(Owner(), None)
    ledger = await batches.run(in_memory)
    await batches.run(lambda: commit_rows(ledger, rows_above(20, THERE)))
    made = Answerer(batches, ledger)
    yield made
    await made.tasks.cancel()
    await batches.run(ledger.close)
    batches.close()


def spans(number: int) -> list[Span]:
    """So many that differ."""
    return [whole(HOME, ItemSums(0, 1, 1, 1))] * number


async def test_comparisons_with_one_peer_take_turns_before_the_ledger(answerer: Answerer) -> None:
    peer = TakingPeer()
    for _ in range(20):
        answerer.ask(Compared(1, spans(3)), peer)
    await wait_for(lambda: len(peer.heard) == 60, 5, "an answer to every span")
    assert answerer.queued_max == 1


async def test_a_peer_that_takes_nothing_holds_up_no_other(answerer: Answerer) -> None:
    slow, other, takes_again = TakingPeer(), TakingPeer(), asyncio.Event()
    slow.meanwhile = lambda: asyncio.wait_for(takes_again.wait(), 5)  # type: ignore[assignment, return-value]
    answerer.ask(Compared(1, spans(9)), slow)
    answerer.ask(Wanted(2, spans(1)), other)
    await wait_for(lambda: other.heard, 5, "the other's answer")
    assert isinstance(other.heard[0], Mend)
    assert len(slow.heard) <= 1
    takes_again.set()
    await wait_for(lambda: len(slow.heard) == 9, 5, "the slow one's answers")


async def test_what_comes_while_too_much_waits_is_left_out(answerer: Answerer) -> None:
    peer = TakingPeer()
    answerer.ask(Compared(1, spans(1)), peer)
    for _ in range(3):
        answerer.ask(Wanted(1, spans(SPANS_WAITING_MAX // 2)), peer)
    (waiting,) = answerer.replies._waiting.values()
    assert [len(event.spans) for event in waiting if not isinstance(event, Differs)] == [1, SPANS_WAITING_MAX // 2]


async def test_after_the_last_one_a_new_one_is_taken(answerer: Answerer) -> None:
    peer = TakingPeer()
    for number in (1, 2):
        answerer.ask(Compared(1, spans(1)), peer)
        await wait_for(lambda number=number: len(peer.heard) == number, 5, "the answer")  # type: ignore[misc]
        await wait_for(lambda: not answerer.replies._waiting, 5, "its end")
