"""The tables in docs/reliability.md, each written by the long runs between two marker comments.

A run that had some rows only replaces those; the others stay as the run before has left them. Runs with much more
of some rows (`make faults-kills`, `make faults-bits`) have a table of their own, so that what is summed is of whole
runs.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.row import Fault, Seen
from tests.support.process import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "reliability.md"
WHOLE: Final = "the run"
LONGER: Final = "longer runs"
_HEAD: Final = (
    "| fault | how it is injected | what is expected | what was seen | acknowledged presses (answers) | longest "
    "outage of a visitor | longest wait for saved | equal after | repairs |",
    "|---|---|---|---|---|---|---|---|---|",
)


def begin(table: str) -> str:
    return f"<!-- written by {table}: begin -->"


def end(table: str) -> str:
    return f"<!-- written by {table}: end -->"


def write(seen: Iterable[Seen], matrix: Iterable[Fault], table: str = WHOLE, *, page: Path = PAGE) -> None:
    """Put these rows into one of the page's tables, in the order of the matrix."""
    before, _, rest = page.read_text().partition(begin(table))
    old, _, after = rest.partition(end(table))
    rows = rows_in(old) | {each.fault.name: _row(each) for each in seen}
    ordered = [rows[fault.name] for fault in matrix if fault.name in rows]
    lines = (begin(table), "", _summary(ordered), "", *_HEAD, *ordered, "", end(table))
    page.write_text(before + "\n".join(lines) + after)


def table_in(page: Path, table: str) -> str:
    """What stands between the markers."""
    return page.read_text().partition(begin(table))[2].partition(end(table))[0]


def rows_in(text: str) -> dict[str, str]:
    """The rows of an earlier run, by the name of their fault."""
    lines = (line for line in text.splitlines() if line.startswith("| `"))
    return {line.split("`")[1]: line for line in lines}


def _row(seen: Seen) -> str:
    repairs = "–" if seen.repairs is None else str(seen.repairs)
    cells = (
        f"`{seen.fault.name}`",
        seen.fault.injected,
        seen.fault.expected,
        _verdict(seen),
        f"{seen.presses.acknowledged:,} ({seen.presses.answers:,})",
        f"{seen.presses.longest_outage_s:.1f} s",
        f"{seen.presses.longest_wait_s:.1f} s",
        f"{seen.converged_s:.1f} s",
        repairs,
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _verdict(seen: Seen) -> str:
    """Only a red run writes anything but the first of these."""
    if seen.is_good:
        return f"{seen.said}; nothing lost, nothing doubled"
    return f"**FAILED**: {_counts(seen)}; {seen.said}"


def _counts(seen: Seen) -> str:
    kinds: Mapping[str, int] = {
        kind: sum(finding.kind == kind for finding in [*seen.findings, *seen.presses.shown])
        for kind in ("lost", "doubled", "shown", "diverged", "stalled")
    }
    counted = [f"{count} {kind}" for kind, count in kinds.items() if count]
    raised = [seen.raised.replace("\n", " ")] if seen.raised else []
    return ", ".join(counted + raised) or "errors in the logs, or repairs"


def _summary(rows: list[str]) -> str:
    acknowledged, answers = (
        sum(int(row.split(" | ")[4].split()[place].strip("()").replace(",", "")) for row in rows)
        for place in (0, 1)
    )
    failed = sum("**FAILED**" in row for row in rows)
    day = datetime.now(UTC).date().isoformat()
    verdict = f"{failed} rows failed" if failed else "0 lost, 0 doubled, 0 shown wrongly, 0 diverged, 0 stalled"
    return (
        f"{len(rows)} faults, {acknowledged:,} acknowledged presses ({answers:,} answers), last written on {day}: "
        f"{verdict}."
    )
