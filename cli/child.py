"""One process of the launcher, started again whenever it ends before it is told to.

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

    async def run(self) -> None:
        """Start it, and start it again, as long as it is not told to stop."""
        while True:
            code = await self._run_once()
            if self._is_stopping.is_set():
                return
            self._say(f"{self.name} ended ({_cause(code)}); starting it again{self._tail(code)}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), RESTART_AFTER_S)
                return

    async def _run_once(self) -> int:
        with self._log.open("ab") as log:
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
        lines = [] if code < 0 else self._log.read_text(errors="replace").splitlines()
        return "".join(f"\n    {line}" for line in lines[-_TAIL_LINES:])


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
