"""How fast a browser is heard: one that floods must not take the turns of ten thousand that do not.

1. After `WORK_PER_TURN` others get their turn.
2. After `WORK_PER_S` within less than a second the client is not read from until the second is over. TCP then
   holds it back: nothing is lost, nothing has to be refused, and what it sends waits in its own memory. Where
   visitors may press more than 50 times a second, ten times as much work may come; where without limit, any.

Work is counted by `app.session`: a message is 1, and every `ITEMS_PER_WORK` items that the ledger has to look up
are 1 more. A page needs some ten a second when somebody presses as fast as they can.
"""

from typing import Final

# Some 0.1 ms for presses. Less costs more: whoever comes back finds nothing of its own in the caches any more.
WORK_PER_TURN: Final = 20
WORK_PER_S: Final = 500
ITEMS_PER_WORK: Final = 2


def work_per_s(press_rate: float) -> float:
    """What one connection may ask for, where a visitor may press so often."""
    return max(WORK_PER_S, 10 * press_rate)


class Pace:
    """Of one connection. `pause_s` is called after every read, and within a long one, with all the work so far."""

    __slots__ = ("_second_began_at", "_second_began_with", "_turn_began_with", "_work_per_s")

    def __init__(self, work_per_s: float, now: float) -> None:
        self._work_per_s = work_per_s
        self._second_began_at = now
        self._second_began_with = 0
        self._turn_began_with = 0

    def pause_s(self, work: int, now: float) -> float | None:
        """How long the next message waits; 0 is a turn of the loop, None not at all."""
        if work - self._turn_began_with < WORK_PER_TURN:
            return None
        self._turn_began_with = work
        pause_s = 0.0
        if work - self._second_began_with >= self._work_per_s:
            pause_s = max(0.0, 1.0 - (now - self._second_began_at))
            self._second_began_with = work
            self._second_began_at = now + pause_s
        return pause_s
