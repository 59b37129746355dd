"""Questions to the ledger, asked on its thread between two commits and answered on the loop's."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cluster.batches import Batches

T = TypeVar("T")


class Reads:
    """`on_failed` hears of a ledger that could not be read, `on_defect` of an answer that was not borne."""

    def __init__(
        self,
        batches: Batches,
        on_failed: Callable[[BaseException], None],
        on_defect: Callable[[BaseException], None],
    ) -> None:
        self._batches = batches
        self._on_failed = on_failed
        self._on_defect = on_defect

    def ask(self, question: Callable[[], T], deliver: Callable[[T], None]) -> None:
        self._batches.run(question).add_done_callback(lambda done: self._deliver(done, deliver))

    def _deliver(self, done: "asyncio.Future[T]", deliver: Callable[[T], None]) -> None:
        if (error := done.exception()) is not None:
            self._on_failed(error)
            return
        try:
            deliver(done.result())
        except Exception as defect:
            self._on_defect(defect)
            raise
