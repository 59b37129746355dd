"""A person with a browser, and the tabs they look at: the words in which these tests speak."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.support.waiting import wait_for

# Longer than anything but a reconnect takes.
SOON_S: Final = 3.0
# A reconnect: 5 s to notice, half a second of jitter, and a busy machine.
BACK_WITHIN_S: Final = 10.0

# Run before a page's own script. A retry waits for a random part of its delay; now for a thousand times all of it.
NEVER_RETRIES: Final = "Math.random = () => 1000;"

# The page is hidden, or looked at again: a browser without windows never does that by itself.
LOOK: Final = """(hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""

# Notes every number that an element shows from now on, in `recorded`.
RECORD: Final = """(count) => {
    window.recorded = [Number(count.textContent)];
    new MutationObserver(() => recorded.push(Number(count.textContent)))
        .observe(count, { childList: true, characterData: true, subtree: true });
}"""

# Notes what a page's scripts ask for from now on, in `asked`, and how many answers have not come to their end: at
# once, which the browser's own events are not.
NOTE_FETCHES: Final = """(() => {
    const { fetch } = window;
    Object.assign(window, { asked: [], unanswered: 0 });
    window.fetch = async (url, ...more) => {
        asked.push(String(url));
        unanswered += 1;
        const answer = await fetch(url, ...more);
        answer.clone().text().then(() => (unanswered -= 1));
        return answer;
    };
})()"""

# Waits until whatever is written under the lock of this site is stored.
UNLOCKED: Final = "navigator.locks.request(`like@${location.origin}`, () => {})"


async def stand_still(page: Page) -> None:
    """A clock that was installed goes on by itself: from now on it stands but where `run_for` moves it."""
    await page.clock.pause_at(await page.evaluate("Date.now()") / 1000 + 0.5)


# Evaluates lines of an async function in a page that has the script's parts (`lab.js`).
Run = Callable[[str], Awaitable[Any]]

_LIVE: Final = re.compile(r"Live on (\w+)")


class Tab:
    """One page of the site."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    async def open(self, item: str = "", *, is_live: bool = True) -> None:
        """The home page, or the page of an item."""
        await self.page.goto(self.url_of(item))
        if is_live:
            await self.wait_until_live()

    def url_of(self, item: str) -> str:
        return self.address + (f"/items/{quote(item, safe='')}" if item else "/")

    def form(self, item: str) -> Locator:
        return self.page.locator(f'form[data-item="{item}"]')

    def button(self, item: str) -> Locator:
        return self.form(item).get_by_role("button")

    async def press(self, item: str, times: int = 1) -> None:
        for _ in range(times):
            await self.button(item).click()

    async def press_fast(self, item: str, times: int) -> None:
        """As fast as a script can; also on a button that says it is used up."""
        await self.button(item).evaluate("(button, times) => { while (times--) button.click(); }", times)

    async def count(self, item: str) -> int:
        return int((await self.form(item).locator(".count").inner_text()).replace(",", ""))

    async def record_counts(self, item: str) -> None:
        """Every number that is shown from now on, for `recorded_counts`."""
        await self.form(item).locator(".count").evaluate(RECORD)

    async def recorded_counts(self) -> list[int]:
        counts: list[int] = await self.page.evaluate("window.recorded")
        return counts

    @property
    def status(self) -> Locator:
        return self.page.locator("[data-status] .state")

    @property
    def saved(self) -> Locator:
        return self.page.locator("[data-saved]")

    async def wait_until_live(self, within_s: float = SOON_S) -> str:
        """The node's name."""
        await expect(self.status).to_have_text(_LIVE, timeout=within_s * 1000)
        found = _LIVE.search(await self.status.inner_text())
        assert found
        return found[1]

    async def wait_until_on_another_node(self, node: str, within_s: float = BACK_WITHIN_S) -> str:
        another = re.compile(rf"Live on (?!{node}$)\w+")
        await expect(self.status).to_have_text(another, timeout=within_s * 1000)
        return await self.wait_until_live()

    async def wait_until_offline(self) -> None:
        await expect(self.status).to_have_text("Offline – presses are kept", timeout=BACK_WITHIN_S * 1000)

    async def assert_shows(self, item: str, count: int, within_s: float = SOON_S) -> None:
        await expect(self.form(item).locator(".count")).to_have_text(f"{count:,}", timeout=within_s * 1000)

    async def assert_liked(self, item: str, liked: bool, within_s: float = SOON_S) -> None:
        value = "true" if liked else "false"
        await expect(self.button(item)).to_have_attribute("aria-pressed", value, timeout=within_s * 1000)

    async def assert_says_of_mine(self, item: str, text: str) -> None:
        await expect(self.form(item).locator(".own")).to_have_text(text, timeout=SOON_S * 1000)

    async def assert_saved(self, within_s: float = SOON_S) -> None:
        await expect(self.saved).to_have_text("Saved", timeout=within_s * 1000)

    async def assert_waiting(self, presses: int) -> None:
        await expect(self.saved).to_have_text(re.compile(rf"\b{presses} waiting"), timeout=SOON_S * 1000)

    async def assert_waiting_none(self) -> None:
        await expect(self.page.locator("[data-saved=waiting]")).to_have_count(0, timeout=SOON_S * 1000)

    async def assert_waiting_some(self) -> None:
        await expect(self.saved).to_have_text(re.compile(r"\d waiting"), timeout=SOON_S * 1000)

    async def close(self) -> None:
        await self.page.close()


class Person:
    """One browser profile: one visitor, once they have pressed."""

    def __init__(self, address: str, context: BrowserContext) -> None:
        self.address = address
        self.context = context
        self.complaints: list[str] = []
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("console", self._hear)

    async def open(self, item: str = "", *, is_live: bool = True) -> Tab:
        tab = await self.new_tab()
        await tab.open(item, is_live=is_live)
        return tab

    async def new_tab(self) -> Tab:
        return Tab(await self.context.new_page(), self.address)

    async def like_and_lose_cookie(self, item: str) -> None:
        """They have liked it in a tab that is closed; the browser has the rest, and no cookie."""
        tab = await self.open(item)
        await tab.press(item)
        await tab.assert_saved()
        await tab.close()
        await self.context.clear_cookies()

    async def lose_token(self) -> None:
        """The browser has forgotten who they are, and nothing else. Open pages go on as they were."""
        page = await self.context.new_page()
        # Also without a network: what is asked for here is answered here.
        await page.route("**/lost", lambda route: route.fulfill(body="<link rel=icon href=data:,>"))
        await page.goto(f"{self.address}/lost")
        await page.evaluate("localStorage.removeItem(`like@${location.origin}-token`)")
        await page.close()
        await self.context.clear_cookies()

    async def leave(self, page: Page, *, complained: str) -> None:
        """Close a page whose browser told of what the test did to it.

        While a page is open it may go on: what is forgiven before would be told once more.
        """
        await wait_for(
            lambda: any(complained in complaint for complaint in self.complaints),
            SOON_S,
            f"{complained!r} to be told",
        )
        await page.close()
        self.complaints = [complaint for complaint in self.complaints if complained not in complaint]

    async def tokens(self) -> list[str]:
        return [cookie["value"] for cookie in await self.context.cookies() if cookie["name"] == "like_token"]

    def _hear(self, message: ConsoleMessage) -> None:
        # A browser reports every lost connection as an error; anything else is our mistake.
        is_network = "WebSocket connection" in message.text or "net::ERR" in message.text
        if message.type in ("error", "warning") and not is_network:
            self.complaints.append(message.text)
