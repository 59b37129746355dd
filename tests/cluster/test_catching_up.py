"""Nodes that come late, come back, or come back with nothing: they catch up with what the others have."""

import asyncio

import pytest

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.node import Node
from tests.support.waiting import wait_for

# One visitor stands for a whole audience here.
NO_BUDGET = {"LIKE_PRESS_RATE": "0", "LIKE_PRESS_BURST": "0"}
ITEMS = [f"tap:talk-{number}" for number in range(100)]
TALLIES = 100_000


async def press_from_many_tabs(node: Node, tabs: range) -> None:
    """One press per tab, each a tally of its own; done when the node has counted them all."""
    async with await Browser.connect(node.address) as browser:
        await browser.watch(*ITEMS)
        for tab in tabs:
            await browser.send_target(ITEMS[tab % len(ITEMS)], 1, tab=f"tab-{tab}")
        await browser.wait_until_acknowledged(tabs[-1] - tabs[0] + 1, within_s=120)


async def counts_of_all(node: Node) -> list[int]:
    query = "&".join(f"item={item}" for item in ITEMS)
    counts = (await node.get_json(f"/api/items?{query}"))["counts"]
    return [counts[item] for item in ITEMS]


@pytest.mark.parametrize("cluster", [NO_BUDGET], indirect=True)
async def test_a_late_joiner_catches_up_with_a_hundred_thousand_tallies(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    share = TALLIES // 3 + 1
    parts = [range(start, min(start + share, TALLIES)) for start in range(0, TALLIES, share)]
    await asyncio.gather(*(press_from_many_tabs(node, part) for node, part in zip(three_nodes, parts, strict=True)))

    newcomer = await cluster.add_node(knows=three_nodes[1])

    async def caught_up() -> bool:
        return await counts_of_all(newcomer) == [TALLIES // len(ITEMS)] * len(ITEMS)

    await wait_for(caught_up, 5, "the newcomer to show every count")


async def test_a_ready_newcomer_already_shows_what_the_others_had(
    cluster: Cluster, three_nodes: list[Node]
) -> None:
    async with await Browser.connect(three_nodes[0].address) as browser:
        await browser.press("tap:home", 25)

    newcomer = await cluster.add_node(knows=three_nodes[2])

    assert await newcomer.count("tap:home") == 25, "ready means: one whole pull adopted"


async def test_what_a_node_missed_while_it_was_down_reaches_it(cluster: Cluster, three_nodes: list[Node]) -> None:
    await three_nodes[0].kill()
    async with await Browser.connect(three_nodes[1].address) as browser:
        await browser.press("tap:home", 11)

    await three_nodes[0].restart()

    await cluster.assert_converged("tap:home", 11)


async def test_a_lost_disk_loses_no_acknowledged_press(cluster: Cluster, three_nodes: list[Node]) -> None:
    victim = three_nodes[0]
    acknowledged = 0
    async with await Browser.connect(victim.address) as browser:
        for _ in range(50):
            acknowledged = (await browser.press("tap:home"))["n"]
        await victim.kill()
    victim.wipe()

    await cluster.assert_converged("tap:home", acknowledged)
    await victim.restart()
    await cluster.assert_converged("tap:home", acknowledged)


async def test_an_unacknowledged_press_is_made_again_by_its_tab(cluster: Cluster, three_nodes: list[Node]) -> None:
    """The presser owns its number: what was not acknowledged is sent again, whichever node is left."""
    victim = three_nodes[0]
    for peer in three_nodes[1:]:
        peer.freeze()
    async with await Browser.connect(victim.address, tab="one-tab") as browser:
        await browser.send_press("tap:home", 5)
        await browser.wait_for_message("pressed")
        assert not browser.acknowledged, "no other disk has it"
        token = browser.token
        await victim.kill()
    victim.wipe()
    for peer in three_nodes[1:]:
        peer.thaw()

    async with await Browser.connect(three_nodes[1].address, token=token, tab="one-tab") as browser:
        await browser.wait_until_acknowledged(await browser.send_target("tap:home", 5))
    await victim.restart()
    await cluster.assert_converged("tap:home", 5)
