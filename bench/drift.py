"""What an hour's soak has shown: lines through its figures, its nodes beside new ones, and the page about it."""

import math
import statistics
from typing import Final

import msgspec

# Pages, caches and buckets fill at first.
WARM_SHARE: Final = 0.15
# A drift of less than this part of the mean within an hour is little.
FLAT: Final = 0.04
# By so much nodes that are an hour old may be slower than new ones, two standard errors included.
SLOWER_MAX: Final = 0.2


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
        """A line that could as well drift by more than is allowed says nothing; one that falls is no growth."""
        drifts = abs(self.per_hour) > 2 * self.error
        if abs(self.per_hour) + 2 * self.error <= FLAT * abs(self.mean):
            return "flat, though it drifts" if drifts else "flat"
        if not drifts:
            return "not known"
        return "**grows**" if self.per_hour > 0 else "falls"


def drift(at_s: list[float], values: list[float]) -> Drift:
    """By least squares; at least three values."""
    line = statistics.linear_regression(at_s, values)
    left = sum((value - line.intercept - line.slope * at) ** 2 for at, value in zip(at_s, values, strict=True))
    mean_at = statistics.fmean(at_s)
    spread = sum((at - mean_at) ** 2 for at in at_s)
    error = math.sqrt(left / (len(values) - 2) / spread)
    return Drift(statistics.fmean(values), line.slope * 3600, error * 3600)


class Turn(msgspec.Struct, frozen=True):
    """Press to number in ms, p50 and p99, of the hour's nodes and then of new ones."""

    old_ms: tuple[float, float]
    new_ms: tuple[float, float]


class Ratio(msgspec.Struct, frozen=True):
    """How much longer the hour's nodes take: the geometric mean of the turns, with its standard error."""

    times: float
    error: float

    @property
    def verdict(self) -> str:
        if self.times + 2 * self.error <= 1 + SLOWER_MAX:
            return "no slower"
        return "**slower**" if self.times - 2 * self.error > 1 else "not known"


def ratio(turns: list[Turn], place: int) -> Ratio:
    """Of the p50 (place 0) or the p99 (1); at least two turns."""
    logs = [math.log(turn.old_ms[place] / turn.new_ms[place]) for turn in turns]
    times = math.exp(statistics.fmean(logs))
    return Ratio(times, times * statistics.stdev(logs) / math.sqrt(len(logs)))


class Conditions(msgspec.Struct, frozen=True):
    """Of the run: presses a second, seconds between two moments and of a turn, MB of SQLite's pages."""

    machine: str
    rate: float
    watchers: int
    every_s: float
    turn_s: float
    cache_mb: int


def page(moments: list[Moment], turns: list[Turn], under: Conditions) -> str:
    """docs/soak.md."""
    warm = int(WARM_SHARE * len(moments))
    lines = [
        "# Soak",
        "",
        f"Written by `make soak`: {under.machine}.",
        "",
        f"Two linked nodes for {moments[-1].at_s / 60:,.0f} minutes. One was pressed on {under.rate:,.0f} times a "
        f"second by 64 tabs that left and came back every minute, and watched by {under.watchers}; the rate is "
        f"what took half of its core. A line was laid through what was seen every {under.every_s:g} s, but for the "
        f"first {WARM_SHARE:.0%}.",
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
        f"Flat: with two standard errors on top, it drifts by less than {FLAT:.0%} of its mean in an hour; *though "
        "it drifts* where that is more than two of them. What *falls* by more does not grow; the machine may have "
        "become faster meanwhile. Where the errors are too large to tell, nothing is known. "
        f"A node may keep {under.cache_mb} MB of SQLite's pages (`CACHE_KB` in `cluster/ledger_file.py`), which "
        "fill slowly. Budgets are off, and nobody waits for a press's second copy."
    )
    return "\n".join([*lines, "", *_beside(turns, under), ""])


def _beside(turns: list[Turn], under: Conditions) -> list[str]:
    lines = [
        "## Beside new nodes",
        "",
        "Latency wobbles with the machine from one minute to the next, and no line through an hour tells that from "
        f"age. So two new nodes were started after it, and the hour's and they had the same load, "
        f"{under.turn_s:g} s each, {len(turns)} times in turn.",
        "",
        "| | the hour's, ms | new ones, ms | ratio | standard error | |",
        "|---|---|---|---|---|---|",
    ]
    for place, name in enumerate(("p50", "p99")):
        old, new = (
            statistics.median(values)
            for values in ([turn.old_ms[place] for turn in turns], [turn.new_ms[place] for turn in turns])
        )
        found = ratio(turns, place)
        lines.append(
            f"| press to number on the other node, {name} | {old:.4g} | {new:.4g} | {found.times:.2f} | "
            f"{found.error:.2f} | {found.verdict} |"
        )
    lines += ["", f"No slower: by less than {SLOWER_MAX:.0%}, two standard errors included. Times are medians."]
    return lines
