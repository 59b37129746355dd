"""What the messages of an open link mean: offers to the ledger, questions to be answered, news of the peer.

1. Rows and the end of a pull's answer count only while their question is open on their link (R5).
2. A pull's base is what the peer announced on this link before it.
3. Whoever knows a commit of our own origin that is not ours knows a future of ours that was taken from us (R10).

Used by `cluster.core.replica`, which owns the links.
"""

from collections.abc import Callable, Sequence

from cluster.core.copies import Copies
from cluster.core.events import Asked, Compared, Differs, Event, Fenced, Learned, Offered, Settled, Wanted
from cluster.core.holdings import Holdings
from cluster.core.offers import Adoption, Page, Repair
from cluster.core.ranges import range_in
from cluster.core.rows import Row, fault_of
from cluster.core.sessions import Session
from cluster.core.stamps import Stamps, Verdict
from cluster.core.viewers import Viewers
from cluster.core.wire import (
    Compare,
    Digest,
    End,
    Have,
    LeanPush,
    Mend,
    Message,
    Peers,
    Pull,
    Push,
    Rows,
    Status,
    Watching,
    above,
    parts,
    unpack,
)


class Hearing:
    """Takes messages for one origin. `tell` is called with each event that follows."""

    def __init__(
        self,
        origin: bytes,
        holdings: Holdings,
        stamps: Stamps,
        copies: Copies,
        viewers: Viewers,
        tell: Callable[[Event], None],
    ) -> None:
        self._origin = origin
        self._holdings, self._stamps = holdings, stamps
        self._copies, self._viewers = copies, viewers
        self._tell = tell
        self._has_ended = False

    def take(self, link: int, session: Session, message: Message, now: float) -> None:
        """One message of this link. Raises MalformedError."""
        if self._has_ended:
            return
        if isinstance(message, Have):
            self._have(session, message)
        elif isinstance(message, Push | LeanPush):
            self._push(link, session, message)
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
        elif isinstance(message, Watching):
            self._viewers.hear(link, message.viewers)
        else:
            self._compare(link, session, message)

    def _have(self, session: Session, message: Have) -> None:
        # A confirmation of what another run of ours has written must not be taken for one of this run's.
        verdict = self._judged(session, message.heads.get(self._origin, 0), message.stamp)
        if verdict == "too_old":
            del message.heads[self._origin]
        if verdict != "another":
            session.heads.update(message.heads)
            self._settle()

    def _push(self, link: int, session: Session, message: Push | LeanPush) -> None:
        if message.origin == self._origin:  # of a clone of ours, at best
            self._judged(session, message.to, message.stamp)
        else:
            offer = range_in(message, link)
            self._unfenced(session, offer.rows)
            self._tell(Offered(offer))

    def _settle(self) -> None:
        """Tell which answers have their copies by now (R9)."""
        for owed, copies in self._copies.settle():
            self._tell(Settled(owed, copies))

    def _asked(self, link: int, session: Session, message: Pull) -> None:
        holdings, base = self._holdings, dict(session.heads)
        heads = next(iter(parts(above(holdings.heads, base))), {})
        stamps = [holdings.stamps.get(origin, b"") for origin in heads]
        if self._origin in heads:
            session.given = heads[self._origin], holdings.stamps[self._origin]
        asked = Asked(link, message.id, base, heads, stamps, holdings.ring.since(base))
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
            stamps = dict(zip(message.heads, message.stamps, strict=False))
            own = message.heads.get(self._origin, 0), stamps.get(self._origin, b"")
            if self._judged(session, *own) != "another":
                self._tell(Offered(Adoption(session.pull.asked, message.heads, stamps)))
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

    def _unfenced(self, session: Session, rows: Sequence[Row]) -> Sequence[Row]:
        own = (row for row in rows if row.origin == self._origin and fault_of(row) is None)
        highest = max((row.seq for row in own), default=0)
        if highest > self._own_head:
            self._fence(session, highest)
        return rows

    def _judged(self, session: Session, head: int, stamp: bytes) -> Verdict:
        """Whose this head of our origin is. If it is another run's, ours is told that it must end."""
        # An answer may take longer than its stamp is remembered.
        verdict = "own" if (head, stamp) == session.given else self._stamps.judge(head, stamp)
        if verdict == "another":
            self._fence(session, head)
        return verdict

    def _fence(self, session: Session, seq: int) -> None:
        self._has_ended = True  # what the peer confirms next may be of either run
        made = f"{self._own_head}" if seq > self._own_head else "another one in its place"
        self._tell(
            Fenced(
                f"{session.peer.name} knows commit {seq} of this run, which has made {made}: this node was "
                "rolled back while it ran. Was a snapshot of its machine put back, or the machine cloned?"
            )
        )

    @property
    def _own_head(self) -> int:
        return self._holdings.heads.get(self._origin, 0)
