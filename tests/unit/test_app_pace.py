"""How fast a browser is heard, how many fit, and what a press that comes too late is told."""

from pathlib import Path

import pytest

from app import keys, ledger_watch, live, memory
from app.budget import Buckets
from app.connection import Connection
from app.pace import WORK_PER_S, WORK_PER_TURN, Pace, work_per_s
from tests.unit.fakes import FakeEngine
from tests.unit.sites import Site, until


def pauses_of(work_per_s: float, work: int, *, every_s: float = 0.0) -> tuple[list[float], float]:
    """Somebody asks for so much, one by one: all pauses, and the time that it took."""
    pace, now, pauses = Pace(work_per_s, 100.0), 100.0, []
    for done in range(1, work + 1):
        now += every_s
        if (pause_s := pace.pause_s(done, now)) is not None:
            pauses.append(pause_s)
            now += pause_s
    return pauses, now - 100.0


def test_others_get_their_turn_and_a_second_has_its_limit() -> None:
    pauses, took_s = pauses_of(WORK_PER_S, 3 * WORK_PER_S)
    assert len(pauses) == 3 * WORK_PER_S // WORK_PER_TURN
    assert took_s == pytest.approx(3.0)


def test_who_is_slower_than_the_limit_is_never_held_back() -> None:
    pauses, _ = pauses_of(WORK_PER_S, 3 * WORK_PER_S, every_s=1.01 / WORK_PER_S)
    assert set(pauses) == {0.0}


def test_where_any_number_of_presses_is_allowed_only_turns_are_kept() -> None:
    pauses, _ = pauses_of(work_per_s(Buckets(0, 0, lambda: 0.0).rate), 10 * WORK_PER_S)
    assert set(pauses) == {0.0}


@pytest.mark.parametrize(("press_rate", "expected"), [(1, 500), (50, 500), (400, 4000)])
def test_what_an_operator_allows_is_heard(press_rate: float, expected: float) -> None:
    assert work_per_s(Buckets(press_rate, 10, lambda: 0.0).rate) == expected


async def test_a_flood_is_held_back_and_then_heard_to_its_end(site: Site) -> None:
    browser, other = await site.browser(), await site.browser()
    flood = next(iter(site.client.app[keys.LIVE]._sessions.values()))
    for _ in range(WORK_PER_S + 100):
        await browser.say(type="ping")
    await until(lambda: flood.work >= WORK_PER_S)
    await other.say(type="ping")
    await other.hear("pong")
    assert flood.work < WORK_PER_S + 100
    for _ in range(WORK_PER_S + 100):
        await browser.hear("pong")


async def test_a_flood_of_websocket_pings_is_held_back_too(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    (session,) = site.client.app[keys.LIVE]._sessions.values()
    for _ in range(WORK_PER_S + 100):
        await browser.socket.ping()
    await until(lambda: session.work >= WORK_PER_S)
    assert session.work < WORK_PER_S + 100


async def test_a_flood_of_empty_fragments_is_held_back_too(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    (session,) = site.client.app[keys.LIVE]._sessions.values()
    transport = browser.socket._writer.transport
    transport.write(b"\x01\x80abcd" + b"\x00\x80abcd" * 20_000)
    await until(lambda: session.work >= WORK_PER_S)
    assert session.work < 5 * WORK_PER_S
    transport.abort()  # Its farewell would wait behind the flood.


async def test_a_watch_of_many_items_is_much_work(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=[f"tap:{each}" for each in range(100)])
    await browser.hear("mine")
    (session,) = site.client.app[keys.LIVE]._sessions.values()
    assert session.work == 1 + 1 + 50
    assert session.unanswered == 0


async def test_a_browser_that_does_not_read_its_answers_is_not_read_from(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOW_S", 0.1)
    browser = await site.browser()
    await browser.hear("hello")
    connections = site.client.app[keys.LIVE]
    ((connection, session),) = connections._sessions.items()
    monkeypatch.setattr(Connection, "backlog_bytes", lambda self: live.UNREAD_BYTES + 1)
    connection.is_backed_up = True
    await browser.say(type="press", id=1, item="tap:a", n=1)
    await browser.say(type="press", id=2, item="tap:a", n=2)
    assert await browser.closed_with() == 4002
    assert len(site.engine.presses) == 1
    assert session.unread_since is not None


async def test_behind_a_long_queue_only_who_fills_it_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_watch, "WAITING_MAX", 20)
    site.engine.is_holding = True
    flood, person = await site.browser(), await site.browser()
    for n in range(1, 31):
        await flood.say(type="press", id=n, item="tap:a", n=n)
    error = await flood.hear("error")
    assert (error["code"], error["id"]) == ("rate_limited", 21)
    assert error["retry_after"] > 0
    await person.say(type="press", id=1, item="tap:a", n=1)
    await until(lambda: len(site.engine.presses) == 21)
    site.engine.commit()
    assert (await person.hear("pressed"))["n"] == 1
    assert site.client.app[keys.DESK].ledger.waiting == 0


async def test_a_full_node_says_so_and_nginx_asks_another(site: Site) -> None:
    site.client.app[keys.LIVE]._connections_max = 1
    browser = await site.browser()
    await browser.hear("hello")
    async with site.client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["state"]) == (503, "full")
    await browser.socket.close()
    await until(lambda: not site.engine.watchers)
    async with site.client.get("/readyz") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("limits", "browsers"),
    [(["536870912\n"], 4096), (["max\n", "1073741824\n"], 8192), (["65536"], 1)],
)
def test_a_containers_memory_decides_how_many_browsers_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: list[str], browsers: int
) -> None:
    files = [tmp_path / str(number) for number in range(2)]
    for file, limit in zip(files, limits, strict=False):
        file.write_text(limit)
    monkeypatch.setattr(memory, "LIMITS", files)
    assert memory.connections_max() == browsers


def test_without_a_limit_the_machines_memory_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LIMITS", [tmp_path / "none"])
    installed = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert memory.memory_bytes() == pytest.approx(installed, rel=0.01)


async def test_presses_that_nobody_waits_for_any_more_are_not_counted_for_ever(site: Site) -> None:
    engine: FakeEngine = site.engine
    engine.is_holding = True
    browser = await site.browser()
    await browser.say(type="press", id=1, item="tap:a", n=1)
    await until(lambda: engine.presses)
    await browser.socket.close()
    await until(lambda: not engine.watchers)
    engine.commit()
    assert site.client.app[keys.DESK].ledger.waiting == 0
