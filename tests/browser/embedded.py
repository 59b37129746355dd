"""A page of somebody's blog with buttons on it."""

from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from tests.browser.person import RECORD, stand_still
from tests.browser.puppet import Puppet
from tests.browser.site import Site
from tests.support.waiting import wait_for

# What a proxy does that knows no WebSocket. The page's own name for it must stay a class. Without chance, retries
# follow soon; not at once, for what stands in for a WebSocket has to be loaded meanwhile.
NO_WEBSOCKET: Final = """
    Math.random = () => 0.3;
    WebSocket = class { static OPEN = 1; readyState = 3; send() {} close() {}
                        constructor() { setTimeout(() => this.onclose?.({ code: 1006 })); } };
"""


class Embedded:
    """A page with buttons."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def button(self, number: int = 0) -> Locator:
        return self.page.locator("like-button").nth(number).get_by_role("button")

    async def assert_shows(self, text: str, number: int = 0, within_s: float = 5.0) -> None:
        count = self.page.locator("like-button").nth(number).locator("[part=count]")
        await expect(count).to_have_text(text, timeout=within_s * 1000)

    async def assert_liked(self, is_liked: bool, number: int = 0) -> None:
        await expect(self.button(number)).to_have_attribute("aria-pressed", "true" if is_liked else "false")

    @property
    def region(self) -> Locator:
        """What a screen reader is told, of the first."""
        return self.page.locator("like-button [role=status].quiet").first

    async def record_counts(self) -> None:
        """Every number that the first shows from now on, for `recorded_counts`."""
        await self.page.locator("like-button [part=count]").first.evaluate(RECORD)

    async def recorded_counts(self) -> list[int]:
        counts: list[int] = await self.page.evaluate("window.recorded")
        return counts

    async def wait_until_live(self, within_s: float = 5.0) -> None:
        await expect(self.page.locator("like-button").first).to_have_attribute(
            "state", "live", timeout=within_s * 1000
        )


async def embed(site: Site, name: str, body: str, *, script: str = "", person: Any = None) -> Embedded:
    """Somebody who looks at a blog's page with these buttons. `script` runs before it."""
    person = person or await site.meet()
    page = await person.context.new_page()
    if script:
        await page.add_init_script(script)
    await page.goto(site.blog.write(f"/{name}", site.nginx.address, body))
    return Embedded(page)


async def embed_on_strings(site: Site, name: str, item: str, *, clock: bool = False) -> tuple[Embedded, Puppet]:
    """A blog's page whose button's node is a puppet; with a clock that stands where the test moves it."""
    page = (await (await site.meet()).new_tab()).page
    if clock:
        await page.clock.install()
    puppet = await Puppet.before(page)
    await page.goto(site.blog.write(f"/{name}", site.nginx.address, f'<like-button item="{item}"></like-button>'))
    if clock:
        await stand_still(page)
        await wait_for(lambda: puppet.heard, 5, "the button to watch")
        await puppet.tell(type="viewers", viewers={item: 1})
        await page.clock.run_for(1000)
    reader = Embedded(page)
    await reader.assert_shows("0")
    return reader, puppet
