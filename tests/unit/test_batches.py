"""Batches: one transaction at a time, and everything that arrives meanwhile goes into the next one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from cluster.batches import CROWDED_ROWS, ROWS_MAX, WISHES_MAX, Batches, Entry, entry_of
from cluster.core.merge import HEADERS_MAX
from cluster.core.offers import Changes, Offer, Page
from cluster.core.press import Press
from cluster.core.wire import PAGE_ROWS
from cluster.ledger import LedgerError
from tests.support.waiting import wait_for
from tests.unit.tables import HERE, HOME, THERE, Table, actor, press, row, visitor


class HeldLedger:
    """A ledger whose commits wait until the test lets them go on, if it holds them, and fail if it says so."""

    def __init__(self) -> None:
        self.table = Table(HERE)
        self.batches: list[list[Offer]] = []
        self.origins: list[bytes] = []
        self.allowances: list[dict[bytes, int]] = []
        self.live: list[Collection[bytes]] = []
        self.failures: list[Exception] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def commit(
        self, offers: Sequence[Offer], origin: bytes, allowances: Mapping[bytes, int], live: Collection[bytes]
    ) -> Changes:
        self.live.append(live)
        self.threads.add(threading.get_ident())
        self.batches.append(list(offers))
        self.origins.append(origin)
        self.allowances.append(dict(allowances))
        assert self.gate.wait(5)
        if self.failures:
            raise self.failures.pop(0)
        return self.table.commit(*offers, allowances=allowances)


class Owner:
    """Keeps what it was told, in order."""

    def __init__(self) -> None:
        self.committed: list[list[Entry]] = []
        self.failed: list[tuple[list[Entry], BaseException]] = []
        self.defects: list[BaseException] = []
        self.on_commit: Callable[[], None] = lambda: None

    def on_committed(self, entries: list[Entry], changes: Changes) -> None:
        self.committed.append(entries)
        self.on_commit()

    def on_failed(self, entries: list[Entry], error: BaseException) -> None:
        self.failed.append((entries, error))

    def on_defect(self, error: BaseException) -> None:
        self.defects.append(error)


class Budget:
    def __init__(self, presses: int) -> None:
        self.left = presses

    def allowance(self, visitor: bytes) -> int:
        return self.left

    def spend(self, visitor: bytes, presses: int) -> None:
        self.left -= presses


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def ledger() -> HeldLedger:
    return HeldLedger()


@pytest.fixture
async def batches(owner: Owner, ledger: HeldLedger) -> AsyncIterator[Batches]:
    made = opened(owner, ledger)
    yield made
    ledger.gate.set()
    made.close()


LIVE = frozenset({THERE})


def opened(owner: Owner, ledger: HeldLedger, budget: Budget | None = None) -> Batches:
    made = Batches(owner, budget)
    made.open(ledger, HERE, lambda: LIVE)  # type: ignore[arg-type]
    return made


def wish(offer: Press) -> Entry:
    return Entry(offer, lambda answer: None)


def presses(count: int, first: int = 1) -> list[Entry]:
    return [wish(press(1, who=who)) for who in range(first, first + count)]


async def commits(owner: Owner, count: int) -> None:
    await wait_for(lambda: len(owner.committed) == count, 5, lambda: f"{count} commits, not {len(owner.committed)}")


async def test_what_is_added_in_one_turn_is_one_commit(batches: Batches, owner: Owner, ledger: HeldLedger) -> None:
    for entry in presses(3):
        batches.add(entry)
    await commits(owner, 1)
    assert [len(batch) for batch in ledger.batches] == [3]


async def test_what_arrives_during_a_commit_is_the_next_one(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    ledger.gate.clear()
    batches.add(wish(press(1)))
    await wait_for(lambda: ledger.batches, 5, "the first commit to begin")
    for entry in presses(5):
        batches.add(entry)
        await asyncio.sleep(0)
    assert len(ledger.batches) == 1
    ledger.gate.set()
    await commits(owner, 2)
    assert [len(batch) for batch in ledger.batches] == [1, 5]


async def test_entries_are_told_of_in_the_order_in_which_they_came(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    entries = presses(2500)
    for entry in entries:
        batches.add(entry)
    await commits(owner, 3)
    assert [entry for batch in owner.committed for entry in batch] == entries


async def test_a_batch_leaves_room_for_headers(batches: Batches, owner: Owner, ledger: HeldLedger) -> None:
    for entry in presses(WISHES_MAX + 1):
        batches.add(entry)
    await commits(owner, 2)
    assert [len(batch) for batch in ledger.batches] == [WISHES_MAX, 1]
    assert WISHES_MAX + HEADERS_MAX <= PAGE_ROWS


async def test_a_batch_ends_with_the_offer_that_fills_it(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    page = Page([row(1, who=who) for who in range(1000)])
    for _ in range(6):
        batches.add(entry_of(page))
    await commits(owner, 2)
    assert [len(batch) for batch in ledger.batches] == [ROWS_MAX // 1000, 2]


async def test_peers_hold_back_while_many_rows_wait(batches: Batches, owner: Owner, ledger: HeldLedger) -> None:
    ledger.gate.clear()
    page = Page([row(1, who=who) for who in range(1000)])
    for _ in range(CROWDED_ROWS // 1000):
        batches.add(entry_of(page))
    assert not batches.is_crowded
    batches.add(entry_of(page))
    assert batches.is_crowded
    waiting = asyncio.create_task(batches.wait_until(lambda: not batches.is_crowded))
    ledger.gate.set()
    await asyncio.wait_for(waiting, 5)


async def test_all_calls_run_on_one_thread_in_their_order(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    ledger.gate.clear()
    batches.add(wish(press(1)))
    await wait_for(lambda: ledger.batches, 5, "the commit to begin")
    seen = batches.run(lambda: (threading.get_ident(), ledger.table.count()))
    ledger.gate.set()
    thread, count = await seen
    assert {thread} == ledger.threads
    assert count == 1


async def test_each_commit_is_made_with_what_the_last_one_left_of_the_budget(
    owner: Owner, ledger: HeldLedger
) -> None:
    batches = opened(owner, ledger, Budget(5))
    batches.add(wish(press(3)))
    await commits(owner, 1)
    batches.add(wish(press(9)))
    batches.add(entry_of(Page([row(1, who=8)])))
    await commits(owner, 2)
    assert ledger.allowances == [{visitor(1): 5}, {visitor(1): 2}]
    assert ledger.live == [LIVE, LIVE]
    assert ledger.table.rows[HOME, actor(1)].n == 5
    batches.close()


async def test_a_failure_hands_back_everything_that_waits(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    error = LedgerError("the disk is gone")
    ledger.failures = [error]
    ledger.gate.clear()
    entries = presses(4)
    batches.add(entries[0])
    await wait_for(lambda: ledger.batches, 5, "the commit to begin")
    for entry in entries[1:]:
        batches.add(entry)
    ledger.gate.set()
    await wait_for(lambda: owner.failed, 5, "the failure")
    assert owner.failed == [(entries, error)]
    assert owner.committed == []


async def test_after_a_failure_nothing_is_begun_until_open(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    """What peers push would otherwise be committed, and confirmed, by a disk that has just lost something."""
    error = LedgerError("the disk is gone")
    ledger.failures = [error]
    batches.add(wish(press(1)))
    await wait_for(lambda: owner.failed, 5, "the failure")
    late = entry_of(Page([row(1)]))
    batches.add(late)
    await batches.run(lambda: None)
    assert owner.failed[1] == ([late], error)
    assert len(ledger.batches) == 1
    batches.open(ledger, b"n" * 16, tuple)  # type: ignore[arg-type]
    batches.add(wish(press(1)))
    await commits(owner, 1)
    assert ledger.origins == [HERE, b"n" * 16]


async def test_flush_waits_for_what_was_added_and_not_for_what_peers_go_on_adding(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    """A node that leaves under load would otherwise wait for its peers to fall silent."""
    owner.on_commit = lambda: batches.add(entry_of(Page([row(1)])))
    entry = wish(press(1))
    batches.add(entry)
    await asyncio.wait_for(batches.flush(), 5)
    assert entry in owner.committed[0]
    owner.on_commit = lambda: None
    await batches.flush()


async def test_flush_ends_when_a_failure_has_handed_back_what_waited(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    ledger.failures = [LedgerError("the disk is gone")]
    for entry in presses(WISHES_MAX + 5):
        batches.add(entry)
    await asyncio.wait_for(batches.flush(), 5)
    assert len(owner.failed) == 1


async def test_a_defect_of_the_owner_is_told_and_not_swallowed(
    batches: Batches, owner: Owner, ledger: HeldLedger
) -> None:
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    defect = ValueError("a subscriber's defect")

    def raise_it() -> None:
        raise defect

    owner.on_commit = raise_it
    batches.add(wish(press(1)))
    await batches.flush()
    assert owner.defects == [defect]
    assert [context["exception"] for context in contexts] == [defect]


def test_an_entry_takes_as_much_of_a_batch_as_it_has_rows() -> None:
    assert wish(press(1)).rows == 1
    assert entry_of(Page([])).rows == 1
    assert entry_of(Page([row(1), row(2)])).rows == 2
    assert isinstance(wish(press(1)).offer, Press)
