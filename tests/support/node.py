"""One real node process, and what a test may do to it."""

import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from tests.support.place import LOOPBACK, Place
from tests.support.ports import free_port
from tests.support.process import REPOSITORY, Process
from tests.support.waiting import wait_for

# Where Python finds, by itself, what makes a node hang at a signal.
STALLS: Final = REPOSITORY / "tests" / "support" / "stalls"
# A node has 10 s from SIGTERM to its end (docs/operations.md).
STOP_WITHIN_S: Final = 10.0
READY_WITHIN_S: Final = 20.0
# What a node has where nobody else can have them: in a namespace of its own.
OWN_PORT: Final = 8080
OWN_CLUSTER_PORT: Final = 9000

_TROUBLE: Final = re.compile(
    r'Traceback \(most|\bERROR\b|\bCRITICAL\b|\[(error|critical) *\]|"level": ?"(error|critical)"'
)


class Node:
    """A node with its ports and its folder; the process behind it comes and goes.

    `settings` may hold any variable of its environment; `program` is the folder that the code is run from.
    """

    def __init__(
        self, name: str, folder: Path, *, secret: str, session: aiohttp.ClientSession, place: Place = LOOPBACK
    ) -> None:
        self.name = name
        self.place = place
        self.port = OWN_PORT if place.has_own_ports else free_port()
        self.cluster_port = OWN_CLUSTER_PORT if place.has_own_ports else free_port()
        self.program = REPOSITORY
        self.data_dir = folder / name
        self.log = folder / f"{name}.log"
        self.settings: dict[str, str] = {"LIKE_SECRET": secret}
        self.expected_trouble: list[str] = []
        self.is_frozen = False
        self._session = session
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """Where browsers reach it."""
        return f"http://{self.place.host}:{self.port}"

    @property
    def cluster_address(self) -> str:
        """Where its peers reach it."""
        return f"{self.place.host}:{self.cluster_port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code if self._process else None

    def start(self) -> None:
        """Start the process; `wait_until_ready` says when it answers."""
        assert not self.is_running, f"{self.name} runs already"
        env = {
            "LIKE_NODE_NAME": self.name,
            "LIKE_HOST": self.place.host,
            "LIKE_PORT": str(self.port),
            "LIKE_CLUSTER_HOST": self.place.host,
            "LIKE_CLUSTER_PORT": str(self.cluster_port),
            "LIKE_DATA_DIR": str(self.data_dir),
            "LIKE_PUBLIC_ADDRESS": self.address,
            "PYTHONUNBUFFERED": "1",
            **self.settings,
        }
        self.is_frozen = False
        command = [*self.place.enter, sys.executable, "-m", "app"]
        self._process = Process(self.name, command, env=env, log=self.log, folder=self.program)

    async def stop(self) -> None:
        """SIGTERM, as a supervisor does; the node must end by itself, in time and with code 0."""
        code = await self._ended_by(signal.SIGTERM)
        assert code == 0, f"{self.name} ended with code {code}"

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        await self._ended_by(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """For a node that a test has taught what to do at it."""
        self._running().signal(number)

    def freeze(self) -> None:
        """SIGSTOP: its sockets stay open and its kernel still accepts connections, but nobody answers."""
        self._running().signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        self._running().signal(signal.SIGCONT)
        self.is_frozen = False

    def wipe(self) -> None:
        """Lose the disk of a node that does not run."""
        assert not self.is_running, f"{self.name} must be stopped or killed before its disk is wiped"
        shutil.rmtree(self.data_dir, ignore_errors=True)

    async def restart(self) -> None:
        """Stop it, unless it is down already, and start it until it is ready."""
        if self.is_running:
            await self.stop()
        self.start()
        await self.wait_until_ready()

    async def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        await wait_for(self._is_ready, within_s, f"{self.name} to be ready (log: {self.log})")

    async def wait_until_ended(self, within_s: float = STOP_WITHIN_S) -> int:
        """The exit code of a node that ends by itself."""
        return await self._running().wait_until_ended(within_s)

    async def wait_until_logged(self, text: str, within_s: float = 10.0) -> str:
        """The log's first line that has this text."""
        return await wait_for(
            lambda: next((line for line in self.log_lines() if text in line), ""),
            within_s, f"{text!r} in the log of {self.name}",
        )  # fmt: skip

    async def watchers(self) -> int:
        """How many browsers watch something here."""
        (status,) = [each for each in (await self.get_json("/api/nodes"))["nodes"] if each["is_self"]]
        return int(status["watchers"])

    async def get_json(self, path: str, timeout_s: float = 5.0) -> Any:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with self._session.get(self.address + path, timeout=timeout) as response:
            response.raise_for_status()
            return await response.json()

    async def count(self, item: str) -> int:
        """What this node shows for the item."""
        answer = await self.get_json(f"/api/items/{quote(item, safe='')}")
        return int(answer["count"])

    def log_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def trouble(self, since_line: int = 0) -> list[str]:
        """Errors of the log that no test expected: their lines; of a traceback the one that names the exception."""
        lines = self.log_lines()[since_line:]
        found = [
            _exception_behind(lines, number) if line.startswith("Traceback") else line
            for number, line in enumerate(lines)
            if _TROUBLE.search(line)
        ]
        return [line for line in found if not any(text in line for text in self.expected_trouble)]

    def expect_trouble(self, text: str) -> None:
        """This text in an ERROR line, or in the line of a traceback's exception, is what the test provokes."""
        self.expected_trouble.append(text)

    async def end(self) -> None:
        """Whatever state it is in: it does not run after this."""
        if self._process is not None:
            await self._process.end()

    async def _is_ready(self) -> bool:
        if not self.is_running:
            raise AssertionError(f"{self.name} ended with code {self.exit_code}, see {self.log}")
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with self._session.get(f"{self.address}/readyz", timeout=timeout) as response:
            return response.status == 200

    async def _ended_by(self, number: signal.Signals) -> int:
        process = self._running()
        process.signal(number)
        return await process.wait_until_ended(STOP_WITHIN_S)

    def _running(self) -> Process:
        assert self._process is not None, f"{self.name} was never started"
        return self._process


def _exception_behind(lines: list[str], traceback: int) -> str:
    """The first line behind a traceback's first that is not indented."""
    rest = (line for line in lines[traceback + 1 :] if line and not line.startswith(" "))
    return f"Traceback: {next(rest, 'cut off')}"
