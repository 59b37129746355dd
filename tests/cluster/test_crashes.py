"""Crashes under load, seen without anybody who presses again: what was acknowledged is there, and nothing twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.cluster import Cluster
from tests.support.node import Node
from tests.support.visitor import Visitor
from tests.support.waiting import wait_for

ITEM = "tap:home"


@contextlib.asynccontextmanager
async def pressing_on(nodes: list[Node]) -> AsyncIterator[list[Visitor]]:
    """Two visitors on each node press for as long as the body runs; afterwards they are gone for good."""
    enough = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(Visitor([node.address], ITEM)) for node in nodes * 2]
        tasks = [asyncio.create_task(visitor.press_steadily(50, enough)) for visitor in visitors]
        await wait_for(lambda: all(visitor.saved > 10 for visitor in visitors), 10, "everybody's first presses")
        yield visitors
        enough.set()
        await asyncio.gather(*tasks)


def assert_between_acknowledged_and_pressed(count: int, visitors: list[Visitor]) -> None:
    acknowledged = sum(visitor.saved for visitor in visitors)
    pressed = sum(visitor.pressed for visitor in visitors)
    assert acknowledged <= count <= pressed


async def equal_count(cluster: Cluster) -> int:
    """What every node shows, when they all show the same."""
    counts: set[int] = set()

    async def equal() -> bool:
        counts.clear()
        counts.update((await cluster.counts(ITEM)).values())
        return len(counts) == 1

    await wait_for(equal, 5, lambda: f"equal counts, not {counts}")
    return counts.pop()


async def test_a_power_cut_of_the_whole_cluster_loses_no_acknowledged_press(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    async with pressing_on(three_nodes) as visitors:
        await asyncio.gather(*(node.kill() for node in three_nodes))

    for node in three_nodes:
        node.start()
    await cluster.wait_until_ready()
    assert_between_acknowledged_and_pressed(await equal_count(cluster), visitors)


async def test_every_disk_lost_in_turn_loses_no_acknowledged_press(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    async with pressing_on(three_nodes) as visitors:
        await three_nodes[0].kill()

    for node in three_nodes:
        if node.is_running:
            await node.kill()
        node.wipe()
        await node.restart()
        await cluster.wait_until_linked()
    assert_between_acknowledged_and_pressed(await equal_count(cluster), visitors)
