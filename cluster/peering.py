"""One node among its peers: the replica, the sockets under it, and the clock that it does not have itself.

    frame -> on_frame -> Replica.receive -> events -> offers to the ledger, frames to sockets, pulls to answer
    commit -> committed -> Replica.committed -> events
    time -> beat, look, flush -> events

1. After every call of the replica its events are carried out, in order, before anything else happens.
2. `begin` gives it a new replica with a new origin; the links of the old one are closed.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from random import SystemRandom
from typing import Final

import structlog
from aiohttp import web

from cluster.alarm import Alarm
from cluster.batches import Batches, entry_of
from cluster.core.copies import Owed
from cluster.core.events import (
    Asked,
    Close,
    Compared,
    Differs,
    Event,
    Learned,
    Offered,
    Opened,
    Send,
    Settled,
    Wanted,
)
from cluster.core.link import NONCE_LENGTH
from cluster.core.push import JOIN_S
from cluster.core.replica import Replica
from cluster.ledger import Ledger
from cluster.links import Links
from cluster.membership import Membership
from cluster.replies import Replies
from cluster.roster import Roster
from cluster.sockets import Socket
from cluster.surface import ClusterSettings, NodeStatus
from cluster.tasks import FencedError, Tasks

log = structlog.get_logger()

HEARTBEAT_S: Final = 0.5
LOOK_MIN_S: Final = 1.0
LOOK_MAX_S: Final = 2.0
TELL_PEERS_S: Final = 30.0
DIGEST_S: Final = 30.0
VIEWERS_S: Final = 1.0
SERVE_PEERS_S: Final = 3.0
SAY_AGAIN_S: Final = 60.0
NEEDS_A_PERSON: Final = frozenset({"wrong_secret", "version", "bad_rows"})


class Peering:
    """The links of one node. `on_settled` hears of copies that exist, `on_beat` is called every half second."""

    def __init__(
        self,
        settings: ClusterSettings,
        routes: Iterable[web.AbstractRouteDef],
        batches: Batches,
        *,
        tasks: Tasks,
        on_settled: Callable[[Owed, int], None],
        on_beat: Callable[[], None],
    ) -> None:
        self.replica: Replica
        self.links = Links(self, routes)
        self._loop = asyncio.get_running_loop()
        self._random = SystemRandom()
        self._settings = settings
        self._batches, self._tasks = batches, tasks
        self._on_settled, self._on_beat = on_settled, on_beat
        self._roster = Roster(settings)
        self._membership = Membership(
            settings.peers, self.links.dial, self._take_dialled, is_linked=self._is_linked, random=self._random
        )
        self.replies = Replies(batches, tasks)
        self._refusal = ""
        self._has_met = False
        self._dialled: dict[int, bytes] = {}
        self._said: dict[str, float] = {}
        self._flushing = Alarm(self._flush)

    # -- begin and end

    async def listen(self) -> None:
        """Bind the cluster port. Raises StartError."""
        await self.links.listen(self._settings.host, self._settings.port)

    def begin(self, replica: Replica, ledger: Ledger) -> None:
        """Speak as this replica from now on."""
        self.replica, self._refusal = replica, ""
        self.replies.begin(ledger, replica.holdings)

    def start(self) -> None:
        """Dial, beat and look until the tasks are cancelled."""
        for work in (
            self._membership.run(),
            self._beat(),
            self._every(lambda: self._random.uniform(LOOK_MIN_S, LOOK_MAX_S), self._look),
            self._every(lambda: TELL_PEERS_S, lambda: self.replica.tell_peers(self._roster.addresses())),
            # Not the bound methods: a later run has another replica.
            self._every(lambda: DIGEST_S, lambda: self.replica.tell_digest()),  # noqa: PLW0108
            self._every(lambda: VIEWERS_S, lambda: self.replica.tell_viewers()),  # noqa: PLW0108
        ):
            self._tasks.spawn(work)

    def refuse(self, code: str, reason: str) -> None:
        """Close all links and refuse new ones, until `begin`."""
        self._refusal = reason
        self.links.close_all(code, reason)
        for link in list(self.replica.sessions):
            self.replica.close_link(link)

    async def serve_peers(self) -> None:
        """Until every linked peer has confirmed our commits (3 s at most), or they would wait for our return."""
        own = self.replica.identity.origin
        deadline = self._loop.time() + SERVE_PEERS_S
        while self._loop.time() < deadline:
            self.tick()
            head = self.replica.heads.get(own, 0)
            if all(peer.heads.get(own, 0) >= head for peer in self.replica.open_sessions().values()):
                return
            await asyncio.sleep(JOIN_S)

    async def stop(self) -> None:
        """Close every link and the cluster port."""
        await self.links.stop()
        self._flushing.stop()

    # -- what the node asks

    @property
    def has_links(self) -> bool:
        return bool(self.replica.open_sessions())

    @property
    def knows_others(self) -> bool:
        """Whether another node is configured or learned, or was ever linked: to be alone now makes no copies."""
        return self._membership.knows_others or self._has_met

    def is_answered(self, within_s: float) -> bool:
        """Whether a peer has just opened a link, or moved on with an answer that we wait for."""
        now = self._loop.time()
        pulls = (session.pull for session in self.replica.open_sessions().values())
        return any(pull is not None and now - pull.moved_at < within_s for pull in pulls)

    def status(self) -> list[NodeStatus]:
        configured = {address: self._membership.origins.get(address) for address in self._membership.static_others}
        return self._roster.status(self.replica, configured, self._loop.time())

    def tell_status(self, state: str, watchers: int, since: float, presses: int) -> None:
        """Tell the peers how this node is, if that is new; every half second."""
        self._roster.beat(self.replica, self._loop.time())
        self.replica.set_status(self._roster.own_status(self.replica, state, watchers, since, presses))
        self.carry_out()

    def lag_rows(self) -> int:
        """How many rows the peer that lags most has not confirmed."""
        sessions = self.replica.open_sessions().values()
        return max((session.lag_rows(self.replica.heads) for session in sessions), default=0)

    # -- what the links bring (LinkOwner)

    def on_connected(self, link: int, *, is_dialer: bool) -> None:
        if self._refusal:
            self.links.sockets[link].close("read_only", self._refusal)
            return
        if is_dialer:
            self._dialled[link] = b""
        nonce = secrets.token_bytes(NONCE_LENGTH)
        self.replica.open_link(link, is_dialer=is_dialer, nonce=nonce, now=self._loop.time())
        self.carry_out()

    def on_frame(self, link: int, data: bytes) -> None:
        self.replica.receive(link, data, self._loop.time())
        self.carry_out()

    def on_disconnected(self, link: int, code: str, reason: str) -> None:
        self.replica.close_link(link)
        peer = self._roster.peer_of(link)
        self._roster.closed(link, self._loop.time())
        self._membership.links_changed()
        if peer is not None and code != "duplicate":
            log.info("link.lost", peer=peer.name, reason=code, problem=reason)

    def on_defect(self, error: BaseException) -> None:
        self._tasks.fail(error)

    async def wait_for_room(self) -> None:
        if self._batches.is_crowded:
            await self._batches.wait_until(lambda: not self._batches.is_crowded)

    # -- what the replica wants done

    def carry_out(self) -> None:
        """Do what the replica says, until it says nothing more."""
        while events := self.replica.events:
            self.replica.events = []
            for event in events:
                self._do(event)
        self._flushing.set(self.replica.due_in_s(self._loop.time()))

    def _do(self, event: Event) -> None:
        if isinstance(event, Send | Asked | Differs | Compared | Wanted):
            if (socket := self.links.sockets.get(event.link)) is not None:
                self._say(event, socket)
        elif isinstance(event, Offered):
            self._batches.add(entry_of(event.offer))
        elif isinstance(event, Close):
            self._close(event)
        elif isinstance(event, Opened):
            self._opened(event)
        elif isinstance(event, Learned):
            self._membership.learn(event.addresses)
        elif isinstance(event, Settled):
            self._on_settled(event.owed, event.copies)
        else:
            self._tasks.fail(FencedError(event.reason))

    def _say(self, event: Send | Asked | Differs | Compared | Wanted, socket: Socket) -> None:
        if isinstance(event, Send):
            socket.send(event.data, may_drop=event.may_drop)
        elif isinstance(event, Asked):
            self.replies.to_pull(event, socket)
        else:
            self.replies.to_comparison(event, socket)

    def _opened(self, event: Opened) -> None:
        address = self.links.sockets[event.link].address
        if event.link in self._dialled:
            self._dialled[event.link] = event.peer.origin
        if event.is_duplicate:
            return
        self._has_met = True
        self._roster.opened(event.link, event.peer, address, self._loop.time())
        log.info("link.opened", peer=event.peer.name, origin=event.peer.origin.hex(), address=address)
        self.replica.tell_peers(self._roster.addresses())

    def _close(self, event: Close) -> None:
        socket = self.links.sockets.get(event.link)
        if event.code in NEEDS_A_PERSON:
            self._say_once(event, socket.address if socket is not None else "")
        if socket is not None:
            socket.close(event.code, event.reason)

    def _say_once(self, event: Close, address: str) -> None:
        """Log a refusal, which comes back with every try, at most once a minute.

        By where it came from, not by what it said: nobody has to prove the secret before being refused.
        """
        now, said = self._loop.time(), f"{event.code} {address}"
        if now - self._said.get(said, float("-inf")) >= SAY_AGAIN_S:
            self._said = {each: at for each, at in self._said.items() if now - at < SAY_AGAIN_S} | {said: now}
            log.error("link.refused", reason=event.code, problem=event.reason, address=address)

    def _take_dialled(self, link: int) -> bytes | None:
        return self._dialled.pop(link, b"") or None

    def _is_linked(self, origin: bytes) -> bool:
        return any(session.peer.origin == origin for session in self.replica.open_sessions().values())

    # -- time

    def _flush(self) -> None:
        try:
            self.tick()
        except Exception as error:
            self.on_defect(error)
            raise

    def tick(self) -> None:
        """Send what was held back, give up what is silent."""
        self.replica.tick(self._loop.time())
        self.carry_out()

    async def _beat(self) -> None:
        while True:
            self._on_beat()
            self.tick()
            await asyncio.sleep(HEARTBEAT_S)

    async def _every(self, interval_s: Callable[[], float], do: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(interval_s())
            do()
            self.carry_out()

    def _look(self) -> None:
        self.replica.look(self._loop.time(), self._random.random())
