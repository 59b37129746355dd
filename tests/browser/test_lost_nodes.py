"""A node dies, hangs or leaves under an open page: people go on pressing."""

import asyncio

import pytest

from tests.browser.person import BACK_WITHIN_S
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_tab_of_a_killed_node_is_back_on_another_within_10_s_with_nothing_lost(site: Site) -> None:
    tab = await (await site.meet()).open()
    watcher = await (await site.meet()).open()
    await tab.press("tap:home", 3)
    await tab.press("once:article")
    await tab.assert_saved()

    serving = await site.node_of(tab)
    await serving.kill()
    await tab.press("tap:home", 2)
    await tab.press("clap:talk", 2)
    await tab.assert_shows("tap:home", 5, within_s=1)
    await tab.wait_until_on_another_node(serving.name)
    await tab.press("tap:home")

    await tab.assert_saved()
    await tab.assert_liked("once:article", True)
    await watcher.assert_shows("tap:home", 6)
    for item, count in (("tap:home", 6), ("clap:talk", 2), ("once:article", 1)):
        await site.cluster.assert_converged(item, count)


async def test_a_silent_socket_is_replaced(site: Site) -> None:
    tab = await (await site.meet()).open()
    serving = await site.node_of(tab)
    serving.freeze()
    await tab.press("tap:home", 2)
    await tab.assert_shows("tap:home", 2, within_s=1)
    await tab.assert_waiting(2)

    await tab.wait_until_on_another_node(serving.name)
    await tab.assert_shows("tap:home", 2)
    serving.thaw()
    await tab.assert_saved(BACK_WITHIN_S)
    await site.cluster.assert_converged("tap:home", 2)


async def test_a_leaving_node_sends_its_tab_elsewhere(site: Site) -> None:
    tab = await (await site.meet()).open()
    await tab.press("tap:home")
    serving = await site.node_of(tab)
    await serving.stop()
    await tab.press("tap:home")
    await tab.wait_until_on_another_node(serving.name)
    await tab.assert_saved()
    await site.cluster.assert_converged("tap:home", 2)


async def test_a_second_tab_shows_no_press_twice_while_nothing_can_be_saved(site: Site) -> None:
    """It sends the first one's unsaved taps too, and the counts it hears include them already."""
    for node in site.nodes[1:]:
        await node.kill()
    person = await site.meet()
    first, second = await person.open(), await person.open()
    await second.record_counts("tap:home")
    for _ in range(25):
        await first.press("tap:home")
        await asyncio.sleep(0.1)
    await second.assert_shows("tap:home", 25)
    seen = await second.recorded_counts()
    assert seen == sorted(seen)


async def test_what_one_node_alone_has_is_not_called_saved(site: Site) -> None:
    """With copies wanted, a commit on one disk is not enough."""
    tab = await (await site.meet()).open()
    serving = await site.node_of(tab)
    others = [node for node in site.nodes if node is not serving]
    for node in others:
        await node.kill()
    await tab.press("tap:home")
    await tab.assert_shows("tap:home", 1)
    await tab.assert_waiting(1)

    for node in others:
        await node.restart()
    await tab.assert_saved(BACK_WITHIN_S)
    await site.cluster.assert_converged("tap:home", 1)
