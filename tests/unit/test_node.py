"""The engine as `app` knows it: presses, answers, changes, reads, start and stop."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from cluster import node as module
from cluster import peering
from cluster.core.press import ItemState
from cluster.node import Node
from cluster.replies import Replies
from cluster.surface import Answer, Changed, NodeStatus, StartError
from tests.support.ports import free_port
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, states, tallies_of
from tests.unit.tables import HOME, POST, actor, press


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(peering, "HEARTBEAT_S", 0.01)
    async with engines(tmp_path) as made:
        yield made


async def test_subscribers_hear_of_a_commit_before_its_answers_do(site: Site) -> None:
    node = await site.start("n1")
    heard: list[Changed | Answer] = []
    node.subscribe(heard.append)
    node.wish(press(3), heard.append, "owner")
    await wait_for(lambda: len(heard) == 2, 5, "both")
    changed, answer = heard
    assert isinstance(changed, Changed)
    assert (changed.items, tallies_of(changed)) == ({HOME: ItemState(0, 3)}, {(HOME, actor(1)): (0, 3)})
    assert answer == Answer(HOME, 0, 3, 3, 0, 0)


async def test_what_changes_nothing_is_told_to_no_subscriber(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(3)
    await presser.last()
    heard: list[Changed] = []
    node.subscribe(heard.append)
    presser.press(2)
    await wait_for(lambda: len(presser.answers) == 2, 5, "the answer")
    assert heard == []


async def test_read_and_changed_together_miss_nothing(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    for n in range(1, 51):
        presser.press(n)
        await asyncio.sleep(0)
    seen: list[int] = []
    node.subscribe(lambda changed: seen.append(changed.items[HOME].count))
    node.read([HOME], [], lambda snapshot: seen.append(snapshot.items[HOME].count))
    for n in range(51, 101):
        presser.press(n)
        await asyncio.sleep(0)
    await wait_for(lambda: seen and seen[-1] == 100, 5, "the last count")
    assert seen == sorted(seen)


async def test_a_peers_press_is_told_to_subscribers(site: Site) -> None:
    one, two, _ = await site.cluster()
    heard: list[Changed] = []
    two.subscribe(heard.append)
    Presser(one).press(3, POST)
    await wait_for(lambda: heard, 5, "the change")
    assert tallies_of(heard[0]) == {(POST, actor(1)): (0, 3)}


async def test_counters_say_what_was_done(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(3)
    await presser.last()
    counters = node.counters()
    names = ("engine_presses_total", "commits_total", "rows_written_total")
    assert [counters[name] for name in names] == [3, 1, 1]
    presser.press(3)
    await wait_for(lambda: len(presser.answers) == 2, 5, "the second answer")
    assert node.counters()["engine_presses_total"] == 3, "a repetition is no press"
    assert (counters["links"], counters["lag_rows"]) == (0, 0)


async def test_watchers_and_leaving_are_told_to_the_peers(site: Site) -> None:
    one, two, _ = await site.cluster()
    one.set_watchers(12)

    def seen() -> NodeStatus:
        return next(each for each in two.status() if each.name == "n1")

    await wait_for(lambda: seen().watchers == 12, 5, "the watchers")
    one.set_leaving()
    await wait_for(lambda: seen().state == "leaving", 5, "leaving")
    assert one.state == "leaving"


async def test_a_node_without_peers_is_ready_at_once(site: Site) -> None:
    node = await site.start("n1")
    assert node.state == "ready"


async def test_a_node_whose_peers_do_not_answer_is_ready_after_a_while(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONELY_S", 0.2)
    node = await site.start("n1", site.address("nobody"))
    assert node.state == "starting"
    assert states(node) == {"n1": "starting", site.address("nobody"): "unreachable"}
    await asyncio.wait_for(node.wait_until_ready(), 5)
    assert node.state == "ready"


async def test_a_node_whose_peer_links_and_never_answers_is_ready_after_a_while(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONELY_S", 0.3)
    monkeypatch.setattr(Replies, "to_pull", lambda self, asked, socket: None)
    await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await wait_for(lambda: two.has_links, 5, "the link")
    assert two.state == "starting"
    await asyncio.wait_for(two.wait_until_ready(), 5)
    assert two.has_links


async def test_what_was_taken_is_committed_before_the_end(site: Site) -> None:
    presser = Presser(await site.start("n1"))
    presser.press(5)
    await site.stop("n1")
    assert presser.answers[0].n == 5
    await converged(HOME, 5, await site.start("n1"))


async def test_what_arrives_while_the_links_end_is_committed_before_the_ledger_is_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await site.start("n1")
    presser, cancel = Presser(node), node._tasks.cancel

    async def cancel_and_hear_more() -> None:
        await cancel()
        presser.press(5)

    monkeypatch.setattr(node._tasks, "cancel", cancel_and_hear_more)
    await site.stop("n1")
    assert not node.failed.done()
    assert presser.answers[0].n == 5


async def test_a_leaving_node_serves_its_peers_first(site: Site) -> None:
    """Its last commit follows on another so soon that its push is still held back."""
    one, two, three = await site.cluster()
    committed = asyncio.Event()
    one.wish(press(1), lambda _: committed.set(), "owner")
    await asyncio.wait_for(committed.wait(), 5)
    one.wish(press(1000), lambda _: None, "owner")
    await site.stop("n1")
    await converged(HOME, 1000, two, three)


async def test_what_is_held_back_goes_out_without_anybodys_next_press(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = one, two, three = await site.cluster()
    last_beats: set[Node] = set()
    monkeypatch.setattr(peering, "HEARTBEAT_S", 60.0)
    for node in nodes:
        monkeypatch.setattr(node._peering, "_on_beat", partial(last_beats.add, node))
    await wait_for(lambda: len(last_beats) == 3, 5, "every node's last short beat")
    presser = Presser(one)
    for n in range(1, 20):
        presser.press(n)
        await asyncio.sleep(0.001)
    await converged(HOME, 19, one, two, three)
    assert (await presser.last()).n == 19


async def test_a_ledger_in_use_keeps_a_node_from_starting(site: Site) -> None:
    await site.start("n1")
    site.ports["n1"] = free_port()
    with pytest.raises(StartError, match="in use"):
        await site.start("n1")


async def test_a_cluster_port_in_use_keeps_a_node_from_starting(site: Site) -> None:
    await site.start("n1")
    site.ports["n2"] = site.ports["n1"]
    with pytest.raises(StartError, match="LIKE_CLUSTER_PORT"):
        await site.start("n2")
