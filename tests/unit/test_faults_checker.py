"""The checker of the fault matrix sees what is wrong: each verdict is provoked by a history that deserves it."""

from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.checker import Presses, Table, presses_of
from tests.faults.history import Event, History

TAP = ("tap:row-0", "aa")
ONCE = ("once:row-0", "aa")


def event(at: float, kind: str, **fields: object) -> Event:
    return {"at": at, "is": kind, **fields}


def sent(at: float, n: int, key: checker.Key = TAP) -> Event:
    return event(at, "sent", who=1, item=key[0], actor=key[1], n=n)


def saved(at: float, n: int, key: checker.Key = TAP) -> Event:
    return event(at, "saved", who=1, item=key[0], actor=key[1], n=n)


def history(*events: Event, ended_at: float = 100.0) -> Presses:
    return presses_of([*events, event(ended_at, "mark", say="end")])


def everywhere(table: Table) -> dict[str, Table]:
    return {"node1": table, "node2": table}


def kinds(findings: list[checker.Finding]) -> list[str]:
    return [finding.kind for finding in findings]


def test_a_good_history_has_no_findings() -> None:
    presses = history(sent(1, 5), saved(1.1, 5), event(1.2, "shown", who=1, item="tap:row-0", count=5))
    tables = everywhere({TAP: (0, 5)})

    assert presses.acknowledged == 5
    assert not checker.lost(presses.saved, tables)
    assert not checker.doubled(presses, tables)
    assert not checker.diverged(tables)
    assert not checker.stalled(presses, 10)
    assert not presses.shown
    assert not checker.miscounted(tables, {"node1": {"tap:row-0": 5}})


@pytest.mark.parametrize("held", [{TAP: (0, 4)}, {}])
def test_an_acknowledged_tally_that_one_node_does_not_hold_is_lost(held: Table) -> None:
    presses = history(sent(1, 5), saved(1.1, 5))

    assert kinds(checker.lost(presses.saved, {"node1": {TAP: (0, 5)}, "node2": held})) == ["lost"]


def test_what_was_never_acknowledged_is_not_lost() -> None:
    presses = history(sent(1, 5), saved(1.1, 5), sent(2, 9))

    assert not checker.lost(presses.saved, everywhere({TAP: (0, 5)}))


def test_a_late_smaller_acknowledgement_hides_no_loss() -> None:
    presses = history(sent(1, 5), saved(1.1, 5), saved(1.2, 3))

    assert kinds(checker.lost(presses.saved, everywhere({TAP: (0, 4)}))) == ["lost", "lost"]


def test_a_tally_above_what_was_sent_is_doubled() -> None:
    presses = history(sent(1, 5), saved(1.1, 5))

    assert kinds(checker.doubled(presses, {"node1": {TAP: (0, 10)}})) == ["doubled"]


def test_a_tally_of_somebody_who_never_pressed_is_doubled() -> None:
    presses = history(sent(1, 5), saved(1.1, 5))

    assert kinds(checker.doubled(presses, {"node1": {TAP: (0, 5), (TAP[0], "bb"): (0, 5)}})) == ["doubled"]


def test_tallies_of_other_histories_are_nobodys_fault() -> None:
    assert not checker.doubled(history(sent(1, 5)), {"node1": {("tap:other-0", "bb"): (0, 5)}})


def test_a_count_above_all_presses_so_far_was_wrongly_shown() -> None:
    presses = history(sent(1, 5), event(1.5, "shown", who=2, item="tap:row-0", count=6), sent(2, 6), saved(2.1, 6))

    assert kinds(presses.shown) == ["shown"]


def test_a_count_that_falls_was_wrongly_shown_unless_likes_are_taken_back() -> None:
    presses = history(
        event(1, "fell", who=2, item="tap:row-0", count=3), event(2, "fell", who=2, item="once:row-0", count=3)
    )

    assert kinds(presses.shown) == ["shown"]


@pytest.mark.parametrize("other", [{TAP: (0, 4)}, {TAP: (1, 5)}, {}])
def test_nodes_that_hold_different_tallies_have_diverged(other: Table) -> None:
    assert kinds(checker.diverged({"node1": {TAP: (0, 5)}, "node2": other})) == ["diverged"]


def test_a_count_that_is_not_the_sum_of_its_tallies_has_diverged() -> None:
    tables = {"node1": {TAP: (0, 5), ONCE: (0, 3), (ONCE[0], "bb"): (0, 2)}}

    assert not checker.miscounted(tables, {"node1": {"tap:row-0": 5, "once:row-0": 1}})
    assert kinds(checker.miscounted(tables, {"node1": {"tap:row-0": 6, "once:row-0": 2}})) == ["diverged"] * 2


def test_a_press_that_is_never_acknowledged_has_stalled() -> None:
    assert kinds(checker.stalled(history(sent(1, 5)), 10)) == ["stalled"]


def test_a_press_that_waits_too_long_after_the_healing_has_stalled() -> None:
    healed = event(50, "mark", say="healed")

    assert not checker.stalled(history(sent(1, 5), healed, saved(59, 5)), 10)
    assert kinds(checker.stalled(history(sent(1, 5), healed, saved(61, 5)), 10)) == ["stalled"]


def test_a_larger_acknowledgement_covers_the_earlier_targets() -> None:
    presses = history(sent(1, 5), sent(2, 9), saved(2.1, 9))

    assert not checker.stalled(presses, 10)
    assert presses.saved_after[TAP] == [(1, 2.1), (2, 2.1)]


def lost(at: float, who: int, silent_s: float = 0.0) -> Event:
    return event(at, "lost", who=who, why="", silent_s=silent_s)


def test_an_outage_lasts_from_the_last_sign_of_life_to_the_next_connection() -> None:
    presses = history(lost(6, 1, 5), lost(7, 1), event(9, "connected", who=1, node="node2"), lost(90, 2))

    assert presses.outages_s == [8]
    assert presses.longest_outage_s == 10, "visitor 2 is still away"
    assert not checker.stranded(presses, 10)
    assert kinds(checker.stranded(presses, 9)) == ["stalled"]


def test_of_many_findings_some_are_named_and_the_rest_counted() -> None:
    presses = history(*(sent(1, 1, ("tap:row-0", f"{actor:02x}")) for actor in range(9)))

    said = checker.named(checker.stalled(presses, 10))

    assert len(said) == checker.NAMED_MAX + 1
    assert said[-1] == "stalled: 4 more"


def test_a_history_reads_back_what_was_written(tmp_path: Path) -> None:
    times = iter([10.0, 11.5, 12.0])
    written = History(tmp_path / "history.jsonl", clock=lambda: next(times))
    written.add("sent", who=1, item="tap:row-0", actor="aa", n=1)
    written.show(1, "tap:row-0", 1)
    written.show(2, "tap:row-0", 1)

    assert [(each["at"], each["is"]) for each in written.fresh_events()] == [(1.5, "sent"), (2.0, "shown")]
    assert not list(written.fresh_events()), "read already"
    written.close()
