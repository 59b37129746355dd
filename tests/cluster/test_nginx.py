"""What nginx/nginx.conf promises, with stand-ins that echo what reaches a node."""

import asyncio
import contextlib
import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.browser import Browser
from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.waiting import wait_for

HANDSHAKE = (
    "Host: like.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Echoes:
    """Three stand-ins by name, and the nginx in front of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("node1", "node2", "node3")}
        self.upstreams = [f"127.0.0.1:{port}" for port in self.ports.values()]
        self.processes: dict[str, Process] = {}
        self.nginx: Nginx

    async def revive(self) -> None:
        """All three run and answer, whatever the last test did to them."""
        for name, port in self.ports.items():
            if name in self.processes and self.processes[name].is_running:
                self.processes[name].signal(signal.SIGCONT)
            else:
                command = [sys.executable, "-m", "tests.support.echo_node", name, str(port)]
                self.processes[name] = Process(name, command, env={}, log=self.folder / f"{name}.log")
        async with aiohttp.ClientSession() as session:
            for port in self.ports.values():
                await wait_for(partial(_answers, session, port), 10, f"the stand-in on {port}")


async def _answers(session: aiohttp.ClientSession, port: int) -> bool:
    async with session.get(f"http://127.0.0.1:{port}/") as answer:
        return answer.status == 200


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echoes]:
    """The three processes, which most tests leave as they were: starting them costs a second."""
    started = Echoes(tmp_path_factory.mktemp("echoes"))
    yield started
    for process in started.processes.values():
        asyncio.run(process.end())


@pytest_asyncio.fixture
async def echoes(stand_ins: Echoes, tmp_path: Path) -> AsyncIterator[Echoes]:
    await stand_ins.revive()
    async with Nginx(tmp_path, stand_ins.upstreams) as stand_ins.nginx:
        yield stand_ins


async def ask(echoes: Echoes, path: str = "/", *, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What the node says it was sent."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, echoes.nginx.address + path, **more) as answer,
    ):
        assert answer.status == 200, answer.status
        return dict(await answer.json())


async def talk(nginx: Nginx, text: str) -> str:
    """Send raw text and read until nginx closes or, after an answer, falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(text.encode())
    answer = await asyncio.wait_for(reader.read(65536), 5)
    with contextlib.suppress(TimeoutError):
        while part := await asyncio.wait_for(reader.read(65536), 0.3):
            answer += part
    writer.close()
    return answer.decode(errors="replace")


async def nodes_of_tabs(nginx: Nginx, count: int) -> list[str]:
    names = []
    for _ in range(count):
        async with await Browser.connect(nginx.address) as tab:
            names.append(tab.node)
    return names


async def test_consecutive_tabs_go_to_different_nodes(echoes: Echoes) -> None:
    names = await nodes_of_tabs(echoes.nginx, 9)

    assert Counter(names) == {"node1": 3, "node2": 3, "node3": 3}
    assert all(first != second for first, second in itertools.pairwise(names))


async def test_other_requests_do_not_take_a_tabs_turn(echoes: Echoes) -> None:
    names = []
    for _ in range(6):
        await asyncio.gather(ask(echoes), ask(echoes, "/api/nodes"))
        names += await nodes_of_tabs(echoes.nginx, 1)

    assert Counter(names) == {"node1": 2, "node2": 2, "node3": 2}


async def test_a_dead_node_is_skipped(echoes: Echoes) -> None:
    await echoes.processes["node2"].end()

    names = await nodes_of_tabs(echoes.nginx, 6)
    pages = [(await ask(echoes))["node"] for _ in range(6)]

    assert set(names) == set(pages) == {"node1", "node3"}


async def test_a_press_over_http_survives_a_dead_node(echoes: Echoes) -> None:
    await echoes.processes["node2"].end()

    seen = [await ask(echoes, "/api/items/tap:home/press", method="POST") for _ in range(6)]

    assert {each["node"] for each in seen} == {"node1", "node3"}


async def test_a_frozen_node_costs_three_seconds_once(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)
    took = []
    for _ in range(4):
        started = time.monotonic()
        assert (await ask(echoes))["node"] != "node2"
        took.append(time.monotonic() - started)

    assert max(took) < 3.5
    assert sum(each > 2.5 for each in took) == 1


async def test_a_frozen_node_gets_no_second_try_of_an_api_press(echoes: Echoes) -> None:
    for name in ("node1", "node2", "node3"):
        echoes.processes[name].signal(signal.SIGSTOP)

    async with aiohttp.ClientSession() as session:
        started = time.monotonic()
        async with session.post(f"{echoes.nginx.address}/api/items/tap:home/press") as answer:
            assert answer.status == 504
        assert time.monotonic() - started < 3.5, "one node was asked, not three"


async def test_the_forms_press_goes_on_to_the_next_node(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)

    seen = [await ask(echoes, "/items/tap:home/press", method="POST", data={"n": "1"}) for _ in range(3)]

    assert {each["body"] for each in seen} == {"n=1"}
    assert {each["node"] for each in seen} == {"node1", "node3"}


async def test_the_failed_try_is_logged_without_the_visitors_address(echoes: Echoes) -> None:
    await echoes.processes["node2"].end()
    for _ in range(6):
        await ask(echoes, "/items/tap:home")

    dead = f"127.0.0.1:{echoes.ports['node2']}"
    line = await wait_for(echoes.nginx.failures, 2, "the failure in nginx's log")

    assert dead in line
    assert "127.0.0.1" not in line.replace(dead, "").replace(echoes.upstreams[0], "").replace(
        echoes.upstreams[2], ""
    )
    assert "client:" not in echoes.nginx.log.read_text()


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


async def test_an_encoded_item_arrives_as_it_was_sent(echoes: Echoes) -> None:
    reader = await talk(
        echoes.nginx, "GET /items/once%3Ablog%2Fpost-42 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )

    assert '"path": "/items/once%3Ablog%2Fpost-42"' in reader


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/x/../metrics", "/%6Detrics", "/metrics?a=b", "/./metrics"]
)
async def test_metrics_are_closed(echoes: Echoes, path: str) -> None:
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


async def test_the_path_of_live_reaches_the_node_as_it_was_matched(echoes: Echoes) -> None:
    answer = await talk(echoes.nginx, f"GET //live HTTP/1.1\r\n{HANDSHAKE}\r\n")

    assert answer.startswith("HTTP/1.1 101")


async def test_a_giant_body_is_refused(echoes: Echoes) -> None:
    async with aiohttp.ClientSession() as session:
        address = f"{echoes.nginx.address}/api/items/tap:home/press"
        async with session.post(address, data=b"x" * 20_000) as answer:
            assert answer.status == 413


async def test_slow_headers_are_cut(echoes: Echoes, tmp_path: Path) -> None:
    shorter = {"client_header_timeout 10s": "client_header_timeout 1s"}
    (tmp_path / "slow").mkdir()
    async with Nginx(tmp_path / "slow", echoes.upstreams, changes=shorter) as nginx:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
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


async def test_reload_takes_a_new_list_and_keeps_the_connections(echoes: Echoes) -> None:
    async with await Browser.connect(echoes.nginx.address) as tab:
        await echoes.nginx.reload(echoes.upstreams[:1])

        async def only_the_first() -> bool:
            return set(await nodes_of_tabs(echoes.nginx, 3)) == {"node1"}

        await wait_for(only_the_first, 5, "new tabs to go to node1 only")
        assert tab.is_open


async def test_nginx_does_not_tell_its_version(echoes: Echoes) -> None:
    answer = await talk(echoes.nginx, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert "Server: nginx\r\n" in answer
