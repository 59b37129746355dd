"""A node that says to a page what a test wants: its WebSocket, and nothing behind it."""

import json
from typing import Any, Final, Self

from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.person import Tab, stand_still
from tests.browser.site import Site
from tests.support.waiting import wait_for

# Run after what stands in for its WebSocket was put into the page.
_KEEP_SOCKET: Final = """
    WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.socket = this; } };
"""
# Messages come evenly over a time, however slow the machine is: those that are due come at once. Its seconds.
_RUSH: Final = """async ([messages, seconds]) => {
    const began = performance.now();
    const since = () => (performance.now() - began) / 1000;
    for (let said = 0; said < messages.length; ) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        const due = Math.min(messages.length, Math.floor((since() / seconds) * messages.length));
        for (; said < due; said++) socket.dispatchEvent(new MessageEvent("message", { data: messages[said] }));
    }
    return since();
}"""


class Puppet:
    """`await Puppet.before(page)`, then open the page; it is greeted, and told 0 of whatever it watches."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.heard: list[dict[str, Any]] = []
        self.route: WebSocketRoute | None = None

    @classmethod
    async def before(cls, page: Page) -> Self:
        puppet = cls(page)
        await page.route_web_socket("**/live", puppet._come)
        await page.add_init_script(_KEEP_SOCKET)
        return puppet

    def _come(self, route: WebSocketRoute) -> None:
        self.route = route
        route.on_message(self._hear)
        self.say(type="hello", node="puppet", token="fresh.token", version=1)

    def _hear(self, text: str | bytes) -> None:
        message = json.loads(text)
        self.heard.append(message)
        if message["type"] == "watch":
            self.say(type="counts", counts=dict.fromkeys(message["items"], 0))
            self.say(type="mine", tallies={item: {"gen": 0, "n": 0} for item in message["items"]})
        elif message["type"] == "ping":
            self.say(type="pong")

    def say(self, **message: Any) -> None:
        assert self.route is not None, "the page has come"
        self.route.send(json.dumps(message))

    async def tell(self, **message: Any) -> None:
        """Say it, and go on when the page has it: what is evaluated after a message that was routed comes later."""
        self.say(**message)
        await self.page.evaluate("true")

    async def rush(self, item: str, counts: range, within_s: float) -> float:
        """Push these, evenly over so many seconds of the page's own time; how many it took."""
        messages = [json.dumps({"type": "counts", "counts": {item: count}}) for count in counts]
        seconds: float = await self.page.evaluate(_RUSH, [messages, within_s])
        return seconds

    async def pressed(self, item: str) -> dict[str, Any]:
        """The next press of this item, taken from what was heard."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.heard if each["type"] == "press" and each["item"] == item), None)

        await wait_for(lambda: found() is not None, 5, f"a press of {item}")
        press = found()
        assert press is not None
        self.heard.remove(press)
        return press


async def on_strings(site: Site, item: str, *, clock: bool = False, **context: Any) -> tuple[Tab, Puppet]:
    """A page whose node is a puppet; with a clock that stands where the test moves it."""
    tab = await (await site.meet(**context)).new_tab()
    if clock:
        await tab.page.clock.install()
    puppet = await Puppet.before(tab.page)
    await tab.open(item, is_live=False)
    if clock:
        await stand_still(tab.page)
        await tab.page.clock.run_for(1000)
    await expect(tab.status).to_have_text("Live on puppet")
    return tab, puppet
