"""Many lives, on all cores: `python -m tests.simulation.run SEEDS [FIRST]`, as `make simulate` does.

Prints what the lives came across, and the seed of each that failed with what was broken. The exit code says whether
all were well.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import repeat

import msgspec

from tests.simulation.ablations import switched_off
from tests.simulation.life import Life

CHUNK = 20


class Report(msgspec.Struct):
    """What some lives came to. `seen` counts what they came across, `failures` says what each failed seed broke."""

    lives: int = 0
    events: int = 0
    hours: float = 0.0
    seen: Counter[str] = msgspec.field(default_factory=Counter)
    failures: dict[int, str] = {}

    def add(self, other: "Report") -> None:
        self.lives += other.lives
        self.events += other.events
        self.hours += other.hours
        self.seen.update(other.seen)
        self.failures |= other.failures


def live_through(seeds: range, rule_off: str) -> Report:
    """Live these lives, without this rule if it is one."""
    report = Report()
    with switched_off(rule_off) if rule_off else nullcontext():
        for seed in seeds:
            report.add(_live(seed))
    return report


def _live(seed: int) -> Report:
    report = Report(lives=1)
    with Life(seed) as life:
        try:
            life.live().assert_all_is_well()
        except Exception as error:  # noqa: BLE001 - each is a finding, and the rest are to be lived too
            report.failures[seed] = f"{type(error).__name__}: {error}"
        report.events = life.world.events
        report.hours = life.world.now / 3600
        report.seen.update(life.world.seen)
    return report


def run(seeds: range, rule_off: str = "") -> Iterator[Report]:
    """The report so far, after each part."""
    total = Report()
    chunks = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for report in pool.map(live_through, chunks, repeat(rule_off)):
            total.add(report)
            yield total


def print_report(report: Report, took_s: float) -> None:
    print(f"\n{report.lives} lives, {report.events} events, {report.hours:.1f} simulated hours, {took_s:.0f} s")
    faults = {what: times for what, times in report.seen.items() if what.startswith("fault: ")}
    for title, counted in (("Faults", faults), ("Came across", report.seen - Counter(faults))):
        print(f"\n{title}")
        for what, times in sorted(counted.items()):
            print(f"  {times:9} {what.removeprefix('fault: ')}")
    print(f"\nFailures: {len(report.failures)}")
    for seed, broken in sorted(report.failures.items()):
        print(f"  SEED {seed}: {broken}\n    to replay: python -m tests.simulation.life {seed}")


def main() -> int:
    seeds, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started_at = time.monotonic()
    report = Report()
    for report in run(range(first, first + seeds)):
        failed = " ".join(map(str, sorted(report.failures)))
        print(f"\r{report.lives} lives, failed: {failed or 'none'}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print_report(report, time.monotonic() - started_at)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
