"""How soon a press on one node is a number in a browser's socket on another, through nginx."""

import asyncio
import math
import time
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from bench.clusters import nginx_before, pair
from bench.load import RATE_MIN, LoadError
from bench.machine import SERVER_CORE, distance_ns
from bench.results import Sample, percentile_ms
from bench.subjects import Subject

PRESSES_PER_S: Final = 1000
WATCHERS: Final = 4
ITEM: Final = "tap:home"
TRIES_MAX: Final = 50
LAST_WITHIN_S: Final = 10.0


def press_to_number(subject: Subject, folder: Path, seconds: float) -> Sample:
    """p99 in ms, with the default push interval. Both nodes and nginx share a core, the browsers have the other."""
    before = distance_ns()
    with pair(folder, cores=(SERVER_CORE, SERVER_CORE)) as nodes, nginx_before(nodes, folder / "nginx") as nginx:
        waited_s = asyncio.run(_measure(f"http://127.0.0.1:{nginx.port}/live", int(seconds * PRESSES_PER_S)))
    p50, p99, longest = (percentile_ms(waited_s, share) for share in (0.5, 0.99, 1.0))
    return Sample(p99, (before, distance_ns()), {"p50_ms": p50, "max_ms": longest})


async def _measure(address: str, presses: int) -> list[float]:
    """How long each watcher waited for each press. Raises LoadError if one was not made in time, or never came."""
    async with aiohttp.ClientSession() as session:
        presser = await _tab_on(session, address, "a")
        watchers = [await _tab_on(session, address, "b") for _ in range(WATCHERS)]
        sent_at: list[float] = []
        waited_s: list[float] = []
        watching = [asyncio.create_task(watch(watcher, sent_at, waited_s, ITEM, presses)) for watcher in watchers]
        reading = asyncio.create_task(read_on(presser))
        await asyncio.sleep(0.5)
        await _press(presser, sent_at, presses)
        rate = (presses - 1) / (sent_at[-1] - sent_at[0])
        await asyncio.wait(watching, timeout=LAST_WITHIN_S)
        for task in (*watching, reading):
            task.cancel()
    if rate < RATE_MIN * PRESSES_PER_S or len(waited_s) != WATCHERS * presses:
        raise LoadError(f"{rate:,.0f} presses a second; of {WATCHERS} × {presses:,} {len(waited_s):,} were seen")
    return waited_s


async def _tab_on(session: aiohttp.ClientSession, address: str, node: str) -> aiohttp.ClientWebSocketResponse:
    """A connection that nginx has given to this node."""
    for _ in range(TRIES_MAX):
        socket = await session.ws_connect(address)
        if (await socket.receive_json())["node"] == node:
            return socket
        await socket.close()
    raise RuntimeError(f"nginx gives nobody to node {node}")


async def _press(socket: aiohttp.ClientWebSocketResponse, sent_at: list[float], presses: int) -> None:
    began = time.monotonic()
    for number in range(1, presses + 1):
        await asyncio.sleep(max(0.0, began + number / PRESSES_PER_S - time.monotonic()))
        sent_at.append(time.monotonic())
        await socket.send_str(f'{{"type":"press","id":{number},"item":"{ITEM}","n":{number}}}')


async def read_on(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def watch(
    socket: aiohttp.ClientWebSocketResponse,
    sent_at: list[float],
    waited_s: list[float],
    item: str,
    presses: float = math.inf,
) -> None:
    """Each press of the item counts when the first number comes that includes it, until so many have."""
    await socket.send_str(f'{{"type":"watch","items":["{item}"]}}')
    seen = 0
    async for message in socket:
        said = msgspec.json.decode(message.data)
        if said["type"] == "counts":
            now, count = time.monotonic(), said["counts"][item]
            waited_s += [now - at for at in sent_at[seen:count]]
            seen = max(seen, count)
            if seen >= presses:
                return
