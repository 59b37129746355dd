"""Prometheus metrics of one node: the only module that declares them (docs/operations.md explains each).

The engine's own figures are turned into metrics when the page is asked for; names in `_total` are counters.
No label ever holds an item, a visitor or an address: their number has no bound.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cluster.surface import Answer

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LOOP_LAG_EVERY_S: Final = 1.0

# Each counter would come with a gauge of when it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One registry per node, so that several nodes can live in one test process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.connections = Gauge("like_connections", "Browser WebSockets open here.", registry=registry)
        self.watchers = Gauge("like_watchers", "Watchers in this node's hub.", registry=registry)
        self.pushes = Counter("like_pushes_total", "Pushes to watchers.", registry=registry)
        self._presses = _Presses()
        registry.register(self._presses)
        self.refused = Counter(
            "like_messages_refused_total", "Messages answered with an error.", ("code",), registry=registry
        )
        self.limited = Counter(
            "like_presses_limited_total", "Presses that a budget cut or refused.", ("budget",), registry=registry
        )
        self.slow_watchers = Counter(
            "like_slow_watchers_total", "Times a slow watcher was skipped, closed.", ("action",), registry=registry
        )
        self.turned_away = Counter(
            "like_connections_refused_total", "Connections turned away.", ("reason",), registry=registry
        )
        self.loop_lag = Gauge("like_loop_lag_seconds", "How late the event loop woke up last.", registry=registry)

    def collect_from(self, counters: Callable[[], Mapping[str, float]]) -> None:
        """Show the engine's figures too."""
        self.registry.register(_EngineFigures(counters))

    def count_press(self, way: str, answer: Answer, asked: int | None) -> None:
        """The first answer to a press: what was refused, taken in part, or taken."""
        is_short = asked is not None and answer.n < asked
        key = way, answer.refusal or ("partial" if is_short else "taken")
        self._presses.counted[key] = self._presses.counted.get(key, 0) + 1

    def count_turned_away(self, reason: str) -> None:
        self.turned_away.labels(reason).inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure how late the loop wakes a sleeper, for as long as the node lives."""
        loop = asyncio.get_running_loop()
        while True:
            asleep_at = loop.time()
            await asyncio.sleep(LOOP_LAG_EVERY_S)
            self.loop_lag.set(max(0.0, loop.time() - asleep_at - LOOP_LAG_EVERY_S))


class _Presses(Collector):
    """Counted by the loop alone, so without the lock of a `Counter`: there is one of these for every press."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, str], int] = {}

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "like_presses_total", "Answered presses by way and outcome.", labels=("way", "outcome")
        )
        for key, number in sorted(self.counted.items()):
            family.add_metric(key, number)
        yield family


class _EngineFigures(Collector):
    def __init__(self, counters: Callable[[], Mapping[str, float]]) -> None:
        self._counters = counters

    def describe(self) -> Iterable[Metric]:
        """Nothing yet: the engine may not have started when this is registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        for name, value in sorted(self._counters().items()):
            documentation = "See docs/operations.md."
            if name.endswith("_total"):
                yield CounterMetricFamily(f"like_{name}", documentation, value=value)
            else:
                yield GaugeMetricFamily(f"like_{name}", documentation, value=value)
