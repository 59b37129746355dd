"""`python -m cli.local`, behind `make run`: up, pressed, a node killed, down, with nginx and without."""

import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from cli.local_plan import Plan
from tests.support.ports import is_free
from tests.support.process import Process
from tests.support.waiting import wait_for


class Launched:
    """One launcher with the ports and the folder of its plan."""

    def __init__(self, folder: Path, log: str, *arguments: str, **settings: str) -> None:
        self.plan = Plan(_free_entry_port(folder), folder / "data")
        self._log = folder / log
        self._arguments = arguments
        self._settings = settings

    def start(self) -> None:
        where = ["--port", str(self.plan.port), "--data", str(self.plan.folder)]
        command = [sys.executable, "-m", "cli.local", *where, *self._arguments]
        self.process = Process("launcher", command, env=self._settings, log=self._log)

    async def wait_until_up(self) -> None:
        await wait_for(lambda: "Ctrl-C" in self.said(), 30.0, lambda: f"the addresses; it said: {self.said()}")

    def said(self) -> str:
        return self.process.log.read_text()

    def node_pids(self) -> dict[str, int]:
        """Pid by node name, of the nodes that run on this launcher's folder."""
        names = {str(node.data_dir): node.name for node in self.plan.nodes}
        running = {_data_dir_of(process): int(process.name) for process in Path("/proc").glob("[0-9]*")}
        return {names[folder]: pid for folder, pid in running.items() if folder in names}

    def spoil(self, name: str) -> None:
        """Kill this node, which cannot start again without a folder."""
        folder = self.plan.folder / name
        folder.rename(folder.with_name(f"{name}-aside"))
        folder.write_text("no folder")
        os.kill(self.node_pids()[name], signal.SIGKILL)

    def mend(self, name: str) -> None:
        """It has its folder again."""
        folder = self.plan.folder / name
        folder.unlink()
        folder.with_name(f"{name}-aside").rename(folder)

    async def press(self) -> int:
        """One press through the entry; the item's count after it."""
        address = f"{self.plan.entry}/api/items/tap:home/press"
        async with aiohttp.ClientSession() as http, http.post(address) as answer:
            assert answer.status == 200, await answer.text()
            return int((await answer.json())["count"])

    async def count_on(self, node: int) -> int:
        address = f"http://{self.plan.nodes[node].address}/api/items/tap:home"
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            return int((await answer.json())["count"])

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C, a service manager, or a closed terminal; everything must have ended within 12 s."""
        self.process.signal(number)
        return await self.process.wait_until_ended(12.0)


Launch = Callable[..., Launched]


@pytest_asyncio.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts launchers on one folder, and ends what a test leaves running."""
    started: list[Launched] = []

    def start(*arguments: str, **settings: str) -> Launched:
        started.append(Launched(tmp_path, f"launcher{len(started) + 1}.log", *arguments, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        if each.process.is_running:
            await each.stop()


@pytest.mark.parametrize("entry", ["nginx", "forwarder"])
async def test_a_cluster_from_start_to_end(launch: Launch, entry: str) -> None:
    launched = launch(*([] if entry == "nginx" else ["--no-nginx"]))
    await launched.wait_until_up()
    assert f"{entry})" in launched.said()
    assert launched.plan.entry in launched.said()
    for node in launched.plan.nodes:
        named = f"  {node.name}     http://{node.address}   PID {launched.node_pids()[node.name]}\n"
        assert named in launched.said()
    assert "/admin is off" in launched.said()
    assert stat_mode(launched.plan.secret_file) == 0o600

    assert [await launched.press() for _ in range(6)][-1] == 6
    await _until_counted(launched, 6)

    killed = launched.node_pids()["node2"]
    os.kill(killed, signal.SIGKILL)
    await wait_for(lambda: launched.node_pids().get("node2", killed) != killed, 10.0, "another node2")
    assert "node2 ended (SIGKILL); starting it again" in launched.said()
    runs_again = f"node2 runs again, PID {launched.node_pids()['node2']}\n"
    await wait_for(lambda: runs_again in launched.said(), 5.0, "its new PID")
    await launched.press()
    await _until_counted(launched, 7)

    assert await launched.stop() == 0
    assert launched.node_pids() == {}
    assert all(is_free(port) for port in launched.plan.ports())
    assert {path.name for path in launched.plan.folder.iterdir()} >= {"secret", "logs", "node1", "node2", "node3"}


async def test_what_was_counted_is_there_at_the_next_start(launch: Launch) -> None:
    for expected, number in ((1, signal.SIGTERM), (2, signal.SIGHUP)):
        launched = launch()
        await launched.wait_until_up()
        assert await launched.press() == expected
        assert await launched.stop(number) == 0
        assert launched.node_pids() == {}


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    launched = Launched(tmp_path, "launcher.log")
    with socket.create_server(("127.0.0.1", launched.plan.nodes[1].port)):
        launched.start()
        assert await launched.process.wait_until_ended(10.0) == 1
    assert f"{launched.plan.nodes[1].port} (node2, public)" in launched.said()
    assert str(launched.plan.nodes[0].port) not in launched.said()


async def test_a_mistake_in_the_settings_ends_it_at_once_and_is_said_once(launch: Launch) -> None:
    launched = launch(LIKE_ADMIN_TOKEN="short", LIKE_PRESS_RATE="fast")
    assert await launched.process.wait_until_ended(20.0) == 1
    said = launched.said()
    assert said.count("The settings have mistakes") == said.count("LIKE_PRESS_RATE='fast'") == 1
    assert "LIKE_ADMIN_TOKEN=" in said
    assert "docs/operations.md" in said
    assert "short" not in said
    assert "again, PID" not in said
    assert "Traceback" not in said
    assert launched.node_pids() == {}
    assert all(is_free(port) for port in launched.plan.ports())


async def test_a_node_that_cannot_start_ends_it_with_what_the_node_says(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "node2").write_text("no folder")
    launched = launch("--no-nginx")
    assert await launched.process.wait_until_ended(30.0) == 1
    assert "node2 ended (exit code 3), which no restart mends" in launched.said()
    assert launched.said().count(f"LIKE_DATA_DIR={launched.plan.nodes[1].data_dir} cannot be written") == 1
    assert launched.node_pids() == {}


async def test_a_node_that_cannot_start_for_a_while_comes_back_by_itself(launch: Launch) -> None:
    launched = launch("--no-nginx")
    await launched.wait_until_up()
    launched.spoil("node2")
    await wait_for(lambda: launched.said().count("cannot be written") >= 2, 15.0, "that node2 cannot start, twice")
    assert await launched.press() == 1
    assert launched.node_pids().keys() >= {"node1", "node3"}
    launched.mend("node2")
    await wait_for(lambda: "node2" in launched.node_pids(), 15.0, "node2 to run again")
    await wait_for(lambda: is_counted(launched, 1), 15.0, "node2 to have what was pressed")


async def is_counted(launched: Launched, node: int) -> bool:
    return await launched.count_on(node) == 1


async def test_a_second_launcher_on_the_same_folder_is_refused(launch: Launch) -> None:
    first = launch()
    await first.wait_until_up()
    other = launch()
    assert await other.process.wait_until_ended(10.0) == 1
    assert "another launcher runs" in other.said()
    assert await first.stop() == 0


async def _until_counted(launched: Launched, count: int) -> None:
    """Every node shows this count."""

    async def all_counted() -> bool:
        return [await launched.count_on(node) for node in range(3)] == [count] * 3

    await wait_for(all_counted, 10.0, f"{count} everywhere")


def _free_entry_port(folder: Path) -> int:
    """An entry port whose nodes' ports are free too, all below those of outgoing connections."""
    choose = random.SystemRandom()
    while True:
        plan = Plan(choose.randrange(6_000, 14_000), folder)
        if all(is_free(port) for port in plan.ports()):
            return plan.port


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _data_dir_of(process: Path) -> str:
    """LIKE_DATA_DIR of a process; empty if it has none, is somebody else's, or has just ended."""
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    found = [variable for variable in variables if variable.startswith(b"LIKE_DATA_DIR=")]
    return found[0].partition(b"=")[2].decode() if found else ""
