"""`<like-button>` where no WebSocket comes through: by a stream of events, or by asking again and again."""

import pytest

from tests.browser.embedded import NO_WEBSOCKET, Embedded, embed
from tests.browser.person import LOOK
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("way", ["stream", "poll"])
async def test_where_no_websocket_comes_through_everything_goes_by_plain_requests(
    calm_site: Site, name: str, way: str
) -> None:
    item = f"once:{name.replace('[', '-').replace(']', '')}"
    person = await calm_site.meet()
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    if way == "poll":
        # A proxy that holds a stream back until it ends.
        await person.context.route(lambda url: "/api/stream" in url and "end=1" not in url, lambda route: None)
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


async def test_a_page_that_polls_asks_at_once_when_it_is_looked_at(calm_site: Site, name: str) -> None:
    """A hidden one asks every 15 s: its silence is doubted 3 s after it is looked at."""
    person = await calm_site.meet()
    await person.context.route(lambda url: "/api/stream" in url and "end=1" not in url, lambda route: None)
    page = await person.context.new_page()
    await page.clock.install()
    await page.add_init_script(NO_WEBSOCKET)
    body = f'<like-button item="tap:{name}"></like-button>'
    await page.goto(calm_site.blog.write(f"/{name}", calm_site.nginx.address, body))
    reader = Embedded(page)

    async def is_live() -> bool:
        await page.clock.run_for(500)
        return await page.locator("like-button").get_attribute("state") == "live"

    await wait_for(is_live, 20, "the page to ask")
    await page.evaluate(LOOK, True)
    await page.clock.run_for(4000)
    other = await (await calm_site.meet()).open(f"tap:{name}")
    await other.press(f"tap:{name}")
    await calm_site.cluster.assert_converged(f"tap:{name}", 1)
    await page.evaluate(LOOK, False)
    await page.clock.run_for(1000)
    await reader.assert_shows("1")


async def test_own_presses_over_a_stream_never_make_the_number_jump(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    reader = await embed(calm_site, name, f'<like-button item="{item}"></like-button>', script=NO_WEBSOCKET)
    await reader.wait_until_live(20)
    await reader.assert_shows("0")
    await reader.page.evaluate(
        """() => {
            const count = document.querySelector("like-button").shadowRoot.querySelector("[part=count]");
            window.recorded = [Number(count.textContent)];
            new MutationObserver(() => recorded.push(Number(count.textContent)))
                .observe(count, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for _ in range(20):
        await reader.button().click()
    await reader.assert_shows("20")
    await calm_site.cluster.assert_converged(item, 20)
    recorded = await reader.page.evaluate("recorded")
    assert recorded == sorted(recorded)
    assert recorded[-1] == 20


@pytest.mark.parametrize("way", ["stream", "poll"])
async def test_who_forgets_is_forgotten_also_without_a_websocket(calm_site: Site, name: str, way: str) -> None:
    item = f"clap:{name.partition('[')[0]}-{way}"
    person = await calm_site.meet()
    if way == "poll":
        await person.context.route(lambda url: "/api/stream" in url and "end=1" not in url, lambda route: None)
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
