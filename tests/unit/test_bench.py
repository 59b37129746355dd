"""What the benchmark makes of its figures: verdicts, ratios and growth."""

import contextlib
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bench import machine, results, rows, servers
from bench.__main__ import _arguments, _cases, _measure
from bench.growth import GROWTHS, TOLERANCE
from bench.load import LoadError, Measured, check_rate
from bench.replication import Probe
from bench.results import Sample, compared
from bench.rows import ROWS
from bench.servers import free_port
from bench.subjects import FAN, FLOOR, OURS, PEERS, Subject
from tests.unit.bench_runs import FAR, NEAR, grown, growth, result, row, seen


def replaced(subject: Subject, start: Any) -> Subject:
    return msgspec.structs.replace(subject, start=partial(start, subject))


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
    # A mesh of 10 has nine others for each, a tenth of what it does itself.
    assert growth("mesh").worst(grown(1.9, 10.9, 1000.9)) == pytest.approx(1.0)
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


@pytest.mark.parametrize(
    ("options", "is_recorded"),
    [("", True), ("--turns 3", True), ("--turns 2", False), ("--peers none", False), ("--seconds 1", False),
     ("--rows idle", False), ("--quick", False)],
)  # fmt: skip
def test_only_a_whole_run_of_several_turns_is_recorded(
    options: str, is_recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *options.split()])
    assert _arguments().is_whole is is_recorded


@pytest.mark.parametrize(("mapped", "is_shared"), [("libpython3.11.so.1.0", True), ("python3.11", False)])
def test_a_run_says_how_its_python_was_built(mapped: str, is_shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_lines", lambda _: [f"7f00-7f01 r-xp /usr/lib/{mapped}"])
    assert machine._is_shared() is is_shared


def test_bytes_are_compared_at_few_and_at_many_presses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def run_load(server: Any, mode: str, *options: str, seconds: float, connections: int) -> Measured:
        made.append(int(options[-1]))
        # Of the second rate twice as long, with a tenth more of bytes a second.
        times = len(made)
        read = {1: 100.0, 2: 220.0}[times]
        return Measured({"published": made[-1] * times, "seconds": times, "bytes": read}, NEAR)

    monkeypatch.setattr(rows, "run_load", run_load)
    ours = replaced(OURS, lambda *_: contextlib.nullcontext())
    for few in (100, 1600):
        made.clear()
        assert rows._bytes(FAN, few)(ours, tmp_path, 1.0).value == pytest.approx(1.1)
        assert made == [few, 10_000]


def test_every_growth_measures_its_points() -> None:
    for each in GROWTHS:
        assert [name for name, _ in _cases(each, "all")] == [str(point) for point in each.points]


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


def test_what_waits_behind_a_slow_answer_has_waited_too() -> None:
    class Slow(BaseHTTPRequestHandler):
        answers = 0

        def do_GET(self) -> None:
            Slow.answers += 1
            if Slow.answers == 2:
                time.sleep(0.3)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """To nobody."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with Probe(server.server_port) as probe:
                deadline = time.monotonic() + 10
                while Slow.answers < 35 and time.monotonic() < deadline:
                    time.sleep(0.01)
        finally:
            server.shutdown()
            serving.join()
    # Some thirty were due in that time, of which twenty waited for longer.
    assert probe.percentile_ms(0.75) > 100


def test_a_probe_that_nobody_answers_is_no_measurement() -> None:
    with Probe(free_port()) as probe:
        pass
    with pytest.raises(LoadError, match="nothing answered"):
        probe.percentile_ms(0.5)


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
