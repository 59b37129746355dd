"""Visitors on every node, and presses of every kind, for the tests of resets and erasures."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.browser import Browser
from tests.support.node import Node

TAP, LIKE, CLAP = "tap:home", "once:article", "clap:talk"


@asynccontextmanager
async def browsers_on(nodes: list[Node], token: str | None = None) -> AsyncIterator[list[Browser]]:
    """One connection to each node, of this visitor or of one each."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(await Browser.connect(node.address, token=token)) for node in nodes]


async def press_all_kinds(node: Node) -> str:
    """Three presses of each kind by one visitor, saved; its token."""
    async with await Browser.connect(node.address, tab="one-tab") as browser:
        for item in (TAP, LIKE, CLAP):
            await browser.press(item, 3)
        assert browser.token is not None
        return browser.token
