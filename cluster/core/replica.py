"""One node's replication between its links: heads announced, own commits pushed, gaps pulled.

    commit -> committed() -> Push to every link (R4), Have of the changed heads (R7), answers that are settled (R9)
    frame  -> receive()   -> Offered(range or page) for the next transaction, Asked for a pull to answer
    time   -> tick()      -> what was held back to be joined, pings, links given up
           -> look()      -> one pull, if a head announced some time ago is still above ours (R7)

1. `heads` changes only in `committed`, so nothing is announced, and nothing confirmed, before its commit (R3).
2. A pull's base is what was announced on that link before it, so the answerer's view and ours are the same.
3. Rows and the end of an answer count only while their question is open on their link (R5).
4. Pushes and announcements are joined for 10 ms; the first after a pause goes at once.

The owner calls these from one thread, drains `events` after every call, and does what they say, in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cluster.core.copies import Copies, Owed
from cluster.core.events import Asked, Close, Event, Learned, Offered, Opened, Send, Settled
from cluster.core.link import Identity, Link, LinkError
from cluster.core.merge import Adoption, Changes, Page, Range
from cluster.core.push import Unpushed
from cluster.core.ring import Ring
from cluster.core.sessions import OpenPull, Session, duplicate
from cluster.core.wire import (
    End,
    Have,
    MalformedError,
    Message,
    Peers,
    Pull,
    Push,
    Rows,
    Status,
    above,
    encode,
    unpack,
)

JOIN_S: Final = 0.010
PULL_STALLED_S: Final = 30.0
SHUN_S: Final = 60.0


class Replica:
    """All links of one origin of a node. `heads` and the ring's `floor` are what the ledger held at its start."""

    def __init__(
        self,
        identity: Identity,
        keys: Sequence[bytes],
        heads: Mapping[bytes, int],
        *,
        floor: Mapping[bytes, int],
        copies: Copies,
    ) -> None:
        self.identity = identity
        self.heads = dict(heads)
        self.ring = Ring(floor)
        self.copies = copies
        self.events: list[Event] = []
        self.sessions: dict[int, Session] = {}
        self.has_adopted = False
        self.status = Status("starting", 0)
        self._keys = keys
        self._last_pull = 0
        self._above: dict[bytes, int] = {}
        self._shunned: dict[bytes, float] = {}  # ledgers of peers that sent bad rows, and until when (R13)
        self._unpushed = Unpushed(identity.origin, self.heads.get(identity.origin, 0))
        self._joined_at = float("-inf")

    # -- links come and go

    def open_link(self, link: int, *, is_dialer: bool, nonce: bytes, now: float) -> None:
        """A connection was made; greet."""
        machine = Link(self.identity, is_dialer=is_dialer, nonce=nonce, keys=self._keys, now=now)
        self.sessions[link] = Session(machine, {}, {}, set(), Status("starting", 0))
        self._flush(link)

    def close_link(self, link: int) -> None:
        """A connection ended: its pull, its confirmations and its heads end with it."""
        self.sessions.pop(link, None)
        self.copies.close_link(link)

    def open_sessions(self) -> dict[int, Session]:
        """The links whose peers have proven the secret."""
        return {link: session for link, session in self.sessions.items() if session.link.is_open}

    def receive(self, link: int, data: bytes, now: float) -> None:
        """Take one frame of this link; of an unknown (closed) link it is ignored."""
        session = self.sessions.get(link)
        if session is None:
            return
        was_open = session.link.is_open
        try:
            message = session.link.receive(data, now)
            if message is not None:
                self._take(link, session, message, now)
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
        self._send(link, self.status)
        self.pull(link, now)

    def _close(self, link: int, error: LinkError) -> None:
        if link in self.sessions:
            self._flush(link)
            self.close_link(link)
            self.events.append(Close(link, error.code, str(error)))

    # -- messages of an open link

    def _take(self, link: int, session: Session, message: Message, now: float) -> None:
        if isinstance(message, Have):
            session.heads.update(message.heads)
            self._settle()
        elif isinstance(message, Push):
            rows = unpack(message.block)
            self._offer(Range(message.origin, message.start, message.to, rows, source=link))
        elif isinstance(message, Pull):
            self._asked(link, session, message)
        elif isinstance(message, Rows):
            self._page(link, session, message, now)
        elif isinstance(message, End):
            self._end(session, message)
        elif isinstance(message, Peers):
            self.events.append(Learned(tuple(message.addresses)))
        elif isinstance(message, Status):
            session.status = message

    def _asked(self, link: int, session: Session, message: Pull) -> None:
        base = dict(session.heads)
        self.events.append(Asked(link, message.id, base, above(self.heads, base), self.ring.since(base)))

    def _page(self, link: int, session: Session, message: Rows, now: float) -> None:
        if session.pull is not None and session.pull.id == message.id:
            session.pull.moved_at = now
            if message.block.rows:
                self._offer(Page(unpack(message.block), source=link))

    def _end(self, session: Session, message: End) -> None:
        if session.pull is not None and session.pull.id == message.id:
            self._offer(Adoption(session.pull.asked, message.heads))
            session.pull = None

    def _offer(self, offer: Range | Page | Adoption) -> None:
        self.events.append(Offered(offer))

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
        self.heads.update(changes.heads)
        self.ring.append(changes.heads, changes.rows.values())
        self.has_adopted = self.has_adopted or changes.adopted > 0
        for session in self.open_sessions().values():
            session.unannounced.update(changes.heads)
        if not self._unpushed.has_room(changes):
            self._send_push(now)
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

    @property
    def has_joined(self) -> bool:
        """Whether something is held back to be joined, so that `tick` is wanted soon."""
        return bool(self._unpushed) or any(s.unannounced for s in self.open_sessions().values())

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
        wanted = [origin for origin, head in self._above.items() if head > self.heads.get(origin, 0)]
        sessions = self.open_sessions()
        able = [
            link
            for link, session in sessions.items()
            if any(session.heads.get(origin, 0) > self.heads.get(origin, 0) for origin in wanted)
        ]
        if able:
            self.pull(able[int(pick * len(able))], now)
        self._above = {}
        for session in sessions.values():
            for origin, head in above(session.heads, self.heads).items():
                self._above[origin] = max(head, self._above.get(origin, 0))

    def set_status(self, status: Status) -> None:
        """Tell the peers how we are, if that is new."""
        if status != self.status:
            self.status = status
            for link in self.open_sessions():
                self._send(link, status)

    def tell_peers(self, addresses: Iterable[str]) -> None:
        """Tell every peer of these cluster addresses."""
        message = Peers(list(addresses))
        for link in self.open_sessions():
            self._send(link, message)

    # -- what goes out

    def _flush_joined(self, now: float) -> None:
        # An owner's timer of 10 ms may end a rounding error before them, and would then go round once more.
        if now - self._joined_at < JOIN_S - 1e-6:
            return
        if self._unpushed:
            self._send_push(now)
        for link, session in self.open_sessions().items():
            if session.unannounced:
                self._joined_at = now
                self._announce(link, session)

    def _send_push(self, now: float) -> None:
        push = self._unpushed.take()
        self._joined_at = now
        if sessions := self.open_sessions():
            data = encode(push)
            self.events.extend(Send(link, data, may_drop=True) for link in sessions)

    def _announce(self, link: int, session: Session) -> None:
        if session.unannounced:
            changed = {origin: self.heads.get(origin, 0) for origin in session.unannounced}
            session.unannounced.clear()
            session.announced.update(changed)
            self._send(link, Have(changed))

    def _settle(self) -> None:
        self.events.extend(Settled(owed, copies) for owed, copies in self.copies.settle())

    def _send(self, link: int, message: Message) -> None:
        self.events.append(Send(link, encode(message)))

    def _flush(self, link: int) -> None:
        machine = self.sessions[link].link
        self.events.extend(Send(link, data) for data in machine.outbox)
        machine.outbox.clear()
