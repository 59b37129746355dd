"""How many watch: pushed by the hub with the counts, and like them."""

import pytest

from tests.unit.halls import Hall, finish


async def test_who_watches_hears_how_many_do(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a", "tap:b")
    hall.watcher("tap:a")
    hall.viewers.publish()
    await hall.hub.push()
    assert outlet.messages() == [{"type": "viewers", "viewers": {"tap:a": 2, "tap:b": 1}}]


async def test_viewers_of_other_nodes_are_among_them(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    hall.viewers.open_link(1, bytes(16))
    hall.viewers.hear(1, {"tap:a": 41, "tap:b": 7})
    hall.viewers.publish()
    await hall.hub.push()
    assert outlet.messages() == [{"type": "viewers", "viewers": {"tap:a": 42}}]


async def test_who_leaves_is_counted_no_more(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    watcher, _ = hall.watcher("tap:a", "tap:b")
    hall.hub.unwatch(watcher, ["tap:a"])
    assert (hall.viewers.total("tap:a"), hall.viewers.total("tap:b")) == (1, 1)
    hall.hub.remove(watcher)
    assert hall.viewers.total("tap:b") == 0
    hall.viewers.publish()
    await hall.hub.push()
    assert outlet.messages() == [{"type": "viewers", "viewers": {"tap:a": 1}}]


async def test_a_slow_watcher_hears_how_many_watch_when_it_reads_again(hall: Hall) -> None:
    watcher, outlet = hall.watcher("tap:a", "tap:b")
    await hall.find_slow(outlet)
    for _ in range(3):
        hall.watcher("tap:a")
        hall.viewers.publish()
        await hall.hub.push()
        assert not outlet.sent
    hall.hub.unwatch(watcher, ["tap:b"])
    outlet.drain()
    assert outlet.messages("viewers") == [{"type": "viewers", "viewers": {"tap:a": 4}}]


@pytest.mark.usefixtures("one_at_a_time")
async def test_who_watches_more_while_viewers_are_pushed_does_not_miss_them(hall: Hall) -> None:
    watchers = [hall.watcher("tap:a"), hall.watcher("tap:a")]
    hall.viewers.publish()
    push = hall.hub.push()
    push.send(None)
    ((watcher, outlet),) = [each for each in watchers if not each[1].pushes]
    hall.hub.watch(watcher, ["tap:c"])
    finish(push)
    assert outlet.messages() == [{"type": "viewers", "viewers": {"tap:a": 2}}]
