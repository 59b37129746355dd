"""Presses on a cluster of three real nodes: every one counts once, everywhere."""

import asyncio

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.node import Node


async def press_often(node: Node, item: str, times: int) -> None:
    async with await Browser.connect(node.address) as browser:
        for _ in range(times - 1):
            await browser.send_press(item)
        await browser.press(item)


async def test_presses_on_every_node_at_once_give_equal_exact_counts(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    """The course project this began as showed 341, 338 and 349 of 900 presses, and hung."""
    await asyncio.gather(*(press_often(node, "tap:home", 300) for node in three_nodes))

    await cluster.assert_converged("tap:home", 900, within_s=2)


async def test_a_press_on_one_node_is_pushed_to_the_others_watchers(three_nodes: list[Node]) -> None:
    async with (
        await Browser.connect(three_nodes[0].address) as presser,
        await Browser.connect(three_nodes[2].address) as watcher,
    ):
        await watcher.watch("clap:song")
        await presser.press("clap:song", 7)
        await watcher.wait_for_count("clap:song", 7, within_s=1)


async def test_a_press_repeated_on_another_node_counts_once(cluster: Cluster, three_nodes: list[Node]) -> None:
    async with await Browser.connect(three_nodes[0].address, tab="one-tab") as first:
        await first.press("tap:home", 5)
        async with await Browser.connect(three_nodes[1].address, token=first.token, tab="one-tab") as second:
            await second.wait_until_acknowledged(await second.send_target("tap:home", 5))

    await cluster.assert_converged("tap:home", 5)


async def test_an_acknowledged_press_is_on_two_nodes(three_nodes: list[Node]) -> None:
    async with await Browser.connect(three_nodes[0].address) as browser:
        answer = await browser.press("once:post-1")

    assert (answer["copies"], answer["wanted"]) == (1, 1)
