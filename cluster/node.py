"""The engine behind `cluster.surface.Engine`: ledger, replica and links of one node, put together.

    press -> Batches -> Ledger.commit -> on_committed -> Replica.committed -> subscribers -> answers
    frame -> on_frame -> Replica.receive -> events -> Batches, sockets, pulls to answer

1. Everything but the ledger's work runs on the loop. After every call of the replica its events are carried out.
2. One order: ledger, replica, subscribers, answers. Nobody hears of a press before its commit (R3).
3. An origin lasts until the process ends or a commit fails (R1). After a full disk the node stays readable,
   refuses presses, and begins again with a new origin when there is room; after any other failure it must exit.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Final

import structlog
from aiohttp import web

from cluster.answers import Answers
from cluster.batches import Batches, Entry
from cluster.core.copies import Copies
from cluster.core.events import Asked, Close, Event, Learned, Offered, Opened, Send
from cluster.core.link import NONCE_LENGTH, Identity
from cluster.core.merge import Changes
from cluster.core.press import ItemState, Press, Tally
from cluster.core.replica import JOIN_S, Replica
from cluster.core.rows import ORIGIN_LENGTH
from cluster.core.wire import Status
from cluster.ledger import Ledger, LedgerFullError
from cluster.links import Links
from cluster.membership import Membership
from cluster.pulls import answer_pull
from cluster.roster import Roster
from cluster.surface import Answer, Budget, Changed, ClusterSettings, NodeStatus, Snapshot

log = structlog.get_logger()

HEARTBEAT_S: Final = 0.5
LOOK_MIN_S: Final = 1.0
LOOK_MAX_S: Final = 2.0
TELL_PEERS_S: Final = 30.0
LONELY_S: Final = 5.0
SERVE_PEERS_S: Final = 3.0
RETRY_FULL_S: Final = 1.0


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
        self._random = SystemRandom()
        self._loop = asyncio.get_running_loop()
        self._batches = Batches(self, budget)
        self._links = Links(self, routes)
        self._roster = Roster(settings)
        self._membership = Membership(
            settings.peers, self._links.dial, self._take_dialled, is_linked=self._is_linked, random=self._random
        )
        self._ledger: Ledger
        self._replica: Replica
        self._answers: Answers
        self._subscribers: list[Callable[[Changed], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialled: dict[int, bytes] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._linked_at = self._loop.time()
        self._watchers = 0
        self._is_leaving = False
        self._is_read_only = False
        self._ready = asyncio.Event()
        self._failed: asyncio.Future[str] = self._loop.create_future()
        self._counters = dict.fromkeys(
            ("presses_total", "commits_total", "rows_written_total", "rows_bad_total", "pulls_answered_total"), 0.0
        )

    # -- start and stop

    async def start(self) -> None:
        self._ledger = await self._batches.run(lambda: Ledger(Path(self._settings.data_dir)))
        self._answers = Answers(Copies(self._ledger.id), self._wanted_copies)
        self._begin_origin()
        await self._links.listen(self._settings.host, self._settings.port)
        if not self._settings.peers:
            self._ready.set()
        for work in (self._membership.run(), self._beat(), self._look(), self._tell_peers()):
            self._spawn(work)

    def _begin_origin(self) -> None:
        """Speak as a new origin, from what the ledger holds (R1)."""
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
        self._replica = Replica(identity, settings.keys, heads, floor=floor, copies=self._answers.copies)
        self._batches.open(self._ledger, identity.origin)
        log.info("origin.begun", node=settings.name, origin=identity.origin.hex(), ledger=self._ledger.id.hex())

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_defect(error)

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    async def stop(self) -> None:
        self.set_leaving()
        await self._batches.wait_until(lambda: self._batches.is_idle or self._failed.done())
        await self._serve_peers()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._links.stop()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        await self._batches.run(self._ledger.close)
        self._batches.close()

    async def _serve_peers(self) -> None:
        """Until every linked peer has confirmed our commits (3 s at most), or it would wait for our return."""
        deadline = self._loop.time() + SERVE_PEERS_S
        while self._loop.time() < deadline and not self._failed.done():
            self._tick()
            own = self._replica.identity.origin
            head = self._replica.heads.get(own, 0)
            if all(peer.heads.get(own, 0) >= head for peer in self._replica.open_sessions().values()):
                return
            await asyncio.sleep(JOIN_S)

    # -- what app asks

    def press(self, press: Press, reply: Callable[[Answer], None], owner: Hashable) -> None:
        entry = Entry(press, reply, owner)
        if self._is_read_only or self._failed.done():
            self._answers.refuse([entry])
        else:
            self._counters["presses_total"] += 1
            self._batches.add(entry)

    def forget(self, owner: Hashable) -> None:
        self._answers.copies.forget(owner)

    def read(
        self, items: Sequence[str], tallies: Sequence[tuple[str, bytes]], deliver: Callable[[Snapshot], None]
    ) -> None:
        future = self._batches.run(lambda: self._ledger.read(items, tallies))
        future.add_done_callback(lambda done: self._deliver(done, deliver))

    def _deliver(self, done: "asyncio.Future[Snapshot]", deliver: Callable[[Snapshot], None]) -> None:
        if (error := done.exception()) is not None:
            self.on_defect(error)
        else:
            deliver(done.result())

    def subscribe(self, on_changed: Callable[[Changed], None]) -> None:
        self._subscribers.append(on_changed)

    def status(self) -> list[NodeStatus]:
        configured = {address: self._membership.origins.get(address) for address in self._membership.static_others}
        return self._roster.status(self._replica, configured, self._loop.time())

    def set_watchers(self, watchers: int) -> None:
        self._watchers = watchers

    def set_leaving(self) -> None:
        self._is_leaving = True
        self._replica.set_status(Status(self.state, self._watchers))
        self._carry_out()

    @property
    def state(self) -> str:
        if self._is_leaving:
            return "leaving"
        if self._is_read_only:
            return "read_only"
        return "ready" if self._ready.is_set() else "starting"

    @property
    def has_links(self) -> bool:
        return bool(self._replica.open_sessions())

    @property
    def failed(self) -> asyncio.Future[str]:
        return self._failed

    def counters(self) -> dict[str, float]:
        sessions = self._replica.open_sessions().values()
        return {
            **self._counters,
            "links": len(sessions),
            "lag_rows": max((self._replica.lag_rows(session) for session in sessions), default=0),
            "pushes_dropped": sum(socket.dropped for socket in self._links.sockets.values()),
        }

    def _wanted_copies(self) -> int:
        if self._settings.ack_copies is not None:
            return self._settings.ack_copies
        return int(self._membership.knows_others or self.has_links)

    # -- what the ledger's thread has done (BatchOwner)

    def on_committed(self, entries: list[Entry], changes: Changes) -> None:
        self._counters["commits_total"] += 1
        self._counters["rows_written_total"] += len(changes.rows)
        self._counters["rows_bad_total"] += sum(changes.bad_rows.values())
        self._replica.committed(changes, self._loop.time())
        if self._replica.has_adopted:
            self._ready.set()
        if changes.rows:
            items = {item: ItemState(sums.gen, sums.count) for item, sums in changes.items.items()}
            changed = Changed(items, {key: Tally(row.gen, row.n) for key, row in changes.rows.items()})
            for subscriber in self._subscribers:
                subscriber(changed)
        self._answers.committed(entries, changes.outcomes)
        self._carry_out()

    def on_failed(self, entries: list[Entry], error: BaseException) -> None:
        if not isinstance(error, LedgerFullError):
            self.on_defect(error)
            return
        log.error("ledger.full", problem=str(error), do="free space on this disk; the node goes on by itself")
        self._is_read_only = True
        self._links.close_all("read_only", "no space left on this node's disk")
        for link in list(self._replica.sessions):
            self._replica.close_link(link)
        self._answers.refuse(entries)
        self._spawn(self._wait_for_room_on_disk())

    async def _wait_for_room_on_disk(self) -> None:
        while True:
            await asyncio.sleep(RETRY_FULL_S)
            if await self._batches.run(self._ledger.has_room):
                break
        await self._batches.run(self._ledger.load)
        self._begin_origin()
        self._is_read_only = False
        log.info("ledger.has_room")

    # -- what the links bring (LinkOwner)

    def on_connected(self, link: int, *, is_dialer: bool) -> None:
        if self._is_read_only:
            self._links.sockets[link].close("read_only", "no space left on this node's disk")
            return
        nonce = secrets.token_bytes(NONCE_LENGTH)
        self._replica.open_link(link, is_dialer=is_dialer, nonce=nonce, now=self._loop.time())
        self._carry_out()

    def on_frame(self, link: int, data: bytes) -> None:
        self._replica.receive(link, data, self._loop.time())
        self._carry_out()

    def on_disconnected(self, link: int, code: str, reason: str) -> None:
        self._replica.close_link(link)
        peer = self._roster.peer_of(link)
        self._roster.closed(link, self._loop.time())
        self._membership.links_changed()
        if peer is not None and code != "duplicate":
            log.info("link.lost", peer=peer.name, reason=code, why=reason)

    def on_defect(self, error: BaseException) -> None:
        if not self._failed.done():
            log.error("node.failed", exc_info=error)
            self._failed.set_result(f"{type(error).__name__}: {error}")

    async def wait_for_room(self) -> None:
        if self._batches.is_crowded:
            await self._batches.wait_until(lambda: not self._batches.is_crowded or self._failed.done())

    # -- what the replica wants done

    def _carry_out(self) -> None:
        while events := self._replica.events:
            self._replica.events = []
            for event in events:
                self._do(event)
        if self._flush_timer is None and self._replica.has_joined:
            self._flush_timer = self._loop.call_later(JOIN_S, self._flush)

    def _do(self, event: Event) -> None:
        if isinstance(event, Send):
            if (socket := self._links.sockets.get(event.link)) is not None:
                socket.send(event.data, may_drop=event.may_drop)
        elif isinstance(event, Offered):
            self._batches.add(Entry(event.offer))
        elif isinstance(event, Close):
            self._close(event)
        elif isinstance(event, Opened):
            self._opened(event)
        elif isinstance(event, Asked):
            self._answer_pull(event)
        elif isinstance(event, Learned):
            self._membership.learn(event.addresses)
        else:
            self._answers.settled(event.owed, event.copies)

    def _opened(self, event: Opened) -> None:
        socket, peer = self._links.sockets[event.link], event.peer
        self._roster.opened(event.link, peer, socket.address, self._loop.time())
        self._dialled[event.link] = peer.origin
        log.info("link.opened", peer=peer.name, origin=peer.origin.hex(), address=socket.address)
        self._replica.tell_peers(self._roster.addresses())

    def _close(self, event: Close) -> None:
        if event.code in ("wrong_secret", "bad_rows", "version"):
            log.error("link.refused", reason=event.code, problem=event.reason)
        if (socket := self._links.sockets.get(event.link)) is not None:
            socket.close(event.code, event.reason)

    def _answer_pull(self, asked: Asked) -> None:
        if (socket := self._links.sockets.get(asked.link)) is not None:
            self._counters["pulls_answered_total"] += 1
            self._spawn(answer_pull(asked, socket, self._batches, self._ledger))

    def _take_dialled(self, link: int) -> bytes | None:
        return self._dialled.pop(link, None)

    def _is_linked(self, origin: bytes) -> bool:
        return any(session.peer.origin == origin for session in self._replica.open_sessions().values())

    # -- time

    def _flush(self) -> None:
        self._flush_timer = None
        self._tick()

    def _tick(self) -> None:
        self._replica.tick(self._loop.time())
        self._carry_out()

    async def _beat(self) -> None:
        while True:
            if self.has_links:
                self._linked_at = self._loop.time()
            elif self._loop.time() - self._linked_at >= LONELY_S:
                self._ready.set()
            self._replica.set_status(Status(self.state, self._watchers))
            self._tick()
            await asyncio.sleep(HEARTBEAT_S)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(LOOK_MIN_S, LOOK_MAX_S))
            self._replica.look(self._loop.time(), self._random.random())
            self._carry_out()

    async def _tell_peers(self) -> None:
        while True:
            self._replica.tell_peers(self._roster.addresses())
            self._carry_out()
            await asyncio.sleep(TELL_PEERS_S)
