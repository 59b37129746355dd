"""Ranges of own commits: joined, but never cut inside a commit (R4)."""

from cluster.core.push import Unpushed
from cluster.core.rows import Row
from cluster.core.wire import PAGE_ROWS
from tests.unit.tables import HERE, Table, press


def filled(*commits: int) -> tuple[Unpushed, Table]:
    """Commits of so many visitors each, who press once."""
    unpushed, table, who = Unpushed(HERE, 0), Table(), 0
    for presses in commits:
        unpushed.join(table.commit(*(press(1, who=who + place) for place in range(presses))))
        who += presses
    return unpushed, table


def test_consecutive_commits_are_joined_into_one_range() -> None:
    unpushed, _ = filled(2, 1, 3)
    push = unpushed.take(1.0)
    assert (push.origin, push.start, push.to, len(push.rows)) == (HERE, 0, 6, 6)


def test_the_next_range_begins_where_the_last_one_ended() -> None:
    unpushed, table = filled(2)
    unpushed.take(1.0)
    assert not unpushed
    unpushed.join(table.commit(press(1, who=9)))
    assert unpushed
    push = unpushed.take(1.0)
    assert (push.start, push.to) == (2, 3)


def test_a_key_goes_once_with_its_last_row() -> None:
    unpushed, table = filled(1)
    unpushed.join(table.commit(press(5, who=0)))
    push = unpushed.take(1.0)
    assert (push.start, push.to) == (0, 2)
    assert [(row.n, row.seq) for row in push.rows] == [(5, 2)]


def test_rows_stand_in_the_order_of_their_numbers() -> None:
    unpushed, table = filled(2)
    unpushed.join(table.commit(press(5, who=0)))
    assert [row.seq for row in unpushed.take(1.0).rows] == [2, 3]


def test_rows_are_those_committed_and_not_read_again() -> None:
    table, unpushed = Table(), Unpushed(HERE, 0)
    changes = table.commit(press(1))
    unpushed.join(changes)
    table.take(Row(*changes.own.copy().popitem()[0], 0, 9, b"z" * 16, 4))
    assert [row.n for row in unpushed.take(1.0).rows] == [1]


def test_what_does_not_fit_into_one_frame_waits_for_the_next() -> None:
    unpushed, table = filled(600)
    assert unpushed.has_room(table.commit(*(press(1, who=1000 + place) for place in range(PAGE_ROWS - 600))))
    assert not unpushed.has_room(table.commit(*(press(1, who=2000 + place) for place in range(401))))


def test_an_empty_range_takes_a_commit_of_any_size() -> None:
    unpushed, table = filled()
    assert unpushed.has_room(table.commit(*(press(1, who=place) for place in range(PAGE_ROWS))))


def test_commits_without_own_rows_are_not_pushed() -> None:
    unpushed, table = filled()
    unpushed.join(table.hear(b"t" * 16, 0, 5))
    assert not unpushed
