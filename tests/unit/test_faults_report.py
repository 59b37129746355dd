"""The tables of docs/reliability.md: rows of a run replace their own, the others stay."""

from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.checker import Finding, Presses
from tests.faults.lab import Lab
from tests.faults.matrix import MATRIX as THE_MATRIX
from tests.faults.row import Fault, Seen

TEXT = "".join(
    f"before {table}\n{report.begin(table)}\n{report.end(table)}\nafter\n"
    for table in (report.WHOLE, report.LONGER)
)


async def nothing(_lab: Lab) -> str:
    return ""


MATRIX = [Fault(name, f"how {name}", "what", nothing) for name in ("kill", "freeze", "wipe")]


def seen(name: str, acknowledged: int, *findings: Finding) -> Seen:
    fault = next(each for each in MATRIX if each.name == name)
    key = ("tap:a", "aa")
    presses = Presses(saved={key: acknowledged}, saved_after={key: [(2.0, 5.5)]}, outages_s=[1.25], answers=3)
    return Seen(fault, presses, list(findings), "seen | so", 0.5, None, 3.0, Path("history"))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "reliability.md"
    path.write_text(TEXT)
    return path


def rows(page: Path, table: str = report.WHOLE) -> list[str]:
    return list(report.rows_in(report.table_in(page, table)).values())


def test_rows_stand_in_the_order_of_the_matrix_between_the_markers(page: Path) -> None:
    report.write([seen("wipe", 1234), seen("kill", 5)], MATRIX, page=page)

    text = page.read_text()
    assert text.startswith("before the run\n") and text.endswith("after\n")
    assert [row.split("`")[1] for row in rows(page)] == ["kill", "wipe"]
    assert "| seen / so; nothing lost, nothing doubled | 1,234 (3) | 1.2 s | 3.5 s | 0.5 s | – |" in rows(page)[1]
    assert "2 faults, 1,239 acknowledged presses (6 answers)" in text


def test_a_later_run_of_some_rows_keeps_the_others(page: Path) -> None:
    report.write([seen("kill", 5), seen("freeze", 6)], MATRIX, page=page)
    report.write([seen("freeze", 7)], MATRIX, page=page)

    assert [row.split(" | ")[4] for row in rows(page)] == ["5 (3)", "7 (3)"]
    assert "2 faults, 12 acknowledged presses" in page.read_text()


def test_a_run_with_much_more_of_some_rows_has_a_table_of_its_own(page: Path) -> None:
    report.write([seen("kill", 5), seen("freeze", 6)], MATRIX, page=page)
    report.write([seen("kill", 5000)], MATRIX, report.LONGER, page=page)

    assert [row.split("`")[1] for row in rows(page)] == ["kill", "freeze"]
    assert [row.split(" | ")[4] for row in rows(page, report.LONGER)] == ["5,000 (3)"]
    assert "2 faults, 11 acknowledged presses" in report.table_in(page, report.WHOLE)


def test_a_red_row_says_so(page: Path) -> None:
    report.write([seen("kill", 5, Finding("lost", "one"), Finding("lost", "two"))], MATRIX, page=page)

    assert "**FAILED**: 2 lost; seen" in rows(page)[0]
    assert "1 rows failed" in page.read_text()


def test_a_row_that_raised_takes_the_place_of_its_last_success(page: Path) -> None:
    report.write([seen("kill", 5)], MATRIX, page=page)
    broken = seen("kill", 0)
    broken.raised = "AssertionError('3 connections broke\\nin a rolling restart')"
    assert not broken.is_good
    report.write([broken], MATRIX, page=page)

    assert "**FAILED**: AssertionError('3 connections broke" in rows(page)[0]
    assert "1 rows failed" in page.read_text()


def test_the_page_has_every_row_of_the_matrix_as_it_is_now() -> None:
    """`make faults` writes them; a row that was changed since is not there until that is done again."""
    cells = [line.split(" | ")[:3] for line in rows(report.PAGE)]
    assert cells == [[f"| `{fault.name}`", fault.injected, fault.expected] for fault in THE_MATRIX]


def test_the_page_has_the_rows_of_the_longer_runs_as_they_are_now() -> None:
    """`make faults-kills` and `make faults-bits` write them; each that is there is of today's row."""
    known = [[f"| `{fault.name}`", fault.injected, fault.expected] for fault in THE_MATRIX]
    assert all(line.split(" | ")[:3] in known for line in rows(report.PAGE, report.LONGER))
