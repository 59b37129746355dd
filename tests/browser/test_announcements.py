"""What a screen reader is told: a person's own presses at once, those of others now and then, all in one place."""

import itertools
from typing import Final

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.embedded import Embedded, embed, embed_on_strings
from tests.browser.live_regions import counts_told_by_themselves, press_and_hear, regions_of
from tests.browser.puppet import on_strings
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Nobody feels less.
AT_ONCE_MS: Final = 200
# Of a region: what it says from now on, and when.
LISTEN: Final = """(region) => {
    window.told = [];
    new MutationObserver(() => told.push([region.textContent, performance.now()]))
        .observe(region, { childList: true, characterData: true, subtree: true });
}"""


def region_of(page: Page) -> Locator:
    return page.locator("#told")


async def told(page: Page) -> list[tuple[str, float]]:
    return [(text, at_ms) for text, at_ms in await page.evaluate("told")]


@pytest.mark.parametrize("path", ["/", "/items/once%3A{}", "/embed/clap%3A{}", "/event/tap%3A{}"])
async def test_a_page_speaks_in_one_place_and_no_number_does(calm_site: Site, name: str, path: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(calm_site.nginx.address + path.format(name.partition("[")[0]))
    await expect(page.locator("[data-status]")).to_have_attribute("data-status", "live")
    assert await regions_of(page) == ["told"]
    numbers = await counts_told_by_themselves(page)
    assert numbers
    assert not any(numbers)


async def test_a_button_on_a_blog_speaks_in_one_place_and_its_number_does_not(calm_site: Site, name: str) -> None:
    reader = await embed(calm_site, name, f'<like-button item="tap:{name}"></like-button>')
    await reader.assert_shows("0")
    assert await regions_of(reader.page) == ["quiet"]
    assert await counts_told_by_themselves(reader.page) == [False]
    await reader.button().click()
    await reader.assert_shows("1")
    # Where it was pressed, it also says why that does not count.
    assert await regions_of(reader.page) == ["quiet", "problem"]
    assert await counts_told_by_themselves(reader.page) == [False]


async def test_others_presses_are_announced_at_most_every_fifteen_seconds(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "tap:a", clock=True)
    await expect(region_of(tab.page)).to_be_empty()
    await region_of(tab.page).evaluate(LISTEN)
    for second in range(1, 61):
        await puppet.tell(type="counts", counts={"tap:a": second})
        await tab.page.clock.run_for(1000)
    heard = await told(tab.page)
    assert len(heard) >= 3
    assert all(later - earlier >= 15_000 for (_, earlier), (_, later) in itertools.pairwise(heard))
    assert heard[-1][0].endswith("presses")


async def test_own_presses_are_announced_at_once(calm_site: Site) -> None:
    tab, _ = await on_strings(calm_site, "once:a")
    region = region_of(tab.page)
    await expect(region).to_be_empty()
    for words in ("You like this. 1 like", "0 likes"):
        said, ms = await press_and_hear(tab.button("once:a"), region)
        assert (said, ms < AT_ONCE_MS) == (words, True), ms


async def test_what_is_pressed_on_a_blog_is_announced_at_once_and_nothing_before(
    calm_site: Site, name: str
) -> None:
    reader, _ = await embed_on_strings(calm_site, name, f"once:{name}")
    await expect(reader.region).to_be_empty()
    for words in ("You like this. 1 like", "0 likes"):
        said, ms = await press_and_hear(reader.button(), reader.region)
        assert (said, ms < AT_ONCE_MS) == (words, True), ms


async def test_a_press_on_a_blog_before_any_number_is_known_is_announced_too(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.route_web_socket("**/live", lambda _: None)  # Nobody says anything.
    body = f'<like-button item="once:{name}"></like-button>'
    await page.goto(calm_site.blog.write(f"/{name}", calm_site.nginx.address, body))
    reader = Embedded(page)
    await expect(reader.button()).to_have_accessible_name("Like")
    await expect(reader.region).to_be_empty()
    said, ms = await press_and_hear(reader.button(), reader.region)
    assert (said, ms < AT_ONCE_MS) == ("You like this", True), ms
    await reader.assert_shows("")


async def test_others_presses_are_never_announced_on_a_blog(calm_site: Site, name: str) -> None:
    """Their page has something else to say: neither at once nor now and then, nor after a press of one's own."""
    item = f"once:{name}"
    reader, puppet = await embed_on_strings(calm_site, name, item, clock=True)
    await reader.region.evaluate(LISTEN)
    for second in range(1, 21):
        await puppet.tell(type="counts", counts={item: second})
        await reader.page.clock.run_for(1000)
    await reader.assert_shows("20")
    assert await told(reader.page) == []
    await reader.button().click()
    press = await puppet.pressed(item)
    puppet.say(type="pressed", id=press["id"], item=item, gen=0, n=1, count=21, copies=1, wanted=1)
    for second in range(22, 42):
        await puppet.tell(type="counts", counts={item: second})
        await reader.page.clock.run_for(1000)
    await reader.assert_shows("41")
    assert [text for text, _ in await told(reader.page)] == ["You like this. 21 likes"]
