"""Whether it feels alive and calm at once: what a person sees and hears of numbers that come from everywhere."""

import itertools
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.person import LOOK, Tab
from tests.browser.puppet import Puppet
from tests.browser.shifts import AFTER_DRAWING, SHIFTS
from tests.browser.site import Site
from tests.support.waiting import wait_for

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


async def on_strings(site: Site, item: str, *, clock: bool = False, **context: Any) -> tuple[Tab, Puppet]:
    """A page whose node is a puppet; with a clock that stands where the test moves it."""
    tab = await (await site.meet(**context)).new_tab()
    if clock:
        await tab.page.clock.install()
    puppet = await Puppet.before(tab.page)
    await tab.open(item, is_live=False)
    if clock:
        await tab.page.clock.run_for(1000)
    await expect(tab.status).to_have_text("Live on puppet")
    return tab, puppet


async def test_two_hundred_pushes_a_second_are_ten_writes_and_the_last_number(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "tap:a")
    count = tab.form("tap:a").locator(".count")
    # Before it grows it begins: from 0 to 1 the noun changes too, and a screen reader hears a first word.
    puppet.say(type="counts", counts={"tap:a": 2})
    await expect(count).to_have_text("2")
    await tab.page.evaluate(WATCH_WRITES)
    began = await tab.page.evaluate("performance.now()")
    for number in range(3, PUSHES + 3):
        puppet.say(type="counts", counts={"tap:a": number})
        await tab.page.evaluate("new Promise((resolve) => setTimeout(resolve, 1))")
    await expect(count).to_have_text(str(PUSHES + 2))
    seconds = (await tab.page.evaluate("performance.now()") - began) / 1000
    written = await tab.page.evaluate("written")
    assert len(written) <= WRITES_MAX * max(1.0, seconds) + 1
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


async def test_a_refusal_returns_to_the_truth_and_says_why(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "once:a")
    await tab.press("once:a")
    press = await puppet.pressed("once:a")
    puppet.say(type="error", id=press["id"], code="read_only", message="full", retry_after=30)
    await expect(tab.saved).to_contain_text("cannot save right now")
    await tab.press("once:a")
    await tab.assert_liked("once:a", False)
    tab, puppet = await on_strings(calm_site, "clap:a")
    await tab.press("clap:a", 3)
    press = await puppet.pressed("clap:a")
    puppet.say(type="error", id=press["id"], code="bad_tally", message="too many", n=0)
    await tab.assert_shows("clap:a", 0)
    await expect(tab.saved).to_have_text("You have pressed as often as this button counts.")
    await expect(tab.page.locator("#told")).to_have_text("You have pressed as often as this button counts.")
    await tab.press("clap:a")
    await expect(tab.saved).to_contain_text("waiting")


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


async def told(page: Page) -> str:
    return await page.locator("#told").inner_text()


async def test_others_presses_are_announced_at_most_every_fifteen_seconds(calm_site: Site) -> None:
    tab, puppet = await on_strings(calm_site, "tap:a", clock=True)
    assert await told(tab.page) == ""
    heard = [""]
    await tab.page.evaluate(
        """() => {
            window.toldAt = [];
            new MutationObserver(() => toldAt.push(performance.now()))
                .observe(document.getElementById("told"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    for second in range(1, 61):
        puppet.say(type="counts", counts={"tap:a": second})
        await wait_for(lambda: _has_come(tab.page), 5, "the frame to come")
        await tab.page.clock.run_for(1000)
        if (now := await told(tab.page)) != heard[-1]:
            heard.append(now)
    told_at = await tab.page.evaluate("toldAt")
    assert len(told_at) == len(heard) - 1 >= 3
    assert all(later - earlier >= 15_000 for earlier, later in itertools.pairwise(told_at))
    assert heard[-1].endswith("presses")


async def _has_come(page: Page) -> bool:
    """A message that was routed is in the page before what is evaluated after it."""
    return bool(await page.evaluate("true"))


async def test_own_presses_are_announced_at_once(calm_site: Site) -> None:
    tab, _ = await on_strings(calm_site, "once:a")
    assert await told(tab.page) == ""
    await tab.press("once:a")
    await expect(tab.page.locator("#told")).to_have_text("You like this 1 like")
    await tab.press("once:a")
    await expect(tab.page.locator("#told")).to_have_text("0 likes")


async def test_a_hidden_page_rests(calm_site: Site) -> None:
    """It asks for a sign of life every 20 s rather than every two; that it draws nothing is the browser's doing."""
    tab, puppet = await on_strings(calm_site, "tap:a", clock=True)
    await tab.page.evaluate(LOOK, True)
    puppet.say(type="counts", counts={"tap:a": 1})
    await wait_for(lambda: _has_come(tab.page), 5, "the frame to come")
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


async def test_the_focus_is_seen_and_the_state_has_a_shape(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet()).open(item)
    button = tab.button(item)
    await tab.page.keyboard.press("Tab")
    await button.focus()
    outline = await button.evaluate("(button) => getComputedStyle(button).outline")
    assert "3px" in outline and "solid" in outline
    fill = "(button) => getComputedStyle(button.querySelector('.icon')).fill"
    assert await button.evaluate(fill) == "none"
    for key in ("Enter", "Space"):
        await tab.page.keyboard.press(key)
        await tab.assert_liked(item, key == "Enter")
        await tab.assert_saved()
    await tab.page.keyboard.press("Enter")
    await tab.assert_liked(item, True)
    assert await button.evaluate(fill) != "none"


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
