"""One process of the launcher, started again whenever it ends before it is told to.

Its output goes to its log file, made readable, and what is urgent is said to the person as well. It gets a session
of its own, so that Ctrl-C reaches only the launcher, which then ends its children in order.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cli.log_lines import is_urgent, readable

RESTART_AFTER_MIN_S: Final = 0.5
RESTART_AFTER_MAX_S: Final = 10.0
# Who ran so long has recovered: its next end is a new story.
STEADY_AFTER_S: Final = 30.0
_TAIL_LINES: Final = 5
_LINE_MAX: Final = 65_536


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
        self._command = command
        self._env = env
        self._log = log
        self._folder = folder
        self._say = say
        self._last_lines: deque[str] = deque(maxlen=_TAIL_LINES)
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
            self._say(f"{self.name} ended ({_cause(code)}); starting it again in {wait_s:g} s{self._tail(code)}")
            await self._wait(wait_s)
            wait_s = min(2 * wait_s, RESTART_AFTER_MAX_S)

    async def _run_once(self) -> int:
        self._last_lines.clear()
        # A pipe of our own: `wait` waits for the end of asyncio's, which whatever a child leaves behind keeps open.
        end_here, end_there = os.pipe()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                env=dict(self._env),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=end_there,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(end_there)
        # Told to stop while it was being started: nobody else would end it.
        if self._is_stopping.is_set():
            process.terminate()
        relaying = asyncio.create_task(self._relay(end_here))
        try:
            code = await process.wait()
        finally:
            # Whatever it started and left behind would keep its port, and the pipe, open.
            self.kill_group()
            await relaying
        return code

    async def _relay(self, pipe: int) -> None:
        output = asyncio.StreamReader(limit=_LINE_MAX)
        with self._log.open("a", encoding="utf-8") as log, os.fdopen(pipe, "rb") as end_here:
            protocol = asyncio.StreamReaderProtocol(output)
            await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, end_here)
            while line := await _read_line(output):
                told = readable(line.rstrip())
                self._last_lines.append(told)
                log.write(f"{told}\n")
                log.flush()
                if is_urgent(line):
                    self._say(f"{self.name}: {told}")

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._is_stopping.wait()
        except TimeoutError:
            return

    def stop(self) -> None:
        """SIGTERM, and no restart; `run` returns when it has ended."""
        self._is_stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to it and all it started."""
        self._is_stopping.set()
        self.kill_group()

    def kill_group(self) -> None:
        """SIGKILL to the process, where it runs, and to all it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _tail(self, code: int) -> str:
        """The last lines it wrote, so that nobody has to look for the reason; a signal needs no reason."""
        return "" if code < 0 else "".join(f"\n    {line}" for line in self._last_lines)


async def _read_line(output: asyncio.StreamReader) -> str:
    """The next line, or the next part of an overlong one; empty at the end."""
    try:
        line = await output.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        line = end.partial
    except asyncio.LimitOverrunError as overlong:
        line = await output.readexactly(overlong.consumed)
    return line.decode(errors="replace")


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
