"""The page is complete without JavaScript."""

import pytest
import pytest_asyncio

from tests.browser.person import Tab
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def plain(calm_site: Site) -> Tab:
    """A tab of a person whose browser runs no script."""
    return await (await calm_site.meet(java_script_enabled=False)).new_tab()


async def test_the_form_likes_and_takes_back(plain: Tab, name: str) -> None:
    item = f"once:{name}/post-42"
    await plain.open(item, is_live=False)
    await plain.assert_liked(item, False)
    await plain.press(item)
    await plain.assert_liked(item, True)
    await plain.assert_shows(item, 1)
    await plain.press(item)
    await plain.assert_liked(item, False)
    await plain.assert_shows(item, 0)
    assert plain.page.url == plain.url_of(item)


async def test_a_tap_counts_once_per_submit_and_not_again_on_reload(plain: Tab, calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    await plain.open(item, is_live=False)
    for number in range(1, 4):
        await plain.press(item)
        await plain.assert_shows(item, number)
    for _ in range(2):
        await plain.page.reload()
        await plain.assert_shows(item, 3)
    await plain.page.go_back(wait_until="commit")
    await calm_site.cluster.assert_converged(item, 3)


async def test_claps_add_up_for_one_visitor(plain: Tab, name: str) -> None:
    item = f"clap:{name}"
    await plain.open(item, is_live=False)
    await plain.press(item, 2)
    await plain.assert_shows(item, 2)
    await plain.assert_says_of_mine(item, "2 of 50 from you")


async def test_the_home_page_has_three_working_forms_and_says_which_node_served_it(plain: Tab) -> None:
    await plain.open(is_live=False)
    assert (await plain.status.inner_text()).startswith("Served by node")
    for item in ("tap:home", "once:article", "clap:talk"):
        before = await plain.count(item)
        await plain.press(item)
        await plain.assert_shows(item, before + 1)
        assert plain.page.url == plain.url_of("")


async def test_a_like_made_without_a_script_is_known_to_the_script(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    fields = await tab.form(item).evaluate("(form) => Object.fromEntries(new FormData(form))")
    url = await tab.form(item).evaluate("(form) => form.action")
    await tab.page.request.post(url, form=fields)

    again = await person.open(item)
    await again.assert_liked(item, True)
    await again.press(item)
    await again.assert_shows(item, 0)
    await again.assert_saved()
