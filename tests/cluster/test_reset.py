"""Resets and erasures on real nodes (R12): seen everywhere, kept for good, undone by nobody who comes late."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.waiting import wait_for

TAP, LIKE, CLAP = "tap:home", "once:article", "clap:talk"
# An erased visitor's presses go within seconds, not at once.
GONE_WITHIN_S = 10.0


@asynccontextmanager
async def browsers_on(nodes: list[Node], token: str | None = None) -> AsyncIterator[list[Browser]]:
    """One connection to each node, of this visitor or of one each."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(await Browser.connect(node.address, token=token)) for node in nodes]


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


async def press_all_kinds(node: Node) -> str:
    """Three presses of each kind by one visitor, saved; its token."""
    async with await Browser.connect(node.address, tab="one-tab") as browser:
        for item in (TAP, LIKE, CLAP):
            await browser.press(item, 3)
        assert browser.token is not None
        return browser.token


async def is_refused(node: Node, token: str) -> bool:
    """Whether the node takes the token for none, over the API and on /live."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(f"{node.address}/api/items/{LIKE}") as answer,
    ):
        over_http = answer.status == 401
    async with await Browser.connect(node.address) as browser:
        await browser.send({"type": "hello", "token": token})
        await browser.send({"type": "ping"})
        await browser.wait_for_message("pong")
        over_live = any(each.get("code") == "bad_token" for each in browser.received)
    assert over_http == over_live
    return over_http


async def assert_erased_everywhere(cluster: Cluster, token: str, *, left: int = 0) -> None:
    for item in (TAP, LIKE, CLAP):
        await cluster.assert_converged(item, left, within_s=GONE_WITHIN_S)

    async def refused_by_all() -> bool:
        return all([await is_refused(node, token) for node in cluster.answering()])

    await wait_for(refused_by_all, GONE_WITHIN_S, "every node to refuse the token")


# reset


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


# erasure


async def test_an_erased_visitors_presses_are_gone_on_all_nodes_and_nobody_elses(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    erased, other = [await press_all_kinds(node) for node in three_nodes[:2]]
    await cluster.assert_converged(TAP, 6)

    answer = await cluster.erase(erased, on=three_nodes[2])
    assert (answer["type"], answer["copies"], answer["wanted"]) == ("erased", 1, 1)
    assert await is_refused(three_nodes[2], erased), "from the commit on"

    await cluster.assert_converged(TAP, 3, within_s=GONE_WITHIN_S)
    await cluster.assert_converged(LIKE, 1, within_s=GONE_WITHIN_S)
    await cluster.assert_converged(CLAP, 3, within_s=GONE_WITHIN_S)
    for node in three_nodes:
        assert await is_refused(node, erased)
        assert not await is_refused(node, other)
    async with await Browser.connect(three_nodes[0].address, token=other, tab="one-tab") as browser:
        await browser.watch(LIKE)
        await browser.wait_for_tally(LIKE, 3)


async def test_open_connections_of_an_erased_visitor_on_every_node_begin_afresh(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    token = await press_all_kinds(three_nodes[0])
    async with browsers_on(three_nodes, token) as browsers:
        for browser in browsers:
            await browser.watch(LIKE)
            await browser.wait_for_tally(LIKE, 3)
        after = [len(browser.received) for browser in browsers]

        await cluster.erase(token, on=three_nodes[0])

        fresh = set()
        for browser, position in zip(browsers, after, strict=True):
            assert (await browser.wait_for_error("bad_token"))["erased"] is True
            hello = await browser.wait_for_message("hello", after=position)
            fresh.add(hello["token"])
            await browser.wait_for_count(LIKE, 0, within_s=GONE_WITHIN_S)
            await browser.wait_for_tally(LIKE, 0)
        for browser, each in zip(browsers, sorted(fresh), strict=True):
            await browser.hello(each)
            await browser.wait_until_acknowledged(await browser.send_target(LIKE, 1))
    await cluster.assert_converged(LIKE, 3)
    assert not any([await is_refused(node, each) for node in three_nodes for each in fresh])


async def test_a_node_that_was_down_during_an_erasure_learns_of_it_and_brings_nothing_back(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    away = three_nodes[0]
    token = await press_all_kinds(away)
    await cluster.assert_converged(TAP, 3)
    await away.kill()
    await cluster.erase(token, on=three_nodes[1])

    await away.restart()
    assert await is_refused(away, token), "ready means: it knows"
    await assert_erased_everywhere(cluster, token)
    for node in three_nodes[1:]:
        await node.restart()
    await cluster.wait_until_ready()
    await assert_erased_everywhere(cluster, token)


async def test_a_restart_right_after_an_erasure_ends_what_it_began(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    token = await press_all_kinds(three_nodes[0])
    await cluster.assert_converged(TAP, 3)
    assert (await cluster.erase(token, on=three_nodes[0]))["copies"] == 1
    await asyncio.gather(*(node.kill() for node in three_nodes))

    for node in three_nodes:
        node.start()
    await cluster.wait_until_ready()
    await assert_erased_everywhere(cluster, token)


async def test_an_erasure_outlives_the_node_it_was_asked_of(cluster: Cluster, three_nodes: list[Node]) -> None:
    token = await press_all_kinds(three_nodes[0])
    await cluster.assert_converged(TAP, 3)
    await cluster.erase(token, on=three_nodes[0])
    await three_nodes[0].kill()
    three_nodes[0].wipe()
    await assert_erased_everywhere(cluster, token)

    await three_nodes[0].restart()
    await assert_erased_everywhere(cluster, token)


async def test_an_erasure_may_be_asked_for_again_on_any_node(cluster: Cluster, three_nodes: list[Node]) -> None:
    token = await press_all_kinds(three_nodes[0])
    for node in [*three_nodes, *three_nodes]:
        answer = await cluster.erase(token, on=node)
        assert answer["copies"] >= answer["wanted"] == 1
    await assert_erased_everywhere(cluster, token)


async def test_presses_in_flight_do_not_outlive_their_visitors_erasure(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    """The same visitor presses on all nodes for as long as it takes to be erased on one of them."""
    token = await press_all_kinds(three_nodes[0])

    async def press_until_erased(browser: Browser) -> None:
        n = 0
        while not any(each.get("erased") for each in browser.received):
            n += 1
            await browser.send_target(TAP, n, tab=browser.node)
            await asyncio.sleep(0.005)  # A quick finger's pace, not a wait.

    async with browsers_on(three_nodes, token) as browsers:
        pressing = [asyncio.create_task(press_until_erased(browser)) for browser in browsers]
        for browser in browsers:
            await browser.wait_for_message("pressed")
        await cluster.erase(token, on=three_nodes[1])
        await asyncio.wait_for(asyncio.gather(*pressing), 10)
        for browser in browsers:
            await browser.ask({"type": "ping"}, "pong")
    await assert_erased_everywhere(cluster, token)


async def test_an_erasure_through_nginx(cluster: Cluster, three_nodes: list[Node], nginx: Nginx) -> None:
    token = await press_all_kinds(three_nodes[0])
    headers = {"Authorization": f"Bearer {token}"}
    async with cluster.session.delete(f"{nginx.address}/api/visitor", headers=headers) as answer:
        assert answer.status == 200
    await assert_erased_everywhere(cluster, token)


@pytest.mark.parametrize("cluster", [{"LIKE_ADMIN_TOKEN": ""}], indirect=True)
async def test_without_an_admin_token_nobody_resets_and_visitors_still_erase(cluster: Cluster) -> None:
    (node,) = await cluster.start(1)
    token = await press_all_kinds(node)
    with pytest.raises(AssertionError, match="404"):
        await cluster.reset(TAP)
    await cluster.erase(token)
    await assert_erased_everywhere(cluster, token)
