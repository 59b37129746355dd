"""docs/performance.md and its plots, written from a run: `python -m bench.report [FILE ...]`, as `make bench` does.

A run in whose course the processor could not guess where indirect calls go has a page of its own beside it.
Without a FILE the pages are written anew from the runs that are recorded.
"""

import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.growth import GROWTHS, TOLERANCE, Growth
from bench.machine import BLIND_NS
from bench.plots import draw
from bench.results import Before, Result, Run, record_of, recorded
from bench.rows import LINE, ROWS, Row
from bench.subjects import FLOOR, OURS, PEERS

_NOTES: Final = {subject.name: subject.note for subject in (FLOOR, OURS, *PEERS)}
# Behind a verdict that the next run may turn over.
ON_THE_LINE: Final = ", on the line"
VERDICTS: Final = {True: "met", False: "**missed**", None: "not measured"}
HEAD: Final = """\
# Performance{where}

Written by `make bench`, from [{file}]({file}): {machine}.

What is measured is the processor time of one server process per message: the kernel's count of the run time of
all its threads. The server is on one core, whoever loads and measures on the other; all are taken in turns in
one run, and a figure is the median of its turns, with the lowest and the highest behind it; a ratio is the
median of those within a turn. *Far* stands where the hypervisor had put the two cores apart: then everything
costs up to three times more, so compare within a row only. *On the line* is what is within 3 % of its goal, so
that the next run may say otherwise. The floor is a server in C that does nothing but send: what the kernel costs.

Our node is the whole product: every press is on disk before anybody hears of it; what the others count is in
memory. Of *presses*, each connection has 16 under way, unless it says *one after the other*; those that wait
together share a commit, and those of one tab in it a row. Half of the answers took no longer than *p50_us*;
*loop_us* is the part of the loop's thread. The node has no budgets, as the others have none (`press-charged` has a
visitor's), and a press waits for no second node. Where a ledger is full, what the check of its rows costs, which is
fast after a start only, is taken off, and said: *look_us*.

    make bench          all of this, {rows} rows, all peers, {turns} turns of each{took}
    make bench-quick    our node and the floor, in under 3 minutes, compared with this page
"""


def main() -> int:
    recorded_ones = [file for is_blind in (False, True) if (file := record_of(is_blind=is_blind)).exists()]
    for file in [Path(name) for name in sys.argv[1:]] or recorded_ones:
        write(msgspec.json.decode(file.read_bytes(), type=Run))
    return 0


def write(run: Run) -> Path:
    """The page and its plots, and the run itself as the recorded one; returns the page."""
    file = record_of(is_blind=run.is_blind)
    old = recorded(file)
    if old is not None and old.began != run.began:
        run.before = Before(old.machine.get("commit", "?"), _verdicts(old))
    run.save(file)
    measured = [(row, run.results[row.name]) for row in ROWS if row.name in run.results]
    elsewhere = recorded(record_of(is_blind=False)) if run.is_blind else None
    parts = [_head(run, file, len(measured)), "\n## Goals\n\n", *_goals(measured, elsewhere)]
    parts += [_cheaper(measured), _against(run), _whole_stack(run), "\n", *_failures(run.results.values())]
    parts += _alone(measured)
    grown = [(growth, run.results[growth.name]) for growth in GROWTHS if growth.name in run.results]
    parts += _growths(grown, file.stem)
    for row, result in measured:
        if row.others:
            parts += _details(row, result, file.stem)
    page = file.with_suffix(".md")
    page.write_text("".join(parts))
    draw(measured, grown, file.with_suffix(""))
    return page


def _head(run: Run, file: Path, rows: int) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    samples = [len(of_one) for result in run.results.values() for of_one in result.samples.values()]
    where = " where the processor may not guess" if run.is_blind else ""
    took = f": {run.took_s / 60:.0f} minutes" if run.took_s else ""
    turns = max(samples, default=0)
    head = HEAD.format(where=where, file=file.name, machine=machine, rows=rows, turns=turns, took=took)
    other = record_of(is_blind=not run.is_blind).with_suffix(".md")
    machines = "that may" if run.is_blind else "that may not"
    beside = f"\nOf a machine {machines} guess where indirect calls go: [{other.name}]({other.name}).\n"
    return head + _calls(run) + (beside if other.exists() else "")


def _calls(run: Run) -> str:
    """Whether the processor guessed where indirect calls go, if somebody looked."""
    costs = run.branches_ns()
    if not costs:
        return ""
    blind = sum(cost > BLIND_NS for cost in costs) / len(costs)
    seen = f"{statistics.median(costs):.1f} ns, the median of {len(costs)} looks"
    return (
        f"\nAn indirect call took {seen} (from {min(costs):.1f} to {max(costs):.1f}). Where the processor guesses"
        f" where it goes it takes 1 to 3; at {blind:.0%} of these looks it could not, and all servers cost two to"
        " four times as much then, the least one in C twice (`bench/native/branches.c`). Runs in which it mostly"
        " could not have a page of their own, and are compared with each other only.\n"
    )


def _goals(measured: list[tuple[Row, Result]], elsewhere: Run | None) -> Iterator[str]:
    """`elsewhere` is what was recorded where the processor may guess, for a run in which it might not."""
    yield "| work | goal | ours | floor | ours ÷ floor | best peer | ours ÷ peer | |\n"
    yield "|---|---|---|---|---|---|---|---|\n"
    for row, result in measured:
        ours = result.median(OURS.name)
        said = "not measured" if ours is None else _figure(ours)
        more = "; ".join(_more(result, name) for name in (*row.also, *row.at_least, *row.tells))
        floor, peer = result.median(FLOOR.name), _best_peer(result)
        best = f"{_figure(result.median(peer))} {peer}" if peer else "–"
        cells = (
            row.title, _goal(row), f"{said}{f' ({more})' if more else ''}", _figure(floor),
            _figure(result.ratio(OURS.name, FLOOR.name)), best, _figure(result.ratio(OURS.name, peer)),
            _verdict(row, result),
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |\n"
    missed = [
        f"- **{row.title}**: {_why(row, result, elsewhere)}\n"
        for row, result in measured
        if row.is_met(result) is False or row.is_on_the_line(result)
    ]
    if missed:
        yield "\n" + "".join(missed)


def _why(row: Row, result: Result, elsewhere: Run | None) -> str:
    """Why a goal is missed, or nearly so, and which of its goals where it has more."""
    if elsewhere is not None and row.name in elsewhere.results and row.is_met(elsewhere.results[row.name]):
        return "met where the processor may guess."
    missed = row.misses(result) or row.misses(result, 1 - LINE)
    only = "" if "" in missed else f"of {', '.join(missed)} only: "
    return only + (row.why or "not looked into yet.")


def _cheaper(measured: list[tuple[Row, Result]]) -> str:
    """Whom a user could pick instead that takes less, by row."""
    found = []
    for row, result in measured:
        ours = result.median(OURS.name)
        less = [name for name, value in _of_peers(result).items() if ours is not None and value < ours]
        if less:
            found.append(f"{row.name}: {', '.join(less)}")
    said = f"\nWho takes less than ours, in memory and without storing anything: {'; '.join(found)}.\n"
    return said if found else ""


def _failures(results: Iterable[Result]) -> Iterator[str]:
    """Who could not be measured, and why."""
    for result in results:
        for name, why in result.failures.items():
            yield f"- {result.row}, {name}: could not be measured: {why.splitlines()[0] if why else '?'}\n"


def _whole_stack(run: Run) -> str:
    """What an idle watcher takes on a machine that has nginx and the node, if both were measured."""
    node, nginx = run.results.get("idle"), run.results.get("nginx-idle")
    if node is None or nginx is None:
        return ""
    parts = node.median(OURS.name), nginx.median(OURS.name), nginx.more(OURS.name, "kernel_bytes")
    if None in parts:
        return ""
    # Four sockets were counted, the browser's own among them.
    in_node, in_nginx, in_kernel = (part / 1024 for part in parts if part is not None)
    in_kernel *= 3 / 4
    return (
        f"\nAn idle watcher takes {in_node:.1f} KiB in the node, {in_nginx:.1f} in nginx, and {in_kernel:.1f} in "
        f"the kernel for its three sockets: {in_node + in_nginx + in_kernel:.1f} KiB of the whole stack.\n"
    )


def _verdict(row: Row, result: Result) -> str:
    if not row.limit:
        return "–"
    return VERDICTS[row.is_met(result)] + (ON_THE_LINE if row.is_on_the_line(result) else "")


def _verdicts(run: Run) -> dict[str, str]:
    """What became of each goal, by row."""
    rows = {row.name: _verdict(row, run.results[row.name]) for row in ROWS if row.name in run.results}
    grown = {
        growth.name: growth.is_natural(run.results[growth.name]) for growth in GROWTHS if growth.name in run.results
    }
    return rows | {name: VERDICTS[is_natural] for name, is_natural in grown.items()}


def _against(run: Run) -> str:
    """Whether the run before came to the same verdicts."""
    if not run.before:
        return ""
    both = {name: (was, now) for name, now in _verdicts(run).items() if (was := run.before.verdicts.get(name))}
    clear: list[str] = []
    near: list[str] = []
    for name, (was, now) in both.items():
        if was.removesuffix(ON_THE_LINE) != now.removesuffix(ON_THE_LINE):
            (near if ON_THE_LINE in was + now else clear).append(f"{name} ({was})")
    same = f"not in all: it had {', '.join(clear)}" if clear else "in all"
    but = f", but for what is on the line: it had {', '.join(near)}" if near and not clear else ""
    return f"\nThe run before this one, of commit {run.before.commit}, came to the same verdicts {same}{but}.\n"


def _goal(row: Row) -> str:
    more = [f"{name} ≤ {limit:g}" for name, limit in row.also.items()]
    more += [f"{name} ≥ {limit:,g}" for name, limit in row.at_least.items()]
    return "; ".join([row.goal, *more])


def _more(result: Result, name: str) -> str:
    return f"{name} {_figure(result.more(OURS.name, name))}"


def _best_peer(result: Result) -> str:
    """Its name, "" if none was measured."""
    return next(iter(_of_peers(result)), "")


def _of_peers(result: Result) -> dict[str, float]:
    """The medians of those that were measured, the least first."""
    medians = {peer.name: value for peer in PEERS if (value := result.median(peer.name)) is not None}
    return dict(sorted(medians.items(), key=lambda each: each[1]))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _growths(grown: list[tuple[Growth, Result]], plots: str) -> Iterator[str]:
    yield (
        "\n## Growth\n\nNothing may grow worse than its natural order (`bench/growth.py`). *Constant*: each costs "
        "the same however many there are. *Tree*: each costs as the depth of a tree, a hundred entries to a page. "
        "*Mesh*: each costs a tenth more for each other node, from all of which it hears what they have. "
        "What is said is the worst of all points against the best of the smaller ones, and up to "
        f"{TOLERANCE:g} × that is wobble, and caches that grow too small. There are as many watchers at most as "
        "this machine gives files to one process.\n"
    )
    for growth, result in grown:
        worst, is_natural = growth.worst(result), growth.is_natural(result)
        said = "not measured" if worst is None else f"{worst:.2f} × what {growth.order} growth allows"
        verdict = "" if is_natural else ": **worse than its natural order**" if is_natural is not None else ""
        points = sorted(map(int, result.samples))
        yield f"\n### {growth.title[0].upper()}{growth.title[1:]}\n\n{said}{verdict}.\n\n"
        yield f"![{growth.title}]({plots}/{growth.name}.svg)\n\n"
        yield "| " + " | ".join([growth.axis, *(f"{point:,}" for point in points)]) + " |\n"
        yield "|---" * (len(points) + 1) + "|\n"
        yield "| " + " | ".join([growth.unit, *(_figure(result.median(str(point))) for point in points)]) + " |\n"
        for name in {name: None for of_one in result.samples.values() for sample in of_one for name in sample.more}:
            yield "| " + " | ".join([name, *(_figure(result.more(str(point), name)) for point in points)]) + " |\n"


def _alone(measured: list[tuple[Row, Result]]) -> Iterator[str]:
    """How far the turns of those rows lay apart that nobody else is in."""
    yield "\n## Rows of our node alone\n\n| row | | median | lowest to highest | cores |\n|---|---|---|---|---|\n"
    for row, result in measured:
        if row.others or OURS.name not in result.samples:
            continue
        low, high = result.spread(OURS.name)
        cells = (row.name, row.unit, _figure(result.median(OURS.name)), f"{_figure(low)} to {_figure(high)}")
        yield "| " + " | ".join((*cells, _states(result, OURS.name))) + " |\n"


def _states(result: Result, subject: str) -> str:
    return ", ".join(sorted({sample.state for sample in result.samples[subject]}))


def _details(row: Row, result: Result, plots: str) -> Iterator[str]:
    yield f"\n## {row.title[0].upper()}{row.title[1:]}\n\n![{row.title}]({plots}/{row.name}.svg)\n\n"
    yield f"| server | {row.unit} | lowest to highest | × floor | cores | |\n|---|---|---|---|---|---|\n"
    for subject in sorted(result.samples, key=lambda name: result.median(name) or 0):
        low, high = result.spread(subject)
        ratio = result.ratio(subject, FLOOR.name)
        times = f"{ratio:.2f}" if ratio and subject != FLOOR.name else ""
        cells = (subject, _figure(result.median(subject)), f"{_figure(low)} to {_figure(high)}", times)
        yield "| " + " | ".join((*cells, _states(result, subject), _NOTES.get(subject, ""))) + " |\n"


if __name__ == "__main__":
    sys.exit(main())
