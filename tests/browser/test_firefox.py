"""The same in Firefox: what of a browser's own could differ, from presses to storage and streams."""

import json
from typing import Any, Final
from urllib.parse import quote

import pytest

from app.texts import LANGUAGES
from tests.browser.axe import AXE
from tests.browser.embedded import NO_WEBSOCKET
from tests.browser.firefox import SAVED, STATUS, FirefoxPage, FirefoxPerson
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("packages")]

BACK_WITHIN_S: Final = 10.0
NODE: Final = "document.querySelector('[data-status] .state').textContent.split(' ').at(-1)"
EMBEDDED: Final = "document.querySelector('like-button').shadowRoot.querySelector('{}')"
PAGES: Final = (
    "/", "/items/clap%3Aa", "/embed/once%3Aa", "/event/tap%3Aa", "/cluster", "/privacy", "/admin",
)  # fmt: skip
# A proxy that holds a stream back until it ends.
NO_STREAM: Final = """
    const ask = fetch;
    const held = ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject));
    fetch = (url, more) => (/api\\/stream\\?(?!end)/.test(url) ? held(more) : ask(url, more));
"""
TOO_SMALL: Final = """[...document.querySelectorAll("button, a, summary, input")].filter((each) => {
    const { width, height } = each.getBoundingClientRect();
    return each.checkVisibility() && each.type !== "hidden" && (width < 44 || height < 44);
}).map((each) => each.outerHTML)"""
# As fast as a script can.
PRESS_FAST: Final = "for (let n = 0; n < {}; n++) document.querySelector('form[data-item] button').click()"


def button(item: str) -> str:
    return f'form[data-item="{item}"] button'


def count(item: str) -> str:
    return f"document.querySelector('form[data-item=\"{item}\"] .count').textContent"


def is_liked(item: str) -> str:
    return f"document.querySelector('{button(item)}').ariaPressed"


async def open_item(person: FirefoxPerson, site: Site, item: str) -> FirefoxPage:
    page = await person.open(f"{site.nginx.address}/items/{quote(item, safe='')}")
    await page.assert_is(STATUS, "live")
    return page


async def test_a_press_shows_in_both_browsers_and_is_saved(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    item = f"once:{name}"
    page = await open_item(person, calm_site, item)
    other = await (await calm_site.meet()).open(item)
    await page.click(button(item))
    await page.assert_is(is_liked(item), "true")
    await page.assert_is(SAVED, "Saved")
    await other.assert_shows(item, 1, within_s=1)
    await other.press(item)
    await page.assert_is(count(item), "2", within_s=1)


async def test_the_keyboard_presses(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    item = f"once:{name}"
    page = await open_item(person, calm_site, item)
    await page.evaluate(f"document.querySelector('{button(item)}').focus()")
    for key, liked in (("Enter", "true"), (" ", "false")):
        await page.do("key", key=key)
        await page.assert_is(is_liked(item), liked)
    await calm_site.cluster.assert_converged(item, 0)


async def test_a_double_click_and_two_tabs_of_one_visitor_count_once(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    item = f"once:{name}"
    page, other = [await open_item(person, calm_site, item) for _ in range(2)]
    await page.click(button(item), times=2)
    await other.assert_is(is_liked(item), "true")
    await other.assert_is(count(item), "1")
    await other.do("reload")
    await other.assert_is(is_liked(item), "true")
    await calm_site.cluster.assert_converged(item, 1)


async def test_quick_presses_end_right_and_outlive_the_page(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    item = f"clap:{name}"
    page = await open_item(person, calm_site, item)
    await page.evaluate(PRESS_FAST.format(60))
    await page.assert_is(count(item), "50")
    await page.assert_is(SAVED, "Saved")
    await page.do("reload")
    await page.assert_is(count(item), "50")
    await calm_site.cluster.assert_converged(item, 50)


async def test_a_page_comes_back_to_life_where_the_reader_goes_back(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    """Loaded again: this browser keeps no page that has a WebSocket."""
    item = f"tap:{name}"
    page = await open_item(person, calm_site, item)
    await page.do("go", address=f"{calm_site.nginx.address}/privacy")
    other = await (await calm_site.meet()).open(item)
    await other.press(item, 2)
    await page.do("back")
    await page.assert_is(STATUS, "live")
    await page.assert_is(count(item), "2")


async def test_a_button_on_a_blog_with_a_strict_policy(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    item = f"once:{name}"
    body = f'<like-button item="{item}"></like-button>'
    page = await person.open(calm_site.blog.write(f"/{name}", calm_site.nginx.address, body))
    await page.assert_is(f"{EMBEDDED.format('[part=count]')}.textContent", "0")
    await page.evaluate(f"{EMBEDDED.format('button')}.click()")
    await page.assert_is(f"{EMBEDDED.format('button')}.ariaPressed", "true")
    await calm_site.cluster.assert_converged(item, 1)
    await page.do("reload")
    await page.assert_is(f"{EMBEDDED.format('button')}.ariaPressed", "true")


async def test_where_no_websocket_comes_through_a_stream_does(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    item = f"tap:{name}"
    page = await person.open(f"{calm_site.nginx.address}/items/{quote(item, safe='')}", script=NO_WEBSOCKET)
    await page.assert_is(STATUS, "live", within_s=15)
    other = await (await calm_site.meet()).open(item)
    await other.press(item, 3)
    await page.assert_is(count(item), "3")
    await page.click(button(item))
    await other.assert_shows(item, 4)
    await page.assert_is(SAVED, "Saved")


async def test_the_event_and_the_cluster_are_drawn(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    page = await person.open(f"{calm_site.nginx.address}/event/tap%3A{name}")
    await page.assert_is(STATUS, "live")
    await page.evaluate(PRESS_FAST.format(7))
    await page.assert_is(count(f"tap:{name}"), "7")
    await page.do("go", address=f"{calm_site.nginx.address}/cluster")
    await page.assert_is("document.querySelectorAll('#picture circle').length", len(calm_site.nodes))


async def test_where_no_stream_comes_through_it_asks_again_and_again(
    calm_site: Site, person: FirefoxPerson, name: str
) -> None:
    item, body = f"tap:{name}", f'<like-button item="tap:{name}"></like-button>'
    script = NO_WEBSOCKET + NO_STREAM
    page = await person.open(calm_site.blog.write(f"/{name}", calm_site.nginx.address, body), script=script)
    shown = f"{EMBEDDED.format('[part=count]')}.textContent"
    await page.assert_is("document.querySelector('like-button').getAttribute('state')", "live", within_s=40)
    other = await (await calm_site.meet()).open(item)
    await other.press(item, 2)
    await page.assert_is(shown, "2")
    await page.evaluate(f"{EMBEDDED.format('button')}.click()")
    await other.assert_shows(item, 3)
    await page.assert_is(shown, "3")


async def test_a_final_close_stops_and_says_why(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    script = NO_WEBSOCKET.replace("1006", "4502")
    page = await person.open(f"{calm_site.nginx.address}/items/once%3A{name}", script=script)
    await page.assert_is(STATUS, "stopped")
    assert "this address is not served" in await page.text("[data-status] .state")


@pytest.mark.parametrize("path", PAGES)
async def test_a_phone_shows_everything_large_enough_and_the_focus(
    calm_site: Site, person: FirefoxPerson, path: str
) -> None:
    page = await person.open(calm_site.nginx.address + path)
    await page.do("size", width=320, height=640)
    await page.assert_is("innerWidth", 320)
    # Without what its scroll bar takes.
    await page.assert_is("document.documentElement.scrollWidth - document.documentElement.clientWidth", 0)
    assert await page.evaluate(TOO_SMALL) == []
    await page.do("key", key="Tab")
    style = "getComputedStyle(document.activeElement)"
    assert await page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth") == "solid3px"


async def test_a_frame_on_a_blog_remembers_who_likes(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    frame = f'<iframe src="{calm_site.nginx.address}/embed/once%3A{name}" title="Like"></iframe>'
    page = await person.open(calm_site.blog.write_plain(f"/{name}", frame))

    async def comes_to(script: str, value: Any) -> None:
        async def is_so() -> bool:
            return bool(await page.do("evaluateFramed", script=script) == value)

        await wait_for(is_so, 5, f"{script} to be {value!r}")

    await comes_to(STATUS, "live")
    await page.do("evaluateFramed", script="document.querySelector('form button').click()")
    await comes_to(SAVED, "Saved")
    await page.do("reload")
    await comes_to("document.querySelector('form button').ariaPressed", "true")
    await calm_site.cluster.assert_converged(f"once:{name}", 1)


async def test_the_overlay_lies_on_nothing(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    page = await person.open(f"{calm_site.nginx.address}/overlay/tap%3A{name}")
    await (await (await calm_site.meet()).open(f"tap:{name}")).press(f"tap:{name}", 3)
    await page.assert_is("document.querySelector('.count').textContent", "3")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"


async def test_buttons_of_other_makers_count(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    api = calm_site.nginx.address
    body = f"""
        <script src="/{name}/button"></script><script type="module" src="/{name}/heart"></script>
        <applause-button api="{api}" url="blog.example/{name}"></applause-button>
        <open-heart href="{api}/blog.example/{name}" emoji="❤️">❤️</open-heart>"""
    scripts = {"button": "applause-button/dist/applause-button.js", "heart": "open-heart-element/dist/index.js"}
    files = {file: AXE.parents[1] / path for file, path in scripts.items()}
    page = await person.open(calm_site.blog.write_plain(f"/{name}", body, **files))
    await page.assert_is("document.querySelector('applause-button .clap-count')?.textContent", "0")
    await page.click("applause-button button")
    await page.click("open-heart")
    await page.assert_is("document.querySelector('open-heart').getAttribute('aria-pressed')", "true")
    for item in (f"clap:blog.example/{name}", f"once:blog.example/{name}~2764"):
        await calm_site.cluster.assert_converged(item, 1, within_s=10)


@pytest.mark.parametrize("path", [*PAGES, "/overlay/tap%3Aa"])
async def test_axe_finds_nothing(calm_site: Site, person: FirefoxPerson, path: str) -> None:
    page = await person.open(calm_site.nginx.address + path)
    # What is moving has no colour that could be measured.
    await page.assert_is("document.getAnimations().length", 0)
    await page.evaluate(f"{AXE.read_text()}; 0")
    assert await page.evaluate("axe.run().then(({ violations }) => violations.map(({ id }) => id))") == []


async def test_a_button_speaks_its_pages_language(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    script = f'<script async src="{calm_site.nginx.address}/static/like-button.js"></script>'
    body = f'{script}<like-button item="clap:{name}"></like-button>'
    page = await person.open(calm_site.blog.write_plain(f"/{name}", body, language="fi"))
    label = LANGUAGES["fi"]["button"]["names"]["clap"]
    await page.assert_is("customElements.get('like-button') !== undefined", True)
    await page.assert_is(f"{EMBEDDED.format('[part=label]')}.textContent", label)


async def test_presses_of_a_closed_tab_that_no_node_heard_are_sent_once(
    site: Site, person: FirefoxPerson, name: str
) -> None:
    item = f"tap:{name}"
    page = await open_item(person, site, item)
    await site.nginx.stop()
    await page.evaluate(PRESS_FAST.format(3))
    await page.assert_is("document.querySelector('[data-saved]').dataset.saved", "waiting")
    await page.assert_is(count(item), "3")
    await page.do("go", address="about:blank")
    await site.nginx.start()
    again = await open_item(person, site, item)
    await again.assert_is(count(item), "3")
    await site.cluster.assert_converged(item, 3)
    await (await open_item(person, site, item)).assert_is(count(item), "3")
    await site.cluster.assert_converged(item, 3)


async def test_a_node_is_killed_and_nothing_is_lost(site: Site, person: FirefoxPerson, name: str) -> None:
    item = f"tap:{name}"
    page = await open_item(person, site, item)
    await page.evaluate(PRESS_FAST.format(5))
    await page.assert_is(SAVED, "Saved")
    on = await page.evaluate(NODE)
    await next(node for node in site.nodes if node.name == on).kill()
    await page.evaluate(PRESS_FAST.format(4))

    async def is_back() -> bool:
        return json.dumps(await page.evaluate(f"[{STATUS}, {NODE} !== '{on}']")) == '["live", true]'

    await wait_for(is_back, BACK_WITHIN_S, "another node")
    await page.assert_is(SAVED, "Saved")
    await page.assert_is(count(item), "9")
    await site.cluster.assert_converged(item, 9)
