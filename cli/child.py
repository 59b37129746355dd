"""One process of the launcher, started again when it ends before it is told to, unless no restart mends that.

Its output goes to its log file. It gets a session of its own, so that Ctrl-C reaches only the launcher, which then
ends its children in order.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

RESTART_AFTER_S: Final = 1.0
_TAIL_LINES: Final = 5
# All mistakes in the settings are said at once.
_LAST_WORDS_MAX: Final = 40


class Child:
    """`run` keeps it alive until `stop`; what a person should know of it goes to `say`."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, say: Callable[[str], None]
    ) -> None:
        self.name = name
        self._command = command
        self._env = env
        self._log = log
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = asyncio.Event()
        # Whatever ends from now on was fine once: it is started again.
        self.is_settled = False
        # Where in the log the words of this run begin.
        self._began_at = 0

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, if one does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self, hopeless: Mapping[int, str]) -> str:
        """Start it, and start it again, until it is told to stop or ends unsettled with a `hopeless` exit code.

        Returns why it is not started again, and what to do, which `hopeless` says; nothing after `stop`.
        """
        while True:
            code = await self._run_once()
            if self._is_stopping.is_set():
                return ""
            ended = f"{self.name} ended ({_cause(code)})"
            if code in hopeless and not self.is_settled:
                return f"{ended}, which no restart mends:{self._last_words()}\n{hopeless[code]}"
            self._say(f"{ended}; starting it again{self._tail(code)}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), RESTART_AFTER_S)
                return ""

    async def _run_once(self) -> int:
        is_again = self._process is not None
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        # Told to stop while it was being started: nobody else would end it.
        if self._is_stopping.is_set():
            self._process.terminate()
        elif is_again:
            self._say(f"{self.name} runs again, PID {self._process.pid}")
        try:
            return await self._process.wait()
        finally:
            # Whatever it started and left behind would keep its port.
            self.kill()

    def stop(self) -> None:
        """SIGTERM, and no restart; `run` returns when it has ended."""
        self._is_stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to the process, where it runs, and to all it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _tail(self, code: int) -> str:
        """The last lines it wrote, so that nobody has to look for the reason; a signal needs no reason."""
        return "" if code < 0 else _indented(self._lines()[-_TAIL_LINES:])

    def _last_words(self) -> str:
        """What it said to people: the lines that are no JSON of its log."""
        return _indented([line for line in self._lines() if not line.startswith("{")][-_LAST_WORDS_MAX:])

    def _lines(self) -> list[str]:
        """All that this run wrote."""
        return self._log.read_bytes()[self._began_at :].decode(errors="replace").splitlines()


def _indented(lines: Sequence[str]) -> str:
    return "".join(f"\n    {line}" for line in lines)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
