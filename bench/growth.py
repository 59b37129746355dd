"""How costs grow: with watchers, items, tallies and nodes. Each has a natural order, and nothing is to be worse.

The natural order says by how much a figure may grow between two points. Where it is constant, each costs the same
however many there are; where it is that of a tree, each costs as the depth of one, a hundred to a page, and the
ledger's pages hold fewer. In a mesh each hears from all others what these have, which with eight nodes was found to
cost some 7 % of a lone commit each: a tenth.
"""

import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from bench import ledgers
from bench.clusters import mesh, wait_until
from bench.load import LoadError, Measured, check_rate, run_load
from bench.machine import SERVER_CORE, distance_ns
from bench.replication import NEW_ACTORS, wait_until_level
from bench.results import Result, Sample
from bench.servers import Look
from bench.subjects import FAN, FLOOR, ITEMS, NEW_PRESS, OURS, OWN_TICK

# What a figure wobbles by, and what caches that grow too small add.
TOLERANCE: Final = 1.5
# Presses a second, few enough that eight nodes on one core can make a commit of each. Where the core has no time
# for that, presses wait and share one, and would cost less the more nodes there are.
NODES_RATE: Final = 40
NODES_UTILISATION_MAX: Final = 0.7
NODES_ITEMS: Final = 16
# Each has a place of its own in an item's rows, and its tabs stand there.
VISITORS: Final = 1000
# A node, and the load, need some files for other things.
FILES_BESIDE: Final = 500


class Growth(msgspec.Struct, frozen=True):
    """`measure` makes one sample at one of the `points`, in an empty folder, for so many seconds."""

    name: str
    title: str
    axis: str
    unit: str
    points: tuple[int, ...]
    measure: Callable[[int, Path, float], Sample]
    order: Literal["constant", "tree", "mesh"]
    seconds: float = 4.0

    def worst(self, result: Result) -> float | None:
        """How many times as much as its natural order allows a point costs, by the best of the smaller ones.

        None where a point could not be measured.
        """
        measured = sorted(map(int, result.samples))
        if result.failures or len(measured) < len(self.points):
            return None
        costs = [(result.median(str(point)) or 0.0) / self._natural(point) for point in measured]
        return max(cost / min(costs[:place]) for place, cost in enumerate(costs) if place)

    def is_natural(self, result: Result) -> bool | None:
        worst = self.worst(result)
        return None if worst is None else worst <= TOLERANCE

    def _natural(self, point: int) -> float:
        orders = {"constant": 1.0, "tree": 1 + math.log(point, 100), "mesh": 1 + (point - 1) / 10}
        return orders[self.order]


def _watchers(number: int, folder: Path, seconds: float) -> Sample:
    """The floor beside it: sockets of many leave the core's caches, whoever writes to them."""
    measured = list[Measured]()
    for subject in (FLOOR, OURS):
        with subject.start(folder / subject.name, OWN_TICK if subject is OURS else {}) as server:
            measured.append(run_load(server, "fan", *subject.talk[FAN], seconds=seconds, connections=number))
    floor, ours = measured
    distance_ns = floor.distance_ns[0], ours.distance_ns[1]
    more = {"cpu_us": ours["cpu_us"], "floor_us": floor["cpu_us"]}
    return Sample(ours["cpu_us"] / floor["cpu_us"], distance_ns, more)


def _items(number: int, folder: Path, seconds: float) -> Sample:
    """New tabs press one of so many items after the other; each item was pressed before."""
    ledgers.put_full_one(folder / "data", number, items=number)
    return _press(number, folder, seconds)


def _tallies(number: int, folder: Path, seconds: float) -> Sample:
    """New tabs press on a ledger of so many tallies."""
    ledgers.put_full_one(folder / "data", number)
    return _press(ITEMS, folder, seconds)


def _press(items: int, folder: Path, seconds: float) -> Sample:
    with OURS.start(folder, {}) as server:
        look = Look(server)
        options = (*OURS.talk[NEW_PRESS], "-w", "16", "-I", str(items))
        measured = run_load(server, "press", *options, seconds=seconds, connections=VISITORS)
        rss, beside_us = server.rss_bytes(), look.cost_us(measured["per_s"])
    more = {"rss_mb": rss / 1e6, "look_us": beside_us}
    return Sample(measured["cpu_us"] - beside_us, measured.distance_ns, more)


def _nodes(number: int, folder: Path, seconds: float) -> Sample:
    """Per press and node: the one that is pressed, and those that it pushes to, all on one core.

    Raises LoadError where that core had too little time.
    """
    before = distance_ns()
    with mesh(folder, [SERVER_CORE] * number) as nodes:
        wait_until(lambda: all(node.figures()["like_lag_rows"] == 0 for node in nodes), "quiet")
        presses, cpu_s = nodes[0].figures()["like_engine_presses_total"], sum(node.server.cpu_s() for node in nodes)
        began = time.monotonic()
        measured = run_load(
            nodes[0].server, "fan", *NEW_ACTORS, "-s", '{"type":"watch","items":["tap:item-0"]}',
            "-f", '{"type":"counts"', "-R", str(NODES_RATE), "-I", str(NODES_ITEMS), seconds=seconds, connections=1,
        )  # fmt: skip
        wait_until_level(*nodes)
        took_s = time.monotonic() - began
        presses = nodes[0].figures()["like_engine_presses_total"] - presses
        cpu_s = sum(node.server.cpu_s() for node in nodes) - cpu_s
    check_rate(measured, NODES_RATE)
    utilisation = cpu_s / took_s
    if utilisation > NODES_UTILISATION_MAX:
        raise LoadError(f"{number} nodes used {utilisation:.0%} of their core, and shared commits")
    return Sample(cpu_s * 1e6 / presses / number, (before, distance_ns()), {"utilisation": utilisation})


def _watcher_points() -> tuple[int, ...]:
    """Up to 20,000, or to as many as this user's limit of open files allows."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 20_000 if files == resource.RLIM_INFINITY else min(20_000, files - FILES_BESIDE)
    return (*(number for number in (10, 100, 1000, 10_000) if number < most), most)


GROWTHS: Final = (
    Growth(
        "growth-watchers", "watchers of one item", "watchers", "times the floor, per delivered count",
        _watcher_points(), _watchers, "constant",
    ),
    Growth(
        "growth-items", "items, one tally each", "items", "µs per press of a new actor", (1, 1000, 1_000_000),
        _items, "tree",
    ),
    Growth(
        "growth-tallies", f"tallies, of {ITEMS:,} items", "tallies", "µs per press of a new actor",
        (10_000, 100_000, 1_000_000, 10_000_000), _tallies, "tree",
    ),
    Growth(
        "growth-nodes", "nodes, each pushed to", "nodes", "µs per press and node", (1, 2, 4, 8), _nodes, "mesh"
    ),
)  # fmt: skip
