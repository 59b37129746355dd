"""A node that says to a page what a test wants: its WebSocket, and nothing behind it."""

import json
from typing import Any, Self

from playwright.async_api import Page, WebSocketRoute

from tests.support.waiting import wait_for


class Puppet:
    """`await Puppet.before(page)`, then open the page; it is greeted, and told 0 of whatever it watches."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.route: WebSocketRoute | None = None

    @classmethod
    async def before(cls, page: Page) -> Self:
        puppet = cls()
        await page.route_web_socket("**/live", puppet._come)
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

    async def pressed(self, item: str) -> dict[str, Any]:
        """The next press of this item, taken from what was heard."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.heard if each["type"] == "press" and each["item"] == item), None)

        await wait_for(lambda: found() is not None, 5, f"a press of {item}")
        press = found()
        assert press is not None
        self.heard.remove(press)
        return press
