"""nginx with the project's configuration in front of some addresses."""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.support.place import LOOPBACK, Place
from tests.support.ports import free_port
from tests.support.process import REPOSITORY, Process
from tests.support.waiting import wait_for


class Nginx:
    """One nginx process. Its prefix folder holds the configuration, its pid file and its log of failures."""

    def __init__(
        self,
        folder: Path,
        upstreams: Sequence[str],
        *,
        changes: Mapping[str, str] | None = None,
        place: Place = LOOPBACK,
    ) -> None:
        """`upstreams` are `host:port` of the nodes' public ports.

        `changes` are texts of the configuration and what stands in their place here: a shorter time, a lower limit.
        """
        self.place = place
        self.port = free_port()
        self.prefix = folder / "nginx"
        self.log = folder / "nginx.log"
        self._upstreams = list(upstreams)
        self._changes = changes or {}
        self._process: Process | None = None

    @property
    def address(self) -> str:
        return f"http://{self.place.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    async def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is not installed (Debian package nginx-light)"
        self.prefix.mkdir(exist_ok=True)
        self._write_configuration()
        command = [*self.place.enter, program, "-e", "stderr", "-p", str(self.prefix), "-c", "nginx.conf"]
        self._process = Process("nginx", command, env={}, log=self.log)
        await wait_for(self._answers, 5.0, f"nginx to answer (log: {self.log})")

    async def reload(self, upstreams: Sequence[str] | None = None) -> None:
        """Take a new list of nodes, or the same again, without closing a connection."""
        self._upstreams = list(upstreams or self._upstreams)
        self._write_configuration()
        self._running().signal(signal.SIGHUP)

    async def stop(self) -> None:
        """SIGTERM: connections are closed, and nginx ends by itself."""
        self._running().signal(signal.SIGTERM)
        await self._running().wait_until_ended(5.0)

    async def kill(self) -> None:
        """SIGKILL to the master and its workers, as a supervisor's, which kills the whole group."""
        for pid in self._running().family():
            os.kill(pid, signal.SIGKILL)
        await self._running().wait_until_ended(5.0)

    async def end(self) -> None:
        # Not SIGKILL first: it would leave the worker processes behind.
        if self.is_running:
            await self.stop()

    def failures(self) -> str:
        """nginx's own log of failed and repeated requests."""
        log = self.prefix / "failures.log"
        return log.read_text() if log.exists() else ""

    def _write_configuration(self) -> None:
        configuration = (REPOSITORY / "nginx" / "nginx.conf").read_text()
        for text, replacement in self._changes.items():
            assert text in configuration, f"{text!r} is no longer in nginx.conf"
            configuration = configuration.replace(text, replacement)
        (self.prefix / "nginx.conf").write_text(configuration)
        nodes = [
            f"server {upstream} max_fails=1 fail_timeout=2s;\nserver {upstream} backup max_fails=0;\n"
            for upstream in self._upstreams
        ]
        (self.prefix / "nodes.conf").write_text("".join(nodes))
        (self.prefix / "listen.conf").write_text(f"listen {self.place.host}:{self.port} sndbuf=32k;\n")

    async def _answers(self) -> bool:
        if not self._running().is_running:
            raise AssertionError(f"nginx ended: {self.log.read_text()}")
        # nginx answers this one itself, so no node is asked and no turn of the round robin is used.
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.address}/metrics", timeout=timeout) as answer,
        ):
            return answer.status == 404

    def _running(self) -> Process:
        assert self._process is not None, "nginx was never started"
        return self._process
