"""What an operator starts: the image and the compose file on a real engine.

The tests share one running project, and each leaves all three nodes ready.
"""

import asyncio
from functools import partial

import aiohttp
import pytest

from tests.compose.project import Project
from tests.support.browser import Browser
from tests.support.waiting import wait_for

NODES = ("node1", "node2", "node3")
pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
async def _all_nodes_ready(project: Project) -> None:
    for service in NODES:
        await wait_for(partial(project.is_ready, service), 40, f"{service} to be ready")


async def assert_everywhere(project: Project, item: str, count: int, within_s: float = 5.0) -> None:
    def counts() -> dict[str, int]:
        return {service: project.count(service, item) for service in NODES}

    await wait_for(lambda: set(counts().values()) == {count}, within_s, lambda: f"{count} everywhere: {counts()}")


async def other_tab(project: Project, node: str) -> Browser:
    """A tab on another node than this one."""
    for _ in NODES:
        tab = await Browser.connect(project.address)
        if tab.node != node:
            return tab
        await tab.close()
    raise AssertionError(f"every tab lands on {node}")


async def test_a_press_through_nginx_is_seen_from_another_container(project: Project) -> None:
    async with (
        await Browser.connect(project.address) as presser,
        await other_tab(project, presser.node) as watcher,
    ):
        await watcher.watch("tap:compose")
        answer = await presser.press("tap:compose", 3)
        await watcher.wait_for_count("tap:compose", 3)
    assert answer["wanted"] == answer["copies"] == 1
    await assert_everywhere(project, "tap:compose", 3)


async def test_the_nodes_find_each_other_by_the_networks_alias(project: Project) -> None:
    def linked() -> bool:
        views = [project.get_json(service, "/api/nodes")["nodes"] for service in NODES]
        return all({node["name"] for node in view if node["state"] == "ready"} == set(NODES) for view in views)

    await wait_for(linked, 15, "three nodes that all see three ready ones")


async def test_a_killed_node_is_recreated_and_presses_go_on(project: Project) -> None:
    async with await Browser.connect(project.address) as before:
        await before.press("tap:killed", 2)
        victim = before.node
        project.kill(victim)
        async with await other_tab(project, victim) as after:
            await after.press("tap:killed", 1)

    project.up(victim, recreate=True)
    await wait_for(lambda: project.is_ready(victim), 40, f"{victim} to be ready again")

    assert project.inspect(victim)["State"]["Running"]
    await assert_everywhere(project, "tap:killed", 3)
    names = set()
    for _ in range(6):
        async with await Browser.connect(project.address) as tab:
            await tab.press("tap:killed", 1)
            names.add(tab.node)
    assert names == set(NODES), "nginx found the new container under its old address"
    await assert_everywhere(project, "tap:killed", 9)


async def test_a_missing_node_does_not_stop_nginx(project: Project) -> None:
    project.remove("node2")
    project.compose("restart", "--timeout", "1", "nginx")
    try:

        async def pressed() -> bool:
            async with await Browser.connect(project.address) as tab:
                return bool((await tab.press("tap:missing"))["n"])

        await wait_for(pressed, 10, "a press through nginx while node2 does not exist")
        async with aiohttp.ClientSession() as session:
            for _ in NODES:
                async with session.get(project.address) as answer:
                    assert answer.status == 200
        tried = [
            line for line in project.logs().splitlines() if line.startswith("nginx") and "172.28.80.12" in line
        ]
        assert tried, "the operator is told which node nginx did not reach"
    finally:
        project.up("node2")


async def test_the_terminal_client_runs_inside_the_network(project: Project) -> None:
    project.cli("like", "tap:terminal")
    project.cli(stdin=b"item tap:terminal\nlike\n")

    await assert_everywhere(project, "tap:terminal", 2)


async def test_the_terminal_client_keeps_its_visitor_between_runs(project: Project) -> None:
    project.cli("like", "once:terminal")
    project.cli("like", "once:terminal")

    await assert_everywhere(project, "once:terminal", 1)


async def test_only_nginx_is_public_and_metrics_are_not(project: Project) -> None:
    published = {service: project.inspect(service)["NetworkSettings"]["Ports"] for service in (*NODES, "nginx")}

    assert not any(bindings for service in NODES for bindings in published[service].values())
    assert [binding for binding in published["nginx"].values() if binding], published["nginx"]
    reader, writer = await asyncio.open_connection("127.0.0.1", project.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 404")
    writer.close()


async def test_nodes_run_unprivileged_on_a_read_only_root(project: Project) -> None:
    for service in NODES:
        host, config = project.inspect(service)["HostConfig"], project.inspect(service)["Config"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert config["User"] == "10001:10001"
        assert config["StopTimeout"] == 15


async def test_the_engine_finds_the_nodes_healthy(project: Project) -> None:
    def healthy() -> bool:
        return all(project.inspect(service)["State"]["Health"]["Status"] == "healthy" for service in NODES)

    await wait_for(healthy, 25, "three healthy nodes")


async def test_the_secret_is_made_once_and_told_to_nobody(project: Project) -> None:
    made = project.secret()
    project.compose("up", "--detach", "secret")

    assert project.secret() == made
    assert len(made) >= 32
    assert made not in project.logs()
    assert made not in str(project.inspect("node1")) + str(project.inspect("secret"))


async def test_a_secret_of_the_operators_takes_the_place_of_the_made_one(project: Project) -> None:
    made, given = project.secret(), "a secret that the operator wrote to the file .env"
    try:
        project.give_secret(given)
        assert project.secret() == given
    finally:
        project.give_secret(made)


async def test_a_node_stops_in_order_within_its_grace_period(project: Project) -> None:
    project.compose("stop", "node3")

    state = project.inspect("node3")["State"]
    assert state["ExitCode"] == 0, "137 would say that it had to be killed"
    project.up("node3")


async def test_no_node_has_reported_an_error(project: Project) -> None:
    lines = [line for line in project.logs().splitlines() if line.startswith("node")]

    assert not [line for line in lines if "Traceback" in line or '"level": "error"' in line or "ERROR" in line]
