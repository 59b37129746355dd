"""The operators' page, and what visitors see of what is done there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import violations_on
from tests.browser.embedded import embed
from tests.browser.puppet import Puppet
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def desk(site: Site, **context: Any) -> Page:
    """The page, open to who has the token."""
    page = await (await site.meet(**context)).context.new_page()
    await page.goto(f"{site.nginx.address}/admin")
    await page.get_by_label("Admin token").fill(site.cluster.admin_token)
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("#desk")).to_be_visible()
    return page


async def find(page: Page, item: str) -> Locator:
    """The item's row."""
    await page.get_by_label("Item", exact=True).fill(item)
    await page.get_by_role("button", name="Show", exact=True).click()
    row = page.locator(f'tr[data-item="{item}"]')
    await expect(row).to_have_count(1)
    # Where it is seen, whatever else is in the table.
    await expect(page.locator("#rows tr").first).to_have_attribute("data-item", item)
    return row


async def test_an_item_is_frozen_and_every_button_of_it_says_so(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    reader = await embed(calm_site, name, f'<like-button item="{item}"></like-button>')
    await tab.press(item)
    await reader.assert_shows("1")
    operators = await desk(calm_site)
    row = await find(operators, item)
    await row.get_by_role("button", name=f"Freeze {item}", exact=True).click()
    await expect(operators.locator("#said")).to_have_text(f"{item} takes no presses any more.")
    await expect(row).to_have_attribute("data-frozen", "true")

    await expect(tab.button(item)).to_have_attribute("aria-disabled", "true")
    await tab.assert_says_of_mine(item, "Closed")
    await expect(reader.button()).to_have_attribute("aria-disabled", "true")
    await expect(reader.page.locator("like-button [part=problem]")).to_have_text("Closed")
    await tab.press_fast(item, 3)
    await tab.assert_liked(item, True)
    late = await (await calm_site.meet()).open(item)
    await late.assert_says_of_mine(item, "Closed")
    await late.press_fast(item, 1)
    await calm_site.cluster.assert_converged(item, 1)

    await row.get_by_role("button", name=f"Unfreeze {item}", exact=True).click()
    for each in (tab, late):
        await expect(each.button(item)).to_have_attribute("aria-disabled", "false")
    await late.press(item)
    await reader.assert_shows("2")
    await expect(reader.page.locator("like-button [part=problem]")).to_be_empty()


async def test_a_press_that_met_a_freeze_goes_back_to_what_the_node_has(calm_site: Site) -> None:
    tab = await (await calm_site.meet()).new_tab()
    puppet = await Puppet.before(tab.page)
    await tab.open("clap:a")
    await tab.press("clap:a", 2)
    press = await puppet.pressed("clap:a")
    puppet.say(type="error", id=press["id"], code="frozen", message="closed", n=1)
    puppet.say(type="viewers", viewers={"clap:a": 1}, frozen=["clap:a"])
    puppet.say(type="counts", counts={"clap:a": 7})
    await tab.assert_shows("clap:a", 7)
    await tab.assert_says_of_mine("clap:a", "Closed")
    await tab.assert_waiting_none()


async def test_without_a_script_a_frozen_button_says_so_and_takes_nothing(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    operators = await desk(calm_site)
    row = await find(operators, item)
    await row.get_by_role("button", name=f"Freeze {item}", exact=True).click()
    await expect(row).to_have_attribute("data-frozen", "true")
    tab = await (await calm_site.meet(java_script_enabled=False)).open(item, is_live=False)
    await tab.assert_says_of_mine(item, "Closed")
    await tab.button(item).click(force=True)
    await expect(tab.page.get_by_role("alert")).to_have_text("This button does not count any more.")
    await tab.assert_shows(item, 0)


async def test_a_reset_asks_first_and_counts_from_0(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.press(item, 3)
    await tab.assert_saved()
    operators = await desk(calm_site)
    row = await find(operators, item)
    await expect(row.locator("td").first).to_have_text("3")
    for answer, count in (("Leave it", 3), ("Count from 0", 0)):
        await row.get_by_role("button", name=f"Count from 0 {item}").click()
        dialog = operators.get_by_role("dialog")
        await expect(dialog).to_contain_text(f"{item} has 3.")
        await dialog.get_by_role("button", name=answer).click()
        await expect(dialog).to_be_hidden()
        await expect(row.locator("td").first).to_have_text(str(count))
    await tab.assert_shows(item, 0)


async def test_an_export_is_saved_as_a_file(calm_site: Site, name: str, tmp_path: Path) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.press(item)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)
    operators = await desk(calm_site)
    async with operators.expect_download() as download:
        await operators.get_by_role("button", name="Export as JSON Lines").click()
    file = tmp_path / "likes.jsonl"
    await (await download.value).save_as(file)
    assert {"item": item, "gen": 0, "count": 1} in [json.loads(line) for line in file.read_text().splitlines()]


async def _allows(site: Site, address: str, origin: str) -> bool:
    async with site.cluster.session.get(f"{address}/api/items/tap%3Aa", headers={"Origin": origin}) as answer:
        return answer.headers.get("Access-Control-Allow-Origin") == origin


async def test_an_origin_is_allowed_and_taken_back(calm_site: Site) -> None:
    operators = await desk(calm_site)
    await expect(operators.locator("#allowed")).to_contain_text(f"{calm_site.blog.address}in the settings")
    origin = "https://another.example"
    await operators.get_by_label("Origin", exact=True).fill(f"{origin}/")
    await operators.get_by_role("button", name="Allow", exact=True).click()
    await expect(operators.locator("#said")).to_have_text(f"{origin} is allowed.")
    for node in calm_site.nodes:
        await wait_for(lambda node=node: _allows(calm_site, node.address, origin), 5, "every node to know")
    await operators.get_by_role("button", name=f"Take back {origin}").click()
    await expect(operators.locator("#said")).to_have_text(f"{origin} is not allowed any more.")
    await expect(operators.locator("#allowed li")).to_have_count(1)


async def test_who_has_no_token_sees_nothing(calm_site: Site) -> None:
    person = await calm_site.meet()
    page = await person.context.new_page()
    await page.goto(f"{calm_site.nginx.address}/admin")
    await page.get_by_label("Admin token").fill("a guess")
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("#said")).to_have_text("Not done: This is not the admin token of this node.")
    await expect(page.locator("#desk")).to_be_hidden()
    # The browser's own word for it.
    assert re.search("401", person.complaints.pop())


async def test_the_open_desk_fits_a_phone_and_can_be_hit(calm_site: Site, name: str) -> None:
    page = await desk(calm_site, viewport={"width": 320, "height": 640})
    await find(page, f"once:{name}")
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    for target in await page.locator("button:visible, a:visible, input:visible").all():
        box = await target.bounding_box()
        assert box and box["width"] >= 44 and box["height"] >= 44, await target.inner_text()


@pytest.mark.usefixtures("packages")
async def test_axe_finds_nothing_on_the_open_desk(calm_site: Site, name: str) -> None:
    page = await desk(calm_site, bypass_csp=True, reduced_motion="reduce")
    row = await find(page, f"once:{name}")
    assert await violations_on(page) == []
    await row.get_by_role("button", name=f"Count from 0 once:{name}").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await violations_on(page) == []


async def test_on_a_phone_all_that_is_done_to_an_item_is_in_sight(calm_site: Site, name: str) -> None:
    item = f"clap:blog.example/2026/{name}"
    page = await desk(calm_site, viewport={"width": 360, "height": 740})
    row = await find(page, item)
    for button in await row.get_by_role("button").all():
        box = await button.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360 - 16
        assert box["height"] >= 44
    # Its whole name, too: who resets one of two long ones has to see which.
    shown = row.locator("th")
    assert await shown.evaluate("(cell) => cell.scrollWidth <= cell.clientWidth")
    await expect(shown).to_contain_text(item)
