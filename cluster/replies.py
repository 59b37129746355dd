"""What peers ask of the ledger, answered beside everything else: pulls (R5) and comparisons (R11).

Comparisons with one peer take turns, for all of them wait before the same thread as the commits do. Those that come
while too much waits are left out: the next digests find again what they would have found.
"""

from collections import deque
from typing import Final

import structlog

from cluster.batches import Batches
from cluster.comparing import Steps, say_our_rows, say_what_we_have, say_where_we_differ, send_all
from cluster.core.events import Asked, Compared, Differs, Wanted
from cluster.core.holdings import Holdings
from cluster.ledger import Ledger
from cluster.pulls import answer_pull
from cluster.sockets import Socket
from cluster.tasks import Tasks

log = structlog.get_logger()

SPANS_WAITING_MAX: Final = 20_000

Comparison = Differs | Compared | Wanted


class Replies:
    """The answers of one origin: `ledger` and `holdings` are those of its node. Tasks of their own give them."""

    def __init__(self, batches: Batches, tasks: Tasks) -> None:
        self._batches, self._tasks = batches, tasks
        self._ledger: Ledger | None = None
        self._holdings: Holdings | None = None
        self._waiting: dict[Socket, deque[Comparison]] = {}
        self.pulls_answered = 0
        self.differences = 0

    def begin(self, ledger: Ledger, holdings: Holdings) -> None:
        """Answer from these from now on."""
        self._ledger, self._holdings = ledger, holdings

    def to_pull(self, asked: Asked, socket: Socket) -> None:
        assert self._ledger is not None and self._holdings is not None, "begin comes before the first frame"
        self.pulls_answered += 1
        self._tasks.spawn(answer_pull(asked, socket, self._batches, self._ledger, self._holdings))

    def to_comparison(self, event: Comparison, socket: Socket) -> None:
        waiting = self._waiting.get(socket)
        if waiting is None:
            self._waiting[socket] = deque([event])
            self._tasks.spawn(self._compare(socket))
        elif sum(map(_spans_of, waiting)) + _spans_of(event) <= SPANS_WAITING_MAX:
            waiting.append(event)

    async def _compare(self, socket: Socket) -> None:
        """All that waits to be compared with this peer, one after the other."""
        waiting = self._waiting[socket]
        try:
            while waiting:
                await send_all(self._steps(waiting[0], socket), socket, self._batches)
                waiting.popleft()
        finally:
            del self._waiting[socket]

    def _steps(self, event: Comparison, socket: Socket) -> Steps:
        assert self._ledger is not None, "begin comes before the first frame"
        if isinstance(event, Compared):
            return say_where_we_differ(self._ledger, event.spans)
        if isinstance(event, Wanted):
            return say_our_rows(self._ledger, event.spans)
        self.differences += 1
        log.warning("digest.differs", address=socket.address, buckets=len(event.buckets))
        return say_what_we_have(self._ledger, event.buckets)


def _spans_of(event: Comparison) -> int:
    """About how much memory it takes while it waits."""
    return len(event.buckets if isinstance(event, Differs) else event.spans)
