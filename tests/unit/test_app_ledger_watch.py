"""A ledger that hangs: the node says so, sends its browsers away, and ends if it lasts."""

import asyncio

import pytest

from app import keys, ledger_watch
from app.ledger_watch import LedgerStalledError, LedgerWatch
from tests.unit.fakes import FakeEngine
from tests.unit.sites import Site, until

pytestmark = pytest.mark.usefixtures("no_traceback")


@pytest.fixture(autouse=True)
def looks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(ledger_watch, "STALLED_S", 0.03)
    monkeypatch.setattr(ledger_watch, "GIVE_UP_S", 30.0)


async def stall(site: Site) -> LedgerWatch:
    ledger = site.client.app[keys.DESK].ledger
    site.engine.is_hanging = True
    await until(lambda: ledger.is_stalled)
    return ledger


async def readiness(site: Site) -> tuple[int, str]:
    async with site.client.get("/readyz") as answer:
        return answer.status, (await answer.json())["state"]


async def test_a_node_whose_ledger_hangs_is_not_ready_until_it_answers_again(site: Site) -> None:
    assert await readiness(site) == (200, "ready")
    ledger = await stall(site)
    assert await readiness(site) == (503, "stalled")
    site.engine.recover()
    await until(lambda: not ledger.is_stalled)
    assert await readiness(site) == (200, "ready")


async def test_its_browsers_are_sent_to_another_node_if_there_is_one(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    await stall(site)
    connections = site.client.app[keys.LIVE]
    connections.relieve()
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}, "this node itself is no other node"
    site.engine.peers_state = "ready"
    connections.relieve()
    assert await browser.hear() == {"type": "leaving", "after": 0.0}


async def test_a_press_is_refused_at_once_and_does_not_wait_in_memory(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    await stall(site)
    await browser.say(type="press", id=3, item="tap:home", n=1)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("read_only", 3)
    assert error["retry_after"] > 0
    assert site.engine.presses == []


@pytest.mark.parametrize("path", ["/", "/items/tap:home", "/api/items?item=tap:a", "/api/items/tap:a"])
async def test_what_needs_the_ledger_is_refused_for_nginx_to_ask_another_node(site: Site, path: str) -> None:
    await stall(site)
    async with site.client.get(path) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "read_only")


@pytest.mark.parametrize("path", ["/healthz", "/api/nodes", "/static/page.css", "/metrics"])
async def test_what_does_not_need_the_ledger_goes_on(site: Site, path: str) -> None:
    await stall(site)
    async with site.client.get(path) as answer:
        assert answer.status == 200


async def test_one_that_hangs_for_long_ends_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_watch, "GIVE_UP_S", 0.05)
    engine = FakeEngine()
    engine.is_hanging = True
    with pytest.raises(LedgerStalledError, match="check the disk"):
        await asyncio.wait_for(LedgerWatch(engine).run(), 5.0)


async def test_a_node_that_was_frozen_has_not_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a thaw the clock has moved by an hour, and the answer has had no time to come."""
    monkeypatch.setattr(ledger_watch, "STALLED_S", 20.0)
    engine = FakeEngine()
    engine.is_hanging = True
    ledger = LedgerWatch(engine)
    waits: list[float] = []
    note = ledger._note
    monkeypatch.setattr(ledger, "_note", lambda waited_s: (waits.append(waited_s), note(waited_s)))
    watching = asyncio.create_task(ledger.run())
    await until(lambda: waits)
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + 3600.0)
    seen = len(waits)
    await until(lambda: len(waits) > seen + 3)
    assert not ledger.is_stalled
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_it_ends_when_it_is_told_to_in_the_turn_of_an_answer() -> None:
    """A node's stop waits for this task."""
    engine = FakeEngine()
    engine.is_hanging = True
    watching = asyncio.create_task(LedgerWatch(engine).run())
    await until(lambda: engine._hung)
    await asyncio.sleep(0)
    engine.recover()
    await asyncio.sleep(0)
    watching.cancel()
    done, _ = await asyncio.wait([watching], timeout=5.0)
    assert done and watching.cancelled()
