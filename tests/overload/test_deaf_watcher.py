"""A watcher that stops reading, with the product's own times and sizes: gone within 10 s of its last read."""

import asyncio
import socket
import time
from typing import Final

import msgspec

from tests.support.browser import Browser
from tests.support.cluster import Cluster
from tests.support.raw_socket import RawSocket, text_frame
from tests.support.waiting import wait_for

GONE_WITHIN_S: Final = 10.0
# As many as one may watch, with names as long as they may be: what is pushed to it fills its socket soon.
ITEMS: Final = [f"tap:{number:03}{'x' * 190}" for number in range(100)]
AT_ONCE: Final = 15
# linux/tcp_states.h: what a reset leaves behind.
TCP_CLOSE: Final = 7


class Deaf(RawSocket):
    """Watches everything; `counts` is how many pushes it has read."""

    counts = 0

    def on_open(self) -> None:
        for first in range(0, len(ITEMS), AT_ONCE):
            watch = {"type": "watch", "items": ITEMS[first : first + AT_ONCE]}
            self.transport.write(text_frame(msgspec.json.encode(watch)))

    def on_text(self, payload: bytes) -> None:
        self.counts += b'"counts"' in payload


async def press_on(browser: Browser) -> None:
    """All items, ten times a second."""
    for n in range(1, 1000):
        for item in ITEMS:
            await browser.send_target(item, n)
        await asyncio.sleep(0.1)


async def test_a_watcher_that_stops_reading_is_gone_within_10_s(cluster: Cluster) -> None:
    node = cluster.new_node(LIKE_PRESS_RATE="0")
    node.start()
    await node.wait_until_ready()
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(small, ("127.0.0.1", node.port))
    transport, deaf = await loop.create_connection(lambda: Deaf(f"127.0.0.1:{node.port}"), sock=small)
    async with await Browser.connect(node.address) as browser:
        pressing = asyncio.create_task(press_on(browser))
        await wait_for(lambda: deaf.counts > 20, 10, "it to be pushed to")
        stopped_at = time.monotonic()
        transport.pause_reading()

        async def is_gone() -> bool:
            """Nobody is pushed to, no file is open, and nothing is with the system any more."""
            async with cluster.session.get(f"{node.address}/metrics") as answer:
                is_alone = "like_connections 1.0\n" in await answer.text()
            state = small.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            return is_alone and state == TCP_CLOSE and await node.watchers() == 1

        await wait_for(is_gone, GONE_WITHIN_S + 5, "it to be gone")
        took_s = time.monotonic() - stopped_at
        pressing.cancel()
        transport.abort()
    print(f"gone after {took_s:.1f} s")
    assert took_s <= GONE_WITHIN_S
