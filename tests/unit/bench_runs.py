"""Rows, growths and results of a benchmark that nobody measured."""

from typing import Any

from bench.growth import Growth
from bench.results import Result, Sample
from bench.rows import Row
from bench.subjects import FLOOR, OURS, PEERS

NEAR, FAR = (90.0, 90.0), (480.0, 480.0)


def nothing(*_: Any) -> Sample:
    raise AssertionError("nobody measures here")


def row(limit: float = 10, **more: Any) -> Row:
    return Row("a-row", "a row", "µs", limit, nothing, "press", **more)


def result(**samples: list[Sample]) -> Result:
    names = {"ours": OURS.name, "floor": FLOOR.name, "peer": PEERS[0].name}
    return Result("a-row", {names[who]: each for who, each in samples.items()})


def seen(*values: float, **more: float) -> list[Sample]:
    return [Sample(value, NEAR, more) for value in values]


def growth(order: Any = "constant") -> Growth:
    return Growth("a-growth", "watchers", "watchers", "µs", (10, 100, 10_000), nothing, order)


def grown(*values: float) -> Result:
    return Result("a-growth", {str(p): seen(v) for p, v in zip((10, 100, 10_000), values, strict=False)})
