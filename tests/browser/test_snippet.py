"""The generator on the page: what it writes is what somebody pastes, and what stands beside it."""

import pytest
from playwright.async_api import expect

from tests.browser.embedded import Embedded
from tests.browser.shifts import AFTER_DRAWING, SHIFTS
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A page that is no safe origin has no clipboard, and this one would be the test machine's.
CLIPBOARD = """
    const writeText = async (text) => { window.copied = text; };
    Object.defineProperty(navigator, "clipboard", { value: { writeText } });
"""


async def test_what_is_chosen_is_written_shown_copied_and_works(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.add_init_script(CLIPBOARD)
    await page.goto(f"{calm_site.nginx.address}/items/tap%3A{name}")
    await page.locator("#snippet summary").click()
    code, preview = page.locator("#code"), page.locator("#snippet like-button")
    assert f'item="tap:{name}"' in await code.inner_text()
    await page.get_by_label("Kind").select_option("clap")
    await page.get_by_label("Label").fill('Good & "true" <3')
    await page.get_by_label("Theme").select_option("dark")
    written = await code.inner_text()
    assert f'<like-button item="clap:{name}" label="Good &amp; &quot;true&quot; &lt;3" theme="dark"' in written
    await expect(preview.get_by_role("button")).to_have_accessible_name('Good & "true" <3')
    await expect(preview).to_have_attribute("theme", "dark")
    await page.get_by_role("button", name="Copy").click()
    await expect(page.locator("#copy")).to_have_text("Copied")
    assert await page.evaluate("copied") == written

    await page.goto(calm_site.blog.write_plain(f"/{name}", written))
    reader = Embedded(page)
    await reader.assert_shows("0")
    await expect(reader.button()).to_have_accessible_name('Good & "true" <3')
    await reader.button().click()
    await calm_site.cluster.assert_converged(f"clap:{name}", 1)


async def test_nothing_moves_however_long_its_label_is(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/items/once%3A{name}")
    await page.locator("#snippet summary").click()
    await page.get_by_label("Label").fill("Recommend this article to everybody")
    preview = page.locator("#snippet like-button")
    await expect(preview.get_by_role("button")).to_have_accessible_name("Recommend this article to everybody")
    await page.get_by_label("Theme").select_option("dark")
    written = await page.locator("#code").inner_text()

    await page.add_init_script(SHIFTS)
    await page.goto(calm_site.blog.write_plain(f"/{name}", f"<p>before {written} after</p>"))
    await Embedded(page).assert_shows("0")
    await page.evaluate(AFTER_DRAWING)
    assert await page.evaluate("shifts") == []


async def test_a_whole_item_that_is_pasted_brings_its_kind(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/items/tap%3A{name}")
    await page.locator("#snippet summary").click()
    await page.get_by_label("Name").fill(" once:blog/my post")
    await expect(page.get_by_label("Kind")).to_have_value("once")
    await expect(page.get_by_label("Name")).to_have_value("blog/my post")
    # As it is counted: who asks for a badge of it needs that name.
    assert '<like-button item="once:blog/my%20post" ' in await page.locator("#code").inner_text()


async def test_a_name_that_is_none_changes_nothing(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/items/once%3A{name}")
    await page.locator("#snippet summary").click()
    before = await page.locator("#code").inner_text()
    await page.get_by_label("Name").fill("")
    assert await page.locator("#code").inner_text() == before
