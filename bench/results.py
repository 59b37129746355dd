"""Runs as JSON: what was measured, on what, and what became of it since the recorded run."""

import statistics
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.machine import BLIND_NS, FAR_NS, REPOSITORY, describe

DOCS: Final = REPOSITORY / "docs"
# What moved less than this since a run of another day, on another machine perhaps, may have moved by itself.
NOISE: Final = 0.15


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measurement of one subject: the row's figure, where the cores were (ns), and whatever else was seen.

    `branch_ns` is what an indirect call cost before and after it, 0 where nobody looked.
    """

    value: float
    distance_ns: tuple[float, float] = (0.0, 0.0)
    more: dict[str, float] = {}
    branch_ns: tuple[float, float] = (0.0, 0.0)

    @property
    def state(self) -> str:
        """`near` or `far`; `moved` if the cores were apart for a part of it only."""
        are_far = [distance > FAR_NS for distance in self.distance_ns]
        return "moved" if any(are_far) and not all(are_far) else "far" if all(are_far) else "near"


class Result(msgspec.Struct):
    """All samples of one row, by subject, in the order of the turns. `failures`: who could not be measured."""

    row: str
    samples: dict[str, list[Sample]] = {}
    failures: dict[str, str] = {}

    def median(self, subject: str) -> float | None:
        values = [sample.value for sample in self.samples.get(subject, ())]
        return statistics.median(values) if values else None

    def spread(self, subject: str) -> tuple[float, float]:
        values = [sample.value for sample in self.samples[subject]]
        return min(values), max(values)

    def ratio(self, subject: str, other: str) -> float | None:
        """How many times the other's figure: the median of the ratios within a turn."""
        pairs = zip(self.samples.get(subject, ()), self.samples.get(other, ()), strict=False)
        ratios = [ours.value / theirs.value for ours, theirs in pairs if theirs.value]
        return statistics.median(ratios) if ratios else None

    def more(self, subject: str, name: str) -> float | None:
        """The median of something else that was seen."""
        values = [sample.more[name] for sample in self.samples.get(subject, ()) if name in sample.more]
        return statistics.median(values) if values else None


class Before(msgspec.Struct, frozen=True):
    """What the recorded run before this one came to."""

    commit: str
    verdicts: dict[str, str]


class Run(msgspec.Struct):
    """What `make bench` writes. `began` is in UTC; `took_s` is 0 where nobody looked."""

    began: str
    machine: dict[str, str]
    results: dict[str, Result] = {}
    before: Before | None = None
    took_s: float = 0.0

    def branches_ns(self) -> list[float]:
        """What indirect calls cost in the course of it, where somebody looked."""
        results = self.results.values()
        samples = [sample for result in results for of_one in result.samples.values() for sample in of_one]
        return [cost for sample in samples for cost in sample.branch_ns if cost]

    @property
    def is_blind(self) -> bool:
        """Whether the processor mostly could not guess where they go: nothing in it can be compared with others."""
        costs = self.branches_ns()
        return bool(costs) and statistics.median(costs) > BLIND_NS

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


def percentile_ms(waited_s: list[float], share: float) -> float:
    """Of so many seconds: what this share of them, from 0 to 1, does not exceed, in ms."""
    return 1000 * sorted(waited_s)[int(share * (len(waited_s) - 1))]


def new_run() -> Run:
    return Run(datetime.now(UTC).isoformat(timespec="seconds"), describe())


def record_of(*, is_blind: bool) -> Path:
    """Where the recorded run is; its page is beside it, and so are its plots. One of each sort of machine."""
    return DOCS / ("performance-blind.json" if is_blind else "performance.json")


def recorded(file: Path) -> Run | None:
    """The run that the page beside this file was written from."""
    return msgspec.json.decode(file.read_bytes(), type=Run) if file.exists() else None


def compared(now: Result, before: Result | None, subjects: Iterable[str], floor: str) -> list[str]:
    """In words how it was in the recorded run, in units of the floor where it was measured in both."""
    if before is None:
        return []
    said = []
    for subject in subjects:
        new, old = _comparable(now, subject, floor), _comparable(before, subject, floor)
        if new is not None and old:
            within = ", no more than two runs may differ by" if abs(new / old - 1) <= NOISE else ""
            said.append(f"{subject}: {new / old - 1:+.1%} against the recorded run{within}")
    return said


def _comparable(result: Result, subject: str, floor: str) -> float | None:
    return result.ratio(subject, floor) if floor in result.samples else result.median(subject)
