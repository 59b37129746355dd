"""The hub: one encoding per audience, one write per watcher, and the newest count only."""

import secrets
from typing import Any

import pytest

from app import hub as hub_module
from app import wire, writes
from app.audience import Watcher
from cluster.core.items import erasure_key
from cluster.surface import Changed, ItemState, Tally
from tests.unit.halls import OTHER, VISITOR, Hall, finish
from tests.unit.outlets import FakeOutlet


async def test_many_commits_in_one_interval_are_one_write_with_the_newest_count(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    for count in range(1, 101):
        hall.change(a=count)
    await hall.hub.push()
    assert len(outlet.pushes) == 1
    assert outlet.messages() == [{"type": "counts", "counts": {"tap:a": 100}}]


async def test_a_watcher_of_several_changed_items_gets_one_write(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a", "tap:b", "tap:c")
    hall.change(a=1, b=2)
    await hall.hub.push()
    assert len(outlet.pushes) == 1
    counts = {item: count for message in outlet.messages() for item, count in message["counts"].items()}
    assert counts == {"tap:a": 1, "tap:b": 2}


async def test_an_item_is_encoded_once_for_all_its_watchers(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    outlets = [hall.watcher("tap:a")[1] for _ in range(5)]
    encoded: list[object] = []
    frame = wire.frame
    monkeypatch.setattr(wire, "frame", lambda message: encoded.append(message) or frame(message))
    hall.change(a=1)
    await hall.hub.push()
    assert len(encoded) == 1
    assert all(len(outlet.pushes) == 1 for outlet in outlets)


async def test_nothing_is_written_to_who_watches_something_else(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:b")
    hall.change(a=1)
    await hall.hub.push()
    assert not outlet.pushes


async def test_a_count_that_is_the_same_is_not_pushed_again(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    hall.change(a=1)
    await hall.hub.push()
    hall.change(a=1)
    await hall.hub.push()
    assert len(outlet.pushes) == 1


async def test_an_unwatched_item_is_forgotten(hall: Hall) -> None:
    watcher, outlet = hall.watcher("tap:a")
    hall.change(a=1)
    hall.hub.unwatch(watcher, ["tap:a", "tap:never"])
    await hall.hub.push()
    assert not outlet.pushes
    assert not hall.hub._audiences.items


async def test_a_later_change_wins_over_an_earlier_snapshot(hall: Hall) -> None:
    watcher, outlet = Watcher(FakeOutlet(), VISITOR, lambda: None), None
    outlet = watcher.outlet
    hall.hub.add(watcher)
    hall.hub.watch(watcher, ["tap:a"])
    hall.hub.learn({"tap:a": ItemState(0, 5)})
    hall.change(a=6)
    await hall.hub.push()
    assert isinstance(outlet, FakeOutlet)
    assert outlet.messages()[0]["counts"] == {"tap:a": 6}


async def test_watchers_of_the_same_items_are_one_audience_whatever_way_they_came_to_it(hall: Hall) -> None:
    one, _ = hall.watcher("tap:a", "tap:b")
    other, _ = hall.watcher("tap:b")
    hall.hub.watch(other, ["tap:a", "tap:b"])
    third, _ = hall.watcher("tap:a", "tap:b", "tap:c")
    hall.hub.unwatch(third, ["tap:c"])
    assert one.audience is other.audience is third.audience
    for watcher in (one, other, third):
        hall.hub.remove(watcher)
    assert (len(hall.hub._audiences), hall.hub._audiences.items) == (0, {})


@pytest.mark.parametrize("item", ["once:a", "clap:a"])
async def test_my_tally_goes_to_every_watching_tab_of_mine_and_to_nobody_else(hall: Hall, item: str) -> None:
    mine = [hall.watcher(item)[1] for _ in range(2)]
    _, elsewhere = hall.watcher("once:other")
    _, stranger = hall.watcher(item, visitor=OTHER)
    hall.tally(item, VISITOR, 3)
    await hall.hub.push()
    for outlet in mine:
        assert outlet.messages() == [{"type": "mine", "tallies": {item: {"gen": 0, "n": 3}}}]
    assert not elsewhere.sent
    assert not stranger.sent


async def test_taps_of_another_tab_are_not_mine(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    hall.tally("tap:a", VISITOR, 3)
    await hall.hub.push()
    assert not outlet.sent


async def test_mine_and_counts_leave_in_one_write(hall: Hall) -> None:
    _, outlet = hall.watcher("once:a")
    hall.hub.on_changed(Changed({"once:a": ItemState(0, 1)}, {("once:a", VISITOR + bytes(6)): Tally(0, 1)}))
    await hall.hub.push()
    # What is sent in one turn is one write; besides, nothing is written.
    assert len(outlet.sent) == 2
    assert not outlet.pushes
    assert [message["type"] for message in outlet.messages()] == ["mine", "counts"]


async def test_a_reset_tells_every_watcher_that_its_tally_is_0_in_the_new_generation(hall: Hall) -> None:
    outlets = [hall.watcher("tap:a", visitor=visitor)[1] for visitor in (VISITOR, OTHER)]
    hall.change(gen=1, a=0)
    await hall.hub.push()
    for outlet in outlets:
        mine, counts = outlet.messages()
        assert mine == {"type": "mine", "tallies": {"tap:a": {"gen": 1, "n": 0}}}
        assert counts == {"type": "counts", "counts": {"tap:a": 0}}


async def test_a_reset_is_told_to_who_has_watched_more_since(hall: Hall) -> None:
    watcher, outlet = hall.watcher("tap:a")
    hall.hub.watch(watcher, ["tap:b"])
    hall.change(gen=1, a=0)
    await hall.hub.push()
    assert [message["type"] for message in outlet.messages()] == ["mine", "counts"]


async def test_a_tally_of_the_new_generation_wins_over_the_reset(hall: Hall) -> None:
    _, outlet = hall.watcher("once:a")
    tallies = {("once:a", VISITOR + bytes(6)): Tally(1, 1)}
    hall.hub.on_changed(Changed({"once:a": ItemState(1, 1)}, tallies))
    await hall.hub.push()
    assert outlet.messages()[0]["tallies"] == {"once:a": {"gen": 1, "n": 1}}


async def test_a_press_that_the_reset_behind_it_has_ended_is_not_told(hall: Hall) -> None:
    _, outlet = hall.watcher("once:a")
    tallies = {("once:a", VISITOR + bytes(6)): Tally(1, 1)}
    hall.hub.on_changed(Changed({"once:a": ItemState(2, 0)}, tallies))
    await hall.hub.push()
    assert outlet.messages()[0]["tallies"] == {"once:a": {"gen": 2, "n": 0}}


async def test_every_tab_of_an_erased_visitor_is_told_and_nobody_else(hall: Hall) -> None:
    tabs = [hall.watcher("tap:a") for _ in range(2)]
    hall.watcher("tap:a", visitor=OTHER)
    for watcher, _ in tabs:
        # As a session does: the hub must bear that its visitors change meanwhile.
        watcher.on_erased = lambda watcher=watcher: (
            hall.erased.append(watcher.visitor),
            hall.hub.set_visitor(watcher, secrets.token_bytes(10)),
        )
    hall.hub.on_changed(Changed({}, {}, frozenset({erasure_key(VISITOR), erasure_key(b"somebody..")})))
    assert hall.erased == [VISITOR] * 2
    assert VISITOR not in hall.hub._visitors


async def test_a_tally_of_the_commit_that_erased_its_visitor_is_told_to_nobody(hall: Hall) -> None:
    watcher, outlet = hall.watcher("once:a")
    watcher.on_erased = lambda: hall.hub.set_visitor(watcher, OTHER)
    tallies = {("once:a", VISITOR + bytes(6)): Tally(0, 1)}
    hall.hub.on_changed(Changed({}, tallies, frozenset({erasure_key(VISITOR)})))
    await hall.hub.push()
    assert not outlet.sent


async def test_no_visitor_is_hashed_where_none_was_erased(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    hall.watcher("tap:a")
    monkeypatch.delattr(hub_module, "erasure_key")
    hall.change(a=1)
    with pytest.raises(NameError):
        hall.hub.on_changed(Changed({}, {}, frozenset({b"any"})))


async def test_another_visitor_does_not_inherit_what_was_owed(hall: Hall) -> None:
    watcher, outlet = hall.watcher("once:a")
    hall.tally("once:a", VISITOR, 1)
    hall.hub.set_visitor(watcher, OTHER)
    await hall.hub.push()
    assert not outlet.sent
    hall.tally("once:a", OTHER, 5)
    await hall.hub.push()
    assert outlet.messages()[0]["tallies"] == {"once:a": {"gen": 0, "n": 5}}


async def test_a_push_to_many_lets_others_have_their_turn(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WRITES_PER_TURN", 2)
    watchers = [hall.watcher("tap:a") for _ in range(5)]
    hall.change(a=1)
    push = hall.hub.push()
    push.send(None)
    written = [outlet for _, outlet in watchers if outlet.pushes]
    assert len(written) == 2
    for watcher, outlet in watchers:
        if outlet not in written:
            hall.hub.remove(watcher)
    with pytest.raises(StopIteration):
        while True:
            push.send(None)
    assert sum(len(outlet.pushes) for _, outlet in watchers) == 2


async def _paused_between(hall: Hall, *watched: tuple[str, ...]) -> tuple[Any, list[tuple[Watcher, FakeOutlet]]]:
    """A push that stands between the first of these watchers and the rest, who have not been written to."""
    watchers = [hall.watcher(*items) for items in watched]
    hall.change(a=1, b=1)
    push = hall.hub.push()
    push.send(None)
    written = [each for each in watchers if each[1].pushes]
    assert len(written) == 1
    return push, [each for each in watchers if each not in written]


@pytest.mark.usefixtures("one_at_a_time")
async def test_an_audience_may_be_gone_when_its_turn_comes(hall: Hall) -> None:
    push, (left, *_) = await _paused_between(hall, ("tap:a",), ("tap:b",))
    hall.hub.remove(left[0])
    finish(push)
    assert not left[1].sent


@pytest.mark.usefixtures("one_at_a_time")
async def test_who_watches_more_while_a_push_is_under_way_does_not_miss_it(hall: Hall) -> None:
    push, (left, *_) = await _paused_between(hall, ("tap:a",), ("tap:a",))
    hall.hub.watch(left[0], ["tap:c"])
    finish(push)
    assert left[1].messages() == [{"type": "counts", "counts": {"tap:a": 1}}]


@pytest.mark.usefixtures("one_at_a_time")
async def test_who_falls_behind_while_a_push_is_under_way_gets_it_later(hall: Hall) -> None:
    push, (left, *_) = await _paused_between(hall, ("tap:a",), ("tap:a",))
    left[1].keep(b"an answer")
    finish(push)
    assert not left[1].sent
    left[1].drain()
    assert left[1].messages() == [{"type": "counts", "counts": {"tap:a": 1}}]


async def test_what_was_sent_in_this_turn_leaves_before_a_push(hall: Hall) -> None:
    _, outlet = hall.watcher("tap:a")
    hall.hub._writes._flush = lambda: outlet.send(wire.frame(wire.Pong()))
    hall.change(a=1)
    await hall.hub.push()
    assert [message["type"] for message in outlet.messages()] == ["pong", "counts"]


def test_the_number_of_watchers_is_reported(hall: Hall) -> None:
    watcher, _ = hall.watcher("tap:a")
    hall.watcher("tap:a")
    hall.hub.remove(watcher)
    assert hall.reported == [1, 2, 1]
    (audience,) = hall.hub._audiences.items["tap:a"].audiences
    assert hall.hub._visitors[VISITOR] == set(audience.quick.values())
