"""The pictures of docs/performance.md, as SVG."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.growth import Growth
from bench.results import Result
from bench.rows import Row
from bench.subjects import OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(measured: list[tuple[Row, Result]], grown: list[tuple[Growth, Result]], folder: Path) -> None:
    """One picture for each row with others in it, and for each growth."""
    import matplotlib as mpl  # noqa: PLC0415 - only whoever draws needs it

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "performance"  # the same figures give the same file
    folder.mkdir(exist_ok=True)
    for row, result in measured:
        if row.others and result.samples:
            _bars(row, result).savefig(folder / f"{row.name}.svg", metadata={"Date": None})
    for growth, result in grown:
        if result.samples:
            _line(growth, result).savefig(folder / f"{growth.name}.svg", metadata={"Date": None})


def _line(growth: Growth, result: Result) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415

    points = sorted(map(int, result.samples))
    figure = Figure(figsize=(7, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(points, [result.median(str(point)) or 0.0 for point in points], marker="o", color="#c2185b")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(growth.axis)
    axes.set_ylabel(growth.unit)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _bars(row: Row, result: Result) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = sorted(result.samples, key=lambda name: -(result.median(name) or 0))
    medians = [result.median(name) or 0.0 for name in names]
    spreads = [result.spread(name) for name in names]
    errors = [
        [value - low for value, (low, _) in zip(medians, spreads, strict=True)],
        [high - value for value, (_, high) in zip(medians, spreads, strict=True)],
    ]
    figure = Figure(figsize=(7, 0.4 * len(names) + 1), layout="constrained")
    axes = figure.subplots()
    colours = ["#c2185b" if name == OURS.name else "#9e9e9e" for name in names]
    axes.barh(names, medians, xerr=errors, color=colours, error_kw={"linewidth": 0.8})
    axes.set_xlabel(row.unit)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
