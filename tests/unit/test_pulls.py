"""Answers to pulls: pages, what came while a scan went on, then the heads (R5)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.batches import Batches
from cluster.core.events import Asked
from cluster.core.holdings import Holdings
from cluster.core.offers import Changes, Offer, Range
from cluster.core.press import Erasure, Reset
from cluster.core.rows import Row
from cluster.core.wire import End
from cluster.ledger import SCAN_ROWS, Ledger
from cluster.pulls import answer_pull
from tests.unit.ledgers import commit_rows, in_memory
from tests.unit.link_owners import TakingPeer
from tests.unit.replicas import rows_above
from tests.unit.tables import ELSEWHERE, HERE, HOME, THERE, actor, erasure, header, press, row, visitor
from tests.unit.test_batches import Owner


class Answerer:
    """A ledger, what is held of it, and how it answers."""

    def __init__(self, batches: Batches, ledger: Ledger) -> None:
        self.batches, self.ledger = batches, ledger
        self.holdings = Holdings(ledger.heads, stamps={}, floor=ledger.heads, buckets=ledger.buckets)
        self.peer = TakingPeer()

    async def commit(self, *offers: Offer) -> Changes:
        changes = await self.batches.run(lambda: self.ledger.commit(offers, HERE, {}))
        self.holdings.committed(changes)
        return changes

    async def answer(self, rows: list[Row] | None, base: dict[bytes, int] | None = None) -> None:
        asked = Asked(1, 5, base or {}, {THERE: 9}, [b"stamp"], rows)
        if rows is None:
            self.holdings.scans.append(asked)
        await answer_pull(asked, self.peer, self.batches, self.ledger, self.holdings)  # type: ignore[arg-type]


@pytest.fixture
async def answerer() -> AsyncIterator[Answerer]:
    batches = Batches(Owner(), None)
    ledger = await batches.run(in_memory)
    yield Answerer(batches, ledger)
    await batches.run(ledger.close)
    batches.close()


async def test_an_answer_from_the_ring_is_cut_into_pages_and_ends_with_the_heads(answerer: Answerer) -> None:
    rows = rows_above(1500, THERE)
    await answerer.answer(rows)
    assert answerer.peer.pages() == [rows[:1000], rows[1000:]]
    assert answerer.peer.heard[-1] == End(5, {THERE: 9}, [b"stamp"])


async def test_a_scan_shows_every_page_also_an_empty_one(answerer: Answerer) -> None:
    await answerer.batches.run(lambda: commit_rows(answerer.ledger, rows_above(SCAN_ROWS + 5, THERE)))
    await answerer.answer(None, {THERE: SCAN_ROWS})
    assert [len(page) for page in answerer.peer.pages()] == [0, 5]
    assert answerer.peer.heard[-1] == End(5, {THERE: 9}, [b"stamp"])
    assert answerer.holdings.scans == []


async def test_what_a_scan_leaves_out_because_of_a_reset_is_explained_before_the_heads(answerer: Answerer) -> None:
    """Else the peer would claim rows that it never had, and differ for ever if this disk died now."""
    await answerer.batches.run(lambda: commit_rows(answerer.ledger, rows_above(2 * SCAN_ROWS, THERE)))

    async def meanwhile() -> None:
        await answerer.commit(Reset(HOME), press(3, who=1), Erasure(visitor(5)))

    answerer.peer.meanwhile = meanwhile
    await answerer.answer(None)
    first, *_, last = answerer.peer.pages()
    assert len(first) == SCAN_ROWS
    assert [each.key for each in last] == [(HOME, b""), erasure(5).key]
    assert [len(page) for page in answerer.peer.pages()[1:-1]] == [0, 1], "the erasure row, in its place"
    assert isinstance(answerer.peer.heard[-1], End)


async def test_a_header_from_a_peer_during_the_scan_is_sent_too(answerer: Answerer) -> None:
    await answerer.batches.run(lambda: commit_rows(answerer.ledger, rows_above(SCAN_ROWS + 1, THERE)))

    async def meanwhile() -> None:
        rows = header(2, 1, item="tap:a", origin=ELSEWHERE), row(4, 2, gen=1, origin=ELSEWHERE)
        await answerer.commit(Range(ELSEWHERE, 0, 2, rows))

    answerer.peer.meanwhile = meanwhile
    await answerer.answer(None)
    late = answerer.peer.pages()[-1]
    assert [(each.item, each.gen, each.origin) for each in late] == [("tap:a", 2, ELSEWHERE), (HOME, 1, HERE)]


async def test_a_scan_stops_with_its_link_and_is_forgotten(answerer: Answerer) -> None:
    await answerer.batches.run(lambda: commit_rows(answerer.ledger, rows_above(3 * SCAN_ROWS, THERE)))

    async def meanwhile() -> None:
        answerer.peer.is_closing = True

    answerer.peer.meanwhile = meanwhile
    await answerer.answer(None)
    assert len(answerer.peer.pages()) == 1
    assert answerer.holdings.scans == []


async def test_a_scan_that_is_cancelled_is_forgotten(answerer: Answerer) -> None:
    await answerer.commit(press(1, who=3))
    waits = asyncio.Event()

    async def meanwhile() -> None:
        waits.set()
        await asyncio.Event().wait()

    answerer.peer.meanwhile = meanwhile
    task = asyncio.create_task(answerer.answer(None))
    await asyncio.wait_for(waits.wait(), 5)
    assert len(answerer.holdings.scans) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answerer.holdings.scans == []
    assert [each.actor for page in answerer.peer.pages() for each in page] == [actor(3)]
