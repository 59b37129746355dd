"""What the benchmark makes of its figures: verdicts, ratios, growth, drifts, and the pages it writes."""

import contextlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bench import report, results, servers
from bench.__main__ import _cases, _measure
from bench.growth import GROWTHS, TOLERANCE, Growth
from bench.load import LoadError, Measured, check_rate
from bench.results import Result, Run, Sample, compared, recorded
from bench.rows import ROWS, Row
from bench.subjects import FLOOR, OURS, PEERS, Subject

NEAR, FAR = (90.0, 90.0), (480.0, 480.0)


def nothing(*_: Any) -> Sample:
    raise AssertionError("nobody measures here")


def row(limit: float = 10, **more: Any) -> Row:
    return Row("a-row", "a row", "µs", limit, nothing, "press", **more)


def result(**samples: list[Sample]) -> Result:
    names = {"ours": OURS.name, "floor": FLOOR.name, "peer": PEERS[0].name}
    return Result("a-row", {names[who]: each for who, each in samples.items()})


def replaced(subject: Subject, start: Any) -> Subject:
    return msgspec.structs.replace(subject, start=partial(start, subject))


def seen(*values: float, **more: float) -> list[Sample]:
    return [Sample(value, NEAR, more) for value in values]


def test_a_ratio_is_the_median_of_those_within_a_turn() -> None:
    # The machine was twice as slow in the second turn; the ratio of the medians would be 1.5.
    found = result(ours=seen(2, 4, 3), floor=seen(1, 2, 3))
    assert found.ratio(OURS.name, FLOOR.name) == 2
    assert found.median(OURS.name) == 3
    assert found.spread(OURS.name) == (2, 4)


@pytest.mark.parametrize(
    ("distances", "state"), [(NEAR, "near"), (FAR, "far"), ((90.0, 480.0), "moved"), ((480.0, 90.0), "moved")]
)
def test_a_sample_says_where_the_cores_were(distances: tuple[float, float], state: str) -> None:
    assert Sample(1.0, distances).state == state


def test_a_goal_is_met_by_the_median_and_not_by_the_best() -> None:
    assert row(10).is_met(result(ours=seen(9, 10, 20))) is True
    assert row(10).is_met(result(ours=seen(9, 10.1, 20))) is False
    assert row(10).is_met(result()) is None
    assert row(0).is_met(result(ours=seen(9))) is None


@pytest.mark.parametrize(
    ("value", "loop_us", "rows", "is_near"),
    [(9.6, 4, 99, False), (9.8, 4, 99, True), (10.2, 4, 99, True), (10.4, 4, 99, False), (9, 5.1, 99, True),
     (9, 5.2, 99, False), (9, 4, 81, True), (9, 4, 79, True), (9, 4, 70, False), (11, 5.0, 80, False)],
)  # fmt: skip
def test_what_the_next_run_may_turn_over_is_on_the_line(
    value: float, loop_us: float, rows: float, is_near: bool
) -> None:
    found = result(ours=seen(value, loop_us=loop_us, rows=rows))
    assert row(10, also={"loop_us": 5}, at_least={"rows": 80}).is_on_the_line(found) is is_near


def test_a_goal_of_a_ratio_is_against_the_floor() -> None:
    found = result(ours=seen(5, 5), floor=seen(4, 4))
    assert row(1.25, of="ratio").is_met(found) is True
    assert row(1.2, of="ratio").is_met(found) is False


def test_a_row_may_have_more_goals() -> None:
    found = result(ours=seen(9, loop_us=5.5, rows_per_s=70_000))
    assert row(10, also={"loop_us": 6}, at_least={"rows_per_s": 60_000}).is_met(found) is True
    assert row(10, also={"loop_us": 5}).is_met(found) is False
    assert row(10, at_least={"rows_per_s": 80_000}).is_met(found) is False


@pytest.mark.parametrize("goal", [{"also": {"loop_us": 5}}, {"at_least": {"rows_per_s": 1}}])
def test_what_was_not_seen_meets_no_goal(goal: dict[str, Any]) -> None:
    assert row(10, **goal).is_met(result(ours=seen(9))) is False


def growth(order: Any = "constant") -> Growth:
    return Growth("a-growth", "watchers", "watchers", "µs", (10, 100, 10_000), nothing, order)


def grown(*values: float) -> Result:
    return Result("a-growth", {str(p): seen(v) for p, v in zip((10, 100, 10_000), values, strict=False)})


def test_growth_with_watchers_is_beside_the_floors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = iter([2.0, 5.0])

    def run_load(*_: Any, connections: int, **__: Any) -> Measured:
        assert connections == 100
        return Measured({"cpu_us": next(costs)}, NEAR)

    @contextlib.contextmanager
    def start(subject: Any, *_: Any) -> Any:
        yield subject.name

    monkeypatch.setattr("bench.growth.run_load", run_load)
    for subject in (FLOOR, OURS):
        monkeypatch.setattr(f"bench.growth.{'FLOOR' if subject is FLOOR else 'OURS'}", replaced(subject, start))
    (watchers,) = (each for each in GROWTHS if each.name == "growth-watchers")
    sample = watchers.measure(100, tmp_path, 1.0)
    assert (sample.value, sample.more) == (2.5, {"cpu_us": 5.0, "floor_us": 2.0})


def test_growth_is_judged_by_its_largest_point_and_its_natural_order() -> None:
    assert growth().worst(grown(3, 1, 1.2)) == pytest.approx(1.2)
    assert growth().is_natural(grown(3, 1, TOLERANCE)) is True
    assert growth().is_natural(grown(3, 1, TOLERANCE + 0.01)) is False
    # A tree of 10,000 is as deep as 3 to 1.5, of 100 as 2.
    assert growth("tree").worst(grown(1.5, 2, 3)) == pytest.approx(1.0)
    assert growth().worst(grown(1, 1.4, 1.2)) == pytest.approx(1.4), "a bulge"
    assert growth().is_natural(grown(1, 1)) is None, "its largest point was not measured"


def test_what_moved_since_the_recorded_run_is_said_in_units_of_the_floor() -> None:
    before = result(ours=seen(2, 2), floor=seen(1, 1))
    slower_machine = result(ours=seen(4, 4), floor=seen(2, 2))
    (said,) = compared(slower_machine, before, [OURS.name], FLOOR.name)
    assert said.startswith(f"{OURS.name}: +0.0% against the recorded run, no more")
    slower_program = result(ours=seen(3, 3), floor=seen(1, 1))
    assert compared(slower_program, before, [OURS.name], FLOOR.name) == [
        f"{OURS.name}: +50.0% against the recorded run"
    ]
    assert compared(slower_program, None, [OURS.name], FLOOR.name) == []


def test_every_row_measures_us_and_only_peers_that_can_do_its_work() -> None:
    for each in ROWS:
        names = [name for name, _ in _cases(each, "all")]
        assert OURS.name in names
        assert all(each.work in peer.talk for peer in PEERS if peer.name in names)
        assert [name for name, _ in _cases(each, "none")] == (names[:2] if each.others else [OURS.name])


def test_every_growth_measures_its_points() -> None:
    for each in GROWTHS:
        assert [name for name, _ in _cases(each, "all")] == [str(point) for point in each.points]


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


def test_what_is_within_noise_is_said_to_be() -> None:
    before = result(ours=seen(1.0))
    for times, is_noise in ((1 + results.NOISE * 0.9, True), (1 + results.NOISE * 1.1, False)):
        (said,) = compared(result(ours=seen(times)), before, [OURS.name], FLOOR.name)
        assert said.endswith("no more than two runs may differ by") == is_noise


def test_a_load_that_was_not_made_is_no_measurement() -> None:
    check_rate(Measured({"published": 9_500, "seconds": 1.0}, NEAR), 10_000)
    with pytest.raises(LoadError, match="of 10,000 presses a second 4,000 were made"):
        check_rate(Measured({"published": 8_000, "seconds": 2.0}, NEAR), 10_000)


def test_what_a_look_through_the_ledger_costs_is_known_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = iter([1000, 3000, 3500])
    cpu_s = iter([10.0, 10.2])
    monkeypatch.setattr(servers, "metrics_on", lambda port: {"like_rows_checked_total": next(rows)})
    server = SimpleNamespace(port=1, cpu_s=lambda: next(cpu_s))
    assert servers.Look(server, seconds=0.0).cost_s() == pytest.approx(500 * 0.2 / 2000)  # type: ignore[arg-type]


def test_one_that_fails_gives_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path, __: float) -> Any:
        raise FileNotFoundError("ss")

    costs = iter([2.0, 3.0, 12.0])
    monkeypatch.setattr("bench.__main__.branch_ns", lambda: next(costs))
    found = result()
    _measure("peer", fails, found, 1.0, "turn 1")
    _measure("peer", fails, found, 1.0, "turn 2")
    _measure("ours", lambda *_: Sample(1.0), found, 1.0, "turn 1")
    assert found.failures == {"peer": "ss"}
    assert found.samples["ours"] == [Sample(1.0, branch_ns=(3.0, 12.0))]
