"""Press anywhere, see it everywhere."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_press_in_one_tab_moves_the_number_on_another_node_within_a_second(
    calm_site: Site, name: str
) -> None:
    item = f"tap:{name}"
    ada, ben = await calm_site.meet(), await calm_site.meet()
    presser, watcher = await ada.open(item), await ben.open(item)
    assert await presser.wait_until_live() != await watcher.wait_until_live()

    await presser.press(item)
    await watcher.assert_shows(item, 1, within_s=1)
    await presser.assert_saved()

    await watcher.press(item, 2)
    await presser.assert_shows(item, 3, within_s=1)


async def test_the_status_names_the_node_that_serves_the_tab(calm_site: Site) -> None:
    tabs = [await (await calm_site.meet()).open() for _ in calm_site.nodes]
    named = {await tab.wait_until_live() for tab in tabs}
    assert named == {node.name for node in calm_site.nodes}


async def test_all_who_watch_see_how_many_do(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tabs = [await (await calm_site.meet()).open(item) for _ in range(3)]
    for tab in tabs:
        await expect(tab.page.locator(".viewers")).to_have_text("3 watching now")
    await tabs.pop().close()
    for tab in tabs:
        await expect(tab.page.locator(".viewers")).to_have_text("2 watching now")


async def test_fast_presses_of_two_people_count_exactly(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    tabs = [await (await calm_site.meet()).open(item) for _ in range(2)]
    await asyncio.gather(*(tab.press_fast(item, 100) for tab in tabs))
    for tab in tabs:
        await tab.assert_saved()
        await tab.assert_shows(item, 200)
        await tab.assert_says_of_mine(item, "100 from you, just now")
    await calm_site.cluster.assert_converged(item, 200)


async def test_presses_over_the_budget_are_kept_and_sent_later(calm_site: Site, name: str) -> None:
    """500 at once and 50 a second: the node takes a part of the first target and says when to come back."""
    item = f"tap:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.press_fast(item, 550)
    await tab.assert_shows(item, 550, within_s=1)
    await tab.assert_waiting_some()
    await tab.assert_saved(within_s=10)
    await calm_site.cluster.assert_converged(item, 550)


async def test_a_reader_is_given_no_cookie_and_stores_nothing(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    assert await person.tokens() == []
    assert await tab.page.evaluate("localStorage.length") == 0

    await tab.press(item)
    await tab.assert_saved()
    assert len(await person.tokens()) == 1


async def test_a_token_nobody_signed_is_replaced_and_the_press_counts(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    person = await calm_site.meet()
    await person.context.add_cookies([{"name": "like_token", "value": "forged.token", "url": person.address}])
    tab = await person.open(item)
    await tab.press(item)
    await tab.assert_saved()
    assert await person.tokens() != ["forged.token"]
    await calm_site.cluster.assert_converged(item, 1)
