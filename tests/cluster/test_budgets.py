"""Whoever makes visitors by the thousand runs into a network's budget, and people behind one address do not."""

import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.node import Node

AT_ONCE: Final = 50
# LIKE_NEWCOMER_BURST, and more of them than come back in the time that a slow machine takes.
BURST: Final = 1000
MORE: Final = 120


@pytest.mark.parametrize(
    ("item", "budget", "requests", "settings"),
    [
        ("once:budgets", "newcomers", 10_000, {}),
        ("clap:budgets", "newcomers", 3000, {}),
        # Every press counts there: what is bounded is how many tabs a network can make.
        ("tap:budgets", "tabs", 3000, {"LIKE_TAB_RATE": "1", "LIKE_TAB_BURST": str(BURST)}),
    ],
)
async def test_ten_thousand_scripted_visitors_of_one_network_are_bounded(
    tmp_path: Path, item: str, budget: str, requests: int, settings: dict[str, str]
) -> None:
    async with Cluster(tmp_path, **settings) as cluster:
        (node,) = await cluster.start(1)
        session = cluster.session
        url = f"{node.address}/api/items/{quote(item)}/press"

        async def press(address: str) -> int:
            """Its status. Without a token it is another visitor's each time; nginx names the address."""
            async with session.post(url, headers={"X-Real-IP": address}) as answer:
                return answer.status

        async def script(numbers: range) -> list[int]:
            return [await press(f"203.0.113.{number % 250}") for number in numbers]

        colleagues = [await press("198.51.100.7") for _ in range(50)]
        assert colleagues == [200] * 50
        parts = await asyncio.gather(*(script(range(first, requests, AT_ONCE)) for first in range(AT_ONCE)))
        told = [status for part in parts for status in part]
        taken, refused = told.count(200), told.count(429)
        assert taken + refused == requests
        # The colleagues' network has a budget of its own.
        assert BURST <= taken <= BURST + MORE
        await cluster.assert_converged(item, len(colleagues) + taken)
        async with session.get(f"{node.address}/metrics") as answer:
            assert f'like_presses_limited_total{{budget="{budget}"}} {refused}.0' in await answer.text()


async def test_who_spreads_over_three_nodes_has_three_times_as_much_and_no_more(tmp_path: Path) -> None:
    """What docs/operations.md says of budgets: each node has its own, also of a visitor whom all know."""
    limits = {"LIKE_NEWCOMER_RATE": "0.01", "LIKE_NEWCOMER_BURST": "30", "LIKE_PRESS_RATE": "0.01"}
    async with Cluster(tmp_path, **limits, LIKE_PRESS_BURST="40") as cluster:
        nodes = await cluster.start(3)

        async def press(node: Node, item: str, **wish: Any) -> tuple[int, int | None]:
            """Its status, and the tally that it made."""
            url = f"{node.address}/api/items/{item}/press"
            async with cluster.session.post(url, **wish) as answer:
                return answer.status, (await answer.json(content_type=None)).get("n")

        script = {"X-Real-IP": "203.0.113.7"}
        for node in nodes:
            told = [(await press(node, "once:spread", headers=script))[0] for _ in range(60)]
            assert (told.count(200), told.count(429)) == (30, 30)
        await cluster.assert_converged("once:spread", 90)

        async with await Browser.connect(nodes[0].address) as browser:
            visitor = {"X-Real-IP": "198.51.100.7", "Authorization": f"Bearer {browser.token}"}
        for tab, node in enumerate(nodes):
            assert await press(node, "tap:spread", headers=visitor, json={"n": 100, "tab": f"{tab}"}) == (200, 40)
        await cluster.assert_converged("tap:spread", 120)
