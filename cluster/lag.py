"""How long ago this node had what a peer has not confirmed."""

from collections import deque
from collections.abc import Mapping
from typing import Final

# Of each origin five minutes of beats in which it grew; older growth is as old as the oldest of them.
SEEN_MAX: Final = 600


class Lag:
    """The heads of all origins, as they were seen every half second."""

    def __init__(self) -> None:
        # origin -> (when it was first seen, head), the oldest first.
        self._seen: dict[bytes, deque[tuple[float, int]]] = {}

    def note(self, heads: Mapping[bytes, int], now: float) -> None:
        for origin, head in heads.items():
            seen = self._seen.setdefault(origin, deque(maxlen=SEEN_MAX))
            if not seen or head > seen[-1][1]:
                seen.append((now, head))

    def of(self, confirmed: Mapping[bytes, int], now: float) -> float:
        """In seconds, to half a second; `confirmed` are the peer's heads."""
        since = (_since(seen, confirmed.get(origin, 0)) for origin, seen in self._seen.items())
        return max((now - at for at in since if at is not None), default=0.0)


def _since(seen: deque[tuple[float, int]], confirmed: int) -> float | None:
    """When more than that was first seen; from the newest on, for most peers have it all."""
    first = None
    for at, head in reversed(seen):
        if head <= confirmed:
            break
        first = at
    return first
