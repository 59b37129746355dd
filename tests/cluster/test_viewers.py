"""How many watch an item on all nodes together: told to everyone who watches it, exact while nodes are linked."""

import time
from contextlib import AsyncExitStack

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.node import Node
from tests.support.waiting import wait_for

HOME = "tap:home"
# Told to the peers within a second, and from them to browsers within another.
TOLD_WITHIN_S = 4.0
GONE_WITHIN_S = 10.0
COMING_S = 3.0


def shown(browser: Browser) -> int:
    """What this browser was last told."""
    told = [message["viewers"][HOME] for message in browser.received if message["type"] == "viewers"]
    return told[-1] if told else 0


async def assert_all_see(browsers: list[Browser], viewers: int, within_s: float = TOLD_WITHIN_S) -> None:
    await wait_for(
        lambda: all(shown(browser) == viewers for browser in browsers),
        within_s,
        lambda: f"{viewers} viewers; seen: {[shown(browser) for browser in browsers]}",
    )


async def watching(stack: AsyncExitStack, node: Node, number: int) -> list[Browser]:
    browsers = [await stack.enter_async_context(await Browser.connect(node.address)) for _ in range(number)]
    for browser in browsers:
        await browser.watch(HOME)
    return browsers


async def test_who_comes_and_goes_is_counted_on_every_node(three_nodes: list[Node]) -> None:
    async with AsyncExitStack() as stack:
        one, two, three = three_nodes
        stay = [*await watching(stack, one, 1), *await watching(stack, two, 2)]
        leave = await watching(stack, three, 3)
        await assert_all_see([*stay, *leave], 6)
        for browser in leave:
            await browser.close()
        await assert_all_see(stay, 3)
        for node in three_nodes:
            assert (await node.get_json(f"/api/items/{HOME}"))["viewers"] == 3


async def test_while_a_crowd_comes_it_is_told_at_most_once_a_second(three_nodes: list[Node]) -> None:
    async with AsyncExitStack() as stack:
        (browser,) = await watching(stack, three_nodes[0], 1)
        started, comes = time.monotonic(), 0
        while time.monotonic() - started < COMING_S:
            await watching(stack, three_nodes[comes % 3], 1)
            comes += 1
        await assert_all_see([browser], 1 + comes)
        told = sum(message["type"] == "viewers" for message in browser.received)
        # One more when it began to watch, one at each end of the time, and the first may have come late.
        assert COMING_S - 1 <= told <= time.monotonic() - started + 3
        assert comes > 3 * told


async def test_a_dead_or_frozen_nodes_viewers_are_gone_within_10_s(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    stays, dies, freezes = three_nodes
    async with AsyncExitStack() as stack:
        browsers = await watching(stack, stays, 2)
        await watching(stack, dies, 3)
        await watching(stack, freezes, 4)
        await assert_all_see(browsers, 9)
        await dies.kill()
        await assert_all_see(browsers, 6)
        freezes.freeze()
        await assert_all_see(browsers, 2, GONE_WITHIN_S)
        freezes.thaw()
        await assert_all_see(browsers, 6, GONE_WITHIN_S)
    await dies.restart()
    await cluster.wait_until_linked()
