"""What is measured: each row of the table in docs/performance.md, with its goal."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from bench import ledgers, replication, stack
from bench.latency import press_to_number
from bench.load import Measured, check_rate, run_load
from bench.machine import distance_ns
from bench.results import Result, Sample
from bench.servers import Look
from bench.subjects import (
    FAN,
    FLOOR,
    IDLE,
    JOINED,
    JOINED_ITEMS,
    NEW_PRESS,
    OURS,
    OWN_TICK,
    PRESS,
    VISITORS_BUDGETS,
    Subject,
)

# A second.
FEW_PRESSES: Final = 100
MANY_PRESSES: Final = 10_000
# Presses of each connection that wait for their answers.
UNDER_WAY: Final = 16
# What new actors press on.
FULL_ROWS: Final = 3_000_000
MANY_ROWS: Final = 10_000_000
# By so much the medians of two runs one after the other differ though nothing has changed: what is closer to its
# goal may be on the other side next time.
LINE: Final = 0.03


class Row(msgspec.Struct, frozen=True):
    """`measure` makes one sample of one subject in an empty folder, for so many seconds. `limit` is the goal: of
    our figure, or of how many times the floor's it is; 0 where there is none.
    """

    name: str
    title: str
    unit: str
    limit: float
    measure: Callable[[Subject, Path, float], Sample]
    work: str
    of: Literal["value", "ratio"] = "value"
    others: bool = True
    seconds: float = 5.0
    # More goals, of other figures of the same samples: name → limit.
    also: dict[str, float] = {}
    at_least: dict[str, float] = {}
    # Figures of the same samples that have no goal, and belong beside it.
    tells: tuple[str, ...] = ()
    # In one sentence why the goal is missed; written down by whoever has looked into it.
    why: str = ""

    @property
    def goal(self) -> str:
        if not self.limit:
            return f"none; {self.unit}"
        return f"≤ {self.limit:g} × floor" if self.of == "ratio" else f"≤ {self.limit:,g} {self.unit}"

    def ours(self, result: Result) -> float | None:
        return result.ratio(OURS.name, FLOOR.name) if self.of == "ratio" else result.median(OURS.name)

    def is_met(self, result: Result, slack: float = 1.0) -> bool | None:
        """None where it was not measured, or has none. With so many times the goal's room."""
        if self.ours(result) is None or not self.limit:
            return None
        return not self.misses(result, slack)

    def misses(self, result: Result, slack: float = 1.0) -> list[str]:
        """Which of its goals, by name; its own is "". One that was not seen is missed."""
        at_most = [("", self.ours(result), self.limit)]
        at_most += [(name, result.more(OURS.name, name), limit) for name, limit in self.also.items()]
        at_least = [(name, result.more(OURS.name, name), limit) for name, limit in self.at_least.items()]
        met = {name for name, value, limit in at_most if value is not None and value <= slack * limit}
        met |= {name for name, value, limit in at_least if value is not None and slack * value >= limit}
        return [name for name, _, _ in (*at_most, *at_least) if name not in met]

    def is_on_the_line(self, result: Result) -> bool:
        """Whether it is met or missed by so little that another run may say otherwise."""
        return self.is_met(result, 1 - LINE) != self.is_met(result, 1 + LINE)


def _sample(measured: Measured, value: str, *more: str) -> Sample:
    seen = {name: measured[name] for name in more}
    return Sample(measured[value], measured.distance_ns, seen)


def _fan(watchers: int) -> Callable[[Subject, Path, float], Sample]:
    def measure(subject: Subject, folder: Path, seconds: float) -> Sample:
        settings = OWN_TICK if subject is OURS else {}
        with subject.start(folder, settings) as server:
            measured = run_load(server, "fan", *subject.talk[FAN], seconds=seconds, connections=watchers)
        return _sample(measured, "cpu_us", "loop_us", "per_s")

    return measure


def _joined(subject: Subject, folder: Path, seconds: float) -> Sample:
    """A change of each item, and the next when everybody has heard of all."""
    settings = {"join": ""} if subject is FLOOR else {}
    with subject.start(folder, settings) as server:
        options = (*subject.talk[JOINED], "-k", str(JOINED_ITEMS))
        measured = run_load(server, "fan", *options, seconds=seconds, connections=1000)
    return _sample(measured, "cpu_us", "loop_us", "per_s", "messages_per_read")


def _joined_under_pressure(subject: Subject, folder: Path, seconds: float) -> Sample:
    """What the presses themselves cost is in it."""
    with subject.start(folder, {}) as server:
        options = (*subject.talk[JOINED], "-R", str(MANY_PRESSES))
        measured = run_load(server, "fan", *options, seconds=seconds, connections=1000)
        check_rate(measured, MANY_PRESSES)
    return _sample(measured, "cpu_us", "loop_us", "per_s")


def _bytes(work: str, few: int) -> Callable[[Subject, Path, float], Sample]:
    """How many times the bytes of few presses a second a watcher gets at many."""

    def measure(subject: Subject, folder: Path, seconds: float) -> Sample:
        seen = {}
        for rate in (few, MANY_PRESSES):
            with subject.start(folder / str(rate), {}) as server:
                options = (*subject.talk[work], "-R", str(rate))
                seen[rate] = run_load(server, "fan", *options, seconds=seconds, connections=100)
                check_rate(seen[rate], rate)
        at_few, at_many = (measured["bytes"] / measured["seconds"] / 100 for measured in seen.values())
        return Sample(at_many / at_few, seen[MANY_PRESSES].distance_ns, {"bytes_per_s": at_many})

    return measure


def _press(
    connections: int, under_way: int = UNDER_WAY, settings: Mapping[str, str] | None = None
) -> Callable[[Subject, Path, float], Sample]:
    def measure(subject: Subject, folder: Path, seconds: float) -> Sample:
        with subject.start(folder, settings or {}) as server:
            options = (*subject.talk[PRESS], "-w", str(under_way))
            measured = run_load(server, "press", *options, seconds=seconds, connections=connections)
        return _sample(measured, "cpu_us", "loop_us", "per_s", "p50_us", "p99_us")

    return measure


def _new_press(connections: int) -> Callable[[Subject, Path, float], Sample]:
    """New tabs of so many visitors, on 1,000 items. What the look through the ledger costs is taken off."""

    def measure(subject: Subject, folder: Path, seconds: float) -> Sample:
        ledgers.put_full_one(folder / "data", FULL_ROWS)
        with subject.start(folder, {}) as server:
            options = (*subject.talk[NEW_PRESS], "-w", str(UNDER_WAY))
            look = Look(server)
            measured = run_load(server, "press", *options, seconds=seconds, connections=connections)
            beside_us = look.cost_us(measured["per_s"])
        sample = _sample(measured, "cpu_us", "loop_us", "per_s", "p50_us", "p99_us")
        return Sample(sample.value - beside_us, sample.distance_ns, {**sample.more, "look_us": beside_us})

    return measure


def _start(subject: Subject, folder: Path, seconds: float) -> Sample:
    """Seconds until the node is ready, with 10,000,000 tallies on its disk."""
    ledgers.put_full_one(folder / "data", MANY_ROWS)
    before = distance_ns()
    began = time.monotonic()
    with subject.start(folder, {}) as server:
        took_s, rss = time.monotonic() - began, server.rss_bytes()
    return Sample(took_s, (before, distance_ns()), {"rss_mb": rss / 1e6})


def _idle(subject: Subject, folder: Path, seconds: float) -> Sample:
    with subject.start(folder, {}) as server:
        measured = run_load(server, "idle", *subject.talk[IDLE], seconds=1.0, connections=10_000)
    return _sample(
        measured, "bytes_per_connection", "kernel_bytes_per_connection", "connect_us", "idle_share", "rss"
    )


# Why goals are missed, by whoever has looked into it.
_RANDOM_ROW: Final = (
    "every press is two rows somewhere in the table, the tally's and its item's: two walks down trees, their pages"
    " of log and fsync, and the same again when the log is copied. The ledger's thread takes 22 µs for it"
    " (`python -m bench.parts commits`; 49 where the processor may not guess), of which SQLite's part is over 12"
    " (`rows`), and where all fits into its cache it is not much less (growth, below)"
)
_LOOP_TOO: Final = "the rest is the loop's, which shares its core with that, and misses its 5 µs too"
_PER_COUNT: Final = "µs per delivered count"
_PER_PRESS: Final = "µs per press"
ROWS: Final = (
    Row(
        "fan-1000", "fan-out, one item, 1,000 watchers", _PER_COUNT, 1.25, _fan(1000), FAN, of="ratio",
        why="each count is a commit of its own, on disk before anybody hears of it: 0.4 ms of processor time, or "
        "0.4 µs of each of 1,000 delivered counts; what is left is what a call of `send` costs Python more than C."
        " What others do in a loop without a commit, in C too (nchan), costs about as much.",
    ),
    Row(
        "fan-5000", "fan-out, one item, 5,000 watchers", _PER_COUNT, 1.25, _fan(5000), FAN, of="ratio",
        why="a watcher is a few objects and a socket, and 5,000 of them push each other out of the core's caches:"
        " a microsecond more than the floor, which keeps a number each. Most others pay more than that.",
    ),
    Row("joined", "fan-out, 16 changes per tick to 1,000 watchers", _PER_COUNT, 0.6, _joined, JOINED),
    Row(
        "joined-10000", "fan-out of 16 items, 10,000 presses/s, and what these cost", _PER_COUNT, 0,
        _joined_under_pressure, JOINED, others=False, tells=("loop_us",),
    ),
    Row(
        "bytes", "bytes per watcher of one item, 10,000 against 100 presses/s", "times", 1.1,
        _bytes(FAN, FEW_PRESSES), FAN, others=False,
    ),
    Row(
        "bytes-16", "bytes per watcher of 16 items, 10,000 presses/s against 100 of each", "times", 1.1,
        _bytes(JOINED, FEW_PRESSES * JOINED_ITEMS), JOINED, others=False,
    ),
    Row(
        "bytes-16-few", "bytes per watcher of 16 items, 10,000 against 100 presses/s in all", "times", 1.1,
        _bytes(JOINED, FEW_PRESSES), JOINED, others=False,
        why="a push tells only of what changed: at 100 presses a second that is 5 of the 16 items, and nobody is"
        " sent the other 11. What a watcher watches is the most, and it grows no more once all of that changes.",
    ),
    Row(
        "press-64", "presses, 64 connections", _PER_PRESS, 10, _press(64), PRESS, also={"loop_us": 5},
        tells=("p50_us",),
    ),
    Row(
        "press-1000", "presses, 1,000 connections", _PER_PRESS, 10, _press(1000), PRESS, also={"loop_us": 5},
        tells=("p50_us",), why="what a thousand sessions need does not stay in the core's caches.",
    ),
    Row(
        "press-charged", "presses, 64 connections, each charged to its visitor's budget", _PER_PRESS, 10,
        _press(64, settings=VISITORS_BUDGETS), PRESS, others=False, also={"loop_us": 5}, tells=("p50_us",),
    ),
    Row(
        "press-lone", "presses one after the other, each a commit of its own", _PER_PRESS, 0,
        _press(1, under_way=1), PRESS, others=False, tells=("loop_us", "p50_us"),
    ),
    Row(
        "new-64", "presses of new tabs on 3,000,000 rows, 64 connections", _PER_PRESS, 20, _new_press(64),
        NEW_PRESS, others=False, also={"loop_us": 5}, tells=("p50_us", "look_us"),
        why=f"{_RANDOM_ROW}; {_LOOP_TOO}.",
    ),
    Row(
        "new-1000", "presses of new tabs on 3,000,000 rows, 1,000 connections", _PER_PRESS, 20,
        _new_press(1000), NEW_PRESS, others=False, also={"loop_us": 5}, tells=("p50_us", "look_us"),
        why=f"{_RANDOM_ROW}; {_LOOP_TOO}.",
    ),
    Row("idle", "memory per idle watcher, 10,000 of them", "bytes", 3072, _idle, IDLE),
    Row(
        "latency", "a press on one node, the number in a browser on another, 1,000 presses/s", "ms (p99)", 70,
        press_to_number, FAN, others=False, also={"p50_ms": 30},
        tells=("max_ms",),
        why="half a push interval is 25 ms; two commits, the time for which pushes between nodes are joined, nginx"
        " and whoever measures take the rest.",
    ),
    Row(
        "receive", "replication: new tabs' presses on 3,000,000 rows", "µs per tally at the receiver", 18,
        replication.receive, FAN, others=False, tells=("look_us",), why=f"{_RANDOM_ROW}.",
    ),
    Row(
        "catch-up", "replication: an empty node pulls 3,000,000 rows", "µs per tally at the receiver", 10,
        replication.catch_up, FAN, others=False, also={"lag_p99_ms": 20}, at_least={"rows_per_s": 80_000},
        tells=("lag_max_ms",),
    ),
    Row(
        "traffic", "between two nodes, 1,000 presses of new actors a second", "bytes per press", 60,
        replication.traffic, FAN, others=False, also={"bytes_at_20000": 40},
    ),
    Row(
        "start", "start with 10,000,000 tallies in a file that the kernel has read before", "s until ready", 3,
        _start, FAN, others=False, also={"rss_mb": 200},
    ),
    Row(
        "nginx-fan", "nginx before a node: fan-out to 1,000 watchers", _PER_COUNT + " in nginx", 0, stack.fan, FAN,
        others=False,
    ),
    Row(
        "nginx-press", "nginx before a node: presses", _PER_PRESS + " in nginx", 0, stack.press, PRESS,
        others=False,
    ),
    Row(
        "nginx-crowd", "nginx and a node on one core: 2,500 watchers, told 20 times a second", "of the core", 0,
        stack.crowd, FAN, others=False,
    ),
    Row(
        "nginx-idle", "nginx before a node: 9,000 idle watchers", "bytes per watcher in nginx", 0, stack.idle,
        IDLE, others=False,
    ),
)  # fmt: skip
