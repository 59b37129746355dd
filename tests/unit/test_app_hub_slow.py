"""Watchers that do not read: found at once, skipped, caught up with, and in the end closed."""

import pytest

from app.audience import News, Watcher
from app.hub import SLOW_S
from tests.unit.halls import VISITOR, Hall
from tests.unit.outlets import FakeOutlet


@pytest.mark.parametrize("room", [0, 10])
async def test_a_slow_watcher_is_skipped_and_gets_the_newest_number_when_it_has_drained(
    hall: Hall, room: int
) -> None:
    _, slow = hall.watcher("tap:a", "tap:b")
    _, quick = hall.watcher("tap:a")
    await hall.find_slow(slow, room)
    quick.pushes.clear()
    for count in (1, 2, 3):
        hall.change(a=count, b=count)
        await hall.hub.push()
    assert (len(slow.pushes), len(quick.pushes)) == (0, 3)
    slow.drain()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 3, "tap:b": 3}}]
    hall.change(a=4)
    await hall.hub.push()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 4}}]


async def test_what_the_socket_did_not_take_is_kept_and_nothing_else(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a")
    slow.room = 10
    hall.change(a=1)
    await hall.hub.push()
    assert slow.waiting == slow.pushes[0][10:]


async def test_a_broken_socket_is_left_to_its_transport(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FakeOutlet, data: bytes) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(FakeOutlet, "write", broken)
    outlets = [hall.watcher("tap:a")[1] for _ in range(2)]
    hall.change(a=1)
    await hall.hub.push()
    assert [bool(outlet.waiting) for outlet in outlets] == [True, True]


async def test_a_watcher_that_stays_slow_is_closed_with_4002(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    hall.clock.now += SLOW_S
    hall.hub.look_after_slow()
    assert slow.closed_with is None
    hall.clock.now += 0.001
    hall.hub.look_after_slow()
    assert slow.closed_with == 4002


async def test_one_that_takes_a_little_is_not_closed_however_much_it_is_answered(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    for waiting in (30, 20, 40, 30):
        slow.waiting = bytes(waiting)
        hall.clock.now += 0.9 * SLOW_S
        hall.hub.look_after_slow()
    assert slow.closed_with is None
    hall.clock.now += 0.9 * SLOW_S
    hall.hub.look_after_slow()
    hall.clock.now += 0.2 * SLOW_S
    hall.hub.look_after_slow()
    assert slow.closed_with == 4002


async def test_one_that_reads_what_its_socket_holds_is_not_closed(hall: Hall) -> None:
    """A line of 4 KB a second takes longer than 5 s until the socket has room for anything more."""
    _, slow = hall.watcher("tap:a")
    slow.in_socket = 65_536
    await hall.find_slow(slow)
    for _ in range(10):
        slow.in_socket -= 4096
        hall.clock.now += SLOW_S
        hall.hub.look_after_slow()
    assert slow.closed_with is None


async def test_what_a_slow_watcher_missed_of_a_push_under_way_it_gets_once(hall: Hall) -> None:
    watcher, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    hall.hub._pushed = News(["tap:a"])
    hall.hub.watch(watcher, ["tap:b"])
    assert not slow.sent
    slow.drain()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": -1}}]


async def test_a_slow_watcher_that_went_away_is_nobodys_business(hall: Hall) -> None:
    watcher, slow = hall.watcher("tap:a")
    await hall.find_slow(slow)
    hall.hub.remove(watcher)
    hall.clock.now += 2 * SLOW_S
    hall.hub.look_after_slow()
    assert slow.closed_with is None
    assert not hall.hub._slow


async def test_one_that_comes_with_something_waiting_is_slow_from_the_beginning(hall: Hall) -> None:
    slow = FakeOutlet()
    slow.waiting = b"an answer"
    watcher = Watcher(slow, VISITOR, lambda: None)
    hall.hub.add(watcher)
    hall.hub.watch(watcher, ["tap:a"])
    hall.change(a=1)
    await hall.hub.push()
    assert not slow.sent
    slow.drain()
    hall.hub.caught_up(watcher)
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 1}}]


async def test_a_slow_watcher_is_owed_its_own_tally_until_it_has_drained(hall: Hall) -> None:
    _, slow = hall.watcher("tap:a", "once:b")
    await hall.find_slow(slow)
    hall.tally("once:b", VISITOR, 3)
    await hall.hub.push()
    assert not slow.sent
    slow.drain()
    assert slow.messages() == [{"type": "mine", "tallies": {"once:b": {"gen": 0, "n": 3}}}]


async def test_what_a_slow_watcher_watches_no_more_it_has_not_missed(hall: Hall) -> None:
    watcher, slow = hall.watcher("tap:a", "tap:b")
    await hall.find_slow(slow)
    hall.change(a=1, b=1)
    await hall.hub.push()
    hall.hub.unwatch(watcher, ["tap:b"])
    hall.change(a=2)
    await hall.hub.push()
    slow.drain()
    assert slow.messages() == [{"type": "counts", "counts": {"tap:a": 2}}]
