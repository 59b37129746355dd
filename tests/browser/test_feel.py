"""Whether it feels alive and calm at once: what a person sees and hears of numbers that come from everywhere."""

from typing import Final

import pytest
from playwright.async_api import expect

from tests.browser.person import LOOK
from tests.browser.puppet import on_strings
from tests.browser.shifts import AFTER_DRAWING, SHIFTS
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUSHES: Final = 200
WRITES_MAX: Final = 10
# Whatever changes, of the number and around it.
WATCH_WRITES: Final = """() => {
    window.written = [];
    const note = (list) => written.push(...list.map(({ target }) => target.textContent));
    const everything = { attributes: true, childList: true, characterData: true, subtree: true };
    new MutationObserver(note).observe(document.body, everything);
}"""
# One frame is drawn before a style sheet or a script has come: what ground does it have?
GROUND: Final = "getComputedStyle(document.body).backgroundColor"
# A colour as numbers: a browser writes the same one in several ways.
RGB: Final = "(element, name) => getComputedStyle(element)[name].match(/[\\d.]+/g).slice(0, 3).map(Number)"


async def test_two_hundred_pushes_a_second_are_ten_writes_and_the_last_number(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "tap:a")
    count = tab.form("tap:a").locator(".count")
    # Before it grows it begins: from 0 to 1 the noun changes too, and a screen reader hears a first word.
    puppet.say(type="counts", counts={"tap:a": 2})
    await expect(count).to_have_text("2")
    await tab.page.evaluate(WATCH_WRITES)
    seconds = await puppet.rush("tap:a", range(3, PUSHES + 3), 1.0)
    assert seconds < 1.5, "they came as fast as that"
    await expect(count).to_have_text(str(PUSHES + 2))
    written = await tab.page.evaluate("written")
    assert 3 <= len(written) <= WRITES_MAX * seconds + 1
    assert str(PUSHES + 2) in written[-1]


async def test_a_press_shows_before_any_answer(calm_site: Site) -> None:
    tab, _ = await on_strings(calm_site, "once:a")
    shown = await tab.button("once:a").evaluate(
        "(button) => { button.click(); return [button.getAttribute('aria-pressed'),"
        " document.querySelector('.count').textContent]; }"
    )
    assert shown == ["true", "1"]


async def test_ten_quick_presses_end_right(calm_site: Site, name: str) -> None:
    for item, presses, count in ((f"once:{name}", 11, 1), (f"once:{name}/even", 10, 0), (f"tap:{name}", 10, 10)):
        tab = await (await calm_site.meet()).open(item)
        await tab.press_fast(item, presses)
        await tab.assert_shows(item, count)
        await tab.assert_waiting_none()
        await calm_site.cluster.assert_converged(item, count)


@pytest.mark.parametrize(("kind", "count"), [("once", 1), ("tap", 10)])
async def test_ten_quick_clicks_of_a_mouse_are_one_like_or_ten_taps(
    calm_site: Site, name: str, kind: str, count: int
) -> None:
    """Who double-clicks everything means one like: a browser counts such clicks, a script's are each a first."""
    item = f"{kind}:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.record_counts(item)
    await tab.button(item).click(click_count=10)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, count)
    assert await tab.recorded_counts() == list(range(count + 1))


@pytest.mark.parametrize("kind", ["tap", "clap"])
async def test_own_presses_never_make_the_number_jump(calm_site: Site, name: str, kind: str) -> None:
    item = f"{kind}:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.record_counts(item)
    await tab.press(item, 20)
    await tab.assert_saved()
    # All that the node says of them has come before it tells of another's.
    await (await (await calm_site.meet()).open(item)).press(item)
    await tab.assert_shows(item, 21)
    assert await tab.recorded_counts() == list(range(22))


async def test_an_answer_with_an_older_count_than_was_pushed_lowers_nothing(calm_site: Site) -> None:
    """The second answer of a press, when its copies exist, tells the count of its commit once more."""
    item = "tap:a"
    tab, puppet = await on_strings(calm_site, item)
    await tab.record_counts(item)
    presses = []
    for _ in range(2):
        await tab.press(item)
        presses.append(await puppet.pressed(item))
    for copies in (0, 1):
        for press in presses:
            answer = {"item": item, "gen": 0, "n": press["n"], "count": press["n"]}
            puppet.say(type="pressed", id=press["id"], copies=copies, wanted=1, **answer)
        if copies == 0:
            puppet.say(type="counts", counts={item: 12})
            await tab.assert_shows(item, 12)
    # It is said when the number is shown.
    await tab.assert_saved()
    assert await tab.recorded_counts() == [0, 1, 2, 12]


@pytest.mark.parametrize(("item", "presses"), [("once:a", 1), ("clap:a", 3)])
async def test_a_refusal_returns_to_the_truth_and_says_why(calm_site: Site, item: str, presses: int) -> None:
    why = "You have pressed as often as this button counts."
    tab, puppet = await on_strings(calm_site, item)
    await tab.press(item, presses)
    await tab.assert_shows(item, presses)
    press = await puppet.pressed(item)
    puppet.say(type="error", id=press["id"], code="bad_tally", message="too many", n=0)
    await tab.assert_shows(item, 0)
    await tab.assert_says_of_mine(item, "")
    if item == "once:a":
        await tab.assert_liked(item, False)
    await expect(tab.saved).to_have_text(why)
    await expect(tab.page.locator("#told")).to_have_text(why)
    await tab.press(item)
    await expect(tab.saved).to_contain_text("waiting")


async def test_a_like_that_no_node_takes_yet_can_be_taken_back(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "once:a")
    await tab.press("once:a")
    press = await puppet.pressed("once:a")
    puppet.say(type="error", id=press["id"], code="read_only", message="full", retry_after=30)
    await expect(tab.saved).to_contain_text("cannot save right now")
    await tab.press("once:a")
    await tab.assert_liked("once:a", False)


@pytest.mark.parametrize(
    ("code", "said"),
    [("read_only", "cannot save right now"), ("rate_limited", "A lot at once"), ("behind", "Saving")],
)
async def test_what_is_sent_again_by_itself_asks_for_nothing_and_is_saved_in_the_end(
    calm_site: Site, code: str, said: str
) -> None:
    tab, puppet = await on_strings(calm_site, "once:a")
    await tab.press("once:a")
    press = await puppet.pressed("once:a")
    puppet.say(type="error", id=press["id"], code=code, message="later", retry_after=0.1)
    await expect(tab.saved).to_contain_text(said)
    await expect(tab.saved).to_contain_text("1 waiting")
    await tab.assert_liked("once:a", True)
    again = await puppet.pressed("once:a")
    answer = {"item": "once:a", "gen": 0, "n": again["n"], "copies": 1, "wanted": 1, "count": 1}
    puppet.say(type="pressed", id=again["id"], **answer)
    await tab.assert_saved()


async def test_a_hidden_page_rests(calm_site: Site) -> None:
    """It asks for a sign of life every 20 s rather than every two; that it draws nothing is the browser's doing."""
    tab, puppet = await on_strings(calm_site, "tap:a", clock=True)
    await tab.page.evaluate(LOOK, True)
    await puppet.tell(type="counts", counts={"tap:a": 1})
    puppet.heard.clear()
    for _ in range(60):
        await tab.page.clock.run_for(1000)
    pings = [message for message in puppet.heard if message["type"] == "ping"]
    assert 1 <= len(pings) <= 4


async def test_nothing_moves_from_nine_to_a_thousand(calm_site: Site) -> None:
    for item in ("tap:a", "once:a"):
        tab, puppet = await on_strings(calm_site, item, viewport={"width": 360, "height": 800})
        await tab.page.evaluate(SHIFTS)
        await tab.page.evaluate("shifts.length = 0")
        for number in (9, 10, 99, 100, 999, 1000):
            puppet.say(type="counts", counts={item: number})
            await tab.assert_shows(item, number)
        await tab.page.evaluate(AFTER_DRAWING)
        assert await tab.page.evaluate("shifts") == []


@pytest.mark.parametrize("forced", ["none", "active"])
async def test_the_focus_is_seen_and_the_state_has_a_shape(calm_site: Site, name: str, forced: str) -> None:
    """Also in the colours that the reader has chosen, which are all that they see then."""
    item = f"once:{name}"
    tab = await (await calm_site.meet(forced_colors=forced, reduced_motion="reduce")).open(item)
    assert await tab.page.evaluate("matchMedia('(forced-colors: active)').matches") == (forced == "active")
    button = tab.button(item)
    await tab.page.keyboard.press("Tab")
    await button.focus()
    outline = await button.evaluate("(button) => getComputedStyle(button).outline")
    assert "3px" in outline and "solid" in outline
    ground = await tab.page.locator("body").evaluate(RGB, "backgroundColor")
    assert await button.evaluate(RGB, "outlineColor") != ground
    fill = "(button) => getComputedStyle(button.querySelector('.icon')).fill"
    assert await button.evaluate(fill) == "none"
    for key in ("Enter", "Space"):
        await tab.page.keyboard.press(key)
        await tab.assert_liked(item, key == "Enter")
        await tab.assert_saved()
    await tab.page.keyboard.press("Enter")
    await tab.assert_liked(item, True)
    assert await button.evaluate(fill) != "none"
    assert await button.locator(".icon").evaluate(RGB, "fill") != await button.evaluate(RGB, "backgroundColor")


async def test_a_phone_of_320_pixels_at_twice_the_size_shows_all_in_one_column(calm_site: Site) -> None:
    """A window of 640 pixels at 200 % has 320 of its own (WCAG 1.4.10); texts twice as large fit even there."""
    paths = (
        "/",
        "/items/once%3Ablog%2Fpost-42",
        "/embed/once%3Aa",
        "/event/tap%3Aa",
        "/privacy",
        "/cluster",
        "/admin",
    )
    for path in paths:
        page = (await (await calm_site.meet(viewport={"width": 320, "height": 640})).new_tab()).page
        await page.goto(calm_site.nginx.address + path)
        await page.wait_for_selector("circle, [data-status=live], form[action='/forget'], #enter", state="attached")
        assert await page.evaluate("document.documentElement.scrollWidth") == 320, path
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert await page.evaluate("document.documentElement.scrollWidth") == 320, f"{path} at 200 %"


async def test_no_text_lies_over_another_on_a_phone_at_twice_the_size(calm_site: Site) -> None:
    tab = await (await calm_site.meet(viewport={"width": 320, "height": 640})).open()
    await tab.press("once:article")
    await tab.assert_says_of_mine("once:article", "You like this")
    await tab.page.evaluate("document.documentElement.style.fontSize = '200%'")
    over = await tab.page.evaluate(
        """() => {
            const room = (element) => {
                const range = document.createRange();
                range.selectNodeContents(element);
                return range.getBoundingClientRect();
            };
            const places = [...document.querySelectorAll(".card :is(.own, .more, .number, h3)")];
            const texts = places.filter((place) => place.textContent.trim());
            return texts.flatMap((a, place) => texts.slice(place + 1).filter((b) => {
                const [one, other] = [room(a), room(b)];
                const isApart = one.bottom <= other.top || other.bottom <= one.top ||
                    one.right <= other.left || other.right <= one.left;
                return !isApart;
            }).map((b) => [a.textContent, b.textContent]));
        }"""
    )
    assert over == []


async def test_dark_is_dark_from_the_first_frame(calm_site: Site) -> None:
    """Before the style sheet has come the browser's own ground shows: the page has said that it may be dark."""
    page = (await (await calm_site.meet(color_scheme="dark")).new_tab()).page
    await page.route("**/*.css", lambda route: route.abort())
    await page.goto(calm_site.nginx.address)
    canvas = await page.evaluate(
        "(() => { const probe = document.createElement('div'); probe.style.background = 'Canvas';"
        " document.body.append(probe); return getComputedStyle(probe).backgroundColor; })()"
    )
    assert canvas == "rgb(18, 18, 18)"
    await page.unroute("**/*.css")
    await page.reload()
    assert await page.evaluate(GROUND) == "rgb(21, 13, 19)"
