"""The table in docs/reliability.md, written by the long run between two marker comments.

A run that had some rows only replaces those; the others stay as the run before has left them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.row import Fault, Seen
from tests.support.process import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "reliability.md"
BEGIN: Final = "<!-- written by the run: begin -->"
END: Final = "<!-- written by the run: end -->"
_HEAD: Final = (
    "| fault | how it is injected | what is expected | what was seen | acknowledged presses | longest outage of a "
    "visitor | equal after | repairs |",
    "|---|---|---|---|---|---|---|---|",
)


def write(seen: Iterable[Seen], matrix: Iterable[Fault], *, page: Path = PAGE) -> None:
    """Put these rows into the page's table, in the order of the matrix."""
    before, _, rest = page.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    rows = _rows_in(old) | {each.fault.name: _row(each) for each in seen}
    ordered = [rows[fault.name] for fault in matrix if fault.name in rows]
    table = "\n".join((BEGIN, "", _summary(ordered), "", *_HEAD, *ordered, "", END))
    page.write_text(before + table + after)


def _rows_in(text: str) -> dict[str, str]:
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
        f"{seen.presses.acknowledged:,}",
        f"{seen.presses.longest_outage_s:.1f} s",
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
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "errors in the logs"


def _summary(rows: list[str]) -> str:
    acknowledged = sum(int(row.split(" | ")[4].replace(",", "")) for row in rows)
    failed = sum("**FAILED**" in row for row in rows)
    day = datetime.now(UTC).date().isoformat()
    verdict = f"{failed} rows failed" if failed else "0 lost, 0 doubled, 0 shown wrongly, 0 diverged, 0 stalled"
    return f"{len(rows)} faults, {acknowledged:,} acknowledged presses, last written on {day}: {verdict}."
