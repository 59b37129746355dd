"""Engines that differ, that were rolled back, or whose disk has changed something (R10, R11, R13)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cluster.batches import entry_of
from cluster.core.compare import Looks
from cluster.core.offers import Page, Range
from cluster.core.replica import Replica
from cluster.core.wire import Have, encode
from cluster.node import Node
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, hurry, linked
from tests.unit.tables import HOME, THERE, row


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    hurry(monkeypatch)
    async with engines(tmp_path) as made:
        yield made


def figures(nodes: tuple[Node, ...], name: str) -> list[float]:
    return [node.counters()[name] for node in nodes]


def open_pulls(node: Node) -> list[object]:
    sessions = node._peering.replica.open_sessions().values()
    return [session.pull for session in sessions if session.pull is not None]


# -- R11


async def test_a_row_that_no_head_announces_gets_everywhere(site: Site) -> None:
    """Its origin died before anybody had the row before it: no pull will ever ask for it."""
    nodes = await site.cluster()
    # The first pulls, which are for whatever is there, have to be over. A link that was made twice may begin one
    # more, and bring the row before the digests do: then it is the next row's turn.
    await wait_for(lambda: not any(open_pulls(node) for node in nodes), 5, "the pulls to end")
    for n in range(4, 9):
        nodes[0]._batches.add(entry_of(Page([row(n, n)])))
        await converged(HOME, n, *nodes)
        if any(figures(nodes, "differences_total")):
            break
    assert figures(nodes, "repairs_total") == [0, 0, 0]
    assert sum(figures(nodes, "differences_total")) >= 1
    await wait_for(lambda: figures(nodes, "buckets_differing") == [0, 0, 0], 5, "equal digests")


async def test_a_row_that_a_head_had_claimed_is_a_repair(site: Site) -> None:
    nodes = await site.cluster()
    for node in nodes[:2]:
        node._batches.add(entry_of(Range(THERE, 0, 1, [])))
        await node._batches.flush()
    nodes[2]._batches.add(entry_of(Range(THERE, 0, 1, [row(4)])))
    await converged(HOME, 4, *nodes)
    assert figures(nodes, "repairs_total") == [1, 1, 0]


def count_calls(patch: pytest.MonkeyPatch, owner: type, name: str) -> list[object]:
    """Whoever was called so, one after the other."""
    called: list[object] = []
    method = getattr(owner, name)

    def call(self: object, *arguments: object) -> object:
        called.append(self)
        return method(self, *arguments)

    patch.setattr(owner, name, call)
    return called


async def test_equal_nodes_look_at_digests_and_compare_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = await site.cluster()
    presser = Presser(nodes[0])
    presser.press(4)
    await converged(HOME, 4, *nodes)
    before = figures(nodes, "differences_total")
    looks = count_calls(monkeypatch, Looks, "look")
    await wait_for(lambda: len(looks) >= 12, 5, "digests")
    assert figures(nodes, "differences_total") == before


async def test_a_peer_of_the_first_version_is_told_no_digest_and_keeps_its_link(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.core.link.FEATURES", ())
    one = await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    looks = count_calls(monkeypatch, Looks, "look")
    tells = count_calls(monkeypatch, Replica, "tell_digest")
    one._batches.add(entry_of(Page([row(4, 2)])))
    await wait_for(lambda: len(tells) >= 6, 5, "the time for digests")
    assert looks == []
    assert figures((one, two), "links") == [1, 1]


# -- R10


async def test_a_node_whose_future_a_peer_knows_must_exit(site: Site) -> None:
    one = await site.start("n1")
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    origin = one._peering.replica.identity.origin
    (socket,) = two._peering.links.sockets.values()
    with capture_logs() as logs:
        socket.send(encode(Have({origin: 99})))
        reason = await asyncio.wait_for(one.failed, 5)
    assert "n2 knows commit 99 of this run, which has made 0" in reason
    assert "snapshot" in reason
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["engine.failed"]
    refused = Presser(one)
    refused.press(1)
    assert refused.answers[0].refusal == "read_only"
    assert not two.failed.done()


# -- R13


async def test_what_the_disk_has_changed_ends_the_node_and_its_next_start_is_mended_by_the_peers(
    site: Site,
) -> None:
    nodes = one, two, three = await site.cluster()
    for who, n in ((1, 5), (2, 3)):
        presser = Presser(one, who)
        presser.press(n)
        await presser.last()
    await converged(HOME, 8, *nodes)
    await one._batches.run(lambda: one._ledger._db.execute("UPDATE tallies SET n = 517 WHERE n = 5"))
    assert "next start checks the whole" in await asyncio.wait_for(one.failed, 5), "a round has found it"
    await site.stop("n1")
    one = await site.start("n1", site.address("n2"))
    await linked(one, two, three)
    await converged(HOME, 8, one, two, three)
    assert one.counters()["quarantined_rows"] == 1
    assert figures((one, two, three), "repairs_total") == [0, 0, 0]
