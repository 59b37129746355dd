"""What people read: in their language, from its side, with its numbers; the same before and after the script."""

import re
from typing import Final

import pytest
from playwright.async_api import expect

from app.texts import LANGUAGES
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRESSES: Final = 1234
BURST: Final = 500
# Of one column and of two: on either side of the widths at which a page's cards are narrowest.
WIDTHS: Final = (320, 400, 560, 620, 660, 700, 760, 1100)
# How many links of the page's cards lie on what they say of one's own presses.
OVERLAPS: Final = """() => {
    const drawn = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect();
    };
    return [...document.querySelectorAll('.examples .card')].filter((card) => {
        const own = drawn(card.querySelector('.own')), more = drawn(card.querySelector('.more'));
        const besides = own.right <= more.left || more.right <= own.left;
        const apart = own.bottom <= more.top || more.bottom <= own.top;
        return !besides && !apart;
    }).length;
}"""
# As they write 1,234. French has a narrow space that does not break.
NUMBERS: Final = {
    "en-US": "1,234",
    "de-DE": "1.234",
    "fr-FR": "1\u202f234",
    "fi-FI": "1\u00a0234",
    "ar-EG": "١٬٢٣٤",
}


@pytest.mark.parametrize("locale", sorted(NUMBERS))
async def test_a_number_is_written_as_its_readers_do(calm_site: Site, name: str, locale: str) -> None:
    item = "tap:" + re.sub(r"[^A-Za-z]", "-", name)
    for n in (BURST, BURST, PRESSES - 2 * BURST):
        url = f"{calm_site.nodes[0].address}/api/items/{item.replace(':', '%3A')}/press"
        async with calm_site.cluster.session.post(url, json={"n": n}) as answer:
            assert answer.status == 200
    await calm_site.cluster.assert_converged(item, PRESSES)
    plain = await (await calm_site.meet(locale=locale, java_script_enabled=False)).open(item, is_live=False)
    scripted = await (await calm_site.meet(locale=locale)).new_tab()
    await scripted.page.goto(scripted.url_of(item))
    await expect(scripted.page.locator("[data-status]")).to_have_attribute("data-status", "live")
    for tab in (plain, scripted):
        await expect(tab.form(item).locator(".count")).to_have_text(NUMBERS[locale])


async def test_finnish_is_read_in_finnish_with_and_without_a_script(calm_site: Site, name: str) -> None:
    for scripted in (True, False):
        item = f"once:{name}-{scripted}"
        tab = await (await calm_site.meet(locale="fi-FI", java_script_enabled=scripted)).new_tab()
        await tab.page.goto(tab.url_of(item))
        await expect(tab.page.locator("html")).to_have_attribute("lang", "fi")
        await expect(tab.button(item)).to_have_accessible_name("Tykkää")
        await tab.button(item).click()
        await expect(tab.form(item)).to_contain_text("Sinä tykkäät tästä")
        await expect(tab.form(item).locator(".unit")).to_have_text("tykkäys")


async def test_arabic_is_read_from_the_right(calm_site: Site, name: str) -> None:
    tab = await (await calm_site.meet(locale="ar", viewport={"width": 320, "height": 800})).new_tab()
    await tab.page.goto(tab.address)
    await expect(tab.page.locator("html")).to_have_attribute("dir", "rtl")
    assert await tab.page.evaluate("document.documentElement.scrollWidth") == 320
    card = tab.page.locator(".small").first
    button, number = [await card.locator(part).bounding_box() for part in ("button", ".count")]
    assert button and number and button["x"] > number["x"], "the button begins the line, on the right"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_what_a_card_says_of_my_presses_has_room_at_every_width(site: Site, language: str) -> None:
    person = await site.meet(locale=language)
    tab = await person.new_tab()
    await tab.page.goto(tab.address)
    # All claps of one person: the longest that it says.
    await tab.press_fast("clap:talk", 50)
    await tab.press("once:article")
    thanks = LANGUAGES[language]["button"]["own"]["clap_full"].split("{max}")[1]
    await expect(tab.form("clap:talk").locator(".own")).to_contain_text(thanks)
    await expect(tab.form("once:article").locator(".own")).not_to_be_empty()
    for width in WIDTHS:
        await tab.page.set_viewport_size({"width": width, "height": 800})
        assert await tab.page.evaluate(OVERLAPS) == 0, f"one text lies on another at {width} pixels"
