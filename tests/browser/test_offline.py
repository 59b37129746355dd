"""Presses made offline are shown at once, kept, and sent once."""

import pytest

from tests.browser.person import BACK_WITHIN_S, NEVER_RETRIES, UNLOCKED
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_presses_made_offline_are_shown_kept_and_counted_once(site: Site) -> None:
    tab = await (await site.meet()).open()
    await tab.press("tap:home")
    await tab.assert_saved()

    await site.nginx.stop()
    await tab.wait_until_offline()
    await tab.press("tap:home", 3)
    await tab.press("once:article")
    await tab.assert_shows("tap:home", 4, within_s=0.5)
    await tab.assert_liked("once:article", True, within_s=0.5)
    await tab.assert_waiting(4)

    await site.nginx.start()
    await tab.wait_until_live(BACK_WITHIN_S)
    await tab.assert_saved()
    await site.cluster.assert_converged("tap:home", 4)
    await site.cluster.assert_converged("once:article", 1)


async def test_presses_of_a_closed_tab_are_sent_by_the_next_one(site: Site) -> None:
    """Also the very first ones, for which no token was taken yet."""
    person = await site.meet()
    tab = await person.open()
    await site.nginx.stop()
    await tab.wait_until_offline()
    await tab.press("tap:home", 2)
    await tab.press("clap:talk", 3)
    await tab.press("once:article")
    await tab.assert_waiting(6)
    await tab.page.evaluate(UNLOCKED)  # They are stored.
    await tab.close()
    await site.nginx.start()

    for _ in range(2):
        tab = await person.open("tap:elsewhere")
        await site.cluster.assert_converged("tap:home", 2)
        await site.cluster.assert_converged("clap:talk", 3)
        await site.cluster.assert_converged("once:article", 1)
        await tab.close()


async def test_a_tab_that_hears_nothing_any_more_says_so_and_comes_back_with_the_network(site: Site) -> None:
    """At once: it would not have tried again by itself for long."""
    person = await site.meet()
    tab = await person.new_tab()
    await tab.page.add_init_script(NEVER_RETRIES)
    await tab.open()
    await person.context.set_offline(True)
    await tab.wait_until_offline()
    await tab.press("tap:home")
    await tab.assert_waiting(1)

    await person.context.set_offline(False)
    await tab.wait_until_live()
    await tab.assert_saved()
    await site.cluster.assert_converged("tap:home", 1)


async def test_a_count_does_not_fall_when_the_tab_comes_back(site: Site) -> None:
    tab = await (await site.meet()).open()
    await tab.press("tap:home", 5)
    await tab.assert_saved()
    await tab.record_counts("tap:home")
    await site.nginx.stop()
    await tab.wait_until_offline()
    await tab.press("tap:home", 2)
    await site.nginx.start()
    await tab.wait_until_live(BACK_WITHIN_S)
    await tab.assert_saved()
    assert await tab.recorded_counts() == [5, 6, 7]


async def test_what_others_pressed_meanwhile_is_shown_when_the_tab_comes_back(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    person = await calm_site.meet()
    tab, other = await person.open(item), await (await calm_site.meet()).open(item)
    await person.context.set_offline(True)
    await tab.wait_until_offline()
    await other.press(item, 3)
    await other.assert_saved()
    await tab.assert_shows(item, 0)
    await person.context.set_offline(False)
    await tab.wait_until_live()
    await tab.assert_shows(item, 3, within_s=1)
