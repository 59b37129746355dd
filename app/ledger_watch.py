"""Notices a ledger that hangs: with a dying disk a commit waits for minutes, without an error.

Presses are taken into the next transaction and never answered then, while everything else of the node goes on. It
asks the engine for nothing, again and again; that is answered between two commits.

1. After `STALLED_S` without an answer the node is `stalled`: `/readyz` says 503, so nginx sends nobody here,
   `app.live` sends browsers to another node, and what needs the ledger is refused at once (`read_only`) instead of
   waiting in memory. The first answer ends it.
2. After `GIVE_UP_S` the node ends with code 1, after it has closed its port: it was no slow disk, and a process
   that waits for a disk cannot be killed, so one that still listened would keep the port from being refused.
3. Where `WAITING_MAX` presses of browsers wait for the ledger, a browser with more than `FEW` of them is refused
   the next one (`rate_limited`), for its page to send it again. Who presses once is not refused for a flood.
4. Time is counted in turns of its own wait: a process that was frozen has waited one turn, however long that was.

Run by `app.main` as a task of the node.
"""

import asyncio
import re
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from app import keys
from app.problems import RefusedError
from cluster.surface import Engine, Snapshot

LOOK_S: Final = 0.5
STALLED_S: Final = 2.5
GIVE_UP_S: Final = 60.0
# Half a second of work: whoever presses now would wait behind it, and all of it is in memory.
WAITING_MAX: Final = 20_000
FEW: Final = 5

_log = structlog.get_logger(__name__)


# Everything else asks it for something.
_DO_WITHOUT: Final = re.compile(
    r"/(static/|live$|healthz$|readyz$|metrics$|cluster$|privacy$|api/(nodes|top)(/|$))"
)


class LedgerStalledError(Exception):
    """Nothing has been read or written for `GIVE_UP_S`: the node must exit."""


class LedgerWatch:
    """`is_stalled` is what probes and browsers go by; sessions count in `waiting` the presses they wait for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_stalled = False
        self.waiting = 0

    def hindrance(self, own: int) -> str | None:
        """The code to refuse a press with, of a browser that waits for so many already; None to queue it."""
        if self.is_stalled:
            return "read_only"
        return "rate_limited" if self.waiting >= WAITING_MAX and own > FEW else None

    async def run(self) -> None:
        """For as long as the node lives. Raises `LedgerStalledError`."""
        while True:
            answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._engine.read((), (), partial(_resolve, answered))
            await self._wait(answered)
            await asyncio.sleep(LOOK_S)

    async def _wait(self, answered: "asyncio.Future[None]") -> None:
        waited_s = 0.0
        while True:
            # Not wait_for: where the answer and the end of this task come in one turn, it would not end.
            await asyncio.wait([answered], timeout=LOOK_S)
            if answered.done():
                break
            waited_s += LOOK_S
            self._note(waited_s)
        if self.is_stalled:
            self.is_stalled = False
            _log.info("ledger.answers_again", seconds=waited_s)

    def _note(self, waited_s: float) -> None:
        if waited_s >= GIVE_UP_S:
            raise LedgerStalledError(f"the ledger has answered nothing for {GIVE_UP_S:.0f} s: check the disk")
        if waited_s >= STALLED_S and not self.is_stalled:
            self.is_stalled = True
            _log.warning("ledger.stalled", seconds=waited_s, do="if it does not end by itself, check the disk")


def _resolve(answered: "asyncio.Future[None]", _snapshot: Snapshot) -> None:
    """The node may have stopped waiting, and the future been cancelled."""
    if not answered.done():
        answered.set_result(None)


@web.middleware
async def refuse_while_stalled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """At once, so that nginx or the caller asks another node."""
    if request.app[keys.DESK].ledger.is_stalled and not _DO_WITHOUT.match(request.path):
        raise RefusedError("read_only")
    return await handler(request)
