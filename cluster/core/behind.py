"""Whom to ask for what this replica has not heard of (R7).

A head that a peer has announced, and that has been above ours for a whole look, will not come by itself: a push was
lost, or its origin has no link to us.
"""

from collections.abc import Mapping

from cluster.core.sessions import Session
from cluster.core.wire import above


class Behind:
    """The heads that were above ours at the last look."""

    def __init__(self) -> None:
        self._above: dict[bytes, int] = {}

    def look(self, sessions: Mapping[int, Session], heads: Mapping[bytes, int]) -> list[int]:
        """The links that can help with what was missing at the last look and still is."""
        wanted = [origin for origin, head in self._above.items() if head > heads.get(origin, 0)]
        able = [
            link
            for link, session in sessions.items()
            if any(session.heads.get(origin, 0) > heads.get(origin, 0) for origin in wanted)
        ]
        self._above = {}
        for session in sessions.values():
            for origin, head in above(session.heads, heads).items():
                self._above[origin] = max(head, self._above.get(origin, 0))
        return able
