"""What a person sees and hears, in Firefox, of a node that says what the test wants.

Its driver switches neither scripts nor the network off: in `test_firefox.py` a frame has none, and nginx stops.
"""

import json
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.browser.firefox import SAVED, STATUS, FirefoxPage, FirefoxPerson
from tests.browser.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("packages")]

# In the place of a browser's own: the test says in the page what `node` says.
PUPPET: Final = """
    window.WebSocket = class {
        static OPEN = 1;
        readyState = 1;
        heard = [];
        constructor() {
            window.node = this;
            window.sockets = (window.sockets ?? 0) + 1;
            setTimeout(() => {
                this.onopen?.();
                this.say({ type: "hello", node: "puppet", token: "fresh.token", version: 1 });
            });
        }
        say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
        send(text) {
            const message = JSON.parse(text);
            this.heard.push(message);
            if (message.type === "ping") this.say({ type: "pong" });
            if (message.type !== "watch") return;
            const each = (value) => Object.fromEntries(message.items.map((item) => [item, value]));
            this.say({ type: "counts", counts: each(0) });
            this.say({ type: "mine", tallies: each({ gen: 0, n: 0 }) });
        }
        close() { this.readyState = 3; }
    };
"""
COUNT: Final = "document.querySelector('.count').textContent"
TOLD: Final = "document.getElementById('told').textContent"
PRESSED: Final = "document.querySelector('form[data-item] button').ariaPressed"
BUTTON: Final = "form[data-item] button"
PUSHES: Final = 200
WRITES_MAX: Final = 10
# 200 within a second, by the page's own clock; whatever changes meanwhile is written down.
PUSH: Final = f"""(async () => {{
    let written = 0;
    const everything = {{ attributes: true, childList: true, characterData: true, subtree: true }};
    const observer = new MutationObserver((list) => (written += list.length));
    observer.observe(document.body, everything);
    const began = performance.now();
    for (let number = 3; number <= {PUSHES + 2}; number++) {{
        while (performance.now() < began + 5 * (number - 3)) await new Promise((resolve) => setTimeout(resolve, 1));
        node.say({{ type: "counts", counts: {{ "tap:a": number }} }});
    }}
    const seconds = (performance.now() - began) / 1000;
    while ({COUNT} !== "{PUSHES + 2}") await new Promise((resolve) => setTimeout(resolve, 10));
    observer.disconnect();
    return [written, seconds];
}})()"""


async def on_strings(person: FirefoxPerson, site: Site, item: str) -> FirefoxPage:
    page = await person.open(f"{site.nginx.address}/items/{quote(item, safe='')}", script=PUPPET)
    await page.assert_is(STATUS, "live")
    return page


async def say(page: FirefoxPage, **message: Any) -> None:
    await page.evaluate(f"node.say({json.dumps(message)})")


async def test_two_hundred_pushes_a_second_are_few_writes_and_the_last_number(
    calm_site: Site, person: FirefoxPerson
) -> None:
    page = await on_strings(person, calm_site, "tap:a")
    await say(page, type="counts", counts={"tap:a": 2})
    await page.assert_is(COUNT, "2")
    written, seconds = await page.evaluate(PUSH)
    assert seconds < 2, "fewer than a hundred a second"
    # One draws the number; the ripple that others' presses make is an animation, and writes nothing.
    assert written <= WRITES_MAX * max(1.0, seconds) + 1


async def test_own_presses_are_announced_and_nothing_before(calm_site: Site, person: FirefoxPerson) -> None:
    page = await on_strings(person, calm_site, "once:a")
    assert await page.evaluate(TOLD) == ""
    await page.click(BUTTON)
    await page.assert_is(TOLD, "You like this. 1 like")
    live = "[...document.querySelectorAll('[aria-live], [role=status], [role=alert], output')].map(({ id }) => id)"
    assert await page.evaluate(live) == ["told"]


async def test_a_refusal_returns_to_the_truth_and_says_why(calm_site: Site, person: FirefoxPerson) -> None:
    page = await on_strings(person, calm_site, "once:a")
    await page.click(BUTTON)
    await page.assert_is(PRESSED, "true")
    press = "node.heard.findLast(({ type }) => type === 'press')"
    await page.assert_is(f"{press} !== undefined", True)
    number = await page.evaluate(f"{press}.id")
    await say(page, type="error", id=number, code="bad_tally", message="too many", n=0)
    await page.assert_is(PRESSED, "false")
    await page.assert_is(SAVED, "You have pressed as often as this button counts.")
    await page.assert_is(TOLD, "You have pressed as often as this button counts.")


async def test_an_old_count_is_not_shown(calm_site: Site, person: FirefoxPerson) -> None:
    """A press is answered with a count that is older than what was pushed meanwhile."""
    page = await on_strings(person, calm_site, "tap:a")
    for number in (1, 2):
        await page.click(BUTTON)
        await page.assert_is("node.heard.filter(({ type }) => type === 'press').length", number)
    presses = await page.evaluate("node.heard.filter(({ type }) => type === 'press').map(({ id, n }) => [id, n])")
    await page.evaluate(
        f"window.seen = []; new MutationObserver(() => seen.push({COUNT}))"
        ".observe(document.querySelector('.count'), { childList: true, characterData: true, subtree: true })"
    )
    (first, n), (second, more) = presses
    told = {"item": "tap:a", "gen": 0, "copies": 1, "wanted": 1}
    await say(page, type="pressed", id=second, n=more, count=17, **told)
    await page.assert_is(COUNT, "17")
    await say(page, type="pressed", id=first, n=n, count=15, **told)
    await page.assert_is(SAVED, "Saved")
    assert set(await page.evaluate("seen")) == {"17"}


async def test_thirty_buttons_share_one_socket(calm_site: Site, person: FirefoxPerson, name: str) -> None:
    buttons = "".join(f'<like-button item="once:{name}-{number}"></like-button>' for number in range(30))
    address = calm_site.blog.write(f"/{name}", calm_site.nginx.address, buttons)
    page = await person.open(address, script=PUPPET)
    first, last = (f"document.querySelectorAll('like-button')[{number}].shadowRoot" for number in (0, 29))
    await page.assert_is(f"{first}.querySelector('[part=count]').textContent", "0")
    await page.evaluate("document.querySelectorAll('like-button')[29].scrollIntoView()")
    await page.assert_is(f"{last}.querySelector('[part=count]').textContent", "0")
    assert await page.evaluate("sockets") == 1
