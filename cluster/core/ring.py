"""The newest committed rows of all origins, from which most pulls are answered without reading the table (R5).

1. The ring holds whole commits, newest last, about 65,536 rows. A commit that only raised heads takes the place of
   one row, and one that changed nothing is not kept, so what writes no row cannot pile up.
2. `floor[origin]` is at least the head of that origin, and the highest seq of any of its rows held, at the moment
   the ring began. A row that left the ring, or stood in the table before it, lies at or below the floor.
3. So whoever has every floor (and not only some) misses nothing that is not in the ring. Comparing with the
   newest head instead would skip rows that arrived above a head and were then pushed out: see
   `test_a_row_above_its_head_raises_the_floor_too_when_it_leaves`.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from cluster.core.rows import Key, Row

RING_ROWS_MAX: Final = 65_536

Commit = tuple[Mapping[bytes, int], tuple[Row, ...]]


class Ring:
    """The newest rows. `floor`: per origin the larger of its head and its highest seq held at the start."""

    def __init__(self, floor: Mapping[bytes, int], rows_max: int = RING_ROWS_MAX) -> None:
        self._floor = dict(floor)
        self._commits: deque[Commit] = deque()
        self._rows = 0
        self._rows_max = rows_max

    def append(self, heads: Mapping[bytes, int], rows: Iterable[Row]) -> None:
        """Take in one commit: the heads it raised, the rows it wrote."""
        commit = (heads, tuple(rows))
        if not any(commit):
            return
        self._commits.append(commit)
        self._rows += _size(commit)
        while self._rows > self._rows_max:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        commit = self._commits.popleft()
        self._rows -= _size(commit)
        heads, rows = commit
        for origin, head in heads.items():
            self._lift(origin, head)
        for row in rows:
            self._lift(row.origin, row.seq)

    def _lift(self, origin: bytes, seq: int) -> None:
        if seq > self._floor.get(origin, 0):
            self._floor[origin] = seq

    def since(self, base: Mapping[bytes, int]) -> list[Row] | None:
        """All rows with seq > base[origin], a key once with its last row; None if the ring began too late."""
        if any(base.get(origin, 0) < floor for origin, floor in self._floor.items()):
            return None
        latest: dict[Key, Row] = {}
        for _, rows in self._commits:
            for row in rows:
                latest[row.key] = row
        return [row for row in latest.values() if row.seq > base.get(row.origin, 0)]


def _size(commit: Commit) -> int:
    return len(commit[1]) or 1
