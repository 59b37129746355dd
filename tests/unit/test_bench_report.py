"""What the benchmark writes of its figures: docs/performance.md, and its page for processors that may not guess."""

from pathlib import Path

import msgspec
import pytest

from bench import report, results
from bench.results import Result, Run, Sample, recorded
from bench.rows import Row
from bench.subjects import PEERS
from tests.unit.bench_runs import FAR, grown, growth, nothing, result, row, seen


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results, "DOCS", tmp_path)
    monkeypatch.setattr(report, "draw", lambda _, __, folder: folder.mkdir(exist_ok=True))
    return tmp_path


def test_the_page_has_goals_misses_with_their_reason_peers_and_growth(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed = row(1.25, of="ratio", why="The reason.")
    monkeypatch.setattr(report, "ROWS", (missed, Row("met", "a met row", "µs", 10, nothing, "press", others=False)))
    monkeypatch.setattr(report, "GROWTHS", (growth(),))
    run = Run("2026-01-01T00:00:00+00:00", {"cores": "2"})
    run.results["a-row"] = result(ours=seen(3, 3), floor=seen(1, 1), peer=seen(2, 2))
    run.results["a-row"].failures["nchan"] = "nginx with nchan\nand more"
    run.results["met"] = result(ours=[*seen(8, 10), Sample(9, FAR)])
    run.results["a-growth"] = grown(1, 1, 9)
    report.write(run)
    text = (documents / "performance.md").read_text()
    assert f"| a row | ≤ 1.25 × floor | 3 | 1 | 3 | 2 {PEERS[0].name} | 1.5 | **missed** |" in text
    assert "| a met row | ≤ 10 µs | 9 | – | – | – | – | met |" in text
    assert f"without storing anything: a-row: {PEERS[0].name}.\n" in text
    assert "| met | µs | 9 | 8 to 10 | far, near |\n" in text
    assert "| a-row |" not in text.partition("## Rows of our node alone")[2].partition("##")[0]
    assert "- **a row**: The reason." in text
    assert "- a-row, nchan: could not be measured: nginx with nchan\n" in text
    assert "9.00 × what constant growth allows: **worse than its natural order**." in text
    assert recorded(results.record_of(is_blind=False)) == run


def test_the_page_says_whether_the_run_before_came_to_the_same_verdicts(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROWS", (row(10),))
    monkeypatch.setattr(report, "GROWTHS", (growth(),))
    said = []
    for place, (value, last) in enumerate([(9, 1), (8, 1), (11, 1), (11, 9)]):
        grown_so = grown(1, 1, last)
        run = Run(f"{place}", {"commit": f"c{place}"}, {"a-row": result(ours=seen(value)), "a-growth": grown_so})
        report.write(run)
        text = (documents / "performance.md").read_text()
        said += [line.partition("came to ")[2] for line in text.splitlines() if line.startswith("The run before")]
    same = "the same verdicts "
    assert said == [
        f"{same}in all.",
        f"{same}not in all: it had a-row (met).",
        f"{same}not in all: it had a-growth (met).",
    ]


def test_what_is_on_the_line_is_no_other_verdict(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ROWS", (row(10),))
    for place, value in enumerate((9.9, 10.1)):
        report.write(Run(f"{place}", {"commit": "c"}, {"a-row": result(ours=seen(value))}))
    text = (documents / "performance.md").read_text()
    assert "the same verdicts in all, but for what is on the line: it had a-row (met, on the line).\n" in text
    assert "| **missed**, on the line |\n" in text


def test_a_run_in_which_the_processor_could_not_guess_has_a_page_of_its_own(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROWS", (row(10),))
    page, blind = documents / "performance.md", documents / "performance-blind.md"
    report.write(Run("1", {"commit": "c1"}, {"a-row": result(ours=seen(9.0))}))
    assert "An indirect call" not in page.read_text()
    looks = [Sample(30.0, branch_ns=costs) for costs in ((2.6, 12.7), (12.7, 12.7), (2.4, 12.5))]
    for began in "23":
        assert report.write(Run(began, {"commit": f"c{began}"}, {"a-row": result(ours=looks)})) == blind
    assert "An indirect call took 12.6 ns, the median of 6 looks (from 2.4 to 12.7)." in blind.read_text()
    assert "at 67% of these looks it could not" in blind.read_text()
    assert "of commit c2, came to the same verdicts in all.\n" in blind.read_text()
    assert "](performance-blind/a-row.svg)" in blind.read_text()
    assert (documents / "performance-blind").is_dir()
    looks = [Sample(9.0, branch_ns=(2.5, 2.6))]
    assert report.write(Run("4", {"commit": "c4"}, {"a-row": result(ours=looks)})) == page
    assert "of commit c1, came to the same verdicts in all.\n" in page.read_text()
    assert "](performance/a-row.svg)" in page.read_text()
    assert "may not guess where indirect calls go: [performance-blind.md](performance-blind.md)" in page.read_text()
    assert "may guess where indirect calls go: [performance.md](performance.md)" in blind.read_text()


def test_why_a_goal_is_missed_where_the_processor_may_not_guess(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whether it is met elsewhere; else for the same reason as there."""
    there = msgspec.structs.replace(row(10, why="The reason."), name="there")
    monkeypatch.setattr(report, "ROWS", (there, row(10, why="The other reason.")))
    report.write(Run("1", {}, {"there": result(ours=seen(9)), "a-row": result(ours=seen(11))}))
    looks = [Sample(30.0, branch_ns=(12.0, 12.0))]
    report.write(Run("2", {}, {"there": result(ours=looks), "a-row": result(ours=looks)}))
    text = (documents / "performance-blind.md").read_text()
    assert "- **a row**: met where the processor may guess.\n- **a row**: The other reason.\n" in text


def test_pages_are_written_anew_from_what_is_recorded_or_from_files(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROWS", (row(10),))
    looks = [Sample(30.0, branch_ns=(12.0, 12.0))]
    Run("1", {"commit": "c1"}, {"a-row": result(ours=looks)}).save(documents / "a-run.json")
    monkeypatch.setattr("sys.argv", ["report", str(documents / "a-run.json")])
    assert report.main() == 0
    page = documents / "performance-blind.md"
    page.write_text("")
    monkeypatch.setattr("sys.argv", ["report"])
    assert report.main() == 0
    assert "commit c1" in page.read_text()
    assert not (documents / "performance.md").exists()


def test_the_page_says_which_goals_are_missed_and_what_stands_beside_them(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = row(10, also={"loop_us": 5}, tells=("p50_us",), why="The reason.")
    monkeypatch.setattr(report, "ROWS", (told,))
    page = documents / "performance.md"
    for value, loop_us, verdict, why in (
        (9, 6, "**missed**", "of loop_us only: The reason."), (11, 6, "**missed**", "The reason."),
        (9, 4.9, "met, on the line", "of loop_us only: The reason."),
    ):  # fmt: skip
        report.write(Run("1", {}, {"a-row": result(ours=seen(value, loop_us=loop_us, p50_us=70.5))}))
        goal = "≤ 10 µs; loop_us ≤ 5"
        cells = f"{value} (loop_us {loop_us}; p50_us 70.5) | – | – | – | – | {verdict} |\n"
        assert f"| a row | {goal} | {cells}" in page.read_text()
        assert f"- **a row**: {why}\n" in page.read_text()


def test_a_row_without_a_goal_has_no_verdict_and_one_that_failed_says_so(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROWS", (row(0), msgspec.structs.replace(row(10), name="failed")))
    report.write(Run("1", {}, {"a-row": result(ours=seen(1)), "failed": result()}, took_s=90))
    text = (documents / "performance.md").read_text()
    assert "| a row | none; µs | 1 | – | – | – | – | – |" in text
    assert "| a row | ≤ 10 µs | not measured | – | – | – | – | not measured |" in text
    assert "1 turns of each: 2 minutes\n" in text


def test_growth_says_what_else_was_seen_at_each_point(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "GROWTHS", (growth(),))
    samples = {str(point): seen(1, rss_mb=point / 10) for point in (10, 100, 10_000)}
    report.write(Run("1", {}, {"a-growth": Result("a-growth", samples)}))
    assert "| rss_mb | 1 | 10 | 1,000 |\n" in (documents / "performance.md").read_text()


def test_the_page_adds_up_what_a_watcher_takes(documents: Path) -> None:
    run = Run("", {})
    run.results["idle"] = result(ours=seen(2048))
    run.results["nginx-idle"] = result(ours=seen(4096, kernel_bytes=8192))
    report.write(run)
    assert "2.0 KiB in the node, 4.0 in nginx, and 6.0 in the kernel" in (documents / "performance.md").read_text()


def test_the_same_run_gives_the_same_page(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ROWS", (row(),))
    run = Run("2026-01-01T00:00:00+00:00", {}, {"a-row": result(ours=seen(3))})
    pages = []
    for _ in range(2):
        report.write(run)
        pages.append((documents / "performance.md").read_text())
        run = recorded(results.record_of(is_blind=False)) or run
    assert pages[0] == pages[1]
