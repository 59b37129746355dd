"""What the person is shown of an item's count. Pure.

Within one connection every count is the truth. After a reconnect the next node may be a moment behind: a lower
count is then held back for up to `HOLD_BACK_S`, so that a number does not jump down and up again.
"""

from collections.abc import Mapping
from typing import Final

HOLD_BACK_S: Final = 5.0


class Counts:
    """The latest count of every watched item."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self._held_until = 0.0

    def reconnected(self, now: float) -> None:
        """A new connection begins: what was shown until now is held for a while."""
        self._floors = dict(self._counts)
        self._held_until = now + HOLD_BACK_S

    def arrive(self, counts: Mapping[str, int]) -> None:
        self._counts |= counts
        self._floors = {item: floor for item, floor in self._floors.items() if self._counts[item] < floor}

    def reset(self, item: str) -> None:
        """The item has a new generation: a lower count is meant."""
        self._floors.pop(item, None)

    def shown(self, item: str, now: float) -> int | None:
        """The count to show, or None if no node has told it yet."""
        count = self._counts.get(item)
        if count is None or now >= self._held_until:
            return count
        return max(count, self._floors.get(item, 0))
