"""The session against nodes that misbehave: no press is lost, none is repeated, nothing false is said."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest
import pytest_asyncio

from cli import connection, session
from cli.addresses import Addresses
from cli.presses import Presses
from cli.session import Session
from cli.state import MemoryState, State
from tests.support.fake_node import FakeCluster
from tests.support.waiting import wait_for

ITEM = "tap:home"


class Visit:
    """A running session on a fake cluster, and what it told the person."""

    def __init__(self, running: Session, notices: list[str]) -> None:
        self.session = running
        self.notices = notices

    def kinds(self) -> list[str]:
        return self.notices

    async def until_connected(self) -> None:
        await wait_for(
            lambda: self.session.is_connected and self.session.presses.knows_mine(ITEM), 5.0, "a connection"
        )

    async def until_node(self, name: str) -> None:
        await wait_for(lambda: self.session.node == name, 8.0, lambda: f"{name}; {self.session.words}")

    async def until_met(self, count: int) -> None:
        await wait_for(lambda: len(self.session.addresses.all) == count, 5.0, f"{count} known addresses")

    async def press(self, presses: int = 1, item: str = ITEM) -> str:
        return (await self.session.wait_until_saved(self.session.press(item, presses), 3.0)).status


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """No nodes yet. At the end no client may have made a mistake."""
    started = FakeCluster()
    yield started
    await started.end()
    assert started.mistakes == []


@asynccontextmanager
async def visit(
    address: str, state: State | None = None, *items: str, met: Sequence[str] = ()
) -> AsyncIterator[Visit]:
    notices: list[str] = []
    presses = Presses(state or MemoryState())
    addresses = Addresses(address, Random(1))
    addresses.meet(met)
    async with (
        aiohttp.ClientSession() as http,
        Session(http, addresses, presses, lambda kind, text: notices.append(kind)) as running,
    ):
        running.watch(ITEM, *items)
        yield Visit(running, notices)


async def test_a_press_is_saved_and_counted_once(cluster: FakeCluster) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        await me.until_connected()
        assert await me.press() == "saved"
        await wait_for(lambda: me.session.shown(ITEM) == 1, 2.0, "the count")
    assert cluster.count(ITEM) == 1


async def test_nothing_is_saved_before_the_copies_exist(cluster: FakeCluster) -> None:
    node = await cluster.start()
    node.keeps_last_answers = True
    async with visit(node.address) as me:
        await me.until_connected()
        tally = me.session.press(ITEM)
        await wait_for(lambda: cluster.count(ITEM) == 1, 2.0, "the press to arrive")
        outcome = await me.session.wait_until_saved(tally, 0.1)
        assert outcome.status == "unsaved"
        assert me.session.presses.unsaved == 1
        assert me.session.shown(ITEM) == 1, "it is in the count, and counted once"


async def test_a_lost_acknowledgement_repeats_no_press(cluster: FakeCluster) -> None:
    node = await cluster.start(2)
    node.keeps_last_answers = True
    async with visit(node.address) as me:
        await me.until_connected()
        await me.until_met(2)
        tally = me.session.press(ITEM, 3)
        await wait_for(lambda: cluster.count(ITEM) == 3, 2.0, "the presses to arrive")
        await node.stop()
        assert (await me.session.wait_until_saved(tally, 5.0)).status == "saved"
        await me.until_node("node2")
    assert cluster.count(ITEM) == 3


async def test_presses_made_without_a_node_are_sent_when_one_answers(cluster: FakeCluster) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        await me.until_connected()
        await node.stop()
        await wait_for(lambda: not me.session.is_connected, 2.0, "the loss to be seen")
        tally = me.session.press(ITEM, 2)
        assert me.session.shown(ITEM) == 2
        await node.start()
        assert (await me.session.wait_until_saved(tally, 10.0)).status == "saved"
    assert cluster.count(ITEM) == 2


async def test_a_killed_run_is_finished_by_the_next(cluster: FakeCluster) -> None:
    node = await cluster.start()
    state = MemoryState()
    node.is_deaf = True
    async with visit(node.address, state) as me:
        me.session.press(ITEM, 4)
    node.is_deaf = False
    async with visit(node.address, state) as me:
        await wait_for(lambda: cluster.count(ITEM) == 4, 5.0, "the presses of the killed run")
        await wait_for(lambda: me.session.presses.unsaved == 0, 2.0, "their acknowledgement")
        assert await me.press() == "saved"
    assert cluster.count(ITEM) == 5
    assert list(Presses(state)) == []


async def test_runs_of_one_person_are_one_visitor(cluster: FakeCluster) -> None:
    node = await cluster.start()
    state = MemoryState()
    async with visit(node.address, state, "once:a") as one, visit(node.address, state, "once:a") as other:
        await one.until_connected()
        await other.until_connected()
        tally, is_changed = one.session.choose("once:a", liked=True)
        assert (await one.session.wait_until_saved(tally, 3.0)).status == "saved"
        _, is_changed_again = other.session.choose("once:a", liked=True)
        assert (is_changed, is_changed_again) == (True, False)
    assert cluster.count("once:a") == 1


async def test_a_leaving_node_is_left_when_it_says(cluster: FakeCluster) -> None:
    node = await cluster.start(2)
    async with visit(node.address) as me:
        await me.until_met(2)
        await node.say({"type": "leaving", "after": 0.05})
        await me.until_node("node2")
        assert await me.press() == "saved"


@pytest.mark.parametrize("code", [1001, 4001, 4002, 4003, 4004])
async def test_close_codes_that_mean_come_back(cluster: FakeCluster, code: int) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        await me.until_connected()
        await node.close_all(code)
        await wait_for(lambda: node.visits == 2 and me.session.is_connected, 5.0, "a second connection")


@pytest.mark.parametrize("code", [4500, 4502, 1008, 1009])
async def test_close_codes_that_mean_stay_away(cluster: FakeCluster, code: int) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        await me.until_connected()
        await node.close_all(code, "because")
        await wait_for(lambda: me.session.ended is not None, 2.0, "the end")
        assert me.session.ended is not None
        assert me.session.ended.code == code
        assert "because" in me.session.words
        assert me.kinds() == ["ended"]
        assert node.visits == 1


async def test_a_silent_connection_is_replaced(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT_S", 0.1)
    node = await cluster.start(2)
    async with visit(node.address) as me:
        await me.until_met(2)
        await me.until_connected()
        node.is_deaf = True
        assert await me.press() == "saved"
        assert me.session.node == "node2"


async def test_a_node_without_a_hello_is_left(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DIAL_S", 0.1)
    node = await cluster.start(2)
    node.is_silent = True
    async with visit(node.address, met=[cluster.nodes[1].address]) as me:
        await me.until_node("node2")


async def test_where_nodes_tell_no_addresses_the_given_one_is_kept(cluster: FakeCluster) -> None:
    node = await cluster.start()
    node.nodes_answer = lambda: {"nodes": [{"name": "node1", "state": "ready", "public_address": ""}]}
    async with visit(node.address) as me:
        await me.until_connected()
        await node.close_all(4001)
        await wait_for(lambda: node.visits == 2 and me.session.is_connected, 5.0, "a second connection")


async def test_an_unreadable_list_of_nodes_is_said_and_survived(cluster: FakeCluster) -> None:
    node = await cluster.start()
    node.nodes_answer = lambda: "nothing"
    async with visit(node.address) as me:
        await wait_for(lambda: "nodes_unknown" in me.kinds(), 2.0, "a notice")
        assert await me.press() == "saved"


async def test_the_budget_is_waited_for_and_said(cluster: FakeCluster) -> None:
    node = await cluster.start()
    refusals = iter([{"type": "error", "code": "rate_limited", "message": "", "retry_after": 0.1}] * 2)
    node.before_press = lambda frame: next(refusals, None)
    async with visit(node.address) as me:
        await me.until_connected()
        assert await me.press(9) == "saved"
        assert me.kinds() == ["rate_limited"]
    assert len(node.pressed()) == 3
    assert cluster.count(ITEM) == 9


async def test_a_wait_for_the_budget_is_not_taken_for_a_lack_of_progress(cluster: FakeCluster) -> None:
    node = await cluster.start()
    node.grants, node.retry_after = iter([4, 4]), 0.15
    async with visit(node.address) as me:
        await me.until_connected()
        outcome = await me.session.wait_until_saved(me.session.press(ITEM, 10), patience_s=0.1)
        assert outcome.status == "saved"
    assert [frame["n"] for frame in node.pressed()] == [10, 10, 10]


async def test_a_read_only_node_is_left_for_another(cluster: FakeCluster) -> None:
    node = await cluster.start(2)
    node.before_press = lambda frame: {"type": "error", "code": "read_only", "message": "", "retry_after": 0.1}
    async with visit(node.address) as me:
        await me.until_met(2)
        await me.until_connected()
        assert await me.press() == "saved"
        assert me.session.node == "node2"
        assert "read_only" in me.kinds()


async def test_a_press_on_an_item_that_was_reset_is_refused(cluster: FakeCluster) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        await me.until_connected()
        assert await me.press(5) == "saved"
        cluster.reset(ITEM)
        outcome = await me.session.wait_until_saved(me.session.press(ITEM), 2.0)
        assert (outcome.status, outcome.code) == ("refused", "reset")
        assert await me.press() == "saved", "and goes on in the new generation"
    assert cluster.count(ITEM) == 1


async def test_a_forgotten_visitor_starts_afresh(cluster: FakeCluster) -> None:
    node = await cluster.start()
    state = MemoryState()
    async with visit(node.address, state) as me:
        await me.until_connected()
    before = Presses(state).adopt("")
    cluster.known_tokens.clear()
    async with visit(node.address, state) as me:
        lost = me.session.press(ITEM)
        assert (await me.session.wait_until_saved(lost, 3.0)).code == "bad_token"
        await me.until_connected()
        assert await me.press() == "saved"
    assert Presses(state).adopt("") not in ("", before)
    assert cluster.count(ITEM) == 1


async def test_a_press_refused_for_good_is_withdrawn(cluster: FakeCluster) -> None:
    node = await cluster.start()
    node.before_press = lambda frame: {"type": "error", "code": "bad_item", "message": "no such kind"}
    async with visit(node.address) as me:
        await me.until_connected()
        outcome = await me.session.wait_until_saved(me.session.press(ITEM), 2.0)
        assert (outcome.status, outcome.code, outcome.text) == ("refused", "bad_item", "no such kind")
        assert me.session.presses.unsaved == 0


async def test_a_node_that_is_behind_is_asked_again(cluster: FakeCluster) -> None:
    node = await cluster.start()
    async with visit(node.address) as me:
        cluster.gens[ITEM] = 1
        await me.until_connected()
        cluster.gens[ITEM] = 0
        tally = me.session.press(ITEM)
        await wait_for(lambda: len(node.pressed()) > 3, 2.0, "the press to be tried again")
        cluster.gens[ITEM] = 1
        assert (await me.session.wait_until_saved(tally, 2.0)).status == "saved"
