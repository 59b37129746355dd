"""What nginx/nginx.conf keeps away from the nodes, with stand-ins that echo what reaches them."""

import asyncio
import contextlib
import json
from pathlib import Path

import aiohttp
import pytest

from tests.support.browser import Browser
from tests.support.echoes import Echoes, ask, talk
from tests.support.nginx import Nginx

HANDSHAKE = (
    "Host: like.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def test_host_keeps_its_port(echoes: Echoes) -> None:
    seen = await ask(echoes)

    assert seen["headers"]["host"] == f"127.0.0.1:{echoes.nginx.port}"


async def test_the_real_address_cannot_be_forged(echoes: Echoes) -> None:
    forged = {"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}

    seen = await ask(echoes, headers=forged | {"Connection": "close, X-Real-IP"})

    assert seen["headers"]["x-real-ip"] == "127.0.0.1"
    assert "203.0.113.9" not in json.dumps(seen)


async def test_the_scheme_cannot_be_forged(echoes: Echoes) -> None:
    seen = await ask(echoes, headers={"X-Forwarded-Proto": "https"})

    assert seen["headers"]["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/items/tap:home/press"),
        ("POST", "/items/once%3Aa%2Fb/press"),
        ("POST", "/api/admin/items/once%3Aa%2Fb/reset"),
        ("DELETE", "/api/visitor"),
    ],
)
async def test_what_changes_something_never_travels_on_a_kept_connection(
    echoes: Echoes, method: str, path: str
) -> None:
    seen = await ask(echoes, path, method=method)

    assert seen["headers"]["connection"] == "close"


async def test_an_encoded_item_arrives_as_it_was_sent(echoes: Echoes) -> None:
    reader = await talk(
        echoes.nginx, "GET /items/once%3Ablog%2Fpost-42 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )

    assert '"path": "/items/once%3Ablog%2Fpost-42"' in reader


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "//metrics", "/x/../metrics", "/%6Detrics", "/metrics?a=b", "/./metrics"),
        *("/api/admin/backup", "/api/admin//backup", "/api/admin/%62ackup", "/api/admin/backup?a=b"),
        *("/api/admin/items/..%2Fbackup", "//api/admin/backup", "/api/x/../admin/backup"),
    ],
)
async def test_what_operators_ask_a_node_itself_is_closed(echoes: Echoes, path: str) -> None:
    answer = await talk(echoes.nginx, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.startswith("HTTP/1.1 404")
    assert "node" not in answer


@pytest.mark.parametrize(
    ("request_line", "old", "new", "status"),
    [
        ("GET /live", "Upgrade: websocket", "Upgrade: h2c", 426),
        ("GET /live", "Upgrade: websocket", "Upgrade: websocket, h2c", 426),
        ("GET /live", "Upgrade: websocket\r\n", "", 426),
        ("GET /live", "Version: 13", "Version: 777", 426),
        ("POST /live", "Host", "Host", 426),
        ("HEAD /live", "Host", "Host", 426),
        ("GET /live", "Host", "Content-Length: 5\r\nHost", 400),
        ("GET /live", "Host", "Transfer-Encoding: chunked\r\nHost", 400),
    ],
)
async def test_only_a_websocket_handshake_is_upgraded(
    echoes: Echoes, request_line: str, old: str, new: str, status: int
) -> None:
    answer = await talk(echoes.nginx, f"{request_line} HTTP/1.1\r\n{HANDSHAKE.replace(old, new)}\r\n")

    assert answer.startswith(f"HTTP/1.1 {status}"), answer[:200]


async def test_elsewhere_a_node_never_sees_an_upgrade(echoes: Echoes) -> None:
    answer = await talk(echoes.nginx, f"GET /items/tap:home HTTP/1.1\r\n{HANDSHAKE}\r\n")
    headers = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])["headers"]

    assert "upgrade" not in headers
    assert "connection" not in headers


async def test_nothing_passes_behind_a_refused_upgrade(echoes: Echoes) -> None:
    """The classic trick: a handshake that the node refuses, and a second request down the supposed tunnel."""
    hidden = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    answer = await talk(echoes.nginx, f"GET /live?refuse HTTP/1.1\r\n{HANDSHAKE}\r\n{hidden}")

    assert answer.startswith("HTTP/1.1 403")
    assert '"path": "/metrics"' not in answer, "the node answered a request that nginx never saw"


async def test_the_question_which_node_is_nginxs_own(echoes: Echoes) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{echoes.nginx.address}/.find-node") as answer:
        assert answer.status == 404


async def test_the_path_of_live_reaches_the_node_as_it_was_matched(echoes: Echoes) -> None:
    answer = await talk(echoes.nginx, f"GET //live HTTP/1.1\r\n{HANDSHAKE}\r\n")

    assert answer.startswith("HTTP/1.1 101")


async def test_a_giant_body_is_refused(echoes: Echoes) -> None:
    async with aiohttp.ClientSession() as session:
        address = f"{echoes.nginx.address}/api/items/tap:home/press"
        async with session.post(address, data=b"x" * 20_000) as answer:
            assert answer.status == 413


@pytest.mark.parametrize(
    ("directive", "beginning"),
    [
        ("client_header_timeout", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "),
        ("client_body_timeout", b"POST /items/tap:home/press HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nn="),
    ],
)
async def test_who_sends_slowly_is_cut(echoes: Echoes, tmp_path: Path, directive: str, beginning: bytes) -> None:
    shorter = {f"{directive} 10s": f"{directive} 1s"}
    (tmp_path / "slow").mkdir()
    async with Nginx(tmp_path / "slow", echoes.upstreams, changes=shorter) as nginx:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(beginning)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(4):
                assert await reader.read() == b""
        writer.close()


async def test_one_address_has_a_limit_but_not_this_machine(echoes: Echoes, tmp_path: Path) -> None:
    lower = {"127.0.0.0/8 1;": "", "limit_conn connections 10000": "limit_conn connections 2"}
    (tmp_path / "low").mkdir()
    async with Nginx(tmp_path / "low", echoes.upstreams, changes=lower) as nginx:
        first, second = await Browser.connect(nginx.address), await Browser.connect(nginx.address)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await Browser.connect(nginx.address)
        assert refusal.value.status == 429
        await first.close()
        await second.close()


async def test_one_address_takes_few_places_of_those_who_look_at_the_nodes(echoes: Echoes, tmp_path: Path) -> None:
    lower = {"127.0.0.0/8 1;": "", "limit_conn lookers 30": "limit_conn lookers 2"}
    (tmp_path / "low").mkdir()
    async with (
        Nginx(tmp_path / "low", echoes.upstreams, changes=lower) as nginx,
        aiohttp.ClientSession() as session,
    ):
        looking = [await session.get(f"{nginx.address}/api/nodes/stream?endless") for _ in range(2)]
        assert [answer.status for answer in looking] == [200, 200]
        async with session.get(f"{nginx.address}/api/nodes/stream") as refused:
            assert refused.status == 429
        async with session.get(f"{nginx.address}/cluster") as elsewhere:
            assert elsewhere.status == 200
        for answer in looking:
            answer.close()


async def test_a_frame_may_name_a_thousand_origins(echoes: Echoes) -> None:
    async with aiohttp.ClientSession(max_field_size=1 << 16) as session:
        async with session.get(f"{echoes.nginx.address}/embed/tap%3Aa?header=40000") as answer:
            assert answer.status == 200
            assert len(answer.headers["Content-Security-Policy"]) == 40_000
        async with session.get(f"{echoes.nginx.address}/items/tap%3Aa?header=40000") as answer:
            assert answer.status == 502


async def test_handshakes_of_one_address_have_a_rate(echoes: Echoes, tmp_path: Path) -> None:
    lower = {"127.0.0.0/8 1;": "", "rate=500r/s": "rate=1r/m", "burst=1000": "burst=1"}
    (tmp_path / "rate").mkdir()
    async with Nginx(tmp_path / "rate", echoes.upstreams, changes=lower) as nginx:
        tabs = [await Browser.connect(nginx.address) for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await Browser.connect(nginx.address)
        assert refusal.value.status == 429
        for tab in tabs:
            await tab.close()


@pytest.mark.parametrize(
    "path",
    [
        "/api/admin/items/tap%3Aa/reset",
        "/api/admin/items/once%3Aa%2Fpress/press",
        "//api//admin/items/tap%3Aa/reset",
        "/api/%61dmin/items/tap%3Aa/reset",
        "/x/../api/admin/items/tap%3Aa/reset",
        "/api/visitor",
        "/api//visito%72",
    ],
)
async def test_guesses_of_the_admin_token_and_erasures_have_a_rate(
    echoes: Echoes, tmp_path: Path, path: str
) -> None:
    lower = {"127.0.0.0/8 1;": "", "zone=rare:16m rate=1r/s": "zone=rare:16m rate=1r/m"}
    (tmp_path / "rate").mkdir()
    async with Nginx(tmp_path / "rate", echoes.upstreams, changes=lower) as nginx:
        request = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: Bearer guess\r\n"
        last = f"{request}Connection: close\r\n\r\n"
        answers = (await talk(nginx, f"{request}\r\n" * 21 + last)).count
        assert (answers("HTTP/1.1 200"), answers("HTTP/1.1 429")) == (21, 1)
        elsewhere = await talk(nginx, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert elsewhere.startswith("HTTP/1.1 200")


async def test_nginx_does_not_tell_its_version(echoes: Echoes) -> None:
    answer = await talk(echoes.nginx, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert "Server: nginx\r\n" in answer
