"""Many lives, on all cores: `python -m tests.simulation.run SEEDS [FIRST]`, as `make simulate` does.

Prints what the lives came across, and the seed of each that failed with what was broken. The exit code says whether
all were well. A run of `RECORDED_LIVES` or more is written to docs/simulation.md, whatever it came to.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import repeat
from pathlib import Path
from typing import Final

import msgspec

from tests.simulation.ablations import switched_off
from tests.simulation.life import Life

CHUNK = 20
RECORDED_LIVES: Final = 10_000
PAGE: Final = Path(__file__).parents[2] / "docs" / "simulation.md"
HEAD: Final = """\
# The simulated lives

Written by `make simulate SEEDS={lives}` at commit {commit}: the real core and the real ledger of a cluster in
virtual time (`tests/simulation`, [reliability.md](reliability.md#in-simulation)). How many lives were of which
sort, how often each fault was injected, and how often the lives came to moments that seldom come.

```
{report}
```
"""
SECTIONS: Final = {"with: ": "Lives with", "fault: ": "Faults", "": "Came across"}


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


def text_of(report: Report, took_s: float) -> str:
    """The whole report, for a person."""
    lines = [f"{report.lives} lives, {report.events} events, {report.hours:.1f} simulated hours, {took_s:.0f} s"]
    for start, title in SECTIONS.items():
        lines += ["", title]
        for what, times in sorted(report.seen.items()):
            if _section_of(what) == start and times:
                lines.append(f"  {times:9} {what.removeprefix(start)}")
    lines += ["", f"Failures: {len(report.failures)}"]
    for seed, broken in sorted(report.failures.items()):
        lines.append(f"  SEED {seed}: {broken}\n    to replay: python -m tests.simulation.life {seed}")
    return "\n".join(lines)


def _section_of(what: str) -> str:
    return next(start for start in SECTIONS if what.startswith(start))


def commit() -> str:
    """What is checked out."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=PAGE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "(not a checkout)"


def main() -> int:
    seeds, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started_at, began_at = time.monotonic(), commit()
    report = Report()
    for report in run(range(first, first + seeds)):
        failed = " ".join(map(str, sorted(report.failures)))
        print(f"\r{report.lives} lives, failed: {failed or 'none'}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    text = text_of(report, time.monotonic() - started_at)
    print(f"\n{text}")
    if report.lives >= RECORDED_LIVES:
        PAGE.write_text(HEAD.format(lives=report.lives, commit=began_at, report=text))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
