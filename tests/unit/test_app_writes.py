"""What pushes are on the wire: writes counted by the kernel, and clients that stop reading over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app import connection as connection_module
from app import hub as hub_module
from app import keys
from app.connection import SOCKET_BYTES, SOCKET_BYTES_IN, Connection
from cluster.surface import Changed, ItemState
from tests.unit.lazy import Lazy
from tests.unit.sites import Browser, Site, until

# linux/tcp.h: tcp_info.tcpi_data_segs_in.
SEGMENTS_IN_AT = 152
# asm-generic/socket.h; linux/sock_diag.h: SK_MEMINFO_WMEM_QUEUED.
SO_MEMINFO, WMEM_QUEUED = 55, 5
MANY = [f"tap:{'long' * 40}{number}" for number in range(100)]


def segments_in(browser: Browser) -> int:
    """How many segments with data its kernel has got: one for each small write, as nothing waits to be joined."""
    info = browser.socket.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int.from_bytes(info[SEGMENTS_IN_AT : SEGMENTS_IN_AT + 4], "little")


def change(site: Site, items: list[str], count: int) -> None:
    site.engine.tell(Changed({item: ItemState(0, count) for item in items}, {}))


async def test_who_watches_16_items_gets_one_write_per_tick(site: Site) -> None:
    items = [f"tap:{number}" for number in range(16)]
    browsers = [await site.browser() for _ in range(3)]
    for browser in browsers:
        await browser.say(type="watch", items=items)
        await browser.hear("viewers")
    site.engine.viewers.publish()
    for browser in browsers:
        await browser.hear("viewers")
    before = [segments_in(browser) for browser in browsers]
    for count in range(1, 11):
        change(site, items[:8], count)
        change(site, items[8:], count)
        site.engine.viewers.change_own(items[0], 1)
        site.engine.viewers.publish()
        for browser in browsers:
            assert (await browser.hear())["counts"] == dict.fromkeys(items, count)
            assert (await browser.hear())["viewers"] == {items[0]: 3 + count}
    assert [segments_in(browser) - segments for browser, segments in zip(browsers, before, strict=True)] == [10] * 3


@pytest.fixture
async def lazy(site: Site) -> AsyncIterator[Lazy]:
    client = Lazy(site)
    yield client
    client.close()


async def until_behind(site: Site, connection: Connection) -> int:
    """Push until it does not read what it is sent; the last count of those."""
    count = 0
    while not connection.is_backed_up:
        count += 1
        change(site, MANY, count)
        await asyncio.sleep(0.006)
    return count


async def test_a_slow_watcher_costs_64_kb_and_gets_one_frame_with_the_truth_when_it_reads_again(
    site: Site, lazy: Lazy
) -> None:
    connection = await lazy.watch(MANY)
    behind_at = await until_behind(site, connection)
    for count in range(behind_at + 1, behind_at + 101):
        change(site, MANY, count)
        await asyncio.sleep(0.006)
    # Linux counts its own needs too: twice what was asked for.
    held: Any = connection._transport.get_extra_info("socket")
    assert held.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SOCKET_BYTES == 64 * 1024
    assert held.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * SOCKET_BYTES_IN == 32 * 1024
    frame_bytes = len(MANY) * (len(MANY[0]) + 8)
    assert connection.backlog_bytes() < frame_bytes
    assert connection.untaken_bytes() <= 64 * 1024
    # With the system's own needs, and what waits here.
    queued = struct.unpack_from("=9I", held.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[WMEM_QUEUED]
    assert 0 < queued + connection.backlog_bytes() <= 64 * 1024 + frame_bytes
    seen = await lazy.read_counts(last=behind_at + 100)
    assert [count for count in seen if count > behind_at] == [behind_at + 100]
    change(site, MANY, behind_at + 101)
    assert await lazy.read_counts(last=behind_at + 101) == [behind_at + 101]


async def test_a_watcher_that_stops_reading_is_closed_and_gone(
    site: Site, lazy: Lazy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SLOW_S", 0.1)
    connection = await lazy.watch(MANY)
    await until_behind(site, connection)
    await until(lambda: not site.client.app[keys.LIVE]._sessions)
    assert site.metric("like_slow_watchers_total", action="closed") == 1
    assert site.metric("like_watchers") == 0


async def test_a_watcher_that_neither_reads_nor_will_write_again_is_gone_too(
    site: Site, lazy: Lazy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "LINGER_S", 0.1)
    connection = await lazy.watch(MANY)
    await until_behind(site, connection)
    lazy.end_writing()
    await until(lambda: not site.client.app[keys.LIVE]._sessions)
    assert site.metric("like_watchers") == 0
