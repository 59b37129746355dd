"""Several clicks and several tabs of one visitor."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_double_click_is_one_like(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.button(item).dblclick()
    await tab.assert_liked(item, True)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)


async def test_a_like_can_be_taken_back_and_given_again(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    for liked in (True, False, True):
        await tab.button(item).press("Enter")
        await tab.assert_liked(item, liked)
        await tab.assert_saved()
        await calm_site.cluster.assert_converged(item, int(liked))


async def test_two_tabs_pressed_at_once_make_one_like(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tabs = [await person.open(item), await person.open(item)]
    third = await person.open(item)
    # While a third tab holds the lock, neither can know of the other's press.
    await third.page.evaluate(
        "() => void navigator.locks.request('like', () => new Promise((r) => (window.free = r)))"
    )
    for tab in tabs:
        await tab.press(item)
        await tab.assert_liked(item, True, within_s=0.5)
        await tab.assert_waiting(1)
    await third.page.evaluate("window.free()")
    for tab in tabs:
        await tab.assert_liked(item, True)
        await tab.assert_shows(item, 1)
        await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)
    assert len(await person.tokens()) == 1


async def test_a_like_of_one_tab_is_taken_back_in_the_other(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    first, second = await person.open(item), await person.open(item)
    await first.press(item)
    await second.assert_liked(item, True)
    await second.press(item)
    await first.assert_liked(item, False)
    await first.assert_shows(item, 0)
    await second.assert_saved()
    await calm_site.cluster.assert_converged(item, 0)


async def test_claps_of_all_tabs_stop_at_50(calm_site: Site, name: str) -> None:
    item = f"clap:{name}"
    person = await calm_site.meet()
    tabs = [await person.open(item), await person.open(item)]
    await asyncio.gather(*(tab.press_fast(item, 27) for tab in tabs))
    for tab in tabs:
        await tab.assert_says_of_mine(item, "All 50 of yours – thank you")
        await tab.assert_shows(item, 50)
        await expect(tab.button(item)).to_have_attribute("aria-disabled", "true")
    await calm_site.cluster.assert_converged(item, 50)


async def test_who_lost_the_cookie_does_not_like_again_unasked(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press(item)
    await tab.assert_saved()
    await person.context.clear_cookies()
    await tab.open(item)
    await tab.assert_liked(item, False)
    other = await person.open("")
    await other.press("tap:home")
    await other.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)
