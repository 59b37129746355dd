"""Load for nodes, made by processes of their own on a core of their own, and what it does to a node.

With two cores and more, nodes run on the first and whoever loads or measures them on the others: a load that takes
the node's own processor would measure itself.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.process import Process
from tests.support.waiting import wait_for

_CORES: Final = sorted(os.sched_getaffinity(0))
NODE_CORES: Final = set(_CORES[:1])
LOAD_CORES: Final = set(_CORES[1:] or _CORES)

# One process on a busy core has many files to read before it does anything.
BEGIN_WITHIN_S: Final = 20.0

Report = dict[str, Any]


def pin(pid: int, cores: set[int]) -> None:
    """All threads of a process: the affinity is a thread's own."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def memory_bytes(pid: int) -> int:
    """What the process holds in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Load:
    """One program of tests/support that says in lines of JSON how it goes: `Load(folder, "crowd", …)`."""

    def __init__(self, folder: Path, program: str, *arguments: object, cores: set[int] = LOAD_CORES) -> None:
        self.name = program
        self._cores = cores
        self._command = [sys.executable, "-m", f"tests.support.{program}", *map(str, arguments)]
        self._log = folder / f"{program}-{len(list(folder.glob('*.json')))}.json"
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._log.touch()
        own_cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, LOAD_CORES)  # a child begins where its parent is, and beginning is work
        self._process = Process(self.name, self._command, env={}, log=self._log)
        os.sched_setaffinity(0, own_cores)
        try:
            await wait_for(self.report, BEGIN_WITHIN_S, f"{self.name} to begin (log: {self._log})")
            pin(self._process.pid, self._cores)
        except BaseException:
            await self._process.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        await self._process.end()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.signal(number)

    def report(self) -> Report:
        """The newest whole line."""
        assert self._process is not None
        lines = self._log.read_text().split("\n")[:-1]
        if not self._process.is_running or (lines and not lines[-1].startswith("{")):
            raise AssertionError(f"{self.name} failed:\n" + "\n".join(lines[-20:]))
        return dict(json.loads(lines[-1])) if lines else {}

    async def wait_until(self, is_so: Callable[[Report], bool], within_s: float, say: str) -> Report:
        """The first report of which this is true."""
        await wait_for(lambda: is_so(self.report()), within_s, lambda: f"{say}; {self.name} says {self.report()}")
        return self.report()
