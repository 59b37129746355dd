"""The terminal client on real nodes: whatever happens to the node it is on, the number is exactly right."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.process import REPOSITORY
from tests.support.terminal import Terminal
from tests.support.waiting import wait_for

ITEM = "tap:home"


class Client:
    """Starts `python -m cli` with a state folder of its own, and ends what a test leaves running."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self, address: str, *arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "--address", address, "--json", *arguments),
            cwd=REPOSITORY,
            env={**os.environ, "XDG_STATE_HOME": str(self.state)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    async def finish(
        self, process: asyncio.subprocess.Process, typed: str = ""
    ) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and events."""
        out, _ = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, [json.loads(line) for line in out.splitlines()]

    async def run(self, address: str, *arguments: str, typed: str = "") -> tuple[int, list[dict[str, Any]]]:
        return await self.finish(await self.start(address, *arguments), typed)

    async def end(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    def unsaved(self) -> int:
        """The target of presses that the state file still holds."""
        files = self.state.rglob("*.json")
        tallies = [tally for file in files for tally in json.loads(file.read_bytes()).get("tallies", [])]
        return sum(tally["n"] for tally in tallies if tally["n"] > tally.get("saved", 0))


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    opened = Client(tmp_path / "state")
    yield opened
    await opened.end()


async def until_counted(node: Node, least: int) -> None:
    async def counted() -> bool:
        return await node.count(ITEM) >= least

    await wait_for(counted, 10.0, f"{least} presses on {node.name}")


async def test_a_pipe_through_nginx(cluster: Cluster, nginx: Nginx, client: Client) -> None:
    code, events = await client.run(
        nginx.address, typed="like\nlike many 30 300\nlike once:a\nunlike once:a\nnodes\n"
    )
    assert code == 0
    assert {event["status"] for event in events if event["event"] == "pressed"} == {"saved"}
    assert {event["name"] for event in events if event["event"] == "node"} == {"node1", "node2", "node3"}
    await cluster.assert_converged(ITEM, 31)
    await cluster.assert_converged("once:a", 0)


async def test_saved_means_that_another_node_has_it(three_nodes: list[Node], client: Client) -> None:
    code, events = await client.run(three_nodes[0].address, "like")
    assert (code, events[0]["status"], events[0]["node"]) == (0, "saved", "node1")
    assert events[0]["copies"] >= 1


async def test_the_node_is_killed_in_the_middle_of_like_many(
    cluster: Cluster, three_nodes: list[Node], client: Client
) -> None:
    pressing = await client.start(three_nodes[0].address, "like", "many", "300", "100")
    await until_counted(three_nodes[1], 50)
    await three_nodes[0].kill()
    code, events = await client.finish(pressing)
    assert (code, events[-1]["status"], events[-1]["count"]) == (0, "saved", 300)
    assert events[-1]["node"] in ("node2", "node3")
    await cluster.assert_converged(ITEM, 300)
    await three_nodes[0].restart()
    await cluster.assert_converged(ITEM, 300)


async def test_every_node_is_restarted_during_like_many(
    cluster: Cluster, three_nodes: list[Node], nginx: Nginx, client: Client
) -> None:
    pressing = await client.start(nginx.address, "like", "many", "400", "60")
    for node in three_nodes:
        await until_counted(node, 30)
        await node.restart()
    code, events = await client.finish(pressing)
    assert (code, events[-1]["status"]) == (0, "saved")
    await cluster.assert_converged(ITEM, 400)


async def test_a_frozen_node_is_left_within_ten_seconds(
    cluster: Cluster, three_nodes: list[Node], client: Client
) -> None:
    pressing = await client.start(three_nodes[0].address, "like", "many", "100", "50")
    await until_counted(three_nodes[1], 20)
    three_nodes[0].freeze()
    code, events = await asyncio.wait_for(client.finish(pressing), 12.0)
    three_nodes[0].thaw()
    assert (code, events[-1]["status"]) == (0, "saved")
    await cluster.assert_converged(ITEM, 100, within_s=10.0)


async def test_the_client_is_killed_before_the_acknowledgement(
    cluster: Cluster, three_nodes: list[Node], client: Client
) -> None:
    node = three_nodes[0]
    pressing = await client.start(node.address, "like", "many", "5000", "100")
    await until_counted(three_nodes[1], 20)
    node.freeze()
    frozen_at = client.unsaved()
    await wait_for(lambda: client.unsaved() > frozen_at + 20, 5.0, "presses that nobody acknowledges")
    pressing.kill()
    await client.finish(pressing)
    pressed = client.unsaved()
    node.thaw()
    code, events = await client.run(node.address, "like")
    assert (code, events[0]["status"]) == (0, "saved")
    await cluster.assert_converged(ITEM, pressed + 1)


async def test_a_reset_in_the_middle_of_like_many_voids_what_came_before(
    cluster: Cluster, three_nodes: list[Node], client: Client
) -> None:
    pressing = await client.start(three_nodes[0].address, "like", "many", "300", "100")
    await until_counted(three_nodes[1], 50)
    await cluster.reset(ITEM, on=three_nodes[1])
    _, events = await client.finish(pressing)
    left = events[-1]["count"]
    assert left <= 250
    await cluster.assert_converged(ITEM, left)


async def test_an_operator_resets_an_item(cluster: Cluster, nginx: Nginx, client: Client, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(cluster.admin_token)
    assert (await client.run(nginx.address, "like"))[0] == 0
    for gen in (1, 2):
        arguments = ("reset", ITEM, "--admin-token-file", str(tmp_path / "token"))
        code, (event,) = await client.run(nginx.address, *arguments)
        assert (code, event["event"], event["gen"], event["copies"]) == (0, "reset", gen, 1)
        await cluster.assert_converged(ITEM, 0)
    code, (event,) = await client.run(nginx.address, "like")
    assert (code, event["status"], event["count"]) == (0, "saved", 1)
    await cluster.assert_converged(ITEM, 1)


async def test_counts_are_exported_and_imported_through_nginx(
    cluster: Cluster, nginx: Nginx, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(cluster.admin_token)
    token = ("--admin-token-file", str(tmp_path / "token"))
    (tmp_path / "counts.csv").write_text("once:a,2345\nblog.example/a,120\ntap:red,4\n")
    for added in ("+2,345, now", "nothing new,"):
        code, events = await client.run(nginx.address, "import", str(tmp_path / "counts.csv"), *token)
        assert (code, events[0]["text"]) == (0, f"1 of 3: once:a  {added} 2,345")
        for item, count in (("once:a", 2345), ("clap:blog.example/a", 120), ("tap:red", 4)):
            await cluster.assert_converged(item, count)
    assert (await client.run(nginx.address, "export", str(tmp_path / "all.csv"), *token))[0] == 0
    exported = {line.split(",")[0]: line.split(",")[2] for line in (tmp_path / "all.csv").read_text().splitlines()}
    assert exported == {"item": "count", "once:a": "2345", "clap:blog.example/a": "120", "tap:red": "4"}


async def test_a_visitor_is_forgotten_by_all_nodes(
    cluster: Cluster, three_nodes: list[Node], client: Client
) -> None:
    assert (await client.run(three_nodes[0].address, typed="like many 20 500\nlike once:a\n"))[0] == 0
    await cluster.assert_converged(ITEM, 20)
    code, (event,) = await client.run(three_nodes[0].address, "forget", "--yes")
    assert (code, event["event"], event["copies"]) == (0, "erased", 1)
    for item in (ITEM, "once:a"):
        await cluster.assert_converged(item, 0, within_s=10.0)
    code, (again,) = await client.run(three_nodes[0].address, "like", "once:a")
    assert (code, again["status"], again["count"]) == (0, "saved", 1)


async def test_a_person_at_the_screen(cluster: Cluster, three_nodes: list[Node], tmp_path: Path) -> None:
    screen = Terminal()
    await screen.start(three_nodes[0].address, tmp_path / "state")
    try:
        await screen.until_shown("connected to node1")
        press = f"{three_nodes[1].address}/api/items/{ITEM}/press"
        async with cluster.session.post(press, json={"n": 444, "tab": "another"}) as answer:
            assert answer.status == 200
        await screen.until_shown("444")
        screen.type("like\r")
        await screen.until_shown("saved (node1 and 1 more)")
        screen.type("like many\r")
        await screen.until_shown("how many?")
        screen.type("90\r")
        await screen.until_shown("a second?")
        screen.type("60\r")
        await screen.until_shown("of 90 pressed")
        await three_nodes[0].kill()
        await screen.until_shown("saved (node")
        screen.type("exit\r")
        assert await asyncio.wait_for(screen.process.wait(), 5.0) == 0
    finally:
        await screen.end()
    await cluster.assert_converged(ITEM, 444 + 1 + 90)


async def test_a_rate_above_the_budget_goes_on_and_says_so(cluster: Cluster, client: Client) -> None:
    slow = cluster.new_node(LIKE_PRESS_RATE="100", LIKE_PRESS_BURST="20")
    slow.start()
    await slow.wait_until_ready()
    pressing = await client.start(slow.address, "like", "many", "200", "1000")
    out, err = await pressing.communicate()
    assert pressing.returncode == 0
    assert json.loads(out)["status"] == "saved"
    assert "rate_limited" in err.decode()
    assert await slow.count(ITEM) == 200
