"""One browser's session: whose presses are whose, what is owed, and what ends it. No socket anywhere."""

import asyncio
import gc
import weakref
from typing import Any

import msgspec
import pytest

from app import session as session_module
from app.budget import Budgets, Limits
from app.desk import Desk
from app.hub import Hub
from app.ledger_watch import LedgerWatch
from app.metrics import Metrics
from app.session import Session
from app.visitors import Tokens, actor_of
from tests.unit.fakes import FakeClock, FakeEngine
from tests.unit.outlets import FakeOutlet

VISITOR = b"0123456789"


class Node:
    """What sessions work with, around a fake engine."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine()
        metrics = Metrics()
        self.hub = Hub(metrics, self.clock, self.engine.set_watchers, self.engine.viewers, set, lambda: None)
        self.engine.subscribe(self.hub.on_changed)
        self.desk = Desk(
            node="node1",
            engine=self.engine,
            ledger=LedgerWatch(self.engine),
            hub=self.hub,
            tokens=Tokens([b"key"]),
            budget=Budgets(Limits(), self.clock),
            metrics=metrics,
            clock=self.clock,
        )

    def tab(self) -> "Tab":
        return Tab(self)


class Tab:
    """A session and the outlet it speaks through."""

    def __init__(self, node: Node) -> None:
        self.outlet = FakeOutlet()
        self.session = Session(node.desk, self.outlet)
        self.token = self.outlet.messages()[0]["token"]

    async def says(self, **message: Any) -> list[dict[str, Any]]:
        """What it hears at once and after the engine's turn."""
        self.session.receive(msgspec.json.encode(message).decode())
        await asyncio.sleep(0)
        return self.outlet.messages()

    def is_visitor(self, node: Node, tab: str) -> None:
        token = node.desk.tokens.sign(VISITOR)
        self.session.receive(msgspec.json.encode({"type": "hello", "token": token, "tab": tab}).decode())
        self.outlet.messages()


@pytest.fixture
async def node() -> Node:
    return Node()


async def test_hello_is_answered_with_the_visitors_own_token_and_mine_follows(node: Node) -> None:
    tab = node.tab()
    await tab.says(type="watch", items=["once:a", "tap:a"])
    node.engine.put("once:a", VISITOR + bytes(6), 3)
    node.engine.put("tap:a", actor_of("tap:a", VISITOR, "t1"), 9)
    hello, mine = await tab.says(type="hello", token=node.desk.tokens.sign(VISITOR), tab="t1")
    assert node.desk.tokens.verify(hello["token"]) == VISITOR
    assert mine["tallies"] == {"once:a": {"gen": 0, "n": 3}, "tap:a": {"gen": 0, "n": 9}}


async def test_presses_without_hello_use_the_fresh_visitor_and_one_tab_picked_by_the_node(node: Node) -> None:
    tab = node.tab()
    for _ in range(2):
        await tab.says(type="press", id=1, item="tap:a")
    first, second = node.engine.presses
    assert first.actor == second.actor
    assert first.actor[:10] == node.desk.tokens.verify(tab.token)
    assert node.engine.item("tap:a").count == 2


async def test_a_press_may_name_another_tab_than_hello(node: Node) -> None:
    tab = node.tab()
    tab.is_visitor(node, "new")
    await tab.says(type="press", id=1, item="tap:a", n=4, tab="old")
    await tab.says(type="press", id=2, item="tap:a", n=5)
    assert [press.actor for press in node.engine.presses] == [
        actor_of("tap:a", VISITOR, "old"),
        actor_of("tap:a", VISITOR, "new"),
    ]


async def test_two_tabs_of_one_visitor_share_once_and_clap_and_not_tap(node: Node) -> None:
    one, other = node.tab(), node.tab()
    one.is_visitor(node, "t1")
    other.is_visitor(node, "t2")
    for item in ("tap:a", "once:a", "clap:a"):
        await one.says(type="press", id=1, item=item, n=1)
        await other.says(type="press", id=1, item=item, n=1)
    assert [node.engine.item(item).count for item in ("tap:a", "once:a", "clap:a")] == [2, 1, 1]


async def test_pressed_comes_at_the_commit_and_again_when_the_copies_exist(node: Node) -> None:
    node.engine.wanted = 1
    tab = node.tab()
    (pressed,) = await tab.says(type="press", id=7, item="tap:a", n=1)
    assert (pressed["id"], pressed["copies"], pressed["wanted"]) == (7, 0, 1)
    node.engine.make_copies()
    (saved,) = tab.outlet.messages()
    assert (saved["id"], saved["n"], saved["copies"]) == (7, 1, 1)


async def test_only_the_newest_press_of_an_item_and_actor_is_owed_its_second_answer(node: Node) -> None:
    node.engine.wanted = 1
    tab, other = node.tab(), node.tab()
    await tab.says(type="press", id=1, item="tap:a", n=1)
    await tab.says(type="press", id=2, item="tap:a", n=2)
    await tab.says(type="press", id=3, item="tap:b", n=1)
    await other.says(type="press", id=4, item="tap:a", n=1)
    node.engine.make_copies()
    assert sorted(message["id"] for message in tab.outlet.messages()) == [2, 3]
    assert [message["id"] for message in other.outlet.messages()] == [4]


async def test_a_session_that_ended_is_owed_nothing_and_hears_nothing(node: Node) -> None:
    node.engine.wanted = 1
    node.engine.is_holding = True
    tab = node.tab()
    await tab.says(type="watch", items=["tap:a"])
    await tab.says(type="press", id=1, item="tap:a", n=1)
    tab.session.end()
    node.engine.commit()
    node.engine.make_copies()
    await node.hub.push()
    assert not tab.outlet.messages()
    assert node.engine.forgotten == [tab.session]


async def test_watch_tells_counts_and_mine_at_once(node: Node) -> None:
    node.engine.put("once:a", VISITOR + bytes(6), 1)
    tab = node.tab()
    tab.is_visitor(node, "t")
    counts, mine, viewers = await tab.says(type="watch", items=["once:a"])
    assert counts == {"type": "counts", "counts": {"once:a": 1}}
    assert viewers == {"type": "viewers", "viewers": {"once:a": 1}}
    assert mine == {"type": "mine", "tallies": {"once:a": {"gen": 0, "n": 1}}}


async def test_a_tally_of_an_older_generation_is_told_as_0_of_the_new_one(node: Node) -> None:
    node.engine.put("once:a", VISITOR + bytes(6), 1)
    node.engine.put_reset("once:a")
    tab = node.tab()
    tab.is_visitor(node, "t")
    counts, mine, _ = await tab.says(type="watch", items=["once:a"])
    assert counts["counts"] == {"once:a": 0}
    assert mine["tallies"] == {"once:a": {"gen": 1, "n": 0}}


async def test_no_change_is_missed_between_watch_and_its_answer(node: Node) -> None:
    tab = node.tab()
    tab.session.receive('{"type":"watch","items":["tap:a"]}')
    node.engine.put("tap:a", bytes(16), 5)
    await asyncio.sleep(0)
    await node.hub.push()
    assert tab.outlet.messages("counts")[-1]["counts"] == {"tap:a": 5}


async def test_an_answer_for_a_former_visitor_is_not_shown_to_the_next(node: Node) -> None:
    node.engine.put("once:a", VISITOR + bytes(6), 1)
    tab = node.tab()
    tab.is_visitor(node, "t")
    tab.session.receive('{"type":"watch","items":["once:a"]}')
    tab.session.receive(msgspec.json.encode({"type": "hello", "token": tab.token}).decode())
    await asyncio.sleep(0)
    assert [mine["tallies"]["once:a"]["n"] for mine in tab.outlet.messages("mine")] == [0]


async def test_counts_come_to_who_says_hello_right_after_watch(node: Node) -> None:
    node.engine.put("tap:a", bytes(16), 5)
    tab = node.tab()
    tab.session.receive('{"type":"watch","items":["tap:a"]}')
    tab.session.receive(msgspec.json.encode({"type": "hello", "token": tab.token, "tab": "t"}).decode())
    await asyncio.sleep(0)
    assert [counts["counts"] for counts in tab.outlet.messages("counts")] == [{"tap:a": 5}]


async def test_mistakes_spread_over_time_are_forgiven(node: Node) -> None:
    tab = node.tab()
    for _ in range(session_module.FAULTS_MAX * 3):
        await tab.says(type="nonsense")
        node.clock.now += session_module.FAULTS_WINDOW_S / session_module.FAULTS_MAX + 0.01
    assert tab.outlet.closed_with is None
    for _ in range(session_module.FAULTS_MAX + 1):
        await tab.says(type="nonsense")
    assert tab.outlet.closed_with == 4500


async def test_refused_presses_are_no_nonsense(node: Node) -> None:
    node.engine.is_read_only = True
    tab = node.tab()
    for number in range(session_module.FAULTS_MAX * 2):
        await tab.says(type="press", id=number, item="tap:a", n=1)
    assert tab.outlet.closed_with is None


async def test_a_late_duplicate_is_answered_and_changes_nothing(node: Node) -> None:
    tab = node.tab()
    await tab.says(type="press", id=1, item="tap:a", n=5)
    (pressed,) = await tab.says(type="press", id=2, item="tap:a", n=3)
    assert (pressed["n"], pressed["count"]) == (5, 5)


async def test_an_ended_session_is_freed_without_the_collector(node: Node) -> None:
    """A ring of two thousand watchers that vanish would be 24 MiB, and the collector does not look that far."""
    tab = node.tab()
    await tab.says(type="watch", items=["tap:a"])
    await tab.says(type="press", id=1, item="tap:a", n=1)
    tab.session.end()
    await asyncio.sleep(0)
    node.engine.forgotten.clear()  # the fake's own memory
    session = weakref.ref(tab.session)
    gc.disable()
    try:
        del tab
        assert session() is None
    finally:
        gc.enable()
