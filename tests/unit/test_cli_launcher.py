"""The launcher's parts: its plan, its processes, its forwarder; without any node."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from cli import child
from cli.child import Child
from cli.forwarder import Forwarder
from cli.local_plan import Plan
from cli.nginx_entry import prepare_nginx
from tests.support.fake_node import FakeCluster
from tests.support.ports import free_port
from tests.support.process import REPOSITORY
from tests.support.waiting import wait_for

FOLDER = Path("/srv/like")
HOPELESS = {4: "mend it"}


def test_every_node_knows_all_others_and_shares_one_secret() -> None:
    plan = Plan(8080, FOLDER)
    environments = [plan.environment(node, {"PATH": "/bin"}) for node in plan.nodes]
    assert [env["LIKE_PEERS"] for env in environments] == [
        "127.0.0.1:18182,127.0.0.1:18183",
        "127.0.0.1:18181,127.0.0.1:18183",
        "127.0.0.1:18181,127.0.0.1:18182",
    ]
    assert {env["LIKE_SECRET_FILE"] for env in environments} == {"/srv/like/secret"}
    assert len({env["LIKE_DATA_DIR"] for env in environments}) == 3
    assert environments[0]["LIKE_PUBLIC_ADDRESS"] == "http://127.0.0.1:18081"
    assert environments[0]["PATH"] == "/bin"


def test_nginx_keeps_little_for_who_does_not_read(tmp_path: Path) -> None:
    """Wherever it listens: the system would give each socket some megabytes."""
    prepare_nginx("/bin/true", Plan(8080, FOLDER), tmp_path)
    assert (tmp_path / "listen.conf").read_text() == "listen 127.0.0.1:8080 sndbuf=32k;\n"
    listens = re.findall(r"listen [^;]+;", (REPOSITORY / "nginx" / "compose" / "listen.conf").read_text())
    assert listens
    assert all(" sndbuf=32k;" in listen for listen in listens)


def test_no_port_is_planned_twice() -> None:
    assert len(Plan(8080, FOLDER).ports()) == 7


def test_a_persons_own_settings_reach_the_nodes() -> None:
    plan = Plan(8080, FOLDER)
    env = plan.environment(plan.nodes[0], {"LIKE_PRESS_RATE": "0", "LIKE_SECRET": "s" * 32, "LIKE_PORT": "1"})
    assert (env["LIKE_PRESS_RATE"], env["LIKE_SECRET"], env["LIKE_PORT"]) == ("0", "s" * 32, "18081")
    assert "LIKE_SECRET_FILE" not in env


@pytest.mark.parametrize("given", [{}, {"LIKE_ADMIN_TOKEN": " "}])
def test_that_the_admin_page_is_off_is_said_with_how_to_switch_it_on(given: dict[str, str]) -> None:
    said = Plan(8080, FOLDER).about_admin(given)
    assert said.startswith("/admin is off; ")
    assert "export LIKE_ADMIN_TOKEN=$(openssl rand -hex 32)" in said


@pytest.mark.parametrize("variable", ["LIKE_ADMIN_TOKEN", "LIKE_ADMIN_TOKEN_FILE"])
def test_where_the_admin_page_is_on_its_address_is_said_and_never_the_token(variable: str) -> None:
    said = Plan(8080, FOLDER).about_admin({variable: "very-secret"})
    assert said.startswith("http://localhost:8080/admin")
    assert "very-secret" not in said


class Shop:
    """Children with what they say; ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.log = folder / "child.log"
        self._children: list[tuple[Child, asyncio.Task[str]]] = []

    def start(self, program: str) -> tuple[Child, asyncio.Task[str]]:
        command = [sys.executable, "-u", "-c", program]
        child = Child("child", command, env=os.environ, log=self.log, say=self.said.append)
        self._children.append((child, asyncio.create_task(child.run(HOPELESS))))
        return self._children[-1]

    async def end(self) -> None:
        for each, running in self._children:
            each.stop()
            each.kill()
            await running

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    await opened.end()


async def test_what_ends_is_started_again_and_its_last_words_are_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "RESTART_AFTER_S", 0.05)
    shop.start("print('no disk'); raise SystemExit(3)")
    await wait_for(lambda: len(shop.said) >= 3, 10.0, "two ends")
    ended = "child ended (exit code 3); starting it again\n    no disk"
    assert (shop.said[0], shop.said[2]) == (ended, ended)
    assert shop.lines() == ["no disk", "no disk"]


async def test_what_is_started_again_is_named_with_its_new_pid(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "RESTART_AFTER_S", 0.05)
    started, _ = shop.start("import os, time; print(os.getpid()); time.sleep(60)")
    await wait_for(lambda: len(shop.lines()) == 1, 5.0, "the first to be up")
    assert (started.pid, shop.said) == (int(shop.lines()[0]), []), "the first is named where all are"
    started.kill()
    await wait_for(lambda: len(shop.lines()) == 2, 5.0, "the second to be up")
    assert started.pid == int(shop.lines()[1]) != int(shop.lines()[0])
    assert shop.said == ["child ended (SIGKILL); starting it again", f"child runs again, PID {started.pid}"]


async def test_what_a_restart_cannot_mend_is_not_started_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "RESTART_AFTER_S", 0.05)
    program = f"""
if "old words" not in open({str(shop.log)!r}).read():
    print("old words")
    raise SystemExit(1)
print('{{"event": "a line of the log"}}')
print("no folder:")
print("  /srv")
raise SystemExit(4)
"""
    started, running = shop.start(program)
    why = await asyncio.wait_for(running, 10.0)
    # Neither what an earlier run has said, nor lines of the log.
    assert why == "child ended (exit code 4), which no restart mends:\n    no folder:\n      /srv\nmend it"
    assert started.pid is None
    assert shop.said[0] == "child ended (exit code 1); starting it again\n    old words"


async def test_what_was_fine_once_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "RESTART_AFTER_S", 0.05)
    started, running = shop.start("import time; time.sleep(0.2); raise SystemExit(4)")
    started.is_settled = True
    await wait_for(lambda: shop.said.count("child ended (exit code 4); starting it again") == 2, 10.0, "two ends")
    assert not running.done()


async def test_a_killed_child_has_no_last_words(shop: Shop) -> None:
    shop.start("import os, signal; print('fine'); os.kill(os.getpid(), signal.SIGKILL)")
    await wait_for(lambda: shop.said, 5.0, "the end")
    assert shop.said == ["child ended (SIGKILL); starting it again"]


async def test_what_is_told_to_stop_is_not_started_again(shop: Shop) -> None:
    child, running = shop.start("import time; print('up'); time.sleep(60)")
    await wait_for(lambda: shop.lines() == ["up"], 5.0, "the child to be up")
    child.stop()
    assert await asyncio.wait_for(running, 5.0) == ""
    assert shop.said == []


async def test_what_waits_for_its_restart_stops_at_once(shop: Shop) -> None:
    child, running = shop.start("raise SystemExit(1)")
    await wait_for(lambda: shop.said, 5.0, "the end")
    child.stop()
    await asyncio.wait_for(running, 0.4)


async def test_what_a_killed_child_left_behind_ends_with_it(shop: Shop) -> None:
    shop.start("import os, time\nif os.fork(): os._exit(1)\nprint(os.getpid())\ntime.sleep(60)")
    await wait_for(lambda: shop.said, 5.0, "the end, which an open pipe would delay")
    left = [Path(f"/proc/{line}/cmdline") for line in shop.lines()]
    # What has ended and nobody asked for yet has no command line any more.
    await wait_for(lambda: not any(each.exists() and each.read_bytes() for each in left), 5.0, "the rest to end")


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    started = FakeCluster()
    await started.start(3)
    yield started
    await started.end()


@pytest_asyncio.fixture
async def entry(cluster: FakeCluster) -> AsyncIterator[str]:
    """A forwarder's address."""
    forwarder = Forwarder([("127.0.0.1", int(node.address.rpartition(":")[2])) for node in cluster.nodes])
    port = free_port()
    await forwarder.start("127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    forwarder.stop()


async def greet(entry: str) -> str:
    """The node that a new WebSocket gets."""
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{entry}/live") as socket:
        return str((await socket.receive_json(timeout=5.0))["node"])


async def test_consecutive_websockets_get_different_nodes(entry: str) -> None:
    names = []
    for _ in range(3):
        names.append(await greet(entry))
        async with aiohttp.ClientSession() as http, http.get(f"{entry}/api/nodes") as answer:
            assert answer.status == 200
    assert sorted(names) == ["node1", "node2", "node3"]


async def test_a_node_that_refuses_is_skipped(cluster: FakeCluster, entry: str) -> None:
    await cluster.nodes[0].stop()
    assert {await greet(entry) for _ in range(4)} == {"node2", "node3"}


async def test_where_no_node_accepts_that_is_said(cluster: FakeCluster, entry: str) -> None:
    for node in cluster.nodes:
        await node.stop()
    async with aiohttp.ClientSession() as http, http.get(f"{entry}/api/nodes") as answer:
        assert answer.status == 503
        assert "Try again" in await answer.text()


async def test_the_end_of_a_node_ends_its_connections(cluster: FakeCluster, entry: str) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{entry}/live") as socket:
        await socket.receive_json(timeout=5.0)
        for node in cluster.nodes:
            await node.stop()
        ended = await socket.receive(timeout=5.0)
        assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
