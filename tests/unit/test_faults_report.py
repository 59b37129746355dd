"""The table of docs/reliability.md: rows of a run replace their own, the others stay."""

from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.checker import Finding, Presses
from tests.faults.lab import Lab
from tests.faults.matrix import MATRIX as THE_MATRIX
from tests.faults.row import Fault, Seen

TEXT = f"before\n{report.BEGIN}\n{report.END}\nafter\n"


async def nothing(_lab: Lab) -> str:
    return ""


MATRIX = [Fault(name, f"how {name}", "what", nothing) for name in ("kill", "freeze", "wipe")]


def seen(name: str, acknowledged: int, *findings: Finding) -> Seen:
    fault = next(each for each in MATRIX if each.name == name)
    presses = Presses(saved={("tap:a", "aa"): acknowledged}, outages_s=[1.25])
    return Seen(fault, presses, list(findings), "seen | so", 0.5, None, 3.0, Path("history"))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "reliability.md"
    path.write_text(TEXT)
    return path


def rows(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith("| `")]


def test_rows_stand_in_the_order_of_the_matrix_between_the_markers(page: Path) -> None:
    report.write([seen("wipe", 1234), seen("kill", 5)], MATRIX, page=page)

    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert [row.split("`")[1] for row in rows(page)] == ["kill", "wipe"]
    assert "| seen / so; nothing lost, nothing doubled | 1,234 | 1.2 s | 0.5 s | – |" in rows(page)[1]
    assert "2 faults, 1,239 acknowledged presses" in text


def test_a_later_run_of_some_rows_keeps_the_others(page: Path) -> None:
    report.write([seen("kill", 5), seen("freeze", 6)], MATRIX, page=page)
    report.write([seen("freeze", 7)], MATRIX, page=page)

    assert [row.split(" | ")[4] for row in rows(page)] == ["5", "7"]
    assert "2 faults, 12 acknowledged presses" in page.read_text()


def test_a_red_row_says_so(page: Path) -> None:
    report.write([seen("kill", 5, Finding("lost", "one"), Finding("lost", "two"))], MATRIX, page=page)

    assert "**FAILED**: 2 lost; seen" in rows(page)[0]
    assert "1 rows failed" in page.read_text()


def test_the_page_has_every_row_of_the_matrix_as_it_is_now() -> None:
    """`make faults` writes them; a row that was changed since is not there until that is done again."""
    cells = [line.split(" | ")[:3] for line in report.PAGE.read_text().splitlines() if line.startswith("| `")]
    assert cells == [[f"| `{fault.name}`", fault.injected, fault.expected] for fault in THE_MATRIX]
