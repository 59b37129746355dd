"""`make soak`: an hour with half of a node's core full, and whether its memory and its latency stay where they are.

Two linked nodes. One is pressed on by 64 tabs that leave and come back every minute, at a rate that takes half of
its core, and has 500 watchers; a press on it is followed to a browser of the other. Written to docs/soak.md.
"""

import argparse
import asyncio
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from bench.clusters import ClusterNode, pair
from bench.compiled import PLACE
from bench.latency import read_on, watch
from bench.load import Beside, loaded, run_load
from bench.machine import LOAD_CORE, REPOSITORY, SERVER_CORE, describe, stay_off_the_servers_core
from bench.results import percentile_ms
from bench.subjects import FAN, OURS, PRESS

PAGE: Final = REPOSITORY / "docs" / "soak.md"

SHARE: Final = 0.5
EVERY_S: Final = 10.0
# Pages, caches and buckets fill at first.
WARM_SHARE: Final = 0.15
CHUNK_S: Final = 55.0
# Fewer points make no line.
MINUTES_MIN: Final = 1.5
WATCHERS: Final = 500
PROBES_PER_S: Final = 20
# Who only watches must be heard of too, or a node closes the connection after 150 s.
PING_S: Final = 30.0
# A drift of less than this part of the mean within an hour is none.
FLAT: Final = 0.02


class Moment(msgspec.Struct, frozen=True):
    """What was seen at the end of an interval: seconds since the begin, MB, share of a core, ms."""

    at_s: float
    rss_mb: float
    peer_rss_mb: float
    core_share: float
    p50_ms: float
    p99_ms: float


FIGURES: Final = {
    "rss_mb": "memory of the node, MB",
    "peer_rss_mb": "memory of the other, MB",
    "core_share": "share of its core",
    "p50_ms": "press to number on the other node, p50, ms",
    "p99_ms": "the same, p99, ms",
}


class Drift(msgspec.Struct, frozen=True):
    """A straight line through a figure: its mean, and by how much it grows in an hour, with the standard error."""

    mean: float
    per_hour: float
    error: float

    @property
    def verdict(self) -> str:
        """A line that could as well drift by much more than is allowed says nothing."""
        allowed = FLAT * abs(self.mean)
        if abs(self.per_hour) + 2 * self.error <= 2 * allowed:
            return "flat"
        return "**drifts**" if abs(self.per_hour) > max(allowed, 2 * self.error) else "not known"


def drift(at_s: list[float], values: list[float]) -> Drift:
    """By least squares; at least three values."""
    line = statistics.linear_regression(at_s, values)
    left = sum((value - line.intercept - line.slope * at) ** 2 for at, value in zip(at_s, values, strict=True))
    mean_at = statistics.fmean(at_s)
    spread = sum((at - mean_at) ** 2 for at in at_s)
    error = math.sqrt(left / (len(values) - 2) / spread)
    return Drift(statistics.fmean(values), line.slope * 3600, error * 3600)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=60.0, help="an hour is what docs/soak.md is written from")
    minutes = max(parser.parse_args().minutes, MINUTES_MIN)
    stay_off_the_servers_core()
    folder = PLACE / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        pair(Path(place), cores=(SERVER_CORE, LOAD_CORE)) as (a, b),
    ):
        watchers = Beside("fan", (*OURS.talk[FAN], "-R", "10"), WATCHERS)
        with loaded(a.server, watchers, chunk_s=CHUNK_S):
            rate = _rate_at_half(a)
        print(f"{rate:,.0f} presses a second for {minutes:g} minutes", flush=True)
        with loaded(a.server, Beside("press", _pressing(rate), 64), watchers, chunk_s=CHUNK_S) as faults:
            moments = asyncio.run(_observe(a, b, 60 * minutes, faults))
    text = page(moments, rate)
    print(text)
    if minutes >= 60:
        PAGE.write_text(text)
    return 0


def _rate_at_half(node: ClusterNode) -> float:
    """Presses a second that take half of its core, found by trying."""
    rate = 5000.0
    for _ in range(4):
        seen = run_load(node.server, "press", *_pressing(rate), seconds=8.0, connections=64)
        rate = seen["per_s"] * SHARE / seen["utilisation"]
    return rate


def _pressing(rate: float) -> tuple[str, ...]:
    return (*OURS.talk[PRESS], "-w", "64", "-R", str(rate))


async def _observe(a: ClusterNode, b: ClusterNode, seconds: float, faults: list[Exception]) -> list[Moment]:
    async with aiohttp.ClientSession() as session:
        presser = await session.ws_connect(f"http://127.0.0.1:{a.server.port}/live")
        watcher = await session.ws_connect(f"http://127.0.0.1:{b.server.port}/live")
        sent_at: list[float] = []
        waited_s: list[float] = []
        tasks = [
            asyncio.create_task(watch(watcher, sent_at, waited_s, "tap:probe")),
            asyncio.create_task(read_on(presser)),
            asyncio.create_task(_press(presser, sent_at)),
            asyncio.create_task(_ping(watcher)),
        ]
        moments = []
        began, cpu_s, seen = time.monotonic(), a.server.cpu_s(), 0
        for number in range(1, int(seconds / EVERY_S) + 1):
            await asyncio.sleep(began + number * EVERY_S - time.monotonic())
            if faults:
                raise faults[0]
            if any(task.done() for task in tasks) or len(waited_s) == seen:
                raise RuntimeError("the probe's presses do not arrive any more")
            used_s, cpu_s = a.server.cpu_s() - cpu_s, a.server.cpu_s()
            waited, seen = waited_s[seen:], len(waited_s)
            p50, p99 = (percentile_ms(waited, share) for share in (0.5, 0.99))
            moment = Moment(
                number * EVERY_S, a.server.rss_bytes() / 1e6, b.server.rss_bytes() / 1e6, used_s / EVERY_S, p50, p99
            )
            moments.append(moment)
            print(
                "  ".join(f"{name} {value:,.4g}" for name, value in msgspec.structs.asdict(moment).items()),
                flush=True,
            )
        for task in tasks:
            task.cancel()
        return moments


async def _press(socket: aiohttp.ClientWebSocketResponse, sent_at: list[float]) -> None:
    number = 0
    while True:
        await asyncio.sleep(1 / PROBES_PER_S)
        number += 1
        sent_at.append(time.monotonic())
        await socket.send_str(f'{{"type":"press","id":{number},"item":"tap:probe","n":{number}}}')


async def _ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(PING_S)
        await socket.send_str('{"type":"ping"}')


def page(moments: list[Moment], rate: float) -> str:
    """docs/soak.md."""
    warm = int(WARM_SHARE * len(moments))
    machine = ", ".join(f"{name} {value}" for name, value in describe().items())
    lines = [
        "# Soak",
        "",
        f"Written by `make soak`: {machine}.",
        "",
        f"Two linked nodes for {moments[-1].at_s / 60:,.0f} minutes. One was pressed on {rate:,.0f} times a second "
        f"by 64 tabs that left and came back every minute, and watched by {WATCHERS}; the rate is what took half "
        f"of its core. A line was laid through what was seen every {EVERY_S:g} s, but for the first "
        f"{WARM_SHARE:.0%}.",
        "",
        "| | mean | grows in an hour by | standard error | |",
        "|---|---|---|---|---|",
    ]
    for name, title in FIGURES.items():
        found = drift([each.at_s for each in moments[warm:]], [getattr(each, name) for each in moments[warm:]])
        grown, error = f"{found.per_hour:+,.2g}", f"{found.error:,.2g}"
        lines.append(f"| {title} | {found.mean:,.4g} | {grown} | {error} | {found.verdict} |")
    lines.append("")
    lines.append(
        f"Flat: with two standard errors on top, it drifts by less than {2 * FLAT:.0%} of its mean in an hour. "
        "Where the error is too large for that, and the drift not larger than it, nothing is known."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
