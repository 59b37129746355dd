"""How soon a press on one node is a number in a browser's socket on another, through nginx."""

import asyncio
import time
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from bench.clusters import nginx_before, pair
from bench.machine import SERVER_CORE, distance_ns
from bench.results import Sample, percentile_ms
from bench.subjects import Subject

PRESSES_PER_S: Final = 1000
WATCHERS: Final = 4
ITEM: Final = "tap:home"
TRIES_MAX: Final = 50


def press_to_number(subject: Subject, folder: Path, seconds: float) -> Sample:
    """p99 in ms, with the default push interval. Both nodes and nginx share a core, the browsers have the other."""
    before = distance_ns()
    with pair(folder, cores=(SERVER_CORE, SERVER_CORE)) as nodes, nginx_before(nodes, folder / "nginx") as nginx:
        waited_s = asyncio.run(_measure(f"http://127.0.0.1:{nginx.port}/live", seconds))
    p50, p99, longest = (percentile_ms(waited_s, share) for share in (0.5, 0.99, 1.0))
    return Sample(p99, (before, distance_ns()), {"p50_ms": p50, "max_ms": longest})


async def _measure(address: str, seconds: float) -> list[float]:
    async with aiohttp.ClientSession() as session:
        presser = await _tab_on(session, address, "a")
        watchers = [await _tab_on(session, address, "b") for _ in range(WATCHERS)]
        sent_at: list[float] = []
        waited_s: list[float] = []
        watching = [asyncio.create_task(watch(watcher, sent_at, waited_s, ITEM)) for watcher in watchers]
        reading = asyncio.create_task(read_on(presser))
        await asyncio.sleep(0.5)
        await _press(presser, sent_at, seconds)
        await asyncio.sleep(1.0)
        for task in (*watching, reading):
            task.cancel()
        return waited_s


async def _tab_on(session: aiohttp.ClientSession, address: str, node: str) -> aiohttp.ClientWebSocketResponse:
    """A connection that nginx has given to this node."""
    for _ in range(TRIES_MAX):
        socket = await session.ws_connect(address)
        if (await socket.receive_json())["node"] == node:
            return socket
        await socket.close()
    raise RuntimeError(f"nginx gives nobody to node {node}")


async def _press(socket: aiohttp.ClientWebSocketResponse, sent_at: list[float], seconds: float) -> None:
    began = time.monotonic()
    for number in range(1, int(seconds * PRESSES_PER_S) + 1):
        await asyncio.sleep(max(0.0, began + number / PRESSES_PER_S - time.monotonic()))
        sent_at.append(time.monotonic())
        await socket.send_str(f'{{"type":"press","id":{number},"item":"{ITEM}","n":{number}}}')


async def read_on(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def watch(
    socket: aiohttp.ClientWebSocketResponse, sent_at: list[float], waited_s: list[float], item: str
) -> None:
    """Each press of the item counts when the first number comes that includes it."""
    await socket.send_str(f'{{"type":"watch","items":["{item}"]}}')
    seen = 0
    async for message in socket:
        said = msgspec.json.decode(message.data)
        if said["type"] == "counts":
            now, count = time.monotonic(), said["counts"][item]
            waited_s += [now - at for at in sent_at[seen:count]]
            seen = max(seen, count)
