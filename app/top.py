"""The items with the largest counts among those that were pressed lately, on any node.

Every change of a count passes here. Kept in memory, of the last `ITEMS_MAX` items that changed.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from cluster.surface import Changed

LATELY_S: Final = 600.0
ITEMS_MAX: Final = 10_000
TOP_ITEMS: Final = 10
# To look through all of them takes milliseconds of the loop.
FRESH_S: Final = 1.0


class Top:
    """`clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # item -> (when, count), the longest unchanged first.
        self._changed: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._found: list[tuple[str, int]] = []
        self._found_at = float("-inf")

    def on_changed(self, changed: Changed) -> None:
        now = self._clock()
        for item, state in changed.items.items():
            self._changed[item] = now, state.count
            self._changed.move_to_end(item)
        while len(self._changed) > ITEMS_MAX:
            self._changed.popitem(last=False)

    def items(self) -> list[tuple[str, int]]:
        """At most `TOP_ITEMS`, the largest first, as of the last second; what has no presses is left out."""
        now = self._clock()
        if now - self._found_at >= FRESH_S:
            self._found, self._found_at = self._find(now - LATELY_S), now
        return self._found

    def _find(self, since: float) -> list[tuple[str, int]]:
        lately = ((count, item) for item, (at, count) in self._changed.items() if at >= since and count > 0)
        return [(item, count) for count, item in heapq.nlargest(TOP_ITEMS, lately)]
