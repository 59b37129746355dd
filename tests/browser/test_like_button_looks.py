"""How a `<like-button>` looks and speaks: as its attributes, its page and its reader ask."""

import re
from typing import Any, Final

import pytest
from playwright.async_api import Route, expect

from app.texts import LANGUAGES
from tests.browser.embedded import Embedded, embed
from tests.browser.puppet import Puppet
from tests.browser.shifts import AFTER_DRAWING, SHIFTS
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHITE, DARK = "rgb(255, 255, 255)", "rgb(33, 22, 29)"
# What the snippet says, too.
ROOM: Final = "display: inline-block; min-width: 11rem; min-height: 44px; vertical-align: middle"
MOVING: Final = "button => button.querySelector('svg').getAnimations().length"


async def plain_page(site: Site, name: str, body: str, *, language: str = "en", **context: Any) -> Embedded:
    """A page that may have styles of its own."""
    person = await site.meet(**context)
    page = await person.context.new_page()
    await page.add_init_script(SHIFTS)
    script = f'<script async src="{site.nginx.address}/static/like-button.js"></script>'
    await page.goto(site.blog.write_plain(f"/{name}", script + body, language=language))
    return Embedded(page)


async def style(reader: Embedded, part: str, *names: str, number: int = 0) -> list[str]:
    """Of what is seen in the end."""
    place = reader.page.locator("like-button").nth(number).locator(f"[part={part}]")
    styles: list[str] = await place.evaluate(
        "(element, names) => names.map((name) => getComputedStyle(element).getPropertyValue(name))", list(names)
    )
    return styles


@pytest.mark.parametrize("device", ["light", "dark"])
async def test_a_theme_holds_on_every_device(calm_site: Site, name: str, device: str) -> None:
    themes = ("", 'theme="light"', 'theme="dark"')
    body = "".join(f'<like-button item="once:a" {theme}></like-button>' for theme in themes)
    reader = await embed(calm_site, name, body, person=await calm_site.meet(color_scheme=device))
    await reader.assert_shows("0")
    backgrounds = [await style(reader, "button", "background-color", number=number) for number in range(3)]
    assert backgrounds == [[WHITE] if device == "light" else [DARK], [WHITE], [DARK]]


async def test_a_page_styles_it_by_variables_and_parts(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    sheet = """<style>
        like-button { --like-color: rgb(0, 0, 255); --like-radius: 3px; --like-background: rgb(1, 2, 3);
                      --like-pressed: rgb(4, 5, 6); font: 20px serif; }
        like-button::part(button) { letter-spacing: 2px; }
        like-button::part(icon) { opacity: 0.5; }
        like-button::part(label) { text-transform: uppercase; }
        like-button::part(count) { min-width: 0; }
        like-button::part(problem) { top: 7px; }
    </style>"""
    reader = await plain_page(calm_site, name, f'{sheet}<like-button item="{item}"></like-button>')
    await reader.assert_shows("0")
    names = ("color", "border-top-left-radius", "background-color", "font-size", "letter-spacing")
    blue = "rgb(0, 0, 255)"
    assert await style(reader, "button", *names) == [blue, "3px", "rgb(1, 2, 3)", "20px", "2px"]
    assert await style(reader, "icon", "stroke", "opacity") == [blue, "0.5"]
    assert await style(reader, "label", "text-transform") == ["uppercase"]
    assert await style(reader, "count", "min-width") == ["0px"]
    assert await style(reader, "problem", "top") == ["7px"]
    await reader.button().click()
    await reader.assert_liked(True)
    assert await style(reader, "button", "background-color") == ["rgb(4, 5, 6)"]


async def test_a_page_has_buttons_of_several_servers(calm_site: Site, name: str) -> None:
    item, second = f"once:{name}", calm_site.nodes[1]
    servers = ("", f'server="{second.address}"')
    body = "".join(f'<like-button item="{item}" {server}></like-button>' for server in servers)
    person = await calm_site.meet()
    page = await person.context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    script = f'<script async src="{calm_site.nginx.address}/static/like-button.js"></script>'
    await page.goto(calm_site.blog.write_plain(f"/{name}", script + body))
    reader = Embedded(page)
    for number in (0, 1):
        await reader.assert_shows(str(number), number)
        await reader.button(number).click()
        await reader.assert_liked(True, number)
        await reader.assert_shows(str(number + 1), 0)
    # To each server a reader is another visitor.
    await calm_site.cluster.assert_converged(item, 2)
    addresses = (calm_site.nginx.address, second.address)
    assert sorted(sockets) == sorted(f"{address.replace('http', 'ws')}/live" for address in addresses)


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {"en"}))
async def test_it_speaks_its_pages_language_from_the_first_word_on(
    calm_site: Site, name: str, language: str
) -> None:
    words = LANGUAGES[language]["button"]
    body = f'<p>before <like-button item="once:a" style="{ROOM}"></like-button> after</p>'
    reader = await plain_page(calm_site, f"speaks-{language}", body, language=language)
    await expect(reader.button()).to_have_accessible_name(words["names"]["once"])
    await expect(reader.button()).to_have_accessible_description(f"0 {words['units']['once']['other']}")
    await reader.page.evaluate(AFTER_DRAWING)
    assert await reader.page.evaluate("shifts") == []


@pytest.mark.parametrize("lost", ["refused", "held"])
async def test_where_the_texts_do_not_come_it_speaks_english(calm_site: Site, name: str, lost: str) -> None:
    person = await calm_site.meet()

    async def lose(route: Route) -> None:
        if lost == "refused":
            await route.abort()

    await person.context.route("**/like-button.fi.json", lose)
    page = await person.context.new_page()
    script = f'<script async src="{calm_site.nginx.address}/static/like-button.js"></script>'
    body = f'{script}<like-button item="once:a"></like-button>'
    await page.goto(calm_site.blog.write_plain(f"/lost-{lost}", body, language="fi"))
    reader = Embedded(page)
    await expect(reader.button()).to_have_accessible_name("Like", timeout=8000)


async def test_colours_that_the_reader_has_chosen_leave_its_state_to_the_shape(calm_site: Site, name: str) -> None:
    person = await calm_site.meet(forced_colors="active")
    reader = await embed(calm_site, name, f'<like-button item="once:{name}"></like-button>', person=person)
    await reader.assert_shows("0")
    room = await reader.button().bounding_box()
    assert await style(reader, "icon", "fill") == ["none"]
    await reader.button().click()
    await reader.assert_liked(True)
    assert await style(reader, "icon", "fill") == await style(reader, "button", "color")
    assert await reader.button().bounding_box() == room


@pytest.mark.parametrize(("motion", "moving"), [("reduce", 0), ("no-preference", 1)])
async def test_a_press_moves_it_but_not_for_those_who_asked_for_calm(
    calm_site: Site, name: str, motion: str, moving: int
) -> None:
    item = f"tap:calm-{motion}"
    person = await calm_site.meet(reduced_motion=motion)
    reader = await embed(calm_site, f"calm-{motion}", f'<like-button item="{item}"></like-button>', person=person)
    await reader.assert_shows("0")
    # In the same turn: a motion is short.
    script = f"button => {{ button.click(); return ({MOVING})(button); }}"
    assert await reader.button().evaluate(script) == moving


async def test_it_is_large_enough_shows_its_focus_and_fits_a_phone(calm_site: Site, name: str) -> None:
    body = f"<meta name=viewport content='width=device-width'>{'<p>x' * 3}<p>"
    button = f'<like-button item="once:{name}" theme="light"></like-button>'
    reader = await plain_page(calm_site, name, body + button, viewport={"width": 320, "height": 640})
    await reader.assert_shows("0")
    box = await reader.button().bounding_box()
    assert box and box["width"] >= 44 and box["height"] >= 44
    await reader.page.keyboard.press("Tab")
    await expect(reader.button()).to_be_focused()
    outline = ("outline-style", "outline-width", "outline-offset")
    assert await style(reader, "button", *outline) == ["solid", "3px", "3px"]
    await calm_site.cluster.freeze(f"once:{name}")
    await expect(reader.page.locator("like-button [part=problem]")).to_have_text("Closed")
    for direction in ("ltr", "rtl"):
        await reader.page.evaluate("(direction) => { document.documentElement.dir = direction; }", direction)
        assert await reader.page.evaluate("document.documentElement.scrollWidth") == 320, direction


@pytest.mark.parametrize(("language", "written"), [("de", "1.234"), ("fr", "1\u202f234"), ("ar-EG", "١٬٢٣٤")])
async def test_a_number_is_written_as_its_pages_language_does(
    calm_site: Site, name: str, language: str, written: str
) -> None:
    page = (await (await calm_site.meet()).new_tab()).page
    puppet = await Puppet.before(page)
    script = f'<script async src="{calm_site.nginx.address}/static/like-button.js"></script>'
    body = f'{script}<like-button item="once:a"></like-button>'
    await page.goto(calm_site.blog.write_plain(f"/number-{language}", body, language=language))
    await wait_for(lambda: puppet.heard, 5, "the button to watch")
    puppet.say(type="counts", counts={"once:a": 1234})
    await Embedded(page).assert_shows(written)


async def test_its_attributes_can_change(calm_site: Site, name: str) -> None:
    first, second = f"clap:{name}-1", f"clap:{name}-2"
    reader = await embed(calm_site, name, f'<like-button item="{first}"></like-button>')
    await reader.assert_shows("0")
    await reader.button().click(click_count=3)
    await reader.assert_shows("3")
    change = "([name, value]) => document.querySelector('like-button').setAttribute(name, value)"
    await reader.page.evaluate(change, ["item", second])
    await reader.assert_shows("0")
    await reader.page.evaluate(change, ["label", "Applaud"])
    await expect(reader.button()).to_have_accessible_name("Applaud")
    await reader.button().click()
    await reader.assert_shows("1")
    await reader.page.evaluate(change, ["item", first])
    await reader.assert_shows("3")
    await calm_site.cluster.assert_converged(second, 1)


async def test_a_kind_that_changes_takes_its_state_with_it(calm_site: Site, name: str) -> None:
    reader = await embed(calm_site, name, f'<like-button item="{name}" kind="Once"></like-button>')
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_liked(True)
    change = "(kind) => document.querySelector('like-button').setAttribute('kind', kind)"
    await reader.page.evaluate(change, "clap")
    await reader.assert_shows("0")
    await expect(reader.button()).not_to_have_attribute("aria-pressed", re.compile(""))
    await reader.page.evaluate(change, "once")
    await reader.assert_liked(True)


async def test_what_is_given_grows_and_what_is_taken_back_shrinks(calm_site: Site, name: str) -> None:
    body = "".join(f'<like-button item="{kind}:{name}"></like-button>' for kind in ("once", "tap"))
    reader = await embed(calm_site, name, body)
    for number in (0, 1):
        await reader.assert_shows("0", number)
    # In the same turn: a motion is short.
    script = """button => {
        button.click();
        return Number(button.querySelector("svg").getAnimations().at(-1).effect.getKeyframes()[1].scale);
    }"""
    grown = [[await reader.button(number).evaluate(script) > 1 for _ in range(3)] for number in (0, 1)]
    assert grown == [[True, False, True], [True, True, True]]


async def test_without_scripts_what_stands_inside_is_shown_and_leads_to_the_form(
    calm_site: Site, name: str
) -> None:
    address = f"{calm_site.nginx.address}/items/once%3A{name}"
    body = f'<like-button item="once:{name}"><a href="{address}">Like</a></like-button>'
    reader = await plain_page(calm_site, name, body, java_script_enabled=False)
    await reader.page.get_by_role("link", name="Like").click()
    await reader.page.get_by_role("button", name="Like").click()
    await calm_site.cluster.assert_converged(f"once:{name}", 1)
