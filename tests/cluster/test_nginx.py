"""Whom nginx/nginx.conf sends where, with stand-ins that echo what reaches a node."""

import asyncio
import contextlib
import itertools
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.support.browser import Browser
from tests.support.echoes import Echoes, ask, nodes_of_tabs
from tests.support.nginx import Nginx
from tests.support.waiting import wait_for


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


async def test_a_frozen_node_costs_one_tab_two_seconds_and_gets_none(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)
    took, names = [], []
    for _ in range(6):
        started = time.monotonic()
        names += await nodes_of_tabs(echoes.nginx, 1)
        took.append(time.monotonic() - started)

    assert set(names) == {"node1", "node3"}
    assert max(took) < 2.5
    assert sum(each > 1.5 for each in took) == 1


async def test_nodes_that_cannot_save_get_no_tabs(echoes: Echoes) -> None:
    await echoes.tell("node2", "/unready")
    await echoes.tell("node3", "/unready")

    assert set(await nodes_of_tabs(echoes.nginx, 6)) == {"node1"}


async def test_where_no_node_wants_a_tab_any_takes_it(echoes: Echoes) -> None:
    for name in echoes.ports:
        await echoes.tell(name, "/unready")

    assert set(await nodes_of_tabs(echoes.nginx, 3)) <= set(echoes.ports)


async def test_nobody_waits_after_a_restart_of_all_nodes_in_a_row(echoes: Echoes) -> None:
    """Each was left out for 2 s when it was down; the last one to go must not leave nobody."""
    for name in echoes.ports:
        await echoes.processes[name].end()
        for _ in echoes.ports:
            assert (await ask(echoes, "/api/items/tap:home/press", method="POST"))["method"] == "POST"
            await nodes_of_tabs(echoes.nginx, 1)
        await echoes.revive()


async def test_a_frozen_node_costs_three_seconds_once(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)
    took = []
    for _ in range(4):
        started = time.monotonic()
        assert (await ask(echoes))["node"] != "node2"
        took.append(time.monotonic() - started)

    assert max(took) < 3.5
    assert sum(each > 2.5 for each in took) == 1


async def test_an_address_that_swallows_connections_costs_one_second(echoes: Echoes, tmp_path: Path) -> None:
    (tmp_path / "silent").mkdir()
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # With the queue full the kernel drops the next SYN, as a firewall or a vanished machine does.
        stack.enter_context(socket.create_connection(silent.getsockname()))
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Nginx(tmp_path / "silent", [nowhere, echoes.upstreams[0]]) as nginx:
            started = time.monotonic()
            async with aiohttp.ClientSession() as session, session.get(f"{nginx.address}/") as answer:
                assert (await answer.json())["node"] == "node1"
            assert 0.9 < time.monotonic() - started < 2.5


@pytest.mark.parametrize("path", ["/api/items/tap:home/press", "/api/admin/items/tap:home/reset"])
async def test_a_frozen_node_gets_no_second_try_of_what_may_not_be_repeated(
    echoes: Echoes, tmp_path: Path, path: str
) -> None:
    (tmp_path / "short").mkdir()
    async with Nginx(
        tmp_path / "short", echoes.upstreams, changes={"proxy_read_timeout 3s": "proxy_read_timeout 1s"}
    ) as nginx:
        for name in ("node1", "node2", "node3"):
            echoes.processes[name].signal(signal.SIGSTOP)
        async with aiohttp.ClientSession() as session:
            started = time.monotonic()
            async with session.post(nginx.address + path) as answer:
                assert answer.status == 504
            assert time.monotonic() - started < 1.9, "one node was asked, not three"


async def test_the_forms_press_goes_on_to_the_next_node(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)

    seen = [await ask(echoes, "/items/tap:home/press", method="POST", data={"n": "1"}) for _ in range(3)]

    assert {each["body"] for each in seen} == {"n=1"}
    assert {each["node"] for each in seen} == {"node1", "node3"}


async def test_an_erasure_goes_on_to_the_next_node(echoes: Echoes) -> None:
    echoes.processes["node2"].signal(signal.SIGSTOP)

    seen = [await ask(echoes, "/api/visitor", method="DELETE") for _ in range(3)]

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


async def test_reload_takes_a_new_list_and_keeps_the_connections(echoes: Echoes) -> None:
    async with await Browser.connect(echoes.nginx.address) as tab:
        await echoes.nginx.reload(echoes.upstreams[:1])

        async def only_the_first() -> bool:
            return set(await nodes_of_tabs(echoes.nginx, 3)) == {"node1"}

        await wait_for(only_the_first, 5, "new tabs to go to node1 only")
        assert tab.is_open


async def test_a_line_is_limited_as_one_however_many_addresses_it_has(echoes: Echoes, tmp_path: Path) -> None:
    """Of IPv6 everybody has a /64: erasures, of which each leaves a row for good, 20 at once."""
    who = "map $binary_remote_addr $line {"
    (tmp_path / "lines").mkdir()
    async with (
        Nginx(
            tmp_path / "lines",
            echoes.upstreams,
            changes={who: f"set_real_ip_from 127.0.0.1; real_ip_header X-Test-From; {who}"},
        ) as nginx,
        aiohttp.ClientSession() as session,
    ):

        async def statuses(*addresses: str) -> Counter[int]:
            asked = [
                session.delete(f"{nginx.address}/api/visitor", headers={"X-Test-From": each}) for each in addresses
            ]
            return Counter([answer.status for answer in await asyncio.gather(*asked)])

        one_line = await statuses(*(f"2001:db8:1:2::{number:x}" for number in range(1, 101)))
        lines = await statuses(*(f"2001:db8:1:{number:x}::a0a" for number in range(10, 40)))
        one_address = await statuses(*["203.0.113.7"] * 60)
        addresses = await statuses(*(f"198.51.100.{number}" for number in range(30)))
        mapped = await statuses(*(f"::ffff:192.0.2.{number}" for number in range(30)))
    assert 21 <= one_line[200] <= 30
    assert one_line[200] + one_line[429] == 100
    assert lines == addresses == mapped == {200: 30}
    assert 21 <= one_address[200] <= 30
