"""How many presses a visitor may make: one token bucket per visitor, over all tabs, items and paths.

1. A bucket holds at most `burst` presses and fills with `rate` presses per second; it starts full.
2. Only what a commit took is spent (R3): a refused press, or one that changed nothing, costs nothing.
3. A bucket that is full again is forgotten, so memory is bounded by those who pressed within the last
   `burst / rate` seconds, and by `BUCKETS_MAX` above that: the visitor who has not pressed for the longest
   time is then forgotten early, and has a full bucket again.
4. A rate or a burst of 0 means no limit.

Implements `cluster.surface.Budget`; called by the engine and by sessions, on the loop's thread.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Final

BUCKETS_MAX: Final = 200_000
UNLIMITED: Final = 1 << 30


class PressBudget:
    """`clock` is monotonic, in seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        # visitor -> (presses left, at), the longest untouched first.
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def rate(self) -> float:
        """Presses per second; infinite without a limit."""
        return self._rate if self.is_limited else math.inf

    @property
    def is_limited(self) -> bool:
        return self._rate > 0 and self._burst > 0

    def allowance(self, visitor: bytes) -> int:
        if not self.is_limited:
            return UNLIMITED
        # What `retry_after` promised must be there in spite of rounding.
        return max(0, int(self._left(visitor) + 1e-6))

    def spend(self, visitor: bytes, presses: int) -> None:
        if not self.is_limited:
            return
        self._buckets[visitor] = (self._left(visitor) - presses, self._clock())
        self._buckets.move_to_end(visitor)
        self._forget_full()

    def retry_after(self, visitor: bytes, presses: int) -> float:
        """Seconds until so many presses are there, or a second's worth of them if they are more.

        Who waited for all of a long row would see it taken in jumps of a whole bucket.
        """
        if not self.is_limited:
            return 0.0
        missing = min(presses, self._burst, max(1, int(self._rate))) - self._left(visitor)
        return math.ceil(max(0.0, missing / self._rate) * 1000) / 1000

    def _left(self, visitor: bytes) -> float:
        left, at = self._buckets.get(visitor, (float(self._burst), 0.0))
        return min(self._burst, left + (self._clock() - at) * self._rate)

    def _forget_full(self) -> None:
        """Two at a time, one more than a `spend` adds: the sweep keeps up without a pause."""
        for visitor in list(islice(self._buckets, 2)):
            if len(self._buckets) > BUCKETS_MAX or self._left(visitor) >= self._burst:
                del self._buckets[visitor]
