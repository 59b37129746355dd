"""One process that a test started: its signals, its end and its log file."""

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.waiting import wait_for

REPOSITORY: Final = Path(__file__).resolve().parents[2]


class Process:
    """Started once; ended by its pid. Its output is appended to `log`, so that a restarted one continues it."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, folder: Path = REPOSITORY
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command, env={**_inherited(), **env}, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number where a signal ended it."""
        return self._child.poll()

    def family(self) -> list[int]:
        """The process ids of it and its children."""
        return [self.pid, *map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]

    def signal(self, number: signal.Signals) -> None:
        if self.is_running:
            self._child.send_signal(number)

    async def wait_until_ended(self, within_s: float) -> int:
        """The exit code."""
        await wait_for(lambda: not self.is_running, within_s, f"{self.name} to end")
        return self._child.returncode

    async def end(self) -> None:
        """SIGKILL, which also ends a frozen process, and the wait that leaves no zombie."""
        self.signal(signal.SIGKILL)
        await asyncio.to_thread(self._child.wait)


def address_space_bytes(pid: int) -> int:
    """How much of its address space a process uses."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _inherited() -> dict[str, str]:
    """The environment without settings that whoever runs the tests has for a node of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LIKE_")}
