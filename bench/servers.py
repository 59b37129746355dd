"""One process under measurement: started on the server's core, asked until it answers, ended by its pid."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.machine import SERVER_CORE, pinned

READY_WITHIN_S: Final = 30.0
END_WITHIN_S: Final = 15.0


class Server:
    """A running process that listens on `port`. `log` is where it says what went wrong."""

    def __init__(self, child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self._child = child
        self.port, self.log = port, log

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def child_pids(self) -> list[int]:
        """nginx's workers."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def cpu_s(self) -> float:
        """Processor time of all its threads until now."""
        return sum(_run_time_s(task) for task in Path(f"/proc/{self.pid}/task").iterdir())

    def loop_cpu_s(self) -> float:
        """Of its main thread alone."""
        return _run_time_s(Path(f"/proc/{self.pid}/task/{self.pid}"))

    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """SIGTERM, and SIGKILL if that is not heard."""
        if self.is_running:
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Look:
    """A node's look through its ledger, which after a start is fast, and what it costs beside what is measured.

    Made while nobody asks the node anything: then its cost per row is seen.
    """

    def __init__(self, server: Server, seconds: float = 2.0) -> None:
        self._server = server
        before, cpu_s = self._rows(), server.cpu_s()
        time.sleep(seconds)
        # Without what it costs to be asked.
        cpu_s = server.cpu_s() - cpu_s
        self._began_at, self._began_rows = time.monotonic(), self._rows()
        rows = self._began_rows - before
        self._row_s = cpu_s / rows if rows else 0.0

    def _rows(self) -> float:
        return metrics_on(self._server.port)["like_rows_checked_total"]

    def cost_s(self) -> float:
        """Of the rows since it was made."""
        return (self._rows() - self._began_rows) * self._row_s

    def cost_us(self, per_s: float) -> float:
        """The same for each of so many messages a second."""
        return self.cost_s() / (time.monotonic() - self._began_at) * 1e6 / per_s


def metrics_on(port: int) -> dict[str, float]:
    """A node's metrics without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


def _run_time_s(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:  # it ended meanwhile
        return 0.0


@contextlib.contextmanager
def serving(
    command: list[str],
    port: int,
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    core: int = SERVER_CORE,
    within_s: float = READY_WITHIN_S,
) -> Iterator[Server]:
    """The process of this command while the body runs, from the moment that its port is open."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("ab") as output:
        child = subprocess.Popen(
            pinned(core, command), cwd=folder, env={**os.environ, **(env or {})}, stdout=output, stderr=output,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    server = Server(child, port, log)
    try:
        _wait_until_open(server, within_s)
        yield server
    finally:
        server.end()


def _wait_until_open(server: Server, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and server.is_running:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"not listening on {server.port}: {server.log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
