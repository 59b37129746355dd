"""The background tasks of an engine, and how a defect in one of them ends the process.

A task that raises is a defect of this program or the loss of the ledger: the first one resolves `failed`, whose
reader stops the node (a supervisor starts it again). Nothing is swallowed.
"""

import asyncio
from collections.abc import Coroutine

import structlog

log = structlog.get_logger()


class FencedError(Exception):
    """A peer knows a future of this run (R10)."""


class Tasks:
    """Running tasks of one node. `failed` resolves with the reason of the first failure, for the operator."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[str] = self._loop.create_future()

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run this until it ends, fails or is cancelled."""
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """The node must exit."""
        if not self.failed.done():
            log.error("engine.failed", problem=str(error), exc_info=error)
            self.failed.set_result(f"{type(error).__name__}: {error}")

    async def cancel(self) -> None:
        """End all tasks."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
