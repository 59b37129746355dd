"""Group commit: one transaction at a time, and everything that arrives meanwhile goes into the next one.

Owns the queue of offers and the writer thread. The loop adds; the thread runs `Ledger.commit`, reads and scans,
in the order in which they were asked for, and their results come back to the loop in that order.

1. One transaction is under way at most. The next begins when the last has been handed over, so the loop's heads
   and budgets are those of the last commit when the next one is made.
2. A batch has at most 900 wishes: their rows, and the headers that the merge adds, must fit into one push, which is
   never cut inside a commit.
3. After a failed transaction nothing more is begun until `open`: all that waits, and whatever comes after it, is
   handed back with the failure.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import msgspec

from cluster.core.merge import HEADERS_MAX
from cluster.core.offers import Changes, Offer
from cluster.core.press import Press
from cluster.core.wire import PAGE_ROWS
from cluster.ledger import Ledger
from cluster.surface import Answer, Budget, Payer

T = TypeVar("T")

WISHES_MAX: Final = PAGE_ROWS - HEADERS_MAX
ROWS_MAX: Final = 4000
CROWDED_ROWS: Final = 20_000


class Entry(msgspec.Struct, frozen=True):
    """One offer, and for a wish, and only for a wish, whom to answer. `rows`: how much of a batch it takes."""

    offer: Offer
    reply: Callable[[Answer], None] | None = None
    owner: Hashable = None
    rows: int = 1


def entry_of(offer: Offer) -> Entry:
    """What a peer offers."""
    return Entry(offer, rows=len(getattr(offer, "rows", ())) or 1)


class BatchOwner(Protocol):
    """Who is told what became of a batch, on the loop's thread."""

    def on_committed(self, entries: list[Entry], changes: Changes) -> None:
        """The transaction of these entries is on disk."""

    def on_failed(self, entries: list[Entry], error: BaseException) -> None:
        """The transaction failed, or was never begun: nothing is known of these entries."""

    def on_defect(self, error: BaseException) -> None:
        """Telling of a batch raised what it never should: the node must exit."""


class Batches:
    """The queue in front of one ledger and the one thread behind it."""

    def __init__(self, owner: BatchOwner, budget: Budget | None) -> None:
        self._owner = owner
        self._budget = budget
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._loop = asyncio.get_running_loop()
        self._ledger: Ledger | None = None
        self._origin = b""
        self._live: Callable[[], Collection[bytes]] = tuple
        self._entries: deque[Entry] = deque()
        self._rows = 0
        self._under_way: list[Entry] = []
        self._is_begun = False
        self._failure: BaseException | None = None
        self._added = self._done = 0
        self._changed = asyncio.Event()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Run this on the writer thread, after everything that was asked for before."""
        return self._loop.run_in_executor(self._executor, job)

    def open(self, ledger: Ledger, origin: bytes, live: Callable[[], Collection[bytes]]) -> None:
        """Begin to commit into this ledger, as this origin; `live` gives the present runs of linked peers."""
        self._ledger, self._origin, self._live, self._failure = ledger, origin, live, None

    def close(self) -> None:
        """End the thread; nothing may be under way."""
        self._executor.shutdown(wait=True)

    @property
    def is_crowded(self) -> bool:
        """Whether so many rows wait that peers should hold back."""
        return self._rows > CROWDED_ROWS

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that only the end of a batch can bring about."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def flush(self) -> None:
        """Wait until the owner has heard of all that was added so far, and not of what peers add meanwhile."""
        added = self._added
        await self.wait_until(lambda: self._done >= added)

    def add(self, entry: Entry) -> None:
        """Put this into the next transaction."""
        if self._failure is not None:
            self._owner.on_failed([entry], self._failure)
            return
        self._added += 1
        self._entries.append(entry)
        self._rows += entry.rows
        self._begin_soon()

    def _begin_soon(self) -> None:
        if not self._is_begun and self._entries:
            self._is_begun = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Send all that waits to the writer thread. Begun in its own turn of the loop, so that one turn's join."""
        assert self._ledger is not None, "open comes before add"
        self._under_way = self._take()
        offers = [entry.offer for entry in self._under_way]
        ledger, origin, allowances = self._ledger, self._origin, self._allowances(offers)
        live = self._live()
        future = self.run(lambda: ledger.commit(offers, origin, allowances, live))
        future.add_done_callback(self._finish)

    def _take(self) -> list[Entry]:
        if self._rows == len(self._entries):
            # Mostly wishes, each of one row.
            count = min(self._rows, WISHES_MAX)
            self._rows -= count
            return [self._entries.popleft() for _ in range(count)]
        taken: list[Entry] = []
        rows = wishes = 0
        while self._entries and rows < ROWS_MAX and wishes < WISHES_MAX:
            entry = self._entries.popleft()
            taken.append(entry)
            rows += entry.rows
            wishes += entry.reply is not None
        self._rows -= rows
        return taken

    def _allowances(self, offers: list[Offer]) -> Mapping[Payer, int]:
        if self._budget is None:
            return {}
        payers: set[Payer] = set()
        for offer in offers:
            if isinstance(offer, Press):
                payers.update(offer.payers)
                if offer.debut:
                    payers.add(offer.debut)
        return {payer: self._budget.allowance(payer) for payer in payers}

    def _finish(self, future: asyncio.Future[Changes]) -> None:
        entries, self._under_way, self._is_begun = self._under_way, [], False
        self._failure = future.exception()
        if self._failure is not None:
            entries += self._entries
            self._entries.clear()
            self._rows = 0
        self._done += len(entries)
        try:
            self._tell(entries, future)
        except Exception as error:
            self._owner.on_defect(error)
            raise
        finally:
            self._changed.set()

    def _tell(self, entries: list[Entry], future: asyncio.Future[Changes]) -> None:
        if self._failure is not None:
            self._owner.on_failed(entries, self._failure)
            return
        changes = future.result()
        self._spend(changes)
        self._owner.on_committed(entries, changes)
        self._begin_soon()

    def _spend(self, changes: Changes) -> None:
        if self._budget is not None:
            for payer, presses in changes.spent.items():
                self._budget.spend(payer, presses)
