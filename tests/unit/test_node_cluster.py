"""Engines among each other: joining, equal counts, copies, restarts, refusals."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cluster import peering
from cluster.core.offers import Page
from cluster.core.replica import Replica
from cluster.ledger import open_ledger
from cluster.surface import Answer
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, linked, states
from tests.unit.replicas import rows_above
from tests.unit.tables import HERE, HOME, THERE


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(peering, "HEARTBEAT_S", 0.01)
    async with engines(tmp_path) as made:
        yield made


async def test_naming_one_node_is_enough_to_know_all(site: Site) -> None:
    nodes = await site.cluster()
    for node in nodes:
        assert set(states(node)) == {"n1", "n2", "n3"}
        assert node.has_links


async def test_presses_on_every_node_at_once_count_exactly_everywhere(site: Site) -> None:
    nodes = await site.cluster()
    pressers = [Presser(node, who) for who, node in enumerate(nodes)]
    for n in range(1, 201):
        for presser in pressers:
            presser.press(n)
        if n % 20 == 0:
            await asyncio.sleep(0)
    await converged(HOME, 600, *nodes)
    for presser in pressers:
        answer = await presser.last()
        assert (answer.n, answer.copies >= 1, answer.wanted) == (200, True, 1)


async def test_a_press_is_answered_at_its_commit_and_when_it_is_copied(site: Site) -> None:
    one, *_ = await site.cluster()
    presser = Presser(one)
    presser.press(3)
    await presser.last()
    assert [(answer.n, answer.copies > 0) for answer in presser.answers] == [(3, False), (3, True)]


async def test_a_press_repeated_on_another_node_changes_nothing(site: Site) -> None:
    one, two, three = await site.cluster()
    for node in (one, two, three):
        presser = Presser(node)
        presser.press(3)
        assert (await presser.last()).n == 3
    await converged(HOME, 3, one, two, three)


async def test_a_node_relays_between_two_that_do_not_know_each_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R7: a push goes to one's own peers only, so the third has to see that it lacks something, and to ask."""
    monkeypatch.setattr(Replica, "tell_peers", lambda self, addresses: None)
    two = await site.start("n2")
    one, three = [await site.start(name, site.address("n2")) for name in ("n1", "n3")]
    await linked(one, two)
    await linked(two, three)
    presser = Presser(one)
    presser.press(5)
    await converged(HOME, 5, one, two, three)
    assert [node.counters()["links"] for node in (one, two, three)] == [1, 2, 1]


async def test_no_press_waits_for_a_copy_where_there_is_no_other_node(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(1)
    assert await presser.last() == Answer(HOME, 0, 1, 1, copies=0, wanted=0)


async def test_who_has_met_another_node_waits_for_a_copy_also_when_it_has_forgotten_its_address(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    await site.stop("n2")
    monkeypatch.setattr("cluster.membership.FORGET_AFTER_S", 0.0)
    await wait_for(lambda: not one._peering._membership.knows_others, 5, "n2 to be forgotten")
    presser = Presser(one)
    presser.press(1)
    await wait_for(lambda: presser.answers, 5, "the first answer")
    assert (presser.answers[0].copies, presser.answers[0].wanted) == (0, 1)
    assert not presser.answers[0].is_last


async def test_a_press_waits_for_its_copy_until_a_peer_is_back(site: Site) -> None:
    one = await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    await site.stop("n1")
    await wait_for(lambda: not two.has_links, 5, "the loss")
    presser = Presser(two)
    presser.press(1)
    await wait_for(lambda: presser.answers, 5, "the first answer")
    assert not presser.answers[0].is_last
    await site.start("n1")
    assert (await presser.last()).copies == 1


async def test_a_node_that_joins_late_catches_up(site: Site) -> None:
    ledger = open_ledger(site.data_dir("n1"))
    rows = rows_above(3500, THERE)
    for first in range(0, 3500, 1000):
        ledger.commit([Page(rows[first : first + 1000])], HERE, {})
    ledger.close()
    one = await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await asyncio.wait_for(two.wait_until_ready(), 10)
    await converged(HOME, 3500, one, two)


async def test_a_restart_and_an_empty_disk_give_back_the_same_counts(site: Site) -> None:
    one, two, three = await site.cluster()
    presser = Presser(one)
    presser.press(7)
    await presser.last()
    await site.stop("n1")
    one = await site.start("n1", site.address("n2"))
    await site.stop("n2")
    for file in site.data_dir("n2").iterdir():
        file.unlink()
    two = await site.start("n2", site.address("n3"))
    await linked(one, two, three)
    await converged(HOME, 7, one, two, three)


async def test_a_node_that_is_told_of_itself_ignores_it(site: Site) -> None:
    with capture_logs() as logs:
        one = await site.start("n1", site.address("n1"), site.address("n2"))
        two = await site.start("n2", site.address("n1"))
        await linked(one, two)
        await wait_for(lambda: [log for log in logs if log["event"] == "peer.is_self"], 5, "the warning")
    assert set(states(one)) == {"n1", "n2"}


async def test_a_wrong_secret_is_refused_and_both_say_so(site: Site) -> None:
    with capture_logs() as logs:
        one = await site.start("n1")
        stranger = await site.start("n2", site.address("n1"), key=b"x" * 32)
        refused = [log for log in logs if log["event"] == "link.refused"]
        await wait_for(
            lambda: len([log for log in logs if log["event"] == "link.refused"]) >= 2, 5, lambda: f"{refused}"
        )
    said = [log for log in logs if log["event"] == "link.refused"]
    assert {log["log_level"] for log in said} == {"error"}
    assert all("LIKE_SECRET" in log["problem"] for log in said)
    assert not one.has_links
    assert not stranger.has_links


async def test_a_stranger_cannot_fill_the_log_with_names(site: Site) -> None:
    with capture_logs() as logs:
        one = await site.start("n1")
        for number in range(5):
            await site.start(f"stranger {number}", site.address("n1"), key=b"x" * 32)
            await wait_for(lambda: [log for log in logs if log["event"] == "peer.unreachable"], 5, "a refusal")
            await site.stop(f"stranger {number}")
            logs[:] = [log for log in logs if log["event"] != "peer.unreachable"]
    refused = [log for log in logs if log["event"] == "link.refused" and log["address"] == "127.0.0.1"]
    assert len(refused) == 1
    assert not one.has_links


async def test_two_nodes_that_dial_each_other_keep_one_link(site: Site) -> None:
    one = await site.start("n1", site.address("n2"))
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    await wait_for(lambda: one.counters()["links"] == two.counters()["links"] == 1, 5, "one link")
    presser = Presser(one)
    presser.press(1)
    await presser.last()
