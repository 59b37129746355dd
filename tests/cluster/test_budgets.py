"""Whoever makes visitors by the thousand runs into a network's budget, and people behind one address do not."""

import asyncio
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster

REQUESTS: Final = 10_000
AT_ONCE: Final = 50
# LIKE_NEWCOMER_BURST, and more of them than come back in the time that a slow machine takes.
BURST: Final = 1000
MORE: Final = 120


async def test_ten_thousand_scripted_visitors_of_one_network_are_bounded(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        (node,) = await cluster.start(1)
        session = cluster.session
        url = f"{node.address}/api/items/once%3Abudgets/press"

        async def press(address: str) -> int:
            """Its status. Without a token it is another visitor's each time; nginx names the address."""
            async with session.post(url, headers={"X-Real-IP": address}) as answer:
                return answer.status

        async def script(numbers: range) -> list[int]:
            return [await press(f"203.0.113.{number % 250}") for number in numbers]

        colleagues = [await press("198.51.100.7") for _ in range(50)]
        assert colleagues == [200] * 50
        parts = await asyncio.gather(*(script(range(first, REQUESTS, AT_ONCE)) for first in range(AT_ONCE)))
        told = [status for part in parts for status in part]
        taken, refused = told.count(200), told.count(429)
        assert taken + refused == REQUESTS
        assert BURST <= taken <= BURST + MORE
        await cluster.assert_converged("once:budgets", len(colleagues) + taken)
        async with session.get(f"{node.address}/metrics") as answer:
            assert f'like_presses_limited_total{{budget="newcomers"}} {refused}.0' in await answer.text()
