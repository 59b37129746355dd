"""The application around a fake engine, and browsers that speak its protocol."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient

from app.main import Tools
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


def make_settings(folder: Path, **variables: str) -> Settings:
    given = {"LIKE_SECRET": SECRET, "LIKE_NODE_NAME": "node1", "LIKE_PUSH_INTERVAL_MS": "5"}
    return read_settings({**given, "LIKE_DATA_DIR": str(folder), **variables})


async def until(is_true: Callable[[], Any], what: str = "the condition") -> None:
    """Let the loop turn until it is true."""
    async with asyncio.timeout(WITHIN_S):
        while not is_true():  # noqa: ASYNC110 - nobody tells a test
            await asyncio.sleep(0)
    assert is_true(), what
