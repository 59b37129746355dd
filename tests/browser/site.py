"""Nodes, nginx in front of them, somebody's blog, and a browser: everything a person needs."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from playwright.async_api import async_playwright

from tests.browser.blog import Blog
from tests.browser.person import Person, Tab
from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node

NODES: Final = 3
HOME_ITEMS: Final = ("tap:home", "once:article", "clap:talk")
# Quiet and without a profile: a browser that talks to nobody but the nodes.
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Playwright switches the back-forward cache off; people have it.
UNWANTED: Final = ["--disable-back-forward-cache"]


class Site:
    """`async with Site(folder) as site: ada = await site.meet()`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` are LIKE_ variables for every node."""
        self._folder = folder
        self.blog = Blog()
        self.cluster = Cluster(folder, **{"LIKE_ALLOWED_ORIGINS": self.blog.address, **settings})
        self._people: list[Person] = []

    async def __aenter__(self) -> Self:
        await self.cluster.__aenter__()
        try:
            await self.blog.__aenter__()
            await self.cluster.start(NODES)
            self.nginx = Nginx(self._folder, [f"127.0.0.1:{node.port}" for node in self.nodes])
            await self.nginx.start()
            self._playwright = await async_playwright().start()
            self._browser = await self._playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=ARGUMENTS,
                ignore_default_args=UNWANTED,
            )
        except BaseException:
            await self.cluster.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._browser.close()
        await self._playwright.stop()
        await self.nginx.end()
        await self.blog.__aexit__(None, None, None)
        await self.cluster.__aexit__(kind, error, trace)

    @property
    def nodes(self) -> list[Node]:
        return self.cluster.nodes

    async def meet(self, **context: Any) -> Person:
        """Another person with a browser profile of their own."""
        self._people.append(await self.lodge(**context))
        return self._people[-1]

    async def lodge(self, **context: Any) -> Person:
        """Somebody who stays when all others go: whoever asks closes their browser."""
        return Person(self.nginx.address, await self._browser.new_context(**context))

    async def say_goodbye(self) -> list[str]:
        """Everybody closes their browser; what their pages complained about."""
        people, self._people = self._people, []
        for person in people:
            await person.context.close()
        return [complaint for person in people for complaint in person.complaints]

    async def mend(self) -> None:
        """Everything runs again, and the home page shows 0."""
        if not self.nginx.is_running:
            await self.nginx.start()
        for node in self.nodes:
            if node.is_frozen:
                node.thaw()
            if not node.is_running:
                node.start()
        await self.cluster.wait_until_ready()
        for item in HOME_ITEMS:
            if await self.nodes[0].count(item):
                await self.cluster.reset(item)
            await self.cluster.assert_converged(item, 0)

    async def node_of(self, tab: Tab) -> Node:
        name = await tab.wait_until_live()
        return next(node for node in self.nodes if node.name == name)
