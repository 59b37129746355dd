"""`<like-button>` where the page, the browser or the hand is not as one would wish."""

from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.embedded import Embedded, embed
from tests.browser.shifts import AFTER_DRAWING, SHIFTS
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_origin_that_is_not_listed_is_told_so(calm_site: Site, name: str) -> None:
    address = calm_site.blog.write(
        f"/{name}", calm_site.nginx.address, f'<like-button item="once:{name}"></like-button>'
    )
    page = await (await calm_site.meet()).context.new_page()
    # Another name of the same page: another origin.
    await page.goto(address.replace("localhost", "blog.localhost"))
    await expect(page.locator("like-button [part=problem]")).to_contain_text("this address is not served")
    await expect(page.locator("like-button")).to_have_attribute("state", "stopped")


async def test_a_button_on_an_item_that_was_reset_is_pressed_like_any_other(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    await calm_site.cluster.reset(item)
    reader = await embed(calm_site, name, f'<like-button item="{item}"></like-button>')
    # Before anything is known of it.
    await reader.page.evaluate(
        "customElements.whenDefined('like-button').then(() =>"
        " document.querySelector('like-button').shadowRoot.querySelector('button').click())"
    )
    await reader.assert_liked(True)
    await reader.assert_shows("1")
    await calm_site.cluster.assert_converged(item, 1)


async def test_a_bad_item_leaves_the_buttons_beside_it_alone(calm_site: Site, name: str) -> None:
    body = f'<like-button item="a" kind="odd"></like-button><like-button item="once:{name}"></like-button>'
    reader = await embed(calm_site, name, body)
    await reader.assert_shows("0", 1)
    await reader.assert_shows("", 0)


async def test_a_name_in_plain_words_is_liked_as_it_can_be_written(calm_site: Site, name: str) -> None:
    reader = await embed(calm_site, name, f'<like-button item="my post, {name}"></like-button>')
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_liked(True)
    await calm_site.cluster.assert_converged(f"once:my%20post%2c%20{name}", 1)


async def test_a_page_in_a_language_that_is_none_has_its_button(calm_site: Site, name: str) -> None:
    page = await (await calm_site.meet()).context.new_page()
    body = (
        f'<script async src="{calm_site.nginx.address}/static/like-button.js"></script><like-button></like-button>'
    )
    await page.goto(calm_site.blog.write_plain(f"/{name}", body, language="en_US"))
    await Embedded(page).assert_shows("0")


async def test_a_double_click_is_one_like_here_too(calm_site: Site, name: str) -> None:
    reader = await embed(calm_site, name, f'<like-button item="once:{name}"></like-button>')
    await reader.assert_shows("0")
    await reader.button().dblclick()
    await reader.assert_liked(True)
    await calm_site.cluster.assert_converged(f"once:{name}", 1)


async def test_a_key_that_is_held_down_is_one_press(calm_site: Site, name: str) -> None:
    reader = await embed(calm_site, name, f'<like-button item="tap:{name}"></like-button>')
    await reader.assert_shows("0")
    await reader.button().focus()
    for _ in range(4):
        await reader.page.keyboard.down("Enter")
    await reader.page.keyboard.up("Enter")
    await reader.assert_shows("1")
    await calm_site.cluster.assert_converged(f"tap:{name}", 1)


async def test_a_tab_key_that_is_held_down_goes_past_it(calm_site: Site, name: str) -> None:
    body = f'<a href="#1">before</a><like-button item="tap:{name}"></like-button><a href="#2">after</a>'
    reader = await embed(calm_site, name, body)
    await reader.assert_shows("0")
    await reader.page.get_by_text("before").focus()
    for _ in range(2):
        await reader.page.keyboard.down("Tab")
    await reader.page.keyboard.up("Tab")
    await expect(reader.page.get_by_text("after")).to_be_focused()


async def test_where_a_browser_gives_no_locks_presses_count_all_the_same(calm_site: Site, name: str) -> None:
    script = "navigator.locks.request = () => Promise.reject(new DOMException('no', 'SecurityError'));"
    reader = await embed(calm_site, name, f'<like-button item="once:{name}"></like-button>', script=script)
    await reader.assert_shows("0")
    await reader.button().click()
    await calm_site.cluster.assert_converged(f"once:{name}", 1)


async def test_nothing_moves_on_a_page_that_has_the_snippet(calm_site: Site, name: str) -> None:
    page = await (await calm_site.meet()).context.new_page()
    await page.goto(f"{calm_site.nginx.address}/items/{quote(f'once:{name}', safe='')}")
    await page.locator("#snippet summary").click()
    await page.get_by_label("Name").fill(f"{name}/post")
    snippet = await page.locator("#code").inner_text()
    assert f'item="once:{name}/post"' in snippet
    await page.add_init_script(SHIFTS)
    await page.goto(calm_site.blog.write_plain(f"/{name}", f"<p>before {snippet} after</p><p>below</p>"))
    reader = Embedded(page)
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_shows("1")
    await page.evaluate(AFTER_DRAWING)
    assert await page.evaluate("shifts") == []
