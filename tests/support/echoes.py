"""Three stand-ins that echo, nginx before them, and how a test asks."""

import asyncio
import contextlib
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.browser import Browser
from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.waiting import wait_for


class Echoes:
    """Three stand-ins by name, and the nginx in front of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("node1", "node2", "node3")}
        self.upstreams = [f"127.0.0.1:{port}" for port in self.ports.values()]
        self.processes: dict[str, Process] = {}
        self.nginx: Nginx

    async def tell(self, name: str, path: str) -> None:
        """Past nginx: `/unready` or `/ready`."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self.ports[name]}{path}") as answer,
        ):
            assert answer.status == 200

    async def revive(self) -> None:
        """All three run and answer as ready, whatever the last test did to them."""
        for name, port in self.ports.items():
            if name in self.processes and self.processes[name].is_running:
                self.processes[name].signal(signal.SIGCONT)
            else:
                command = [sys.executable, "-m", "tests.support.echo_node", name, str(port)]
                self.processes[name] = Process(name, command, env={}, log=self.folder / f"{name}.log")
        async with aiohttp.ClientSession() as session:
            for port in self.ports.values():
                await wait_for(partial(_answers, session, port), 10, f"the stand-in on {port}")
        for name in self.ports:
            await self.tell(name, "/ready")


async def _answers(session: aiohttp.ClientSession, port: int) -> bool:
    async with session.get(f"http://127.0.0.1:{port}/") as answer:
        return answer.status == 200


async def ask(echoes: Echoes, path: str = "/", *, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What the node says it was sent."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, echoes.nginx.address + path, **more) as answer,
    ):
        assert answer.status == 200, answer.status
        return dict(await answer.json())


async def talk(nginx: Nginx, text: str) -> str:
    """Send raw text and read until nginx closes or, after an answer, falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(text.encode())
    answer = await asyncio.wait_for(reader.read(65536), 5)
    with contextlib.suppress(TimeoutError):
        while part := await asyncio.wait_for(reader.read(65536), 0.3):
            answer += part
    writer.close()
    return answer.decode(errors="replace")


async def nodes_of_tabs(nginx: Nginx, count: int) -> list[str]:
    names = []
    for _ in range(count):
        async with await Browser.connect(nginx.address) as tab:
            names.append(tab.node)
    return names
