"""The writes of a push: one to each watcher of an audience, straight to its socket, and pauses between many.

Whoever is slow is not written to. What it misses is noted before each turn of writes: in a pause it may have become
slow.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final

from app.audience import Audience, News
from app.outlet import Write

# Some 2 ms of writing: then others get their turn.
WRITES_PER_TURN: Final = 1000


class Writes:
    """Those of one push after the other. `flush` lets all that was said to watchers in this turn leave."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._room = WRITES_PER_TURN

    def begin(self) -> None:
        """Another push begins, in a turn of its own."""
        self._room = WRITES_PER_TURN

    async def to(
        self, audience: Audience, news: News, frames_of: Callable[[News], bytes], told: Collection[Write]
    ) -> None:
        """To all who take what they get, but those that were `told`; the frames are made anew after each pause."""
        self._begin_turn(audience, news)
        left = [write for write in audience.quick if write not in told] if told else list(audience.quick)
        while left:
            turn, left = left[: self._room], left[self._room :]
            _write(audience, turn, frames_of(news))
            self._room -= len(turn)
            if self._room == 0:
                self._room = WRITES_PER_TURN
                await asyncio.sleep(0)
                self._begin_turn(audience, news)
                left = [write for write in left if write in audience.quick]

    def _begin_turn(self, audience: Audience, news: News) -> None:
        self._flush()
        for watcher in audience.slow:
            assert watcher.missed is not None, "a slow watcher misses what it is not sent"
            watcher.missed.add(news)


def _write(audience: Audience, writes: Iterable[Write], frames: bytes) -> None:
    size = len(frames)
    for write in writes:
        try:
            sent = write(frames)
        except OSError:
            sent = 0  # Full, or broken: its transport meets the same, and knows what to do.
        if sent != size:
            audience.quick[write].outlet.keep(frames[sent:])
