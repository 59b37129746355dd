"""Buttons of other makers, as npm has them: only their server's address is ours."""

from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import expect

from tests.browser.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("packages")]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = REPOSITORY / "tests" / "browser" / "node_modules"


async def test_applause_button_claps_and_shows_what_others_clapped(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    address = calm_site.blog.write_plain(
        f"/{name}",
        f'<script src="/{name}/button"></script>'
        f'<applause-button multiclap="true" api="{calm_site.nginx.address}" url="blog.example/{name}">',
        button=PACKAGES / "applause-button" / "dist" / "applause-button.js",
    )
    await page.goto(address)
    count = page.locator(".clap-count")
    await expect(count).to_have_text("0")
    for claps in range(1, 4):
        await page.get_by_role("button").click()
        await expect(count).to_have_text(str(claps))
    # It says so after two quiet seconds.
    item = f"clap:blog.example/{name}"
    await calm_site.cluster.assert_converged(item, 3, within_s=10)
    await (await (await calm_site.meet()).open(item)).press(item, 2)
    await calm_site.cluster.assert_converged(item, 5)
    await page.reload()
    await expect(count).to_have_text("5")


async def test_open_heart_element_sends_its_heart_once_and_counts_all(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    address = calm_site.blog.write_plain(
        f"/{name}",
        f'<script type="module" src="/{name}/heart"></script>'
        f'<open-heart href="{calm_site.nginx.address}/blog.example/{name}" emoji="❤️">❤️</open-heart>',
        heart=PACKAGES / "open-heart-element" / "dist" / "index.js",
    )
    await page.goto(address)
    heart = page.get_by_role("button")
    await heart.click()
    await expect(heart).to_have_attribute("aria-pressed", "true")
    await calm_site.cluster.assert_converged(f"once:blog.example/{name}~2764", 1)
    other = (await (await calm_site.meet()).new_tab()).page
    await other.goto(address)
    await other.get_by_role("button").click()
    await expect(other.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    await page.evaluate("document.querySelector('open-heart').getCount()")
    await expect(heart).to_have_attribute("count", "2")
