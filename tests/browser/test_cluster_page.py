"""The page of the cluster: a whole table without a script, and with one how it is now."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.lines import Line
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What stands where nothing is known.
NOTHING = "–"


async def cells(page: Page, node: str) -> dict[str, str]:
    cells = page.locator(f'tr[data-node="{node}"] td')
    return dict(await cells.evaluate_all("(cells) => cells.map((cell) => [cell.dataset.column, cell.innerText])"))


async def test_without_a_script_the_table_is_whole(calm_site: Site) -> None:
    page = (await (await calm_site.meet(java_script_enabled=False)).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/cluster")
    for node in calm_site.nodes:
        found = await cells(page, node.name)
        assert found["state"] == "ready"
        assert found["version"] == "0.1.0"
        others = sorted(other.name for other in calm_site.nodes if other is not node)
        assert found["links"] == ", ".join(others)
        assert NOTHING not in found.values()
    await expect(page.locator("tr[data-self]")).to_have_count(1)
    await expect(page.locator("#picture")).to_be_hidden()


async def test_with_a_script_it_goes_on_and_all_nodes_come_to_agree(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/cluster")
    await expect(page.locator("#picture circle")).to_have_count(len(calm_site.nodes))
    await expect(page.locator("#picture line")).to_have_count(3)
    before = await page.locator("#agreement").inner_text()
    tab = await (await calm_site.meet()).open(f"tap:{name}")
    on = await tab.wait_until_live()
    presses = int((await cells(page, on))["presses"].replace(",", ""))
    await tab.press_fast(f"tap:{name}", 20)
    await tab.assert_saved()

    async def is_told() -> bool:
        now = await page.locator("#agreement").inner_text()
        taken = int((await cells(page, on))["presses"].replace(",", ""))
        return now.startswith("All nodes agree") and now != before and taken >= presses + 20

    await wait_for(is_told, 5, "the page to tell of the presses, and of the state that all hold")


async def test_its_lines_show_presses_a_second_lag_and_how_soon_a_node_answers(calm_site: Site, name: str) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/cluster")

    async def presses() -> int:
        found = await page.locator('td[data-column="presses"]').all_inner_texts()
        return sum(int(each.replace(",", "")) for each in found)

    rate, lag, latency = await Line.all_of(page, "Presses a second", "Behind, in ms", "A node’s answer, in ms")
    before = await presses()
    tab = await (await calm_site.meet()).open(f"tap:{name}")
    await tab.wait_until_live()
    await tab.press_fast(f"tap:{name}", 20)
    await tab.assert_saved()

    async def is_drawn() -> bool:
        taken = await presses() - before
        return taken >= 20 and await rate.has_drawn(taken)

    await wait_for(is_drawn, 5, "the presses to be drawn")
    assert all(0 <= (value or 0) < 5000 for value in await lag.values())
    answered = [value for value in await latency.values() if value is not None]
    assert answered
    assert all(0 < value < 5000 for value in answered)
    newest = page.locator(".newest")
    await expect(newest).to_have_count(3)
    assert all(await newest.all_inner_texts())


async def test_without_a_place_at_the_stream_the_page_goes_on(calm_site: Site) -> None:
    person = await calm_site.meet()
    page = (await person.new_tab()).page
    await page.route("**/api/nodes/stream", lambda route: route.fulfill(status=429))
    await page.goto(f"{calm_site.nginx.address}/cluster")
    await expect(page.locator("#picture circle")).to_have_count(len(calm_site.nodes))
    await expect(page.locator("#agreement")).to_contain_text("All nodes agree")
    await page.route("**/api/nodes", lambda route: route.abort())
    await expect(page.locator("#agreement")).to_have_text("No node answers just now")
    await person.leave(page, complained="429")


async def test_what_differs_while_nobody_presses_is_not_said_to_be_on_its_way(calm_site: Site) -> None:
    person = await calm_site.meet()
    page = (await person.new_tab()).page
    async with calm_site.cluster.session.get(f"{calm_site.nodes[0].address}/api/nodes") as answer:
        told = await answer.json()
    told["nodes"][1]["digest"] = "ee" * 16
    await page.clock.install()
    await page.route("**/api/nodes/stream", lambda route: route.fulfill(status=429))
    await page.route("**/api/nodes", lambda route: route.fulfill(json=told))
    await page.goto(f"{calm_site.nginx.address}/cluster")
    agreement = page.locator("#agreement")
    await page.clock.run_for(2000)
    await expect(agreement).to_contain_text("still on its way")
    for _ in range(70):
        await page.clock.run_for(1000)
    await expect(agreement).to_contain_text("differed for a minute")
    await person.leave(page, complained="429")


async def test_how_far_a_frozen_node_is_behind_is_drawn(site: Site) -> None:
    page = (await (await site.meet()).new_tab()).page
    await page.goto(f"{site.nginx.address}/cluster")
    _, lag, _ = await Line.all_of(page, "Presses a second", "Behind, in ms", "A node’s answer, in ms")
    await expect(page.locator("#picture line")).to_have_count(3)
    serving = await page.locator("tr[data-self]").get_attribute("data-node")
    here = next(node for node in site.nodes if node.name == serving)
    frozen = next(node for node in site.nodes if node.name != serving)
    frozen.freeze()
    try:
        async with site.cluster.session.post(f"{here.address}/api/items/tap%3Alag/press", json={"n": 1}) as answer:
            assert answer.status == 200

        async def is_drawn() -> bool:
            return any((value or 0) >= 500 for value in await lag.values())

        await wait_for(is_drawn, 5, "the lag to be drawn")
    finally:
        frozen.thaw()


async def test_a_node_that_is_killed_shows_within_two_seconds(site: Site) -> None:
    page = (await (await site.meet()).new_tab()).page
    await page.goto(f"{site.nginx.address}/cluster")
    await expect(page.locator("#picture line")).to_have_count(3)
    serving = await page.locator("tr[data-self]").get_attribute("data-node")
    other = next(node for node in site.nodes if node.name != serving)
    await other.kill()
    await expect(page.locator(f'tr[data-node="{other.name}"]')).to_have_attribute(
        "data-state", "unreachable", timeout=2000
    )
    await expect(page.locator('#picture [data-state="unreachable"]')).to_have_count(1)
    await expect(page.locator("#picture line")).to_have_count(1)


async def test_when_the_node_that_serves_the_page_is_killed_another_goes_on(site: Site) -> None:
    page = (await (await site.meet()).new_tab()).page
    await page.goto(f"{site.nginx.address}/cluster")
    await expect(page.locator("#picture line")).to_have_count(3)
    serving = await page.locator("tr[data-self]").get_attribute("data-node")
    await next(node for node in site.nodes if node.name == serving).kill()
    await expect(page.locator(f'tr[data-node="{serving}"]')).to_have_attribute(
        "data-state", "unreachable", timeout=2000
    )
    await expect(page.locator("tr[data-self] .you")).to_have_text("serves you")
    assert await page.locator("tr[data-self]").get_attribute("data-node") != serving
