"""One node's replication between its links: heads announced, own commits pushed, gaps pulled.

    commit -> committed() -> Push to every link (R4), Have of the changed heads (R7), answers that are settled (R9)
    frame  -> receive()   -> Offered(range or page) for the next transaction, Asked for a pull to answer
    time   -> tick()      -> what was held back to be joined, pings, links given up
           -> look()      -> one pull, if a head announced some time ago is still above ours (R7)
           -> tell_digest() -> the digests of our buckets; a peer's that differ are compared (R11)

1. `holdings` change only in `committed`, so nothing is announced, and nothing confirmed, before its commit (R3).
2. A pull's base is what was announced on that link before it, so the answerer's view and ours are the same.
3. Pushes are joined for 3 ms while few rows wait, and for 10 ms where many do; announcements always for 10 ms. The
   first after a pause goes at once (docs/decisions/0020-pushes-wait-less.md).
4. What the peers' messages mean is `cluster.core.hearing`'s business.

The owner calls these from one thread, drains `events` after every call, and does what they say, in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cluster.core.behind import Behind
from cluster.core.compare import Looks
from cluster.core.copies import Copies, Owed
from cluster.core.events import Close, Event, Opened, Send
from cluster.core.hearing import Hearing
from cluster.core.holdings import Holdings
from cluster.core.link import Identity, Link, LinkError
from cluster.core.offers import Changes
from cluster.core.push import JOIN_S, Unpushed
from cluster.core.ranges import Pushed
from cluster.core.sessions import OpenPull, Session, duplicate
from cluster.core.stamps import Stamps
from cluster.core.viewers import Viewers
from cluster.core.wire import (
    DIGEST,
    VIEWED_MAX,
    VIEWERS,
    Have,
    MalformedError,
    Message,
    Peers,
    Pull,
    Status,
    Watching,
    encode,
    parts,
)

PULL_STALLED_S: Final = 30.0
SHUN_S: Final = 60.0


class Replica:
    """All links of one origin of a node. `holdings` are what the ledger held at its start."""

    def __init__(
        self, identity: Identity, keys: Sequence[bytes], holdings: Holdings, *, copies: Copies, viewers: Viewers
    ) -> None:
        self.identity = identity
        self.holdings = holdings
        self.copies, self.viewers = copies, viewers
        self.events: list[Event] = []
        self.sessions: dict[int, Session] = {}
        self.status = Status("starting", 0)
        self._keys = keys
        self.stamps = Stamps(holdings.heads.get(identity.origin, 0))
        self._hearing = Hearing(identity.origin, holdings, self.stamps, copies, self.viewers, self._tell)
        self._last_pull = 0
        self._behind = Behind()
        self._shunned: dict[bytes, float] = {}  # ledgers of peers that sent bad rows, and until when (R13)
        self._unpushed = Unpushed(identity.origin, self.heads.get(identity.origin, 0))
        self._announced_at = float("-inf")

    @property
    def heads(self) -> Mapping[bytes, int]:
        """All heads as of the last commit."""
        return self.holdings.heads

    def _tell(self, event: Event) -> None:
        # The owner takes the list away and leaves a new one.
        self.events.append(event)

    # -- links come and go

    def open_link(self, link: int, *, is_dialer: bool, nonce: bytes, now: float) -> None:
        """A connection was made; greet."""
        machine = Link(self.identity, is_dialer=is_dialer, nonce=nonce, keys=self._keys, now=now)
        self.sessions[link] = Session(machine, {}, {}, set(), Status("starting", 0), Looks())
        self._flush(link)

    def close_link(self, link: int) -> None:
        """A connection ended: its pull, its confirmations and its heads end with it."""
        self.sessions.pop(link, None)
        self.copies.close_link(link)
        self.viewers.close_link(link)

    def open_sessions(self) -> dict[int, Session]:
        """The links whose peers have proven the secret."""
        return {link: session for link, session in self.sessions.items() if session.link.is_open}

    def live_origins(self) -> frozenset[bytes]:
        """The present runs of the peers that are linked."""
        return frozenset(session.peer.origin for session in self.open_sessions().values())

    def receive(self, link: int, data: bytes, now: float) -> None:
        """Take one frame of this link; of an unknown (closed) link it is ignored."""
        session = self.sessions.get(link)
        if session is None:
            return
        was_open = session.link.is_open
        try:
            message = session.link.receive(data, now)
            if message is not None:
                self._hearing.take(link, session, message, now)
        except LinkError as error:
            self._close(link, error)
            return
        except MalformedError as error:
            self._close(link, LinkError("malformed", f"malformed message: {error}"))
            return
        self._flush(link)
        if session.link.is_open and not was_open:
            self._opened(link, session, now)

    def _opened(self, link: int, session: Session, now: float) -> None:
        loser = duplicate(self.identity.origin, link, self.open_sessions())
        self.events.append(Opened(link, session.peer, loser == link))
        if loser is not None:
            self._close(loser, LinkError("duplicate", "there is another link between these two nodes"))
            if loser == link:
                return
        if now < self._shunned.get(session.peer.ledger, now):
            self._close(link, LinkError("bad_rows", f"{session.peer.name} has sent too many rows out of bounds"))
            return
        self.copies.open_link(link, session.peer.ledger, session.heads)
        session.unannounced.update(self.heads)
        self.viewers.open_link(link, session.peer.ledger)
        self._send(link, self.status)
        self._send_viewers(link, session, self.viewers.own)
        self.pull(link, now)

    def _close(self, link: int, error: LinkError) -> None:
        if link in self.sessions:
            self._flush(link)
            self.close_link(link)
            self.events.append(Close(link, error.code, str(error)))

    # -- what is missing

    def pull(self, link: int, now: float) -> None:
        """Ask this peer for all that is above our heads, unless it is answering already."""
        session = self.sessions[link]
        if session.pull is not None:
            return
        self._announce(link, session)
        self._last_pull += 1
        session.pull = OpenPull(self._last_pull, dict(session.announced), now)
        self._send(link, Pull(self._last_pull))

    # -- after a commit

    def committed(self, changes: Changes, now: float) -> None:
        """Take in what a transaction changed: only now may anyone hear of it (R3)."""
        self.holdings.committed(changes)
        for session in self.open_sessions().values():
            session.unannounced.update(changes.heads)
        if not self._unpushed.has_room(changes):
            self._send_push(now)
        if changes.own:
            origin = self.identity.origin
            self.stamps.add(changes.heads[origin], changes.stamps[origin])
            self._unpushed.join(changes)
        for link in changes.gaps & self.open_sessions().keys():
            self.pull(link, now)
        for link, count in changes.bad_rows.items():
            self._count_bad_rows(link, count, now)
        self._flush_joined(now)

    def _count_bad_rows(self, link: int, count: int, now: float) -> None:
        session = self.sessions.get(link)
        if session is not None and session.has_too_many_bad_rows(count, now):
            self._shunned[session.peer.ledger] = now + SHUN_S
            self._close(
                link, LinkError("bad_rows", f"{session.peer.name} sent over 100 rows out of bounds in a minute")
            )

    def owe(self, owed: Owed) -> None:
        """Tell with `Settled` when this answer's copies exist."""
        self.copies.owe(owed)

    # -- time

    def due_in_s(self, now: float) -> float | None:
        """In how many seconds `tick` is wanted, because something is held back to be joined; None: nothing is."""
        due_at = [self._unpushed.due_at] if self._unpushed else []
        if any(session.unannounced for session in self.open_sessions().values()):
            due_at.append(self._announced_at + JOIN_S)
        return max(min(due_at) - now, 0.0) if due_at else None

    def tick(self, now: float) -> None:
        """Send what was held back long enough, ping, and give up links that are silent or stalled."""
        self._flush_joined(now)
        for link, session in list(self.sessions.items()):
            try:
                session.link.tick(now)
                if session.pull is not None and now - session.pull.moved_at >= PULL_STALLED_S:
                    raise LinkError("stalled", "a pull was not answered")
            except LinkError as error:
                self._close(link, error)
            else:
                self._flush(link)

    def look(self, now: float, pick: float) -> None:
        """Pull from one random peer if a head seen at the last look is still above ours (R7).

        Called every 1 to 2 s; `pick` in [0, 1) chooses the peer.
        """
        if able := self._behind.look(self.open_sessions(), self.heads):
            self.pull(able[int(pick * len(able))], now)

    def tell_digest(self) -> None:
        """Tell every peer that understands it what our rows come to; called every 30 s.

        Not while we pull: then we know that we lack rows, and the peer, which does not, would begin to compare.
        """
        sessions = self.open_sessions()
        if any(session.pull is not None for session in sessions.values()):
            return
        for link, session in sessions.items():
            if DIGEST in session.peer.features:
                self._send(link, self.holdings.buckets.tell())

    @property
    def digest(self) -> bytes:
        """Of all that this replica holds: equal where all rows are."""
        return self.holdings.buckets.total()

    @property
    def buckets_differing(self) -> int:
        """In how many buckets the peer that differs most differed at its last digest."""
        return max((session.looks.differing for session in self.open_sessions().values()), default=0)

    def set_status(self, status: Status) -> None:
        """Tell the peers how we are, if that is new."""
        if status != self.status:
            self.status = status
            for link in self.open_sessions():
                self._send(link, status)

    def tell_viewers(self) -> None:
        """Tell every peer that understands it, and who subscribed here, how many browsers watch; every second."""
        if untold := self.viewers.take_untold():
            for link, session in self.open_sessions().items():
                self._send_viewers(link, session, untold)
        self.viewers.publish()

    def tell_peers(self, addresses: Iterable[str]) -> None:
        """Tell every peer of these cluster addresses."""
        message = Peers(list(addresses))
        for link in self.open_sessions():
            self._send(link, message)

    # -- what goes out

    def _flush_joined(self, now: float) -> None:
        # An owner's timer may end a rounding error before, and would then go round once more.
        by_now = now + 1e-6
        if self._unpushed and by_now >= self._unpushed.due_at:
            self._send_push(now)
        if by_now >= self._announced_at + JOIN_S:
            for link, session in self.open_sessions().items():
                if session.unannounced:
                    self._announced_at = now
                    self._announce(link, session)

    def _send_push(self, now: float) -> None:
        pushed = Pushed(self._unpushed.take(now))
        for link, session in self.open_sessions().items():
            self.events.append(Send(link, pushed.to(session.peer.features), may_drop=True))

    def _send_viewers(self, link: int, session: Session, viewers: Mapping[str, int]) -> None:
        if VIEWERS in session.peer.features:
            for part in parts(viewers, VIEWED_MAX):
                self._send(link, Watching(part))

    def _announce(self, link: int, session: Session) -> None:
        if session.unannounced:
            changed = {origin: self.heads.get(origin, 0) for origin in session.unannounced}
            session.unannounced.clear()
            session.announced.update(changed)
            origin = session.peer.origin
            for part in parts(changed):
                self._send(link, Have(part, self.holdings.stamps.get(origin, b"") if origin in part else b""))

    def _send(self, link: int, message: Message) -> None:
        self.events.append(Send(link, encode(message)))

    def _flush(self, link: int) -> None:
        machine = self.sessions[link].link
        self.events.extend(Send(link, data) for data in machine.outbox)
        machine.outbox.clear()
