"""Fixtures of the `app` tests: the application around a fake engine, and browsers that speak its protocol."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient

from app.main import Tools, build_app, build_tools
from app.settings import Settings, read_settings
from tests.unit.fakes import FakeEngine

SECRET = "s" * 32
WITHIN_S = 5.0


class Browser:
    """One WebSocket that says and hears JSON."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send_json(message)

    async def hear(self, kind: str | None = None) -> dict[str, Any]:
        """The next message, or the next of this type."""
        while True:
            message = await self.socket.receive(timeout=WITHIN_S)
            assert message.type is WSMsgType.TEXT, f"closed with {self.socket.close_code}"
            heard: dict[str, Any] = msgspec.json.decode(message.data)
            if kind is None or heard["type"] == kind:
                return heard

    async def closed_with(self) -> int | None:
        """The code that ends it, after whatever comes before."""
        while (await self.socket.receive(timeout=WITHIN_S)).type is WSMsgType.TEXT:
            pass
        return self.socket.close_code


class Site:
    """One node's web application, its fake engine, and a client of it."""

    def __init__(self, client: TestClient[web.Request, web.Application], engine: FakeEngine, tools: Tools):
        self.client = client
        self.engine = engine
        self.tools = tools

    async def browser(self, **headers: str) -> Browser:
        return Browser(await self.client.ws_connect("/live", headers=headers))

    def metric(self, name: str, **labels: str) -> float:
        return self.tools.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def make_settings(folder: Path, **variables: str) -> Settings:
    given = {"LIKE_SECRET": SECRET, "LIKE_NODE_NAME": "node1", "LIKE_PUSH_INTERVAL_MS": "5"}
    return read_settings({**given, "LIKE_DATA_DIR": str(folder), **variables})


@pytest.fixture
async def make_site(aiohttp_client: Any, tmp_path: Path) -> Callable[..., Awaitable[Site]]:
    async def make(**variables: str) -> Site:
        settings = make_settings(tmp_path, **variables)
        tools = build_tools(settings)
        engine = FakeEngine(tools.budget)
        app = build_app(settings, engine, tools)
        # The page's look is another test's subject: here it shows what it was given.
        shown = "{{ dict(item=item, kind=kind, count=count, gen=gen, mine_n=mine_n, liked=liked, node=node,"
        shown += " form=form, press_url=press_url, examples=examples, notice=notice) | tojson }}"
        aiohttp_jinja2.setup(app, loader=jinja2.DictLoader({"page.html": shown}))
        return Site(await aiohttp_client(app), engine, tools)

    return make


@pytest.fixture
async def site(make_site: Callable[..., Awaitable[Site]]) -> AsyncIterator[Site]:
    yield await make_site()


async def until(is_true: Callable[[], Any], what: str = "the condition") -> None:
    """Let the loop turn until it is true."""
    async with asyncio.timeout(WITHIN_S):
        while not is_true():
            await asyncio.sleep(0)
    assert is_true(), what
