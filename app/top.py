"""The items with the largest counts among those that were pressed lately, on any node.

Every change of a count passes here. Kept in memory, of the last `ITEMS_MAX` items that changed.

Anybody can press an item of any name, and so put it on the wall of a hall: whoever shows the largest there names
those that may be among them. Of all others, what is frozen is not shown.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Final

from aiohttp import web

from app import asking, keys
from cluster.surface import Changed

LATELY_S: Final = 600.0
ITEMS_MAX: Final = 10_000
TOP_ITEMS: Final = 10
# To look through all of them takes milliseconds of the loop.
FRESH_S: Final = 1.0


class Top:
    """`clock` is monotonic, in seconds; `hidden` says which items are not to be told."""

    def __init__(self, clock: Callable[[], float], hidden: Callable[[], Collection[str]]) -> None:
        self._clock = clock
        self._hidden = hidden
        # item -> (when it last grew, count), the longest ago first.
        self._changed: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._found: list[tuple[str, int]] = []
        self._found_at = float("-inf")

    def on_changed(self, changed: Changed) -> None:
        now = self._clock()
        for item, state in changed.items.items():
            before, count = self._changed.get(item, (now, -1))
            if state.count > count:
                self._changed[item] = now, state.count
                self._changed.move_to_end(item)
            else:
                self._changed[item] = before, state.count  # Taken back, which is no press.
        while len(self._changed) > ITEMS_MAX:
            self._changed.popitem(last=False)

    def items(self) -> list[tuple[str, int]]:
        """At most `TOP_ITEMS`, the largest first, as of the last second; what has no presses is left out."""
        now = self._clock()
        if now - self._found_at >= FRESH_S:
            self._found, self._found_at = self._find(now - LATELY_S), now
        return self._found

    def _find(self, since: float) -> list[tuple[str, int]]:
        hidden = self._hidden()
        pressed = (
            (item, count)
            for item, (at, count) in self._changed.items()
            if at >= since and count > 0 and item not in hidden
        )
        # By name where they are equal: of all nodes in the same order.
        return heapq.nlargest(TOP_ITEMS, pressed, key=lambda each: (each[1], each[0]))


async def top_of(request: web.Request, named: Sequence[str]) -> list[tuple[str, int]]:
    """The largest of those that are named, also of what nobody has pressed; or else of what was pressed lately."""
    if not named:
        return request.app[keys.TOP].items()
    states = (await asking.read(request.app[keys.DESK].engine, named)).items
    # Equal ones in the order in which they are named.
    return heapq.nlargest(TOP_ITEMS, ((item, states[item].count) for item in named), key=itemgetter(1))
