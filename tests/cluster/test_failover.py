"""Visitors behind nginx while nodes hang, restart and die: they go on pressing, and every press counts once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.visitor import Visitor
from tests.support.waiting import wait_for

ITEM = "tap:home"


@contextlib.asynccontextmanager
async def visitors_of(nginx: Nginx, count: int) -> AsyncIterator[list[Visitor]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Visitor([nginx.address], ITEM)) for _ in range(count)]


@contextlib.asynccontextmanager
async def pressing(visitors: list[Visitor], per_second: float) -> AsyncIterator[None]:
    """All of them press steadily while the body runs, and every press is saved at its end."""
    enough = asyncio.Event()
    tasks = [asyncio.create_task(visitor.press_steadily(per_second, enough)) for visitor in visitors]
    try:
        yield
    finally:
        enough.set()
        await asyncio.gather(*tasks)
    await asyncio.gather(*(visitor.wait_until_saved(15) for visitor in visitors))


async def press_over_http(nginx: Nginx, until: asyncio.Event) -> tuple[int, list[str]]:
    """Press through the API, one after the other and never again: presses made, and every answer but a good one."""
    pressed = 0
    failed: list[str] = []
    headers: dict[str, str] = {}
    address = f"{nginx.address}/api/items/{ITEM}/press"
    async with aiohttp.ClientSession() as session:
        while not until.is_set():
            wish = {"n": pressed + 1, "tab": "http"}
            async with session.post(address, json=wish, headers=headers) as answer:
                if answer.status != 200:
                    failed.append(f"{answer.status}: {await answer.text()}")
                    continue
                said = await answer.json()
            pressed += 1
            if said["n"] != pressed:
                failed.append(f"asked for {pressed}, got {said}")
            headers = headers or {"Authorization": f"Bearer {said['token']}"}
            await asyncio.sleep(0.01)
    return pressed, failed


async def test_a_rolling_restart_fails_and_repeats_no_press(
    cluster: Cluster, three_nodes: list[Node], nginx: Nginx
) -> None:
    enough = asyncio.Event()
    over_http = [asyncio.create_task(press_over_http(nginx, enough)) for _ in range(4)]
    async with visitors_of(nginx, 6) as visitors, pressing(visitors, per_second=20):
        await wait_for(lambda: all(visitor.saved > 5 for visitor in visitors), 10, "everybody's first presses")
        for node in three_nodes:
            await node.restart()
            await cluster.wait_until_linked()
    enough.set()
    outcomes = await asyncio.gather(*over_http)

    assert not [failure for _, failed in outcomes for failure in failed]
    pressed_over_http = sum(pressed for pressed, _ in outcomes)
    assert pressed_over_http > 100
    pressed = sum(visitor.pressed for visitor in visitors) + pressed_over_http
    await cluster.assert_converged(ITEM, pressed)
    assert not [error for visitor in visitors for error in visitor.errors], "nobody saw a connection break"


async def test_everybody_is_back_within_ten_seconds_of_a_freeze(
    cluster: Cluster, three_nodes: list[Node], nginx: Nginx
) -> None:
    async with visitors_of(nginx, 9) as visitors, pressing(visitors, per_second=5):
        frozen = three_nodes[1]
        assert sum(visitor.node == frozen.name for visitor in visitors) == 3
        frozen.freeze()

        def everybody_is_back() -> bool:
            return all(visitor.is_connected and visitor.node != frozen.name for visitor in visitors)

        await wait_for(
            everybody_is_back, 10, lambda: f"everybody to be back: {[(v.node, v.outages_s) for v in visitors]}"
        )
        frozen.thaw()

    await cluster.assert_converged(ITEM, sum(visitor.pressed for visitor in visitors), within_s=10)


async def test_a_killed_node_costs_nobody_a_press(cluster: Cluster, three_nodes: list[Node], nginx: Nginx) -> None:
    async with visitors_of(nginx, 6) as visitors, pressing(visitors, per_second=20):
        await wait_for(lambda: all(visitor.saved > 5 for visitor in visitors), 10, "everybody's first presses")
        await three_nodes[0].kill()
        await wait_for(
            lambda: all(v.is_connected and v.node != "node1" for v in visitors), 10, "all on node2, node3"
        )
        await three_nodes[0].restart()

    await cluster.assert_converged(ITEM, sum(visitor.pressed for visitor in visitors))
