"""One timer that may be wanted earlier than it was set for."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` once, at the earliest time that it was set for since it last rang."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, in_s: float | None) -> None:
        """None: for no time."""
        at = None if in_s is None else self._loop.time() + in_s
        if at is None or (self._timer is not None and self._timer.when() <= at):
            return
        self.stop()
        self._timer = self._loop.call_at(at, self._go_off)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_off(self) -> None:
        self._timer = None
        self._ring()
