"""The browser protocol over real sockets: every error code, every close code, and what comes in which order."""

import asyncio
import resource
import socket
import struct
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from app import files, keys, live, wire
from app.visitors import Tokens
from tests.unit.sites import Browser, Site, until

MakeSite = Callable[..., Awaitable[Site]]


pytestmark = pytest.mark.usefixtures("no_traceback")


async def test_the_first_frame_is_hello_with_a_token_of_this_cluster(site: Site) -> None:
    hello = await (await site.browser()).hear()
    assert (hello["type"], hello["node"], hello["version"]) == ("hello", "node1", 1)
    assert len(site.client.app[keys.DESK].tokens.verify(hello["token"])) == 10


async def test_the_shortest_client_connects_watches_and_presses(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=["tap:home"])
    assert (await browser.hear("counts"))["counts"] == {"tap:home": 0}
    assert (await browser.hear())["tallies"] == {"tap:home": {"gen": 0, "n": 0}}
    assert (await browser.hear())["viewers"] == {"tap:home": 1}
    await browser.say(type="press", id=8, item="tap:home")
    pressed = await browser.hear()
    assert pressed == {
        "type": "pressed", "id": 8, "item": "tap:home", "gen": 0, "n": 1, "count": 1, "copies": 0, "wanted": 0,
    }  # fmt: skip
    assert await browser.hear() == {"type": "counts", "counts": {"tap:home": 1}}


async def test_a_press_in_one_tab_is_seen_in_the_other(site: Site) -> None:
    one, other = await site.browser(), await site.browser()
    await other.say(type="watch", items=["tap:home", "once:a"])
    await other.hear("mine")
    await one.say(type="press", id=1, item="tap:home", n=5)
    assert (await other.hear("counts"))["counts"] == {"tap:home": 5}


async def test_pressed_comes_before_any_counts_that_include_it(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=["tap:home"])
    await browser.hear("viewers")
    for n in range(1, 50):
        await browser.say(type="press", id=n, item="tap:home", n=n)
    acknowledged = 0
    while acknowledged < 49:
        message = await browser.hear()
        if message["type"] == "pressed":
            acknowledged = message["n"]
        else:
            assert message["counts"]["tap:home"] <= acknowledged


async def test_ping_is_answered_with_pong(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}


async def test_a_websocket_ping_is_answered_with_its_payload(site: Site) -> None:
    browser = Browser(await site.client.ws_connect("/live", autoping=False))
    await browser.hear("hello")
    await browser.socket.ping(b"still there?")
    answer = await browser.socket.receive(timeout=5)
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"still there?")


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://", "http://[", "file://"])
async def test_a_forbidden_origin_is_accepted_and_closed_with_4502(site: Site, origin: str) -> None:
    browser = await site.browser(Origin=origin)
    assert await browser.closed_with() == 4502


async def test_own_and_listed_origins_may_go_live(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ALLOWED_ORIGINS="https://Blog.example,http://localhost:3000")
    own = f"http://{site.client.host}:{site.client.port}"
    for origin in (own, own.upper(), "https://blog.example", "http://localhost:3000"):
        assert (await (await site.browser(Origin=origin)).hear())["type"] == "hello"


@pytest.mark.parametrize("way", ["message", "websocket ping"])
async def test_a_silent_browser_is_closed_with_4003_and_a_pinging_one_is_not(site: Site, way: str) -> None:
    silent, pinging = await site.browser(), await site.browser()
    await silent.hear("hello")
    await pinging.hear("hello")
    connections = site.client.app[keys.LIVE]
    for connection in connections._sessions:
        connection.heard_at -= live.SILENCE_S
    before = asyncio.get_running_loop().time()
    await (pinging.say(type="ping") if way == "message" else pinging.socket.ping())
    await until(lambda: any(connection.heard_at >= before for connection in connections._sessions))
    connections.close_silent(before)
    assert await silent.closed_with() == 4003
    await pinging.say(type="ping")
    assert (await pinging.hear())["type"] == "pong"


async def test_nothing_is_compressed_even_if_the_browser_offers_it(site: Site) -> None:
    socket_with_offer = await site.client.ws_connect("/live", compress=15)
    assert not socket_with_offer.compress
    assert (await Browser(socket_with_offer).hear())["type"] == "hello"


async def test_leaving_is_told_with_spread_delays_and_who_stays_is_closed_with_4001(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LEAVING_PER_S", 40)
    monkeypatch.setattr(live, "LEAVING_GRACE_S", 0.1)
    browsers = [await site.browser() for _ in range(4)]
    for browser in browsers:
        await browser.hear("hello")
    leaving = asyncio.create_task(site.client.app[keys.LIVE].leave())
    delays = [(await browser.hear("leaving"))["after"] for browser in browsers]
    assert sorted(delays) == [0.0, 0.025, 0.05, 0.075]
    assert [await browser.closed_with() for browser in browsers] == [4001] * 4
    await leaving


async def test_who_comes_to_a_full_node_is_closed_with_4004(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "connections_max", lambda: 1)
    site = await make_site()
    first = await site.browser()
    await first.hear("hello")
    assert await (await site.browser()).closed_with() == 4004
    await first.socket.close()
    await until(lambda: site.engine.forgotten)
    assert (await (await site.browser()).hear())["type"] == "hello"


def test_the_limit_of_open_files_is_raised_as_far_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: limits.append(both))
    files.raise_limit()
    files.raise_limit()
    assert limits == [(1024, 4096), (4096, 4096)]
    assert files.connections_max() == 4096 - files.KEPT_BACK


async def test_nobody_is_waited_for_once_all_have_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LEAVING_GRACE_S", 60.0)
    browser = await site.browser()
    await browser.hear("hello")
    leaving = asyncio.create_task(site.client.app[keys.LIVE].leave())
    await browser.hear("leaving")
    await browser.socket.close()
    await asyncio.wait_for(leaving, 5)


async def test_who_comes_to_a_leaving_node_is_sent_on(site: Site) -> None:
    await site.client.app[keys.LIVE].leave()
    assert await (await site.browser()).closed_with() == 4001


async def test_a_node_that_cannot_save_sends_its_browsers_to_one_that_can(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    connections = site.client.app[keys.LIVE]
    connections.relieve()
    site.engine.is_read_only, site.engine.state = True, "read_only"
    connections.relieve()
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}
    site.engine.peers_state = "ready"
    connections.relieve()
    assert await browser.hear() == {"type": "leaving", "after": 0.0}
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}


async def test_a_node_without_the_old_secret_refuses_its_tokens(make_site: MakeSite) -> None:
    site = await make_site()
    browser = await site.browser()
    await browser.say(type="hello", token=Tokens([b"another cluster's key"]).sign(bytes(10)))
    assert (await browser.hear("error"))["code"] == "bad_token"


async def test_a_gone_browser_is_forgotten(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=["tap:home"])
    await browser.hear("mine")
    assert site.engine.watchers == 1
    await browser.socket.close()
    await until(lambda: site.engine.forgotten and not site.engine.watchers)
    assert site.metric("like_connections") == 0


async def test_a_client_that_asks_faster_than_the_engine_commits_is_not_read_from(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.client.app[keys.LIVE], "_unanswered_max", 10)
    site.engine.is_holding = True
    browser = await site.browser()
    for n in range(1, 31):
        await browser.say(type="press", id=n, item="tap:home", n=n)
    await until(lambda: len(site.engine.presses) > 10)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(site.engine.presses) == 11
    site.engine.is_holding = False
    site.engine.commit()
    while (await browser.hear("pressed"))["n"] < 30:
        pass


CUT_SHORT = {
    "handshake": "GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n",
    "body": "POST /items/tap:a/press HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nn=1",
    "chunk": "POST /api/items/tap:a/press HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "page": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("what", sorted(CUT_SHORT))
async def test_who_hangs_up_at_any_moment_leaves_no_traceback(site: Site, what: str, turns: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(3):
        rude = socket.socket()
        rude.setblocking(False)
        await loop.sock_connect(rude, (site.client.host, site.client.port))
        await loop.sock_sendall(rude, CUT_SHORT[what].encode())
        for _ in range(turns):
            await asyncio.sleep(0)
        # With a reset instead of a farewell.
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.close()
    await until(lambda: not site.client.app[keys.LIVE]._sessions)
    assert (await (await site.browser()).hear())["type"] == "hello"


async def test_a_plain_request_to_live_is_told_to_upgrade(site: Site) -> None:
    async with site.client.get("/live") as answer:
        assert answer.status == 426
        assert (await answer.json(content_type="application/problem+json"))["status"] == 426


def test_messages_of_the_node_are_whole_frames_of_any_length() -> None:
    for length in (1, 125, 126, 65535, 65536):
        frame = wire.frame(wire.Error(code="x", message="y" * length))
        assert frame[0] == 0x81
        assert frame.endswith(b'"}')


async def test_a_node_without_files_asks_for_nobody_more_and_serves_those_who_came(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WITHOUT_FILES_S", 0.2)
    site.client.app[keys.LIVE].note_without_files()
    async with site.client.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (503, {"state": "full"})
    browser = await site.browser()
    await browser.say(type="ping")
    await browser.hear("pong")
    await until(lambda: not site.client.app[keys.LIVE].is_full)
