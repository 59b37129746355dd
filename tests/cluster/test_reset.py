"""Resets on real nodes (R12): seen everywhere, kept for good, undone by nobody who comes late."""

import asyncio
import json
from pathlib import Path

from tests.cluster.crowd import CLAP, LIKE, TAP, browsers_on, press_all_kinds
from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.waiting import wait_for


async def generation(node: Node, item: str) -> int:
    return int((await node.get_json(f"/api/items/{item}"))["gen"])


async def assert_generation(nodes: list[Node], item: str, gen: int) -> None:
    async def all_there() -> bool:
        return all([await generation(node, item) == gen for node in nodes])

    await wait_for(all_there, 5, f"generation {gen} of {item} on all nodes")


async def refusal_of(browser: Browser, item: str, n: int, gen: int) -> str:
    """The code with which this press is refused."""
    number = await browser.send_target(item, n, gen=gen)
    await wait_for(
        lambda: any(each["type"] in ("pressed", "error") and each.get("id") == number for each in browser.received),
        5,
        "an answer",
    )
    (answer,) = (each for each in browser.received if each.get("id") == number)
    return str(answer.get("code", "none"))


async def test_a_reset_is_seen_on_every_node_and_by_every_open_connection(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    async with browsers_on(three_nodes) as browsers:
        for browser in browsers:
            await browser.watch(TAP, LIKE)
            await browser.press(TAP, 5)
            await browser.press(LIKE)
        await cluster.assert_converged(TAP, 15)
        await cluster.assert_converged(LIKE, 3)

        for item in (TAP, LIKE):
            answer = await cluster.reset(item, on=three_nodes[1])
            assert (answer["gen"], answer["count"], answer["copies"]) == (1, 0, 1)

        for browser in browsers:
            for item in (TAP, LIKE):
                await browser.wait_for_count(item, 0, within_s=2)
                assert browser.mine[item] == {"gen": 1, "n": 0}
        for browser in browsers:
            await browser.wait_until_acknowledged(await browser.send_target(LIKE, 1, gen=1))
    await cluster.assert_converged(TAP, 0)
    await cluster.assert_converged(LIKE, 3)
    await assert_generation(three_nodes, LIKE, 1)


async def test_presses_of_an_ended_generation_are_refused_on_every_node(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    await press_all_kinds(three_nodes[0])
    for item in (TAP, LIKE, CLAP):
        await cluster.reset(item, on=three_nodes[0])
        await assert_generation(three_nodes, item, 1)

    for node in three_nodes:
        async with await Browser.connect(node.address) as browser:
            for item in (TAP, LIKE, CLAP):
                assert await refusal_of(browser, item, 9, gen=0) == "reset"
                assert browser.mine[item] == {"gen": 1, "n": 0}
                assert await refusal_of(browser, item, 9, gen=2) == "behind"
    for item in (TAP, LIKE, CLAP):
        await cluster.assert_converged(item, 0)


async def test_every_node_logs_its_own_resets_without_an_address(cluster: Cluster, three_nodes: list[Node]) -> None:
    await cluster.reset(CLAP, on=three_nodes[2])
    line = json.loads(await three_nodes[2].wait_until_logged("item.reset"))
    assert (line["event"], line["item"], line["gen"], line["level"]) == ("item.reset", CLAP, 1, "info")
    assert "127.0.0.1" not in json.dumps(line)
    await assert_generation(three_nodes, CLAP, 1)
    assert not any("item.reset" in line for node in three_nodes[:2] for line in node.log_lines())


async def test_a_node_that_was_away_learns_of_the_reset_and_never_brings_the_old_count_back(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    away = three_nodes[0]
    async with await Browser.connect(away.address) as browser:
        await browser.press(TAP, 7)
    await cluster.assert_converged(TAP, 7)
    await away.kill()
    await cluster.reset(TAP, on=three_nodes[1])
    async with await Browser.connect(three_nodes[2].address) as browser:
        await browser.press(TAP, 2)

    await away.restart()
    assert (await away.count(TAP), await generation(away, TAP)) == (2, 1), "ready means: it knows"
    for node in three_nodes[1:]:
        await node.restart()
    await cluster.wait_until_ready()
    await cluster.assert_converged(TAP, 2)
    await assert_generation(three_nodes, TAP, 1)


async def test_a_reset_outlives_the_node_it_was_asked_of(cluster: Cluster, three_nodes: list[Node]) -> None:
    await press_all_kinds(three_nodes[0])
    assert (await cluster.reset(CLAP, on=three_nodes[0]))["copies"] == 1
    await three_nodes[0].kill()
    three_nodes[0].wipe()

    await cluster.assert_converged(CLAP, 0)
    await three_nodes[0].restart()
    await cluster.assert_converged(CLAP, 0)
    await assert_generation(three_nodes, CLAP, 1)


async def test_an_old_backup_does_not_undo_a_reset(
    cluster: Cluster, three_nodes: list[Node], tmp_path: Path
) -> None:
    await press_all_kinds(three_nodes[0])
    await cluster.assert_converged(TAP, 3)
    await three_nodes[0].stop()
    backup = three_nodes[0].data_dir.rename(tmp_path / "backup")
    await three_nodes[0].restart()
    await cluster.wait_until_linked()
    await cluster.reset(TAP, on=three_nodes[0])
    await assert_generation(three_nodes, TAP, 1)

    await three_nodes[0].stop()
    three_nodes[0].wipe()
    backup.rename(three_nodes[0].data_dir)
    await three_nodes[0].restart()
    await cluster.assert_converged(TAP, 0)
    await assert_generation(three_nodes, TAP, 1)


async def test_of_resets_of_one_generation_at_once_on_three_nodes_one_is_done(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    await press_all_kinds(three_nodes[0])
    await cluster.assert_converged(TAP, 3)
    headers = {"Authorization": f"Bearer {cluster.admin_token}"}

    async def ask(node: Node) -> int:
        path = f"{node.address}/api/admin/items/{TAP}/reset"
        async with cluster.session.post(path, json={"gen": 0}, headers=headers) as answer:
            return answer.status

    assert set(await asyncio.gather(*(ask(node) for node in three_nodes * 3))) == {200, 409}
    # What a peer's reset adds in the moment between reading and committing is the documented race.
    async with await Browser.connect(three_nodes[0].address) as browser:
        await browser.press(TAP, 1)
    await cluster.assert_converged(TAP, 1)
    assert await generation(three_nodes[0], TAP) in (1, 2)
    await assert_generation(three_nodes, TAP, await generation(three_nodes[0], TAP))


async def test_a_reset_through_nginx(cluster: Cluster, three_nodes: list[Node], nginx: Nginx) -> None:
    async with await Browser.connect(nginx.address) as browser:
        await browser.press(LIKE)
        for gen, token in enumerate(["guess", cluster.admin_token]):
            path = f"{nginx.address}/api/admin/items/{LIKE}/reset"
            async with cluster.session.post(path, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == (401, 200)[gen]
        await browser.watch(LIKE)
        await browser.wait_for_count(LIKE, 0)
    await cluster.assert_converged(LIKE, 0)
