"""What axe finds wrong: nothing, on any page, in any of its looks."""

from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations_on
from tests.browser.puppet import Puppet
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("packages")]

PAGES: Final = (
    "/",
    "/items/once%3Aa",
    "/items/clap%3Aa",
    "/privacy",
    "/privacy?notice=nobody",
    "/cluster",
    "/embed/once%3Aa",
    "/event/tap%3Aa",
    "/overlay/tap%3Aa",
    "/admin",
)


async def quiet_page(site: Site, **context: Any) -> Page:
    return (await (await site.meet(bypass_csp=True, reduced_motion="reduce", **context)).new_tab()).page


async def violations(site: Site, address: str, **context: Any) -> list[str]:
    """In all looks of one page."""
    page = await quiet_page(site, **context)
    await page.goto(address)
    for summary in await page.locator("summary").all():
        await summary.click()
    # Whatever a script shows has come.
    shown = "circle, [data-status=live], [state=live], form[action='/forget'], .has-rolling, #enter"
    await page.wait_for_selector(shown, state="attached")
    return await violations_on(page)


@pytest.mark.parametrize("path", PAGES)
async def test_axe_finds_nothing(calm_site: Site, path: str) -> None:
    assert await violations(calm_site, calm_site.nginx.address + path) == []


async def test_axe_finds_nothing_on_a_page_that_says_what_is_wrong(calm_site: Site) -> None:
    person = await calm_site.meet(bypass_csp=True)
    page = await person.context.new_page()
    await page.goto(f"{calm_site.nginx.address}/nothing")
    await expect(page.locator("h1")).to_have_text("There is nothing here")
    assert await violations_on(page) == []
    await person.leave(page, complained="404")


@pytest.mark.parametrize("locale", ["fi", "ar"])
async def test_axe_finds_nothing_in_other_languages(calm_site: Site, locale: str) -> None:
    for path in ("/", "/cluster"):
        assert await violations(calm_site, calm_site.nginx.address + path, locale=locale) == []


@pytest.mark.parametrize("path", ["/items/once%3Aa", "/embed/clap%3Aa", "/event/tap%3Aa"])
async def test_axe_finds_nothing_where_all_is_closed(calm_site: Site, path: str) -> None:
    """What is frozen, and what has stopped."""
    page = await quiet_page(calm_site)
    puppet = await Puppet.before(page)
    await page.goto(calm_site.nginx.address + path)
    item = path.rpartition("/")[2].replace("%3A", ":")
    await wait_for(lambda: puppet.heard, 5, "the page to watch")
    puppet.say(type="viewers", viewers={item: 12}, frozen=[item])
    await expect(page.locator("form[data-item] button")).to_have_attribute("aria-disabled", "true")
    assert await violations_on(page) == []
    assert puppet.route is not None
    await puppet.route.close(code=4502)
    await expect(page.locator("[data-status]")).to_have_attribute("data-status", "stopped")
    assert await violations_on(page) == []


async def test_axe_finds_nothing_wrong_with_a_button_that_says_why_it_does_not_count(
    calm_site: Site, name: str
) -> None:
    page = await quiet_page(calm_site)
    puppet = await Puppet.before(page)
    body = f'<main><h1>A post</h1><p>Text <like-button item="once:{name}"></like-button></p><p>More</p></main>'
    await page.goto(calm_site.blog.write(f"/{name}", calm_site.nginx.address, body))
    await wait_for(lambda: puppet.heard, 5, "the button to watch")
    puppet.say(type="viewers", viewers={f"once:{name}": 1}, frozen=[f"once:{name}"])
    await expect(page.locator("like-button [part=problem]")).to_have_text("Closed")
    assert await violations_on(page) == []


async def test_axe_finds_nothing_wrong_with_a_button_on_a_blog(calm_site: Site, name: str) -> None:
    kinds = ("once", "clap", "tap")
    body = "".join(f'<p>Text <like-button item="{kind}:{name}"></like-button></p>' for kind in kinds)
    address = calm_site.blog.write(f"/{name}", calm_site.nginx.address, f"<main><h1>A post</h1>{body}</main>")
    assert await violations(calm_site, address) == []
