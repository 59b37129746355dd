"""What peers ask of the ledger, answered beside everything else: pulls (R5) and comparisons (R11)."""

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


class Replies:
    """The answers of one origin: `ledger` and `holdings` are those of its node. Each is a task of its own."""

    def __init__(self, batches: Batches, tasks: Tasks) -> None:
        self._batches, self._tasks = batches, tasks
        self._ledger: Ledger | None = None
        self._holdings: Holdings | None = None
        self.pulls_answered = 0
        self.differences = 0

    def begin(self, ledger: Ledger, holdings: Holdings) -> None:
        """Answer from these from now on."""
        self._ledger, self._holdings = ledger, holdings

    def to_pull(self, asked: Asked, socket: Socket) -> None:
        assert self._ledger is not None and self._holdings is not None, "begin comes before the first frame"
        self.pulls_answered += 1
        self._tasks.spawn(answer_pull(asked, socket, self._batches, self._ledger, self._holdings))

    def to_comparison(self, event: Differs | Compared | Wanted, socket: Socket) -> None:
        assert self._ledger is not None, "begin comes before the first frame"
        if isinstance(event, Differs):
            self.differences += 1
            log.warning("digest.differs", address=socket.address, buckets=len(event.buckets))
            steps: Steps = say_what_we_have(self._ledger, event.buckets)
        elif isinstance(event, Compared):
            steps = say_where_we_differ(self._ledger, event.spans)
        else:
            steps = say_our_rows(self._ledger, event.spans)
        self._tasks.spawn(send_all(steps, socket, self._batches))
