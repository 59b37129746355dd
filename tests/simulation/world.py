"""Virtual time and the one source of chance of a simulated life.

Everything that happens is an event at a virtual time; events of one time happen in the order in which they were
asked for. The same seed gives the same life, event for event.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random


class World:
    """A clock, a queue and a generator. `seen` counts what a life came across ("assert sometimes")."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        self.events = 0
        self.seen: Counter[str] = Counter()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def after(self, delay_s: float, do: Callable[[], None]) -> None:
        """Do this so much later."""
        self._number += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._number, do))

    def between(self, low_s: float, high_s: float) -> float:
        return self.random.uniform(low_s, high_s)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def run_for(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        self.run_until(lambda: False, within_s=seconds)

    def run_until(self, condition: Callable[[], bool], *, within_s: float) -> bool:
        """Let time pass until the condition holds; whether it did within the time."""
        end = self.now + within_s
        while not condition():
            if not self._queue or self._queue[0][0] > end:
                self.now = end
                return condition()
            self.now, _, do = heapq.heappop(self._queue)
            self.events += 1
            do()
        return True
