"""The ring of the newest rows: what it may answer, and what it must leave to a scan (R5)."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.core.ring import Ring
from cluster.core.rows import Row
from tests.unit.tables import ELSEWHERE, THERE, row


def test_whoever_has_the_floor_is_answered_from_the_ring() -> None:
    ring = Ring({THERE: 2})
    ring.append({THERE: 4}, [row(1, seq=3), row(1, seq=4, who=2)])
    assert ring.since({THERE: 2}) == [row(1, seq=3), row(1, seq=4, who=2)]
    assert ring.since({THERE: 3}) == [row(1, seq=4, who=2)]
    assert ring.since({THERE: 4}) == []


def test_whoever_is_below_any_floor_is_not() -> None:
    ring = Ring({THERE: 2, ELSEWHERE: 5})
    assert ring.since({THERE: 9, ELSEWHERE: 4}) is None
    assert ring.since({THERE: 9}) is None


def test_a_key_is_given_once_with_its_last_row() -> None:
    ring = Ring({})
    ring.append({THERE: 1}, [row(1, seq=1)])
    ring.append({THERE: 2}, [row(2, seq=2)])
    assert ring.since({}) == [row(2, seq=2)]


def test_a_row_that_leaves_the_ring_raises_the_floor_of_its_origin() -> None:
    ring = Ring({}, rows_max=2)
    for seq in (1, 2, 3):
        ring.append({THERE: seq}, [row(1, seq=seq, who=seq)])
    assert ring.since({}) is None
    assert ring.since({THERE: 1}) == [row(1, seq=2, who=2), row(1, seq=3, who=3)]


def test_a_row_above_its_head_raises_the_floor_too_when_it_leaves() -> None:
    ring = Ring({}, rows_max=1)
    ring.append({}, [row(1, seq=7)])
    ring.append({ELSEWHERE: 1}, [row(1, seq=1, who=2, origin=ELSEWHERE)])
    assert ring.since({THERE: 6}) is None
    assert ring.since({THERE: 7}) == [row(1, seq=1, who=2, origin=ELSEWHERE)]


def test_a_head_that_leaves_the_ring_raises_the_floor_without_a_row() -> None:
    ring = Ring({}, rows_max=1)
    ring.append({THERE: 9}, [])
    ring.append({}, [row(1, seq=1, origin=ELSEWHERE)])
    ring.append({}, [row(2, seq=2, origin=ELSEWHERE)])
    assert ring.since({ELSEWHERE: 1}) is None
    assert ring.since({ELSEWHERE: 1, THERE: 9}) == [row(2, seq=2, origin=ELSEWHERE)]


def test_commits_that_write_no_row_do_not_pile_up() -> None:
    ring = Ring({}, rows_max=100)
    for seq in range(1, 1001):
        ring.append({}, [])
        ring.append({THERE: seq}, [])
    assert len(ring._commits) <= 100
    assert ring.since({THERE: 900}) == []


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(1, 8), st.integers(0, 40))
def test_an_answer_holds_every_newer_row_or_there_is_none(sizes: list[int], rows_max: int, base: int) -> None:
    ring, written, seq = Ring({}, rows_max=rows_max), [], 0
    for size in sizes:
        rows = [row(1, seq=seq + place, who=seq + place) for place in range(1, size + 1)]
        seq += size
        ring.append({THERE: seq}, rows)
        written += rows
    answer: list[Row] | None = ring.since({THERE: base})
    assert answer is None or answer == [each for each in written if each.seq > base]
    assert answer is not None or base < seq - rows_max + 4
