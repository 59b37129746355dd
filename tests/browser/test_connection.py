"""The connection: what ends it for good, and what brings it back."""

import itertools
import time

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.person import BACK_WITHIN_S, LOOK, NEVER_RETRIES, stand_still
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

PERSISTED = "addEventListener('pageshow', (event) => { window.wasCached = event.persisted; });"


@pytest.mark.parametrize(
    ("code", "words"), [(4502, "this address is not served"), (1008, "connection refused (1008)")]
)
async def test_a_final_close_stops_and_says_why(calm_site: Site, code: int, words: str) -> None:
    tab = await (await calm_site.meet()).new_tab()
    dialled = 0

    async def refuse(route: WebSocketRoute) -> None:
        nonlocal dialled
        dialled += 1
        await route.close(code=code)

    await tab.page.route_web_socket("**/live", refuse)
    await tab.open(is_live=False)
    await expect(tab.status).to_contain_text(words)
    await tab.press("tap:home")
    await tab.assert_waiting(1)
    await tab.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(tab.status).to_contain_text(words)
    assert dialled == 1


async def test_a_screen_reader_hears_that_a_page_has_stopped(calm_site: Site) -> None:
    tab = await (await calm_site.meet()).new_tab()
    await tab.page.route_web_socket("**/live", lambda route: route.close(code=4502))
    await tab.open(is_live=False)
    await expect(tab.page.locator("#told")).to_contain_text("this address is not served")


async def test_a_close_that_is_not_final_is_tried_again(calm_site: Site) -> None:
    tab = await (await calm_site.meet()).new_tab()
    dialled = 0

    async def overload(route: WebSocketRoute) -> None:
        nonlocal dialled
        dialled += 1
        await (route.close(code=4004) if dialled < 3 else _connect(route))

    await tab.page.route_web_socket("**/live", overload)
    await tab.open(is_live=False)
    await tab.wait_until_live(10)
    assert dialled == 3


async def test_a_page_looked_at_again_is_live_at_once(calm_site: Site) -> None:
    """It would not have tried again by itself for long."""
    tab = await (await calm_site.meet()).new_tab()
    await tab.page.add_init_script(NEVER_RETRIES)
    dialled = 0

    async def overload_once(route: WebSocketRoute) -> None:
        nonlocal dialled
        dialled += 1
        await (route.close(code=4004) if dialled == 1 else _connect(route))

    await tab.page.route_web_socket("**/live", overload_once)
    await tab.open(is_live=False)
    await tab.wait_until_offline()
    await tab.page.evaluate(LOOK, True)
    await tab.wait_until_offline()
    assert dialled == 1
    await tab.page.evaluate(LOOK, False)
    await tab.wait_until_live(1)
    assert dialled == 2


async def _connect(route: WebSocketRoute) -> None:
    route.connect_to_server()


async def test_a_node_that_never_says_hello_is_given_up(calm_site: Site) -> None:
    """And another one asked, where a WebSocket has come through before."""
    tab = await (await calm_site.meet()).new_tab()
    routes: list[WebSocketRoute] = []

    async def ignore_the_second(route: WebSocketRoute) -> None:
        routes.append(route)
        if len(routes) != 2:
            await _connect(route)

    await tab.page.route_web_socket("**/live", ignore_the_second)
    await tab.open()
    await routes[0].close(code=1001)
    await wait_for(lambda: len(routes) == 3, 10, "the page to dial a third time")
    await tab.wait_until_live()


async def test_where_no_websocket_ever_says_hello_a_proxy_is_in_its_way(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet()).new_tab()
    dialled = 0

    async def swallow(_: WebSocketRoute) -> None:
        nonlocal dialled
        dialled += 1

    await tab.page.route_web_socket("**/live", swallow)
    await tab.open(item, is_live=False)
    # Twice five seconds: a crowd at a node's door is no proxy.
    await tab.wait_until_live(20)
    await tab.press(item, 3)
    await tab.assert_shows(item, 3)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 3)
    assert dialled == 2


async def test_a_machine_that_was_offline_may_be_behind_another_proxy(calm_site: Site, name: str) -> None:
    """A laptop is carried elsewhere: that a WebSocket came through before proves nothing there."""
    item, person = f"tap:{name}", await calm_site.meet()
    tab = await person.new_tab()
    await tab.page.add_init_script("Math.random = () => 0.05;")  # Retries follow soon.
    is_behind_proxy = False
    refused = 0

    async def pass_or_refuse(route: WebSocketRoute) -> None:
        nonlocal refused
        refused += is_behind_proxy
        await (route.close(code=1006) if is_behind_proxy else _connect(route))

    await tab.page.route_web_socket("**/live", pass_or_refuse)
    await tab.open(item)
    await person.context.set_offline(True)
    await tab.wait_until_offline()
    is_behind_proxy = True
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    await person.context.set_offline(False)
    await tab.wait_until_live(BACK_WITHIN_S)
    await tab.press(item, 3)
    await tab.assert_shows(item, 3)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 3)
    assert refused >= 2
    assert any("/api/stream" in url for url in asked)


async def test_a_page_from_the_back_forward_cache_is_live_again(calm_site: Site, name: str) -> None:
    tab = await (await calm_site.meet()).new_tab()
    await tab.page.add_init_script(PERSISTED)
    item = f"tap:{name}"
    await tab.open(item)
    await tab.press(item, 2)
    await tab.assert_saved()
    await tab.open("tap:elsewhere")

    # A page from the cache is not loaded, so there is no load to wait for.
    await tab.page.go_back(wait_until="commit")
    await wait_for(lambda: tab.page.evaluate("window.wasCached"), 3, "the page to come from the cache")
    await tab.wait_until_live()
    await tab.press(item)
    await tab.assert_shows(item, 3)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 3)


async def test_a_leaving_node_is_left_when_it_asks_for_it(calm_site: Site) -> None:
    """Not at once: the node spreads its watchers over the time it has."""
    tab = await (await calm_site.meet()).new_tab()
    routes: list[WebSocketRoute] = []
    dialled_at: list[float] = []

    async def pass_on(route: WebSocketRoute) -> None:
        dialled_at.append(time.monotonic())
        routes.append(route)
        await _connect(route)

    await tab.page.route_web_socket("**/live", pass_on)
    await tab.open()
    told_at = time.monotonic()
    routes[0].send('{"type": "leaving", "after": 1}')
    await expect(tab.status).to_contain_text("moving to another node")
    await tab.wait_until_live()
    assert len(dialled_at) == 2
    assert 0.9 < dialled_at[1] - told_at < 2


@pytest.mark.parametrize("chance", [0.999, 0.5])
async def test_a_page_that_finds_no_node_asks_less_and_less_often(calm_site: Site, chance: float) -> None:
    """And at a moment of chance: with half of it, twice as often."""
    tab = await (await calm_site.meet()).new_tab()
    await tab.page.clock.install()
    # By the page's own clock, which stands but where it is moved.
    await tab.page.add_init_script(f"Math.random = () => {chance};")
    now_s = 0.0
    dialled_at: list[float] = []

    async def refuse(route: WebSocketRoute) -> None:
        dialled_at.append(now_s)
        await route.close(code=4004)

    await tab.page.route_web_socket("**/live", refuse)
    await tab.open(is_live=False)
    await stand_still(tab.page)
    while now_s < 50 * chance:
        await tab.page.clock.run_for(250)
        await tab.page.evaluate("true")  # Whatever was dialled is known here.
        now_s += 0.25
    gaps = [after - before for before, after in itertools.pairwise(dialled_at)]
    # Before the second retry the clock still went by itself, as a page loads by it.
    del gaps[0]
    wanted = [chance * seconds for seconds in (2, 4, 8, 10, 10)]
    assert len(gaps) >= len(wanted)
    # A page that is refused hears of it within a step or two.
    off = [gap - delay for gap, delay in zip(gaps, wanted, strict=False)]
    assert all(-0.3 <= each <= 0.6 for each in off), gaps
