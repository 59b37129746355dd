"""This run's own commits that the peers have not been sent yet (R4).

1. They are joined into one range: from of the first, to of the last, a key once with its last row.
2. A range is cut between commits only. A peer that confirms `to` confirms every seq below it, and the row of an
   earlier seq may stand in the range only as the later row that replaced it.
"""

from typing import Final

from cluster.core.offers import Changes, Range
from cluster.core.rows import Key, Row
from cluster.core.wire import PAGE_ROWS

# Both are waited for by whoever looks at a number; the second saves bytes where it has rows to join.
FEW_JOIN_S: Final = 0.003
JOIN_S: Final = 0.010
FEW_ROWS: Final = 32


class Unpushed:
    """The own rows committed since the last push. `head` is the own head at the start."""

    def __init__(self, origin: bytes, head: int) -> None:
        self._origin = origin
        self._start = head
        self._to = head
        self._stamp = b""
        self._rows: dict[Key, Row] = {}
        self._taken_at = float("-inf")

    def __bool__(self) -> bool:
        return self._to > self._start

    @property
    def due_at(self) -> float:
        """When they are to go, by the clock of `take`."""
        return self._taken_at + (FEW_JOIN_S if len(self._rows) < FEW_ROWS else JOIN_S)

    def has_room(self, changes: Changes) -> bool:
        """Whether these own rows still fit into one frame with what waits."""
        return not self._rows or len(self._rows) + len(changes.own) <= PAGE_ROWS

    def join(self, changes: Changes) -> None:
        """Add the own rows of one commit."""
        # Behind those that wait, so that rows stand in the order of their numbers.
        for key in self._rows.keys() & changes.own.keys():
            del self._rows[key]
        self._rows.update(changes.own)
        if self._origin in changes.heads:
            self._to, self._stamp = changes.heads[self._origin], changes.stamps[self._origin]

    def take(self, now: float) -> Range:
        """The range of all that waits; nothing waits any more. Where nobody is there to be sent it, it is gone."""
        taken = Range(self._origin, self._start, self._to, list(self._rows.values()), stamp=self._stamp)
        self._start, self._rows, self._taken_at = self._to, {}, now
        return taken
