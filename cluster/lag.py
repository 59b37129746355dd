"""How long ago this node took what a peer has not confirmed."""

from collections import deque
from typing import Final

# Five minutes of beats; a peer that is longer behind is five minutes behind.
SEEN_MAX: Final = 600


class Lag:
    """Heads of this run's origin, as they were seen every half second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=SEEN_MAX)

    def note(self, head: int, now: float) -> None:
        if self._seen and head < self._seen[-1][1]:
            self._seen.clear()  # Another origin has begun.
        if not self._seen or head > self._seen[-1][1]:
            self._seen.append((now, head))

    def of(self, confirmed: int, now: float) -> float:
        """In seconds, to half a second; `confirmed` is the peer's head of this origin."""
        return next((now - at for at, head in self._seen if head > confirmed), 0.0)
