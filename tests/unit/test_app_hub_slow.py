"""Watchers that do not read: found in time, skipped, caught up with, and in the end closed."""

import pytest

from app.hub import LOOK_BYTES, SLOW_BYTES, SLOW_S
from tests.unit.halls import VISITOR, Hall


@pytest.fixture
def hall() -> Hall:
    return Hall()


async def test_a_slow_watcher_is_skipped_and_gets_the_newest_number_when_it_has_drained(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a", "tap:b")
    _, quick = hall.watcher("tap:a")
    await hall.find_slow(slow)
    quick.pushes.clear()
    for count in (1, 2, 3):
        hall.change(a=count, b=count)
        await hall.hub.push()
    assert (len(slow.pushes), len(quick.pushes)) == (0, 3)
    slow.backlog = SLOW_BYTES
    hall.hub.look_after_slow()
    counts = {item: count for message in slow.messages() for item, count in message["counts"].items()}
    assert counts == {"tap:a": 3, "tap:b": 3}
    assert len(slow.pushes) == 1
    hall.change(a=4)
    await hall.hub.push()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 4}}]


async def test_a_watcher_that_stays_slow_is_closed_with_4002(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    hall.clock.now += SLOW_S
    hall.hub.look_after_slow()
    assert slow.closed_with is None
    hall.clock.now += 0.001
    hall.hub.look_after_slow()
    assert slow.closed_with == 4002


async def test_a_slow_watcher_that_went_away_is_nobodys_business(hall: Hall) -> None:
    watcher, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    hall.hub.remove(watcher)
    hall.clock.now += 2 * SLOW_S
    hall.hub.look_after_slow()
    assert slow.closed_with is None
    assert not hall.hub._slow


async def test_a_slow_watcher_is_found_before_it_costs_much_more_than_it_may(hall: Hall) -> None:
    """Within a second nobody is looked at, but for what was sent."""
    _, slow = hall.watcher("tap:a")
    slow.backlog = SLOW_BYTES + 1
    for count in range(1, 10_000):
        hall.change(a=count)
        await hall.hub.push()
    assert LOOK_BYTES <= sum(map(len, slow.pushes)) < 1.1 * LOOK_BYTES


async def test_a_slow_watcher_is_owed_its_own_tally_until_it_has_drained(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a", "once:b")
    await hall.find_slow(slow)
    hall.tally("once:b", VISITOR, 3)
    await hall.hub.push()
    assert not slow.sent
    slow.backlog = 0
    hall.hub.look_after_slow()
    assert slow.messages() == [{"type": "mine", "tallies": {"once:b": {"gen": 0, "n": 3}}}]


async def test_what_a_slow_watcher_watches_no_more_it_has_not_missed(hall: Hall) -> None:
    watcher, slow = hall.watcher("tap:a", "tap:b")
    await hall.find_slow(slow)
    hall.change(a=1, b=1)
    await hall.hub.push()
    hall.hub.unwatch(watcher, ["tap:b"])
    hall.change(a=2)
    await hall.hub.push()
    slow.backlog = 0
    hall.hub.look_after_slow()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 2}}]
