"""What axe finds wrong: nothing, on any page, in any of its looks."""

from typing import Any, Final

import pytest

from tests.browser.axe import violations_on
from tests.browser.site import Site

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


async def violations(site: Site, address: str, **context: Any) -> list[str]:
    """In all looks of one page."""
    person = await site.meet(bypass_csp=True, reduced_motion="reduce", **context)
    page = await person.context.new_page()
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


@pytest.mark.parametrize("locale", ["fi", "ar"])
async def test_axe_finds_nothing_in_other_languages(calm_site: Site, locale: str) -> None:
    for path in ("/", "/cluster"):
        assert await violations(calm_site, calm_site.nginx.address + path, locale=locale) == []


async def test_axe_finds_nothing_wrong_with_a_button_on_a_blog(calm_site: Site, name: str) -> None:
    kinds = ("once", "clap", "tap")
    body = "".join(f'<p>Text <like-button item="{kind}:{name}"></like-button></p>' for kind in kinds)
    address = calm_site.blog.write(f"/{name}", calm_site.nginx.address, f"<main><h1>A post</h1>{body}</main>")
    assert await violations(calm_site, address) == []
