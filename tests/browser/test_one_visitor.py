"""Several clicks and several tabs of one visitor."""

import asyncio

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.person import UNLOCKED
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_double_click_is_one_like(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.button(item).dblclick()
    await tab.assert_liked(item, True)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)


async def test_every_press_of_a_tap_counts_of_a_double_click_and_of_two_tabs(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    person = await calm_site.meet()
    for count in (2, 4):
        tab = await person.open(item)
        await tab.button(item).dblclick()
        await tab.assert_shows(item, count)
        await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 4)


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
        "() => void navigator.locks.request(`like@${location.origin}`, () => new Promise((r) => (window.free = r)))"
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
        await tab.assert_says_of_mine(item, "All 50 of yours, thank you")
        await tab.assert_shows(item, 50)
        await expect(tab.button(item)).to_have_attribute("aria-disabled", "true")
    await calm_site.cluster.assert_converged(item, 50)


async def test_who_lost_the_token_does_not_like_again_unasked(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press(item)
    await tab.assert_saved()
    await person.lose_token()
    await tab.open(item)
    await tab.assert_liked(item, False)
    other = await person.open("")
    await other.press("tap:home")
    await other.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)


async def test_who_lost_the_token_presses_once_what_was_not_saved(calm_site: Site, name: str) -> None:
    tap, clap, liked, taken_back = f"tap:{name}", f"clap:{name}", f"once:{name}/liked", f"once:{name}/taken-back"
    person = await calm_site.meet()
    tabs = {item: await person.open(item) for item in (tap, clap, liked, taken_back)}
    for item, times in ((tap, 3), (clap, 3), (taken_back, 1)):
        await tabs[item].press_fast(item, times)
        await tabs[item].assert_saved()
    await person.context.set_offline(True)
    for tab in tabs.values():
        await tab.wait_until_offline()
    for item, times in ((tap, 2), (clap, 2), (liked, 1), (taken_back, 1)):
        await tabs[item].press_fast(item, times)
        await tabs[item].page.evaluate(UNLOCKED)  # They are stored.
        await tabs[item].close()
    await person.lose_token()
    await person.context.set_offline(False)

    for _ in range(2):
        tab = await person.open("tap:elsewhere")
        await tab.press("tap:elsewhere")
        await tab.assert_saved()
        await tab.close()
        # A like that was saved cannot be taken back by somebody else.
        for item, count in ((tap, 5), (clap, 5), (liked, 1), (taken_back, 1)):
            await calm_site.cluster.assert_converged(item, count)


async def test_taps_of_a_lost_visitor_are_not_those_of_the_next_one(calm_site: Site, name: str) -> None:
    """Their tab is still open when another one becomes a new visitor's, and it hears of the taps before that."""
    item = f"tap:{name}"
    person = await calm_site.meet()
    first = await person.new_tab()
    routes: list[WebSocketRoute] = []
    is_down = False

    async def pass_on(route: WebSocketRoute) -> None:
        routes.append(route)
        if is_down:
            await route.close(code=4004)
        else:
            route.connect_to_server()

    await first.page.route_web_socket("**/live", pass_on)
    await first.open(item)
    await first.press(item, 3)
    await first.assert_saved()
    await person.lose_token()
    second = await person.open(f"{item}/elsewhere")
    is_down = True
    await routes[-1].close(code=4004)
    # At once: after 2 s the other tab may take them over, as another visitor.
    await first.press_fast(item, 2)

    await second.press(f"{item}/elsewhere")
    await calm_site.cluster.assert_converged(item, 5, within_s=5)
    is_down = False
    await first.page.evaluate("dispatchEvent(new Event('online'))")
    await first.wait_until_live()
    await first.press(item)
    await first.assert_saved()
    await calm_site.cluster.assert_converged(item, 6)
    assert len(await person.tokens()) == 1


async def test_who_lost_the_cookie_only_is_still_the_same(calm_site: Site, name: str) -> None:
    """Some browsers keep a script's cookies for a week."""
    item = f"once:{name}"
    person = await calm_site.meet()
    await person.like_and_lose_cookie(item)
    tab = await person.open(item)
    await tab.assert_liked(item, True)
    await tab.press(item)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 0)
    assert len(await person.tokens()) == 1
