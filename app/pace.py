"""How fast a browser is heard: one that floods must not take the turns of ten thousand that do not.

aiohttp hands over a flood's messages without giving others a turn, for as long as it has some in its buffer.

1. After `WORK_PER_TURN` others get their turn.
2. After `WORK_PER_S` within less than a second the client is not read from until the second is over. TCP then
   holds it back: nothing is lost, nothing has to be refused, and what it sends waits in its own memory. Where
   visitors may press more than 50 times a second, ten times as much work may come; where without limit, any.

Work is counted by `app.session`: a message is 1, and every `ITEMS_PER_WORK` items that the ledger has to look up
are 1 more. A page needs some ten a second when somebody presses as fast as they can.
"""

import asyncio
from typing import Final

WORK_PER_TURN: Final = 5
WORK_PER_S: Final = 500
ITEMS_PER_WORK: Final = 2


def work_per_s(press_rate: float) -> float:
    """What one connection may ask for, where a visitor may press so often."""
    return max(WORK_PER_S, 10 * press_rate)


class Pace:
    """Of one connection. `keep` is called after every message, with all the work so far."""

    def __init__(self, work_per_s: float) -> None:
        self._work_per_s = work_per_s
        self._loop = asyncio.get_running_loop()
        self._second_began_at = self._loop.time()
        self._second_began_with = 0
        self._turn_began_with = 0

    async def keep(self, work: int) -> None:
        if work - self._turn_began_with < WORK_PER_TURN:
            return
        self._turn_began_with = work
        pause_s = 0.0
        if work - self._second_began_with >= self._work_per_s:
            pause_s = max(0.0, 1.0 - (self._loop.time() - self._second_began_at))
            self._second_began_with = work
            self._second_began_at = self._loop.time() + pause_s
        await asyncio.sleep(pause_s)
