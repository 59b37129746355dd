"""`GET /api/stream`: what a WebSocket would say, as a stream of events."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
import pytest

from app import event_stream, keys, wire
from app.event_stream import EventStream
from app.visitors import Tokens
from tests.unit.sites import WITHIN_S, Site, until

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
ORIGIN: Final = "https://blog.example"


class Stream:
    """The events of one answer."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.code: int | None = None

    async def hear(self, kind: str | None = None) -> dict[str, Any]:
        """The next message, or the next of this type."""
        while True:
            event = await self._next()
            heard: dict[str, Any] = msgspec.json.decode(event.removeprefix("data: "))
            if kind in (None, heard["type"]):
                return heard

    async def rest(self) -> list[str]:
        """The types of all that comes until it ends."""
        types = []
        while not self.answer.content.at_eof():
            event = await self._next()
            if event.startswith("event: close\n"):
                self.code = int(event.removeprefix("event: close\ndata: "))
            elif event:
                types.append(msgspec.json.decode(event.removeprefix("data: "))["type"])
        return types

    async def _next(self) -> str:
        async with asyncio.timeout(WITHIN_S):
            event = await self.answer.content.readuntil(b"\n\n") if not self.answer.content.at_eof() else b""
        return event.decode().removesuffix("\n\n")


@asynccontextmanager
async def listening(site: Site, *items: str, token: str = "", tab: str = "", **more: str) -> AsyncIterator[Stream]:
    query = [("item", item) for item in items] + list(more.items())
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    query += [("tab", tab)] if tab else []
    async with site.client.get("/api/stream", params=query, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        yield Stream(answer)


def token_of(site: Site) -> str:
    return site.client.app[keys.DESK].tokens.sign(b"0123456789")


async def test_it_says_what_a_websocket_says_and_goes_on_saying_it(site: Site) -> None:
    async with listening(site, "tap:home", "once:a") as stream:
        assert stream.answer.content_type == "text/event-stream"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        assert (await stream.hear())["type"] == "hello"
        assert (await stream.hear())["counts"] == {"tap:home": 0, "once:a": 0}
        assert (await stream.hear())["tallies"]["once:a"] == {"gen": 0, "n": 0}
        assert (await stream.hear())["viewers"] == {"tap:home": 1, "once:a": 1}
        await site.client.post("/api/items/tap%3Ahome/press", json={"n": 3})
        assert await stream.hear() == {"type": "counts", "counts": {"tap:home": 3}}


async def test_who_has_a_token_is_greeted_afresh_and_then_by_it(site: Site) -> None:
    async with listening(site, "once:a", token=token_of(site), tab="mine") as stream:
        fresh, own = await stream.hear(), await stream.hear()
        verify = Tokens(site.client.app[keys.SETTINGS].visitor_keys).verify
        assert [fresh["type"], own["type"]] == ["hello", "hello"]
        assert verify(fresh["token"]) != verify(own["token"]) == b"0123456789"


async def test_a_token_that_is_none_is_refused_and_the_stream_goes_on_as_a_fresh_visitor(site: Site) -> None:
    async with listening(site, "once:a", token="nonsense") as stream:
        await stream.hear("hello")
        assert (await stream.hear("error"))["code"] == "bad_token"
        assert (await stream.hear("counts"))["counts"] == {"once:a": 0}


async def test_own_taps_come_with_the_count_that_includes_them(site: Site) -> None:
    """The page presses by other requests, and would show them twice or not at all in between."""
    token = token_of(site)
    async with listening(site, "tap:home", token=token, tab="mine") as stream:
        await stream.hear("viewers")
        headers = {"Authorization": f"Bearer {token}"}
        await site.client.post("/api/items/tap%3Ahome/press", json={"n": 1, "tab": "other"}, headers=headers)
        assert await stream.hear() == {"type": "counts", "counts": {"tap:home": 1}}
        await site.client.post("/api/items/tap%3Ahome/press", json={"n": 2, "tab": "mine"}, headers=headers)
        assert await stream.hear() == {"type": "mine", "tallies": {"tap:home": {"gen": 0, "n": 2}}}
        assert await stream.hear() == {"type": "counts", "counts": {"tap:home": 3}}
        await site.client.post("/api/items/tap%3Aaway/press", json={"n": 2, "tab": "mine"}, headers=headers)
        await site.client.post("/api/items/tap%3Ahome/press", json={"n": 2, "tab": "other"}, headers=headers)
        assert await stream.hear() == {"type": "counts", "counts": {"tap:home": 4}}


async def test_nobody_is_told_of_the_taps_of_a_stream_that_ended(site: Site) -> None:
    hub = site.client.app[keys.DESK].hub
    async with listening(site, "tap:home", token=token_of(site), tab="mine") as stream:
        await stream.hear("viewers")
        assert len(hub._tappers) == 1
    await until(lambda: not hub._tappers)


async def test_a_poll_ends_when_it_has_told_what_is_true_now(site: Site) -> None:
    async with listening(site, "tap:home", end="1") as stream:
        assert await stream.rest() == ["hello", "counts", "mine", "viewers"]
        assert stream.code is None
    async with listening(site, end="1") as stream:
        assert await stream.rest() == ["hello"]
    assert site.metric("like_connections") == 0


async def test_a_sign_of_life_comes_by_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "BEAT_S", 0.01)
    async with listening(site) as stream:
        assert await stream.hear("pong") == await stream.hear("pong")


async def test_who_is_sent_away_is_told_the_code_and_the_stream_ends(site: Site) -> None:
    async with listening(site, "tap:home") as stream:
        await stream.hear("viewers")
        await site.client.app[keys.LIVE].leave()
        assert "leaving" in await stream.rest()
        assert stream.code == wire.CLOSE_LEAVING


async def test_a_leaving_node_takes_nobody_more(site: Site) -> None:
    await site.client.app[keys.LIVE].leave()
    answer = await site.client.get("/api/stream")
    assert (answer.status, (await answer.json())["code"]) == (503, "overloaded")


async def test_items_that_are_none_are_refused_and_the_others_told(site: Site) -> None:
    async with listening(site, "nonsense", "tap:home", "tap:..") as stream:
        assert (await stream.hear("error"))["code"] == "bad_item"
        assert (await stream.hear("counts"))["counts"] == {"tap:home": 0}


async def test_too_many_items_are_refused_at_once(site: Site) -> None:
    answer = await site.client.get("/api/stream", params=[("item", f"tap:{n}") for n in range(101)])
    assert (answer.status, (await answer.json())["code"]) == (400, "too_many_items")


def streams_alive() -> int:
    return sum(isinstance(each, EventStream) for each in gc.get_objects())


async def test_an_ended_stream_is_no_garbage_that_only_the_collector_finds(site: Site) -> None:
    """A node lets its collector not look far: what forms rings would stay."""
    gc.collect()
    before = streams_alive()
    gc.disable()
    try:
        for more in ({}, {"end": "1"}):
            async with listening(site, "tap:home", **more) as stream:
                await stream.hear("viewers")
        await until(lambda: not site.client.app[keys.LIVE]._sessions)
        site.engine.forgotten.clear()
        await until(lambda: streams_alive() == before, "all to be let go")
    finally:
        gc.enable()


async def test_pages_of_listed_origins_may_read_it_and_others_may_not(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ALLOWED_ORIGINS=ORIGIN)
    async with site.client.get("/api/stream", params={"end": "1"}, headers={"Origin": ORIGIN}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    other = await site.client.get("/api/stream", headers={"Origin": "https://evil.example"})
    assert (other.status, (await other.json())["code"]) == (403, "forbidden_origin")
    assert "Access-Control-Allow-Origin" not in other.headers


async def test_one_that_does_not_read_is_closed_like_a_slow_watcher(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.client.port, limit=1024)
    writer.write(b"GET /api/stream?item=tap:home HTTP/1.1\r\nHost: x\r\n\r\n")
    live = site.client.app[keys.LIVE]
    await until(lambda: live._sessions)
    stream = next(iter(live._sessions))
    # More than any kernel buffers for one socket.
    while not stream._is_closing:
        stream.send(wire.frame(wire.Error(code="x", message="y" * 60_000)))
        await asyncio.sleep(0)
    await until(lambda: not live._sessions)
    writer.transport.abort()


def test_frames_of_every_length_are_taken_apart() -> None:
    said = [wire.Counts({f"tap:{n}": n for n in range(size)}) for size in (1, 20, 9000)]
    frames = b"".join(map(wire.frame, said))
    assert [payload for _, payload in wire.payloads(frames)] == [wire.encode(message) for message in said]
