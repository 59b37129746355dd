"""Ends a process whose event loop is stalled: it would go on accepting connections and answer nobody.

A thread asks the loop for a sign of life, once per `LOOK_S`. After `LOOKS_MAX` looks without one it logs where the
loop's thread is and exits with code 1, and a supervisor starts the node again.

1. It counts its own looks, not the clock: a process that was frozen, or a machine that slept, has missed one look
   when it goes on, however long that was.
2. What stalls the loop may hold the log's lock (a pipe that nobody reads): saying why has `SAY_S`, then it exits
   unsaid.
3. A call that never gives the interpreter back (a regular expression, say) stops this thread too. Then the kernel
   ends the process with SIGPROF when it has used `CPU_S_MAX` seconds of processor time since the last look; it
   writes all stacks to stderr before. Processor time, too, stands still while a process is frozen.

Used by `app.__main__` around the loop's whole life.
"""

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import traceback
from types import TracebackType
from typing import Final, Self

import structlog

LOOK_S: Final = 1.0
LOOKS_MAX: Final = 10
SAY_S: Final = 1.0
CPU_S_MAX: Final = 30.0
EXIT_STALLED: Final = 1

_log = structlog.get_logger(__name__)


class Watchdog:
    """`with Watchdog(loop): …` on the thread that runs this loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._is_alive = True
        self.looks_missed = 0

    def __enter__(self) -> Self:
        # The fallback's stacks go where the log goes; what a test has put in the place of stderr has no file.
        faulthandler.register(signal.SIGPROF, file=sys.__stderr__ or sys.stderr, chain=True)
        signal.setitimer(signal.ITIMER_PROF, CPU_S_MAX)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            signal.setitimer(signal.ITIMER_PROF, CPU_S_MAX)
            self._look()
            if self.looks_missed >= LOOKS_MAX:
                self._give_up()

    def _look(self) -> None:
        if self._is_alive:
            self.looks_missed = 0
            self._is_alive = False
            self._loop.call_soon_threadsafe(self._beat)
        else:
            self.looks_missed += 1

    def _beat(self) -> None:
        """On the loop."""
        self._is_alive = True

    def _give_up(self) -> None:
        saying = threading.Thread(target=self._say_why, daemon=True)
        saying.start()
        saying.join(SAY_S)
        end_process()

    def _say_why(self) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        _log.error(
            "loop.stalled",
            seconds=LOOKS_MAX * LOOK_S,
            do="the node ends, for its supervisor to start it again; report the stack, where the loop hangs",
            stack="".join(traceback.format_stack(frame)) if frame is not None else "unknown",
        )


def end_process() -> None:
    """At once: nothing that the stalled loop would have to do. What is acknowledged is on disk."""
    os._exit(EXIT_STALLED)
