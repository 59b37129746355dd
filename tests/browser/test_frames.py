"""The button in a frame on somebody else's page."""

from typing import Any

import pytest
from playwright.async_api import FrameLocator, Page, expect

from tests.browser.puppet import Puppet
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")


def with_frame(site: Site, name: str) -> str:
    """The address of a blog's page that has one."""
    address = f"{site.nginx.address}/embed/once%3A{name}"
    frame = f'<iframe src="{address}" title="Like" width="320" height="120"></iframe>'
    return site.blog.write_plain(f"/{name}", frame)


async def framed(site: Site, name: str, **context: Any) -> tuple[Page, FrameLocator]:
    """Such a page, and what is in its frame."""
    page = await (await site.meet(**context)).context.new_page()
    await page.goto(with_frame(site, name))
    return page, page.frame_locator("iframe")


async def test_a_frame_likes_and_takes_back_where_the_browser_stores_nothing_for_it(
    calm_site: Site, name: str
) -> None:
    """As this one does not, in a context of its own; what others store is looked at in Firefox."""
    item = f"once:{name}"
    _, frame = await framed(calm_site, name)
    button, count = frame.get_by_role("button", name="Like"), frame.locator(".count")
    await expect(frame.locator("[data-status]")).to_have_attribute("data-status", "live")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await expect(count).to_have_text("1")
    await calm_site.cluster.assert_converged(item, 1)
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "false")
    await calm_site.cluster.assert_converged(item, 0)


async def test_a_frame_likes_where_no_script_runs(calm_site: Site, name: str) -> None:
    page, frame = await framed(calm_site, name, java_script_enabled=False)
    await frame.get_by_role("button", name="Like").click()
    await expect(frame.locator(".count")).to_have_text("1")
    await calm_site.cluster.assert_converged(f"once:{name}", 1)
    assert page.url.startswith(calm_site.blog.address), "the page around it stays where it was"


async def test_what_is_in_a_frame_fits_into_it(calm_site: Site, name: str) -> None:
    _, frame = await framed(calm_site, name)
    await expect(frame.locator("[data-status]")).to_have_attribute("data-status", "live")
    size = await frame.locator("html").evaluate("(page) => [page.scrollWidth, page.scrollHeight]")
    assert size[0] <= 320
    assert size[1] <= 120


async def test_a_frame_says_what_is_wrong(calm_site: Site, name: str) -> None:
    person = await calm_site.meet()
    page = await person.context.new_page()
    puppet = await Puppet.before(page)
    await page.goto(with_frame(calm_site, name))
    inside = page.frame_locator("iframe")
    state = inside.locator(".state")
    await wait_for(lambda: puppet.heard, 5, "the page to watch")
    size = "(element) => element.getBoundingClientRect().height"
    assert await inside.locator(".status").evaluate(size) <= 1
    assert puppet.route is not None
    await puppet.route.close(code=4502)
    await expect(state).to_contain_text("Stopped")
    assert await state.evaluate(size) >= 10
    # What a screen reader is told besides stands there once.
    await expect(inside.locator("#told")).to_contain_text("Stopped")
    assert await inside.locator("#told").evaluate(size) <= 1
    await inside.get_by_role("button", name="Like").click()
    await expect(inside.locator("[data-saved]")).to_contain_text("1 waiting")
    scrolled = await inside.locator("html").evaluate("(page) => [page.scrollWidth, page.scrollHeight]")
    assert scrolled[0] <= 320
    assert scrolled[1] <= 120


async def test_a_page_that_is_not_listed_frames_nothing(calm_site: Site, name: str) -> None:
    person = await calm_site.meet()
    page = await person.context.new_page()
    await page.goto(with_frame(calm_site, name).replace("localhost", "blog.localhost"))
    await expect(page.frame_locator("iframe").get_by_role("button", name="Like")).to_have_count(0)
    await person.leave(page, complained="frame-ancestors")
