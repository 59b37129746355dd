"""Erasures on real nodes (R12): on every node and for good, whoever was away, was killed or presses meanwhile."""

import asyncio

import aiohttp
import pytest

from tests.cluster.crowd import CLAP, LIKE, TAP, browsers_on, press_all_kinds
from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.waiting import wait_for

# An erased visitor's presses go within seconds, not at once.
GONE_WITHIN_S = 10.0


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


async def assert_erased_everywhere(cluster: Cluster, token: str) -> None:
    for item in (TAP, LIKE, CLAP):
        await cluster.assert_converged(item, 0, within_s=GONE_WITHIN_S)

    async def refused_by_all() -> bool:
        return all([await is_refused(node, token) for node in cluster.answering()])

    await wait_for(refused_by_all, GONE_WITHIN_S, "every node to refuse the token")


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
