"""One process of the launcher, started again whenever it ends before it is told to.

Its output goes to its log file. It gets a session of its own, so that Ctrl-C reaches only the launcher, which then
ends its children in order.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

RESTART_AFTER_MIN_S: Final = 0.5
RESTART_AFTER_MAX_S: Final = 10.0
# Who ran so long has recovered: its next end is a new story.
STEADY_AFTER_S: Final = 30.0
_TAIL_LINES: Final = 5
_TAIL_BYTES: Final = 8192


class Child:
    """`run` keeps it alive until `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self._command = command
        self._env = env
        self._log = log
        self._folder = folder
        self._say = say
        self._log_start = 0
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = asyncio.Event()

    async def run(self) -> None:
        """Start it, and start it again, later each time, as long as it is not told to stop."""
        loop = asyncio.get_running_loop()
        wait_s = RESTART_AFTER_MIN_S
        while not self._is_stopping.is_set():
            started_at = loop.time()
            code = await self._run_once()
            if self._is_stopping.is_set():
                return
            if loop.time() - started_at >= STEADY_AFTER_S:
                wait_s = RESTART_AFTER_MIN_S
            self._say(f"{self.name} ended ({_cause(code)}); starting it again in {wait_s:g} s{self._tail()}")
            await self._wait(wait_s)
            wait_s = min(2 * wait_s, RESTART_AFTER_MAX_S)

    async def _run_once(self) -> int:
        with self._log.open("ab") as output:
            self._log_start = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=dict(self._env),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        # Told to stop while it was being started: nobody else would end it.
        if self._is_stopping.is_set():
            self._process.terminate()
        try:
            return await self._process.wait()
        finally:
            self.pid = None

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._is_stopping.wait()
        except TimeoutError:
            return

    def stop(self) -> None:
        """SIGTERM, and no restart; `run` returns when it has ended."""
        self._is_stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it and all it started."""
        self._is_stopping.set()
        if self.pid is not None:
            os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _tail(self) -> str:
        """The last lines it wrote since it was started, so that nobody has to look for the reason."""
        with self._log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - _TAIL_BYTES, self._log_start))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in lines)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
