"""The engine behind `cluster.surface.Engine`: the ledger, its batches, the peers, and whom to tell.

    press -> Batches -> Ledger.commit -> on_committed: peers, then subscribers, then answers

1. One order: ledger, replica, subscribers, answers. Nobody hears of a press before its commit (R3).
2. An origin lasts until the process ends or a commit fails (R1). After a full disk the node stays readable,
   refuses presses, and begins again with a new origin when there is room; after any other failure it must exit.
3. Ready: one whole pull was adopted since the start, or for 5 s no peer has answered: none is linked, or who is
   linked does not go on with its answer. A node without configured peers is ready at once.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from cluster.answers import Answers
from cluster.backup import back_up
from cluster.batches import Batches, Entry
from cluster.core import flags
from cluster.core.copies import Copies, Owed
from cluster.core.holdings import Holdings
from cluster.core.items import erasure_key
from cluster.core.link import Identity
from cluster.core.offers import Changes
from cluster.core.press import ItemState, Wish
from cluster.core.replica import Replica
from cluster.core.rows import ORIGIN_LENGTH
from cluster.core.viewers import Viewers
from cluster.ledger import Ledger, LedgerFullError, open_ledger
from cluster.peering import Peering
from cluster.reads import Reads
from cluster.rounds import go_rounds
from cluster.surface import (
    Answer,
    Budget,
    Changed,
    ClusterSettings,
    Listed,
    NodeStatus,
    Place,
    Snapshot,
    StartError,
)
from cluster.tasks import Tasks

log = structlog.get_logger()

LONELY_S: Final = 5.0
RETRY_FULL_S: Final = 1.0
COUNTERS: Final = (
    "commits_total", "rows_written_total", "rows_refused_total", "rows_removed_total", "repairs_total",
)  # fmt: skip


class Node:
    """One node's engine, made on the loop that runs it. `routes` are served on the cluster port too."""

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        budget: Budget | None = None,
        routes: Iterable[web.AbstractRouteDef] = (),
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._batches = Batches(self, budget)
        self._reads = Reads(self._batches, self._tasks.fail, self.on_defect)
        self._peering = Peering(
            settings,
            routes,
            self._batches,
            tasks=self._tasks,
            on_settled=self._settled,
            on_beat=self._beat,
        )
        self._ledger: Ledger
        self._answers: Answers
        self._subscribers: list[Callable[[Changed], None]] = []
        self.viewers = Viewers()
        self._answered_at = self._loop.time()
        self._watchers, self._since = 0, time.time()
        self._is_leaving = False
        self._is_read_only = False
        self._erased: set[bytes] = set()
        self._flags: dict[str, set[str]] = {}
        self._ready = asyncio.Event()
        self._presses = 0
        self._counters = dict.fromkeys(COUNTERS, 0.0)

    # -- start and stop

    async def start(self) -> None:
        try:
            self._ledger = await self._batches.run(lambda: open_ledger(Path(self._settings.data_dir)))
        except StartError:
            self._batches.close()
            raise
        self._answers = Answers(Copies(self._ledger.id), self._wanted_copies)
        self._begin_origin(list(self._ledger.buckets))
        try:
            await self._peering.listen()
        except StartError:
            await self.stop()
            raise
        if not self._settings.peers:
            self._ready.set()
        self._answered_at = self._loop.time()  # not before: opening a large ledger may take longer than LONELY_S
        self._peering.start()
        self._tasks.spawn(go_rounds(self._batches, self._ledger, self._on_round))

    def _begin_origin(self, buckets: list[int]) -> None:
        """Speak as a new origin, from what the ledger holds (R1)."""
        self._erased = set(self._ledger.erased)
        self._flags = {item: set(names) for item, names in self._ledger.flags.items()}
        settings = self._settings
        identity = Identity(
            name=settings.name,
            ledger=self._ledger.id,
            origin=secrets.token_bytes(ORIGIN_LENGTH),
            advertise=settings.advertise,
            cluster_port=settings.port,
            public_address=settings.public_address,
            version=settings.version,
        )
        heads, seqs = self._ledger.heads, self._ledger.seqs
        floor = {origin: max(heads.get(origin, 0), seqs.get(origin, 0)) for origin in heads | seqs}
        holdings = Holdings(heads, stamps=self._ledger.stamps, floor=floor, buckets=buckets)
        copies = self._answers.copies
        replica = Replica(identity, settings.keys, holdings, copies=copies, viewers=self.viewers)
        self._peering.begin(replica, self._ledger)
        self._batches.open(self._ledger, identity.origin, replica.live_origins)
        log.info("origin.begun", node=settings.name, origin=identity.origin.hex(), ledger=self._ledger.id.hex())

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    async def stop(self) -> None:
        self.set_leaving()
        await self._batches.flush()
        if not self._tasks.failed.done():
            await self._peering.serve_peers()
        await self._peering.stop()
        await self._tasks.cancel()
        # What peers sent until their links had ended may be in a batch that has not begun yet.
        await self._batches.flush()
        await self._batches.run(self._ledger.close)
        self._batches.close()

    # -- what app asks

    def wish(self, wish: Wish, reply: Callable[[Answer], None], owner: Hashable) -> None:
        entry = Entry(wish, reply, owner)
        if self._is_read_only or self._tasks.failed.done():
            self._answers.refuse([entry])
        else:
            self._batches.add(entry)

    def flags(self, item: str) -> Collection[str]:
        return self._flags[item]

    def is_erased(self, visitor: bytes) -> bool:
        return bool(self._erased) and erasure_key(visitor) in self._erased

    async def back_up(self, target: Path) -> None:
        await back_up(self._ledger, self._batches, target)

    def forget(self, owner: Hashable) -> None:
        self._answers.copies.forget(owner)

    def read(
        self, items: Sequence[str], tallies: Sequence[tuple[str, bytes]], deliver: Callable[[Snapshot], None]
    ) -> None:
        self._reads.ask(lambda: self._ledger.read(items, tallies), deliver)

    def list_items(self, place: Place, limit: int, deliver: Callable[[Listed], None]) -> None:
        self._reads.ask(lambda: self._ledger.list_items(place, limit), deliver)

    def subscribe(self, on_changed: Callable[[Changed], None]) -> None:
        self._subscribers.append(on_changed)

    def status(self) -> list[NodeStatus]:
        return self._peering.status()

    def set_watchers(self, watchers: int) -> None:
        self._watchers = watchers

    def set_leaving(self) -> None:
        self._is_leaving = True
        self._tell_status()

    @property
    def state(self) -> str:
        if self._is_leaving:
            return "leaving"
        if self._is_read_only:
            return "read_only"
        return "ready" if self._ready.is_set() else "starting"

    @property
    def has_links(self) -> bool:
        return self._peering.has_links

    @property
    def failed(self) -> asyncio.Future[str]:
        return self._tasks.failed

    def counters(self) -> dict[str, float]:
        return {
            **self._counters,
            "engine_presses_total": self._presses,
            "pulls_answered_total": self._peering.replies.pulls_answered,
            "links": len(self._peering.replica.open_sessions()),
            "lag_rows": self._peering.lag_rows(),
            "buckets_differing": self._peering.replica.buckets_differing,
            "differences_total": self._peering.replies.differences,
            "quarantined_rows": self._ledger.quarantined,
            "rounds_total": self._ledger.round.passes,
            "rows_checked_total": self._ledger.round.checked,
        }

    # -- what the ledger's thread has done (BatchOwner)

    def on_committed(self, entries: list[Entry], changes: Changes) -> None:
        self._counters["commits_total"] += 1
        self._counters["rows_written_total"] += len(changes.rows)
        self._counters["rows_refused_total"] += sum(changes.bad_rows.values())
        self._counters["repairs_total"] += changes.repairs
        self._presses += changes.presses
        self._take(changes)
        self._answers.committed(entries, changes.outcomes)
        self._peering.carry_out()

    def _on_round(self, changes: Changes) -> None:
        """A step of the round has removed rows."""
        self._counters["rows_removed_total"] += len(changes.removed)
        self._take(changes)
        self._peering.carry_out()

    def _take(self, changes: Changes) -> None:
        self._erased |= changes.erased
        flags.note(self._flags, changes.flags)
        self._peering.replica.committed(changes, self._loop.time())
        if self._peering.replica.holdings.has_adopted:
            self._ready.set()
        if changes.items:
            self._tell(changes)

    def _tell(self, changes: Changes) -> None:
        items = {item: ItemState(sums.gen, sums.count) for item, sums in changes.items.items()}
        changed = Changed(items, changes.rows, frozenset(changes.erased), changes.flags)
        for subscriber in self._subscribers:
            subscriber(changed)

    def on_failed(self, entries: list[Entry], error: BaseException) -> None:
        self._answers.refuse(entries)
        if not isinstance(error, LedgerFullError):
            self._tasks.fail(error)
        elif not self._is_read_only:
            log.error("ledger.full", problem=str(error), do="free space on this disk; the node goes on by itself")
            self._is_read_only = True
            self._peering.refuse("read_only", "no space left on this node's disk")
            self._tasks.spawn(self._wait_for_room_on_disk())

    def on_defect(self, error: BaseException) -> None:
        self._tasks.fail(error)

    async def _wait_for_room_on_disk(self) -> None:
        while True:
            await asyncio.sleep(RETRY_FULL_S)
            if await self._batches.run(self._ledger.has_room):
                break
        self._begin_origin(await self._batches.run(self._ledger.load))
        self._is_read_only = False
        log.info("ledger.has_room")

    # -- what the peers bring

    def _wanted_copies(self) -> int:
        if self._settings.ack_copies is not None:
            return self._settings.ack_copies
        return int(self._peering.knows_others)

    def _settled(self, owed: Owed, copies: int) -> None:
        self._answers.settled(owed, copies)

    def _beat(self) -> None:
        """Every half second: are we ready by now, and do the peers know how we are?"""
        now = self._loop.time()
        if self._peering.is_answered(LONELY_S):
            self._answered_at = now
        elif now - self._answered_at >= LONELY_S:
            self._ready.set()
        self._tell_status()

    def _tell_status(self) -> None:
        self._peering.tell_status(self.state, self._watchers, self._since, self._presses)
