"""The page for a hall, and the overlay for a stream."""

import base64
import itertools
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.lines import Line
from tests.browser.person import LOOK, NOTE_FETCHES, stand_still
from tests.browser.puppet import Puppet
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What the digits of a number that rolls have come to, each by how far its strip has moved.
ROLLED: Final = """[...document.querySelectorAll('.rolling > span')].map((cell) => {
    const strip = cell.firstElementChild;
    return strip ? String(-parseFloat(strip.style.transform.slice(11)) / 10) : cell.textContent;
}).join('')"""
IN_THE_AIR_MAX: Final = 24
# As often as the page asks what else is pressed.
TOP_MS: Final = 5000


# Of a picture: how opaque its corners are, and its most opaque place.
OPACITIES: Final = """async (picture) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
    const { width, height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, width, height);
    const alpha = (x, y) => data[4 * (y * width + x) + 3];
    const corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]].map(([x, y]) => alpha(x, y));
    return [corners, data.reduce((most, each, index) => (index % 4 === 3 ? Math.max(most, each) : most), 0)];
}"""


async def opacities(page: Page) -> tuple[list[int], int]:
    """As streaming software sees it, in which a page has no ground of its own."""
    picture = base64.b64encode(await page.screenshot(omit_background=True)).decode()
    blank = await page.context.new_page()
    corners, most = await blank.evaluate(OPACITIES, picture)
    await blank.close()
    return corners, most


async def on_strings(
    site: Site, path: str, *, motion: str = "no-preference", clock: bool = False, **context: Any
) -> tuple[Page, Puppet]:
    page = (await (await site.meet(reduced_motion=motion, **context)).new_tab()).page
    if clock:
        await page.clock.install()
    puppet = await Puppet.before(page)
    await page.goto(site.nginx.address + path)
    if clock:
        await stand_still(page)
    # It is told 0 then; what the test says comes after that.
    await wait_for(lambda: puppet.heard, 5, "the page to watch")
    return page, puppet


async def test_the_number_rolls_to_what_is_counted(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/event/tap%3Aa")
    for number, text in ((7, "7"), (1234, "1,234"), (98, "98")):
        puppet.say(type="counts", counts={"tap:a": number})
        await expect(page.locator(".count")).to_have_text(text)
        assert await page.evaluate(ROLLED) == text


@pytest.mark.parametrize("path", ["/event/tap%3Aa", "/overlay/tap%3Aa"])
async def test_hearts_rise_while_others_press_but_few(calm_site: Site, path: str) -> None:
    page, puppet = await on_strings(calm_site, path)
    numbers = itertools.count(1)

    async def has_risen() -> bool:
        # The first may be what the page begins with.
        puppet.say(type="counts", counts={"tap:a": next(numbers)})
        return await page.locator("#sky .icon").count() > 0

    await wait_for(has_risen, 5, "a heart")
    for number in range(100):
        puppet.say(type="counts", counts={"tap:a": 100 * number})
        assert await page.locator("#sky .icon").count() <= IN_THE_AIR_MAX
    await expect(page.locator("#sky .icon")).to_have_count(0, timeout=10_000)


async def test_a_line_shows_how_many_presses_there_were_each_second(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/event/tap%3Aa")
    (line,) = await Line.all_of(page, "Presses a second")
    puppet.say(type="counts", counts={"tap:a": 60})
    await line.wait_until_drawn(60)
    puppet.say(type="counts", counts={"tap:a": 100})
    await line.wait_until_drawn(100)
    # A count that falls is no press, and a second without one is at the bottom.
    puppet.say(type="counts", counts={"tap:a": 90})
    await expect(page.locator(".count")).to_have_text("90")
    before = len(await line.values())

    async def has_gone_on() -> bool:
        return len(await line.values()) >= before + 2

    await wait_for(has_gone_on, 5, "two more seconds")
    assert await line.newest() == 0
    await expect(page.locator("#charts .newest")).to_have_text("0")
    assert await line.has_drawn(100)


async def test_a_line_goes_back_three_minutes(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/event/tap%3Aa", clock=True)
    (line,) = await Line.all_of(page, "Presses a second", clock=True)
    for second in range(240):
        await puppet.tell(type="counts", counts={"tap:a": second})
        await page.clock.run_for(1000)
    points, paper = await line.seconds()
    assert 175 <= points <= 180
    assert paper == pytest.approx(180, abs=1)
    assert 175 <= len(await line.values()) <= 181


async def test_a_hidden_page_asks_for_nothing(calm_site: Site) -> None:
    """And for what it has missed soon after it is looked at."""
    page, _ = await on_strings(calm_site, "/event/tap%3Aa", clock=True)
    await page.evaluate(NOTE_FETCHES)

    async def asked_within_20_s() -> int:
        for _ in range(20):
            await page.clock.run_for(1000)
        asked: list[str] = await page.evaluate("asked.splice(0)")
        return sum(url.startswith("/api/top") for url in asked)

    assert await asked_within_20_s() == 4
    await page.evaluate(LOOK, True)
    assert await asked_within_20_s() == 0
    await page.evaluate(LOOK, False)
    assert await asked_within_20_s() == 4


async def test_no_hearts_for_those_who_asked_for_calm(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/event/tap%3Aa", motion="reduce")
    puppet.say(type="counts", counts={"tap:a": 50})
    await expect(page.locator(".count")).to_have_text("50")
    assert await page.locator("#sky .icon").count() == 0
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_the_overlay_lies_on_nothing_and_only_watches(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/overlay/tap%3Aa")
    puppet.say(type="counts", counts={"tap:a": 5})
    await expect(page.locator(".count")).to_have_text("5")
    corners, most = await opacities(page)
    assert corners == [0, 0, 0, 0]
    assert most == 255, "the number is there"
    assert await page.locator("button, a, form").count() == 0
    assert {message["type"] for message in puppet.heard} == {"watch"}


async def test_arabic_digits_roll_too(calm_site: Site) -> None:
    page, puppet = await on_strings(calm_site, "/event/tap%3Aa", locale="ar-EG")
    puppet.say(type="counts", counts={"tap:a": 98})
    await expect(page.locator(".count")).to_have_text("٩٨")
    assert await page.evaluate(ROLLED) == "98"


async def test_a_hall_presses_and_sees_how_many_watch(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    page = (await (await calm_site.meet()).new_tab()).page
    await page.goto(f"{calm_site.nginx.address}/event/tap%3A{name}")
    await expect(page.locator(".status")).to_have_attribute("data-status", "live")
    await page.locator(f'form[data-item="{item}"] button').click()
    await calm_site.cluster.assert_converged(item, 1)
    await expect(page.locator("#charts canvas")).to_have_count(1)
    other = await (await calm_site.meet()).open(item)
    await expect(page.locator(".viewers")).to_have_text("2 watching now")
    await other.close()
    await expect(page.locator(".viewers")).to_have_text("1 watching now")


async def test_what_else_is_pressed_comes_and_goes(calm_site: Site, name: str) -> None:
    """Of what the producer has named; what somebody else makes up is not on the wall."""
    page = (await (await calm_site.meet()).new_tab()).page
    await page.clock.install()
    named = [f"tap:{name}/{colour}" for colour in ("red", "blue")]
    query = "&".join(f"item={item}" for item in named)
    await page.goto(f"{calm_site.nginx.address}/event/tap%3A{name}?{query}")
    entries = page.locator("#items li")
    at_first = [f"{name}/red 0 presses", f"{name}/blue 0 presses"]
    await expect(entries).to_have_text(at_first)
    for item, presses in zip((*named, f"tap:{name}/rude"), (2, 3, 9), strict=True):
        await (await (await calm_site.meet()).open(item)).press_fast(item, presses)
        await calm_site.cluster.assert_converged(item, presses)
    await page.clock.run_for(TOP_MS)
    await expect(entries).to_have_text([f"{name}/blue 3 presses", f"{name}/red 2 presses"])
    href = await entries.get_by_role("link").first.get_attribute("href")
    assert href and href.startswith(f"/event/tap%3A{name}%2Fblue?item=")
    for item in named:
        await calm_site.cluster.reset(item)
        await calm_site.cluster.assert_converged(item, 0)
    await page.clock.run_for(TOP_MS)
    await expect(entries).to_have_text(at_first)
