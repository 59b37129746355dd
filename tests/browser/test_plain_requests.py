"""Where no WebSocket comes through: by a stream of events, or by asking again and again."""

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.embedded import NO_WEBSOCKET, Embedded, embed
from tests.browser.person import LOOK, NOTE_FETCHES, Tab, stand_still
from tests.browser.site import Site
from tests.support.nginx import Nginx
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What a proxy holds back that waits for an answer's end: an answer that ends at once passes.
HELD_STREAMS: Final = re.compile(r"/api/stream\?(?!.*\bend=1)")
# An nginx that passes on no upgrade, as of somebody who has read no page about WebSockets.
NO_UPGRADE: Final = {"/live websocket;": "", "/live upgrade;": ""}
# … and keeps what comes until there is much of it, or no more to come.
IN_ONE_GO: Final = {
    """proxy_read_timeout 4s;
            proxy_send_timeout 30s;
            proxy_buffering off;""": """proxy_read_timeout 4s;
            proxy_ignore_headers X-Accel-Buffering;
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 128k;"""
}


@pytest.mark.parametrize("way", ["stream", "poll"])
async def test_where_no_websocket_comes_through_everything_goes_by_plain_requests(
    calm_site: Site, name: str, way: str
) -> None:
    item = f"once:{name.replace('[', '-').replace(']', '')}"
    person = await calm_site.meet()
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    if way == "poll":
        await person.context.route(HELD_STREAMS, lambda route: None)
    body = f'<like-button item="{item}"></like-button><like-button item="tap:{item[5:]}"></like-button>'
    reader = await embed(calm_site, name, body, script=NO_WEBSOCKET, person=person)
    await reader.wait_until_live(20)
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_liked(True)
    other = await (await calm_site.meet()).open(item)
    await other.assert_shows(item, 1)
    await other.press(item)
    await reader.assert_shows("2")
    for _ in range(5):
        await reader.button(1).click()
    await reader.assert_shows("5", 1)
    await calm_site.cluster.assert_converged(f"tap:{item[5:]}", 5)
    await reader.page.reload()
    await reader.wait_until_live(20)
    await reader.assert_liked(True)
    await reader.assert_shows("2")
    assert ("end=1" in " ".join(asked)) == (way == "poll")


async def polling_page(site: Site, name: str) -> Page:
    """A blog's page that is live by asking, and whose clock stands where the test moves it."""
    person = await site.meet()
    await person.context.route(HELD_STREAMS, lambda route: None)
    page = await person.context.new_page()
    await page.clock.install()
    await page.add_init_script(NO_WEBSOCKET)
    body = f'<like-button item="tap:{name}"></like-button>'
    await page.goto(site.blog.write(f"/{name}", site.nginx.address, body))
    await stand_still(page)

    async def is_live() -> bool:
        await page.clock.run_for(500)
        return await page.locator("like-button").get_attribute("state") == "live"

    await wait_for(is_live, 20, "the page to ask")
    return page


async def test_a_page_that_polls_asks_at_once_when_it_is_looked_at(calm_site: Site, name: str) -> None:
    """A hidden one asks every 15 s: its silence is doubted 3 s after it is looked at."""
    page = await polling_page(calm_site, name)
    await page.evaluate(LOOK, True)
    await page.clock.run_for(4000)
    other = await (await calm_site.meet()).open(f"tap:{name}")
    await other.press(f"tap:{name}")
    await calm_site.cluster.assert_converged(f"tap:{name}", 1)
    await page.evaluate(LOOK, False)

    async def is_shown() -> bool:
        await page.clock.run_for(100)
        return await page.locator("like-button [part=count]").inner_text() == "1"

    began = await page.evaluate("Date.now()")
    await wait_for(is_shown, 10, "the answer")
    # However long the node took for it: the page asked long before a poll was due.
    assert await page.evaluate("Date.now()") - began < 10_000


async def test_a_hidden_page_that_polls_asks_six_times_less(calm_site: Site, name: str) -> None:
    page = await polling_page(calm_site, name)
    await page.evaluate(NOTE_FETCHES)

    async def is_answered() -> bool:
        return bool(await page.evaluate("unanswered === 0"))

    async def asked_within_15_s() -> int:
        for _ in range(30):
            await page.clock.run_for(500)
            # However long that takes: the page's clock stands meanwhile.
            await wait_for(is_answered, 5, "the node's answer")
        return len(await page.evaluate("asked.splice(0)"))

    assert 5 <= await asked_within_15_s() <= 7
    await page.evaluate(LOOK, True)
    assert 1 <= await asked_within_15_s() <= 2
    await expect(page.locator("like-button")).to_have_attribute("state", "live")


@pytest.mark.parametrize("script", ["", NO_WEBSOCKET], ids=["websocket", "stream"])
async def test_own_presses_never_make_the_number_of_a_button_jump(calm_site: Site, name: str, script: str) -> None:
    item = f"tap:{name}"
    reader = await embed(calm_site, name, f'<like-button item="{item}"></like-button>', script=script)
    await reader.wait_until_live(20)
    await reader.assert_shows("0")
    await reader.record_counts()
    for _ in range(20):
        await reader.button().click()
    await calm_site.cluster.assert_converged(item, 20)
    # All that the node says of them has come before it tells of another's.
    await (await (await calm_site.meet()).open(item)).press(item)
    await reader.assert_shows("21")
    assert await reader.recorded_counts() == list(range(22))


@pytest.mark.parametrize("way", ["stream", "poll"])
async def test_who_forgets_is_forgotten_also_without_a_websocket(calm_site: Site, name: str, way: str) -> None:
    item = f"clap:{name.partition('[')[0]}-{way}"
    person = await calm_site.meet()
    if way == "poll":
        await person.context.route(HELD_STREAMS, lambda route: None)
    body = f'<like-button item="{item}"></like-button>'
    reader = await embed(calm_site, f"forget-{way}", body, script=NO_WEBSOCKET, person=person)
    await reader.wait_until_live(30)
    for _ in range(3):
        await reader.button().click()
    await reader.assert_shows("3")
    await calm_site.cluster.assert_converged(item, 3)
    assert await reader.page.evaluate("document.querySelector('like-button').forget()")
    await reader.assert_shows("0", within_s=10)
    await reader.button().click()
    await reader.assert_shows("1")
    await calm_site.cluster.assert_converged(item, 1)


@pytest.mark.parametrize("way", ["stream", "poll"])
async def test_behind_a_proxy_that_lets_no_websocket_through_all_goes_on(
    calm_site: Site, name: str, tmp_path: Path, way: str
) -> None:
    """A real one, in front of the same nodes: on a page of theirs, and on a blog's."""
    item, person = f"tap:{name}", await calm_site.meet()
    asked: list[str] = []
    heard: list[str | bytes] = []

    def hear(frame: str | bytes) -> None:
        heard.append(frame)

    person.context.on("request", lambda request: asked.append(request.url))
    tab, blog = await person.new_tab(), await person.context.new_page()
    for page in (tab.page, blog):
        page.on("websocket", lambda socket: socket.on("framereceived", hear))
        await page.add_init_script("Math.random = () => 0.3;")  # Without chance, retries follow soon.
    changes = NO_UPGRADE if way == "stream" else NO_UPGRADE | IN_ONE_GO
    nodes = [f"127.0.0.1:{node.port}" for node in calm_site.nodes]
    async with Nginx(tmp_path, nodes, changes=changes) as proxy:
        tab, reader = Tab(tab.page, proxy.address), Embedded(blog)
        await tab.open(item, is_live=False)
        await blog.goto(
            calm_site.blog.write(f"/{name}", proxy.address, f'<like-button item="{item}"></like-button>')
        )
        await tab.wait_until_live(20)
        await reader.wait_until_live(20)
        await tab.page.bring_to_front()
        await tab.press(item, 3)
        await tab.assert_saved(10)
        await reader.assert_shows("3")
        await blog.bring_to_front()
        await reader.button().click()
        await calm_site.cluster.assert_converged(item, 4)
        other = await (await calm_site.meet()).open(item)
        await other.press(item)
        await tab.assert_shows(item, 5, within_s=5)
        await reader.assert_shows("5")
        assert not heard
        assert ("end=1" in " ".join(asked)) == (way == "poll")
        await tab.close()
        await blog.close()
