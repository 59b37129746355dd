"""`make soak`: an hour with half of a node's core full, and whether its memory and its latency stay where they are.

Two linked nodes. One is pressed on by 64 tabs that leave and come back every minute, at a rate that takes half of
its core, and has 500 watchers; a press on it is followed to a browser of the other. After the hour they have the
same load in turn with two new ones. Written to docs/soak.md.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from bench.clusters import ClusterNode, pair
from bench.compiled import PLACE
from bench.drift import Conditions, Moment, Turn, page
from bench.latency import read_on, watch
from bench.load import Beside, loaded, run_load
from bench.machine import LOAD_CORE, REPOSITORY, SERVER_CORE, describe, stay_off_the_servers_core
from bench.results import percentile_ms
from bench.subjects import FAN, OURS, PRESS
from cluster.ledger_file import CACHE_KB

PAGE: Final = REPOSITORY / "docs" / "soak.md"

SHARE: Final = 0.5
EVERY_S: Final = 10.0
CHUNK_S: Final = 55.0
# Fewer points make no line.
MINUTES_MIN: Final = 1.5
WATCHERS: Final = 500
# At the 20 ticks that there are in a second, a probe would meet its tick at the same moment for minutes.
PROBES_PER_S: Final = 50
# Who only watches must be heard of too, or a node closes the connection after 150 s.
PING_S: Final = 30.0
# The hour's nodes and new ones in turn, after the new ones have warmed up. No load takes more than a minute.
TURNS: Final = 12
TURN_S: Final = 20.0
WARM_UP_S: Final = 50.0

Pair = tuple[ClusterNode, ClusterNode]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=60.0, help="an hour is what docs/soak.md is written from")
    minutes = max(parser.parse_args().minutes, MINUTES_MIN)
    stay_off_the_servers_core()
    machine = ", ".join(f"{name} {value}" for name, value in describe().items())
    folder = PLACE / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place, _nodes(Path(place) / "old") as old:
        watchers = Beside("fan", (*OURS.talk[FAN], "-R", "10"), WATCHERS)
        with loaded(old[0].server, watchers, chunk_s=CHUNK_S):
            rate = _rate_at_half(old[0])
        print(f"{rate:,.0f} presses a second for {minutes:g} minutes", flush=True)
        loads = (Beside("press", _pressing(rate), 64), watchers)
        with loaded(old[0].server, *loads, chunk_s=CHUNK_S) as faults:
            moments = asyncio.run(_observe(old, 60 * minutes, faults))
        with _nodes(Path(place) / "new") as new:
            _percentiles(new, loads, WARM_UP_S)
            turns = []
            for _ in range(TURNS):
                turns.append(Turn(_percentiles(old, loads, TURN_S), _percentiles(new, loads, TURN_S)))
                print(turns[-1], flush=True)
    under = Conditions(machine, rate, WATCHERS, EVERY_S, TURN_S, CACHE_KB // 1024)
    text = page(moments, turns, under)
    print(text)
    if minutes >= 60:
        PAGE.write_text(text)
    return 1 if "**" in text else 0


def _nodes(folder: Path) -> contextlib.AbstractContextManager[Pair]:
    return pair(folder, cores=(SERVER_CORE, LOAD_CORE))


def _rate_at_half(node: ClusterNode) -> float:
    """Presses a second that take half of its core, found by trying."""
    rate = 5000.0
    for _ in range(4):
        seen = run_load(node.server, "press", *_pressing(rate), seconds=8.0, connections=64)
        rate = seen["per_s"] * SHARE / seen["utilisation"]
    return rate


def _pressing(rate: float) -> tuple[str, ...]:
    return (*OURS.talk[PRESS], "-w", "64", "-R", str(rate))


@contextlib.asynccontextmanager
async def _probing(nodes: Pair) -> AsyncIterator[Callable[[], list[float]]]:
    """Presses on the one node, seen on the other; yields what says how long each took since it last said, in s."""
    async with aiohttp.ClientSession() as session:
        presser, watcher = [
            await session.ws_connect(f"http://127.0.0.1:{node.server.port}/live") for node in nodes
        ]  # fmt: skip
        sent_at: list[float] = []
        waited_s: list[float] = []

        def since() -> list[float]:
            waited = waited_s.copy()
            waited_s.clear()
            if any(task.done() for task in tasks) or not waited:
                raise RuntimeError("the probe's presses do not arrive any more")
            return waited

        # Of this pair nobody else has pressed it.
        item = f"tap:probe-{time.monotonic_ns()}"
        tasks = [
            asyncio.create_task(watch(watcher, sent_at, waited_s, item)),
            asyncio.create_task(read_on(presser)),
            asyncio.create_task(_press(presser, sent_at, item)),
            asyncio.create_task(_ping(watcher)),
        ]
        try:
            yield since
        finally:
            for task in tasks:
                task.cancel()


async def _observe(nodes: Pair, seconds: float, faults: list[Exception]) -> list[Moment]:
    a, b = (node.server for node in nodes)
    moments = []
    async with _probing(nodes) as since:
        began, cpu_s = time.monotonic(), a.cpu_s()
        for number in range(1, int(seconds / EVERY_S) + 1):
            await asyncio.sleep(began + number * EVERY_S - time.monotonic())
            if faults:
                raise faults[0]
            used_s, cpu_s = a.cpu_s() - cpu_s, a.cpu_s()
            moments.append(
                Moment(
                    number * EVERY_S, a.rss_bytes() / 1e6, b.rss_bytes() / 1e6, used_s / EVERY_S,
                    *_p50_p99_ms(since()),
                )
            )  # fmt: skip
            print(_line(moments[-1]), flush=True)
    return moments


def _line(moment: Moment) -> str:
    return "  ".join(f"{name} {value:,.4g}" for name, value in msgspec.structs.asdict(moment).items())


def _p50_p99_ms(waited_s: list[float]) -> tuple[float, float]:
    return percentile_ms(waited_s, 0.5), percentile_ms(waited_s, 0.99)


def _percentiles(nodes: Pair, loads: tuple[Beside, ...], seconds: float) -> tuple[float, float]:
    """p50 and p99 in ms under this load."""

    async def measure() -> list[float]:
        async with _probing(nodes) as since:
            await asyncio.sleep(seconds)
            return since()

    # Its end comes with the end of the load.
    with loaded(nodes[0].server, *loads, chunk_s=seconds + 1) as faults:
        waited_s = asyncio.run(measure())
        if faults:
            raise faults[0]
    return _p50_p99_ms(waited_s)


async def _press(socket: aiohttp.ClientWebSocketResponse, sent_at: list[float], item: str) -> None:
    number = 0
    while True:
        await asyncio.sleep(1 / PROBES_PER_S)
        number += 1
        sent_at.append(time.monotonic())
        await socket.send_str(f'{{"type":"press","id":{number},"item":"{item}","n":{number}}}')


async def _ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(PING_S)
        await socket.send_str('{"type":"ping"}')


if __name__ == "__main__":
    sys.exit(main())
