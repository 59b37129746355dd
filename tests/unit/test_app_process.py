"""The life of a node's process: what comes before what, and with which exit code it ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import http_parser

from app import backup, keys, live, main, process
from app.process import run_node
from cluster.surface import StartError
from tests.support.waiting import wait_for
from tests.unit.fakes import FakeEngine
from tests.unit.sites import WITHIN_S, make_settings, until

ROOT = Path(__file__).parents[2]


class Life:
    """One node around a fake engine, in this process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.settings = make_settings(folder, LIKE_PORT=str(self.port))
        self.engine: Any = FakeEngine()
        self.routes: list[str] = []
        self.url = f"http://127.0.0.1:{self.port}"

    def begin(self) -> "asyncio.Task[int]":
        def make(_settings: Any, budget: Any, routes: Any) -> Any:
            self.engine.budget = budget
            self.routes = [route.path for route in routes]
            return self.engine

        return asyncio.create_task(run_node(self.settings, make))

    def is_bound(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


async def test_the_public_port_is_bound_only_when_the_engine_is_ready(life: Life) -> None:
    life.engine.ready.clear()
    running = life.begin()
    await until(lambda: life.engine.happened == ["start"])
    for _ in range(20):
        await asyncio.sleep(0)
    assert not life.is_bound()
    life.engine.ready.set()
    await until(life.is_bound)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WITHIN_S) == 0
    assert life.routes == ["/healthz", "/readyz", "/metrics"]


async def test_what_a_killed_backup_left_is_gone_before_the_node_is_ready(life: Life, tmp_path: Path) -> None:
    (tmp_path / backup.COPY_NAME).write_bytes(b"half a copy")
    life.engine.ready.clear()
    running = life.begin()
    await wait_for(lambda: not (tmp_path / backup.COPY_NAME).exists(), WITHIN_S, "the leftover to go")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WITHIN_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_closes_the_port_first_and_the_engine_last(life: Life, number: signal.Signals) -> None:
    order: list[str] = []
    life.engine.set_leaving = lambda: order.append(f"leaving, bound: {life.is_bound()}")
    life.engine.stop = _noting(order, lambda: f"stop, bound: {life.is_bound()}")
    running = life.begin()
    await until(life.is_bound)
    os.kill(os.getpid(), number)
    assert await asyncio.wait_for(running, WITHIN_S) == 0
    assert order == ["leaving, bound: False", "stop, bound: False"]


async def test_every_browser_is_told_to_leave_while_the_engine_still_works(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LEAVING_GRACE_S", 30.0)
    running = life.begin()
    await until(life.is_bound)
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{life.url}/live") as browser:
        await browser.receive_json(timeout=WITHIN_S)
        os.kill(os.getpid(), signal.SIGTERM)
        leaving = await browser.receive_json(timeout=WITHIN_S)
        assert (leaving["type"], leaving["after"]) == ("leaving", 0.0)
        assert not life.is_bound()
        await browser.send_json({"type": "press", "id": 1, "item": "tap:a", "n": 1})
        assert (await browser.receive_json(timeout=WITHIN_S))["type"] == "pressed"
        assert "stop" not in life.engine.happened
    assert await asyncio.wait_for(running, WITHIN_S) == 0
    assert life.engine.happened == ["start", "leaving", "stop"]


async def test_a_leaving_node_serves_who_is_still_connected_and_lets_go(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LEAVING_GRACE_S", 30.0)
    running = life.begin()
    await until(life.is_bound)
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{life.url}/live") as browser:
        async with client.get(f"{life.url}/healthz") as answer:
            assert answer.headers.get("Connection") != "close"
        os.kill(os.getpid(), signal.SIGTERM)
        while (await browser.receive_json(timeout=WITHIN_S))["type"] != "leaving":
            pass
        async with client.get(f"{life.url}/api/items/tap:a") as answer:
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert await asyncio.wait_for(running, WITHIN_S) == 0


async def test_half_a_request_is_cut_after_a_while(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "IDLE_S_MAX", 0.2)
    running = life.begin()
    await until(life.is_bound)
    reader, writer = await asyncio.open_connection("127.0.0.1", life.port)
    writer.write(b"GET /live HTTP/1.1\r\nHost: he")
    assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
    writer.close()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WITHIN_S) == 0


async def test_a_stop_that_hangs_is_given_up_within_ten_seconds(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.STOP_S_MAX < 10
    given_up = asyncio.Event()

    async def stop() -> None:
        await given_up.wait()

    monkeypatch.setattr(process, "STOP_S_MAX", 0.1)
    monkeypatch.setattr(process, "_give_up", given_up.set)
    life.engine.stop = stop
    running = life.begin()
    await until(life.is_bound)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, WITHIN_S)
    assert given_up.is_set()


async def test_a_signal_before_the_node_is_ready_ends_it(life: Life) -> None:
    life.engine.ready.clear()
    running = life.begin()
    await until(lambda: life.engine.happened == ["start"])
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WITHIN_S) == 0
    assert life.engine.happened == ["start", "stop"]


@pytest.mark.parametrize("is_ready", [True, False])
async def test_an_engine_that_failed_ends_the_process_with_an_error(
    life: Life, is_ready: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if not is_ready:
        life.engine.ready.clear()
    running = life.begin()
    await until(life.is_bound if is_ready else lambda: life.engine.happened)
    life.engine.failed.set_result("the disk is gone")
    assert await asyncio.wait_for(running, WITHIN_S) == 1
    assert life.engine.happened[-1] == "stop"


async def test_a_background_task_that_ended_ends_the_process(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = main.build_app
    monkeypatch.setattr(process, "build_app", lambda *parts: built.append(build(*parts)) or built[0])
    running = life.begin()
    await until(life.is_bound)
    monkeypatch.setattr(built[0][keys.DESK].hub, "push", None)
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{life.url}/live") as browser:
        await browser.send_json({"type": "watch", "items": ["tap:a"]})
        await browser.send_json({"type": "press", "id": 1, "item": "tap:a"})
        assert await asyncio.wait_for(running, WITHIN_S) == 1


async def test_a_port_that_is_taken_is_said_and_the_engine_stopped(life: Life) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", life.port))
        taken.listen()
        with pytest.raises(StartError, match="LIKE_PORT"):
            await life.begin()
    assert life.engine.happened == ["start", "leaving", "stop"]


async def test_the_python_parser_may_not_serve(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(StartError, match="AIOHTTP_NO_EXTENSIONS"):
        await life.begin()
    assert life.engine.happened == []


def test_mistakes_in_the_settings_exit_with_2_and_are_all_told() -> None:
    ended = run({"LIKE_PORT": "x", "LIKE_PEERS": "y"})
    assert ended.returncode == 2
    assert "LIKE_PORT='x'" in ended.stderr
    assert "LIKE_PEERS='y'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_keeps_a_node_from_starting_exits_with_3(tmp_path: Path) -> None:
    ended = run({"AIOHTTP_NO_EXTENSIONS": "1", "LIKE_DATA_DIR": str(tmp_path)})
    assert ended.returncode == 3
    assert "cannot start" in ended.stderr
    assert "Traceback" not in ended.stderr


def run(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip


def _noting(order: list[str], note: Callable[[], str]) -> Any:
    async def stop() -> None:
        order.append(note())

    return stop


def test_an_argument_starts_no_node() -> None:
    done = subprocess.run([sys.executable, "-m", "app", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr
