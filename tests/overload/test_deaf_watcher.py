"""A watcher that stops reading, with the product's own times and sizes: gone within 10 s of its last read, and what
waits for it until then is bounded, behind nginx too.
"""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import pytest_asyncio

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.raw_socket import RawSocket, text_frame
from tests.support.waiting import wait_for

GONE_WITHIN_S: Final = 10.0
# As many as one may watch, with names as long as they may be: what is pushed to it fills its socket soon.
ITEMS: Final = [f"tap:{number:03}{'x' * 190}" for number in range(100)]
AT_ONCE: Final = 15
# linux/tcp_states.h: what a reset leaves behind.
TCP_CLOSE: Final = 7
# The node's socket and nginx's to the browser have 64 KiB each, and what nginx reads from takes 128 KiB at most
# while it does not; each may be exceeded by the frame that finds it full.
BEHIND_NGINX_MAX: Final = (64 + 64 + 128) * 1024 + 3 * 20_000


class Deaf(RawSocket):
    """Watches everything; `pushes` is how many it has read, `numbers` what they said, `taken` all bytes."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.pushes = self.taken = 0
        self.numbers: dict[str, int] = {}

    def on_open(self) -> None:
        for first in range(0, len(ITEMS), AT_ONCE):
            watch = {"type": "watch", "items": ITEMS[first : first + AT_ONCE]}
            self.transport.write(text_frame(msgspec.json.encode(watch)))

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        super().data_received(data)

    def on_text(self, payload: bytes) -> None:
        message = msgspec.json.decode(payload)
        if message["type"] == "counts":
            self.pushes += 1
            self.numbers.update(message["counts"])


@pytest_asyncio.fixture
async def node(cluster: Cluster) -> Node:
    started = cluster.new_node(LIKE_PRESS_RATE="0")
    started.start()
    await started.wait_until_ready()
    return started


@contextlib.asynccontextmanager
async def deaf_on(address: str) -> AsyncIterator[tuple[Deaf, socket.socket]]:
    """One that has room for little, and has been pushed to."""
    host, port = address.removeprefix("http://").split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(small, (host, int(port)))
    transport, deaf = await loop.create_connection(lambda: Deaf(f"{host}:{port}"), sock=small)
    try:
        await wait_for(lambda: deaf.pushes > 20, 10, "it to be pushed to")
        yield deaf, small
    finally:
        transport.abort()


@contextlib.asynccontextmanager
async def pressed_on(node: Node) -> AsyncIterator[None]:
    """All items, ten times a second."""

    async def press(browser: Browser) -> None:
        for n in range(1, 1000):
            for item in ITEMS:
                await browser.send_target(item, n)
            await asyncio.sleep(0.1)

    async with await Browser.connect(node.address) as browser:
        pressing = asyncio.create_task(press(browser))
        try:
            yield
        finally:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)


async def skips(node: Node, cluster: Cluster) -> int:
    """How often the node has found a watcher slow."""
    async with cluster.session.get(f"{node.address}/metrics") as answer:
        (number,) = re.findall(r'like_slow_watchers_total\{action="skipped"\} (\d+)', await answer.text()) or ["0"]
        return int(number)


async def test_a_watcher_that_stops_reading_is_gone_within_10_s(node: Node, cluster: Cluster) -> None:
    async with pressed_on(node), deaf_on(node.address) as (deaf, small):
        stopped_at = time.monotonic()
        deaf.transport.pause_reading()

        async def is_gone() -> bool:
            """Nobody is pushed to, no file is open, and nothing is with the system any more."""
            async with cluster.session.get(f"{node.address}/metrics") as answer:
                is_alone = "like_connections 1.0\n" in await answer.text()
            state = small.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            return is_alone and state == TCP_CLOSE and await node.watchers() == 1

        await wait_for(is_gone, GONE_WITHIN_S + 5, "it to be gone")
        took_s = time.monotonic() - stopped_at
    print(f"gone after {took_s:.1f} s")
    assert took_s <= GONE_WITHIN_S


async def test_behind_nginx_it_is_gone_from_the_node_within_10_s_too(node: Node, tmp_path: Path) -> None:
    """nginx itself gives it up when nothing was taken for `send_timeout`, 10 s."""
    async with (
        Nginx(tmp_path, [f"127.0.0.1:{node.port}"]) as nginx,
        pressed_on(node),
        deaf_on(nginx.address) as (deaf, _),
    ):
        stopped_at = time.monotonic()
        deaf.transport.pause_reading()

        async def is_gone() -> bool:
            return await node.watchers() == 1

        await wait_for(is_gone, GONE_WITHIN_S + 5, "it to be gone")
        took_s = time.monotonic() - stopped_at
    print(f"gone after {took_s:.1f} s")
    assert took_s <= GONE_WITHIN_S


async def test_what_waits_for_it_behind_nginx_is_bounded_and_the_truth_is_behind_that(
    node: Node, cluster: Cluster, tmp_path: Path
) -> None:
    async with Nginx(tmp_path, [f"127.0.0.1:{node.port}"]) as nginx, contextlib.AsyncExitStack() as pressing:
        await pressing.enter_async_context(pressed_on(node))
        async with deaf_on(nginx.address) as (deaf, _):
            skips_before = await skips(node, cluster)
            deaf.transport.pause_reading()
            taken = deaf.taken

            async def is_found() -> bool:
                return await skips(node, cluster) > skips_before

            async def has_the_truth() -> bool:
                """The last presses may be committed only now."""
                truth = {item: (await node.get_json(f"/api/items/{item}"))["count"] for item in ITEMS}
                return deaf.numbers == truth

            await wait_for(is_found, 5, "the node to find it slow")
            await pressing.aclose()
            deaf.transport.resume_reading()
            await wait_for(has_the_truth, 5, lambda: f"the truth behind {deaf.numbers}")
            waited = deaf.taken - taken
    print(f"{waited:,} bytes of old numbers")
    assert 64 * 1024 < waited <= BEHIND_NGINX_MAX
