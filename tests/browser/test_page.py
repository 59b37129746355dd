"""How the page looks and reads, as far as a program can tell."""

import pytest
from playwright.async_api import expect

from tests.browser.live_regions import regions_of
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Where everything of fixed size is on the page, wherever it is scrolled to.
WHICH = "h1, :is(h2, button, .card):not(details *), .status, footer"
BOXES = f"""() => [...document.querySelectorAll("{WHICH}")].map((each) => {{
    const {{ x, y, width, height }} = each.getBoundingClientRect();
    return [x, y + scrollY, width, height].map(Math.round);
}})"""


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_moves_overflows_or_is_too_small_to_hit(calm_site: Site, width: int) -> None:
    person = await calm_site.meet(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    tab = await person.open()
    before = await tab.page.evaluate(BOXES)
    for item in ("tap:home", "once:article", "clap:talk"):
        await tab.press(item)
    await tab.assert_saved()

    assert await tab.page.evaluate(BOXES) == before
    assert await tab.page.evaluate("document.documentElement.scrollWidth") == width
    for target in await tab.page.locator("button:visible, a, summary").all():
        box = await target.bounding_box()
        assert box and box["width"] >= 44 and box["height"] >= 44


@pytest.mark.parametrize(
    "path", ["/items/once%3Aa", "/embed/once%3Aa", "/event/tap%3Aa", "/cluster", "/privacy", "/admin"]
)
async def test_what_is_pressed_is_large_enough_on_every_page(calm_site: Site, path: str) -> None:
    page = (await (await calm_site.meet(viewport={"width": 360, "height": 800})).new_tab()).page
    await page.goto(calm_site.nginx.address + path)
    targets = await page.locator("button:visible, a:visible, summary:visible, input:visible").all()
    assert targets
    for target in targets:
        box = await target.bounding_box()
        assert box and box["width"] >= 44 and box["height"] >= 44, await target.inner_text()


async def test_files_are_sent_compressed_and_again_only_when_they_change(calm_site: Site) -> None:
    session, address = calm_site.cluster.session, calm_site.nginx.address
    for file in ("page.css", "page.js", "like-button.js", "texts/fi.json"):
        async with session.get(f"{address}/static/{file}", headers={"Accept-Encoding": "gzip"}) as answer:
            assert (answer.status, answer.headers.get("Content-Encoding")) == (200, "gzip"), file
            tag = answer.headers["ETag"]
        async with session.get(f"{address}/static/{file}", headers={"If-None-Match": tag}) as again:
            assert again.status == 304, file
    async with session.get(address, headers={"Accept-Encoding": "gzip"}) as page:
        assert "Content-Encoding" not in page.headers, "it holds a token"


async def test_a_screen_reader_gets_constant_names_and_one_polite_line(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    button = tab.button(item)
    await expect(button).to_have_accessible_name("Like")
    await tab.press(item)
    await tab.assert_liked(item, True)
    await expect(button).to_have_accessible_name("Like")
    await expect(button).to_have_accessible_description("1 like You like this")
    assert await regions_of(tab.page) == ["told"]


async def test_nothing_moves_for_those_who_asked_for_calm(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet(reduced_motion="reduce")).open(item)
    await tab.press(item)
    await tab.assert_shows(item, 1)
    assert await tab.page.evaluate("document.getAnimations().length") == 0


async def test_a_press_is_answered_by_motion_at_once(calm_site: Site, name: str) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet(reduced_motion="no-preference")).open(item)
    running = await tab.button(item).evaluate(
        "(button) => { button.click(); return document.getAnimations().length; }"
    )
    assert running > 0


@pytest.mark.parametrize(
    "poor",
    [
        # Plain http on another machine's address.
        "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });",
        # A browser that is told to block all site data.
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden'); } });",
        # Firefox, told the same, makes no channel between tabs either.
        "window.BroadcastChannel = class { constructor() { throw new DOMException('', 'SecurityError'); } };",
    ],
    ids=["without locks", "without storage", "without a channel"],
)
async def test_a_poorer_browser_presses_all_the_same(calm_site: Site, name: str, poor: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).new_tab()
    await tab.page.add_init_script(poor)
    await tab.open(item)
    for liked in (True, False, True):
        await tab.press(item)
        await tab.assert_liked(item, liked)
        await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)


async def test_what_is_stored_as_saved_is_in_the_number_that_the_page_came_with(calm_site: Site, name: str) -> None:
    """Who made the page did not know who would look: as in a frame elsewhere, which gets no cookie."""
    item = f"once:{name}"
    person = await calm_site.meet()
    await person.like_and_lose_cookie(item)
    tab = await person.new_tab()
    await tab.page.route_web_socket("**/live", lambda _: None)  # Nobody says more.
    await tab.open(item, is_live=False)
    await tab.assert_liked(item, True)
    assert await tab.count(item) == 1


async def test_storage_that_is_full_is_read_all_the_same(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    await person.like_and_lose_cookie(item)
    tab = await person.new_tab()
    full = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"
    await tab.page.add_init_script(full)
    await tab.open(item)
    await tab.assert_liked(item, True)
    await calm_site.cluster.assert_converged(item, 1)


# Every text's contrast with what is behind it, by WCAG 2.2: with the worst colour of a radial gradient, and with
# the last of a linear one, where texts are.
CONTRASTS = """() => {
    const numbersIn = (text) => text.match(/\\d+/g).map(Number);
    const coloursOf = (style) => [...style.matchAll(/rgb\\([^)]*\\)/g)].map(([colour]) => numbersIn(colour));
    const light = ([r, g, b]) => [r, g, b]
        .map((each) => each / 255)
        .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const behind = (element) => {
        const { backgroundColor, backgroundImage } = getComputedStyle(element);
        const isLinear = backgroundImage.startsWith("linear");
        const colours = coloursOf(backgroundColor + backgroundImage).slice(isLinear ? -1 : 0);
        return colours.length ? colours : behind(element.parentElement);
    };
    const worst = [];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].map((node) => (node instanceof Text ? node.data.trim() : "")).join("");
        if (!text || !element.checkVisibility()) continue;
        const [colour] = coloursOf(getComputedStyle(element).color);
        worst.push([text, Math.min(...behind(element).map((each) => contrast(colour, each)))]);
    }
    return worst;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_is_readable(calm_site: Site, scheme: str) -> None:
    tab = await (await calm_site.meet(color_scheme=scheme, reduced_motion="reduce")).open()
    for item in ("tap:home", "once:article", "clap:talk"):
        await tab.press(item)
    await tab.assert_saved()
    contrasts: list[tuple[str, float]] = await tab.page.evaluate(CONTRASTS)
    await tab.page.context.set_offline(True)
    await tab.press("tap:home")
    await tab.assert_waiting_some()
    contrasts += await tab.page.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [(text, round(each, 2)) for text, each in contrasts if each < 4.5] == []


async def test_the_page_is_light_or_dark_as_the_device_is(calm_site: Site) -> None:
    """From the first frame: the browser knows before any style has come, and no script has a say."""
    grounds = []
    for scheme in ("light", "dark"):
        tab = await (await calm_site.meet(color_scheme=scheme, java_script_enabled=False)).new_tab()
        await tab.open(is_live=False)
        await expect(tab.page.locator('head meta[name="color-scheme"]')).to_have_attribute("content", "light dark")
        red, green, blue = await tab.page.locator("body").evaluate(
            "(body) => getComputedStyle(body).backgroundColor.match(/\\d+/g).map(Number)"
        )
        grounds.append((red + green + blue) / 3)
    light, dark = grounds
    assert light > 200
    assert dark < 50
