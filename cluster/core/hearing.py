"""What the messages of an open link mean: offers to the ledger, questions to be answered, news of the peer.

1. Rows and the end of a pull's answer count only while their question is open on their link (R5).
2. A pull's base is what the peer announced on this link before it.
3. Whoever says more of our own origin than we have committed knows a future of ours that was taken from us (R10).

Used by `cluster.core.replica`, which owns the links.
"""

from collections.abc import Callable

from cluster.core.copies import Copies
from cluster.core.events import Asked, Compared, Differs, Event, Fenced, Learned, Offered, Settled, Wanted
from cluster.core.holdings import Holdings
from cluster.core.offers import Adoption, Page, Range, Repair
from cluster.core.rows import Row
from cluster.core.sessions import Session
from cluster.core.wire import (
    Compare,
    Digest,
    End,
    Have,
    Mend,
    Message,
    Peers,
    Pull,
    Push,
    Rows,
    Status,
    above,
    parts,
    unpack,
)


class Hearing:
    """Takes messages for one origin. `tell` is called with each event that follows."""

    def __init__(self, origin: bytes, holdings: Holdings, copies: Copies, tell: Callable[[Event], None]) -> None:
        self._origin = origin
        self._holdings = holdings
        self._copies = copies
        self._tell = tell

    def take(self, link: int, session: Session, message: Message, now: float) -> None:
        """One message of this link. Raises MalformedError."""
        if isinstance(message, Have):
            self._have(session, message)
        elif isinstance(message, Push):
            rows = self._unfenced(session, unpack(message.block))
            self._tell(Offered(Range(message.origin, message.start, message.to, rows, source=link)))
        elif isinstance(message, Pull):
            self._asked(link, session, message)
        elif isinstance(message, Rows):
            self._page(link, session, message, now)
        elif isinstance(message, End):
            self._end(session, message)
        elif isinstance(message, Peers):
            self._tell(Learned(tuple(message.addresses)))
        elif isinstance(message, Status):
            session.status = message
        else:
            self._compare(link, session, message)

    def _have(self, session: Session, message: Have) -> None:
        # A confirmation of what another run of ours has written must not be taken for one of this run's.
        if not self._is_fenced(session, message.heads.get(self._origin, 0)):
            session.heads.update(message.heads)
            self.settle()

    def settle(self) -> None:
        """Tell which answers have their copies by now (R9)."""
        for owed, copies in self._copies.settle():
            self._tell(Settled(owed, copies))

    def _asked(self, link: int, session: Session, message: Pull) -> None:
        holdings, base = self._holdings, dict(session.heads)
        heads = next(iter(parts(above(holdings.heads, base))), {})
        asked = Asked(link, message.id, base, heads, holdings.ring.since(base))
        if asked.rows is None:
            holdings.scans.append(asked)
        self._tell(asked)

    def _page(self, link: int, session: Session, message: Rows, now: float) -> None:
        if session.pull is not None and session.pull.id == message.id:
            session.pull.moved_at = now
            if message.block.rows:
                self._tell(Offered(Page(self._unfenced(session, unpack(message.block)), source=link)))

    def _end(self, session: Session, message: End) -> None:
        if session.pull is not None and session.pull.id == message.id:
            if not self._is_fenced(session, message.heads.get(self._origin, 0)):
                self._tell(Offered(Adoption(session.pull.asked, message.heads)))
            session.pull = None

    # -- R11

    def _compare(self, link: int, session: Session, message: Message) -> None:
        if isinstance(message, Digest):
            buckets = session.look(message.buckets, self._holdings.buckets.digests)
            if buckets:
                self._tell(Differs(link, buckets))
        elif isinstance(message, Compare):
            self._tell(Compared(link, message.spans))
        elif isinstance(message, Mend):
            if message.block.rows:
                self._tell(Offered(Repair(self._unfenced(session, unpack(message.block)), source=link)))
            if message.asked:
                self._tell(Wanted(link, message.asked))

    # -- R10

    def _unfenced(self, session: Session, rows: list[Row]) -> list[Row]:
        self._is_fenced(session, max((row.seq for row in rows if row.origin == self._origin), default=0))
        return rows

    def _is_fenced(self, session: Session, seq: int) -> bool:
        """Whether the peer knows more of this run than it has committed; then it is told that it must end."""
        head = self._holdings.heads.get(self._origin, 0)
        if seq > head:
            self._tell(
                Fenced(
                    f"{session.peer.name} knows commit {seq} of this run, which has made {head}: this node was "
                    "rolled back while it ran. Was a snapshot of its machine put back, or the machine cloned?"
                )
            )
        return seq > head
