"""What a replica knows and owes on each of its links."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from cluster.core.compare import Looks
from cluster.core.link import Link
from cluster.core.wire import Hello, Status, above

BAD_ROWS_PER_MINUTE_MAX: Final = 100


class OpenPull(msgspec.Struct):
    """A question of ours: the heads it was asked with, and when the answer last moved."""

    id: int
    asked: Mapping[bytes, int]
    moved_at: float


class Session(msgspec.Struct):
    """One link: the heads the peer announced on it, those we announced and those we still have to.

    `given` is the own head, with its stamp, of the last answer to a pull of the peer's.
    """

    link: Link
    heads: dict[bytes, int]
    announced: dict[bytes, int]
    unannounced: set[bytes]
    status: Status
    looks: Looks
    pull: OpenPull | None = None
    given: tuple[int, bytes] = (0, b"")
    bad_rows: int = 0
    bad_since: float = 0.0

    @property
    def peer(self) -> Hello:
        assert self.link.peer is not None, "asked of an open link only"
        return self.link.peer

    def look(self, theirs: bytes, own: Sequence[int]) -> Sequence[int]:
        """The buckets to be compared with this peer now (R11); none while one of the two still pulls."""
        return () if self.pull is not None or self.status.state == "starting" else self.looks.look(theirs, own)

    def has_too_many_bad_rows(self, count: int, now: float) -> bool:
        """Note rows that broke the bounds; whether they are over 100 within a minute (R13)."""
        if now - self.bad_since >= 60.0:
            self.bad_since, self.bad_rows = now, 0
        self.bad_rows += count
        return self.bad_rows > BAD_ROWS_PER_MINUTE_MAX

    def lag_rows(self, heads: Mapping[bytes, int]) -> int:
        """How many of our rows this peer has not confirmed; an upper bound: a key pressed twice counts twice."""
        return sum(head - self.heads.get(origin, 0) for origin, head in above(heads, self.heads).items())


def duplicate(own_origin: bytes, link: int, sessions: Mapping[int, Session]) -> int | None:
    """Which of two links to one node has to go, now that `link` is open: the smaller origin's stays.

    Of two links that the same side dialled, the dialer gives up the newer one; the listener waits for it to do so,
    because its older link may be the half-open rest of a connection that the dialer lost.
    """
    session = sessions[link]
    for other, known in sessions.items():
        if other == link or known.peer.origin != session.peer.origin:
            continue
        if known.link.is_dialer == session.link.is_dialer:
            return link if session.link.is_dialer else None
        own_dialled, peer_dialled = (link, other) if session.link.is_dialer else (other, link)
        return peer_dialled if own_origin < session.peer.origin else own_dialled
    return None
