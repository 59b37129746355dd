"""The same in Firefox: what of a browser's own could differ, from presses to storage and streams."""

import json
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.browser.embedded import NO_WEBSOCKET
from tests.browser.firefox import Firefox, FirefoxPage, FirefoxPerson
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("packages")]

BACK_WITHIN_S: Final = 10.0
STATUS: Final = "document.querySelector('[data-status]').dataset.status"
SAVED: Final = "document.querySelector('[data-saved]').textContent"
NODE: Final = "document.querySelector('[data-status] .state').textContent.split(' ').at(-1)"
EMBEDDED: Final = "document.querySelector('like-button').shadowRoot.querySelector('{}')"
# As fast as a script can.
PRESS_FAST: Final = "for (let n = 0; n < {}; n++) document.querySelector('form[data-item] button').click()"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(packages: None) -> AsyncIterator[Firefox]:
    async with Firefox() as started:
        yield started
        complaints = await started.ask("complaints")
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(loop_scope="session")
async def person(firefox: Firefox) -> AsyncIterator[FirefoxPerson]:
    someone = await firefox.meet()
    yield someone
    await someone.leave()


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
