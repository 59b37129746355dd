"""One timer that may be wanted earlier than it was set for."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` once, at the earliest time that it was set for since it last rang."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.Handle | None = None
        # Not the timer's own: uvloop gives what is due at once no time.
        self._at = float("inf")

    def set(self, in_s: float | None) -> None:
        """None: for no time."""
        if in_s is None or (at := self._loop.time() + in_s) >= self._at:
            return
        self.stop()
        self._at, self._timer = at, self._loop.call_at(at, self._go_off)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at, self._timer = float("inf"), None

    def _go_off(self) -> None:
        self._at, self._timer = float("inf"), None
        self._ring()
