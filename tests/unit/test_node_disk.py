"""The engine when its disk is full or fails, and when app does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from cluster import node as module
from cluster import peering
from cluster.core.press import ItemState
from cluster.node import Node
from cluster.surface import Changed
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, erase, read, reset, states
from tests.unit.tables import HOME, visitor


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(peering, "HEARTBEAT_S", 0.01)
    async with engines(tmp_path) as made:
        yield made


async def set_page_limit(node: Node, pages: int | None) -> None:
    """A disk that is full at this size of the ledger, or at the present one."""
    db: apsw.Connection = node._ledger._db
    limit = pages or await node._batches.run(lambda: db.pragma("page_count"))
    await node._batches.run(lambda: db.pragma("max_page_count", limit))


async def fill(node: Node) -> None:
    await set_page_limit(node, None)
    for who in range(2000):
        Presser(node, who).press(1, f"tap:{who}")
    await wait_for(lambda: node.state == "read_only", 5, "a full disk")


async def test_a_full_disk_makes_a_node_read_only_until_there_is_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_FULL_S", 0.05)
    one, two, _ = await site.cluster()
    before = Presser(one)
    before.press(5)
    await before.last()
    origin = one._peering.replica.identity.origin
    with capture_logs() as logs:
        await fill(one)
        presser = Presser(one)
        presser.press(6)
        assert presser.answers[0].refusal == "read_only"
        assert (await read(one, [HOME])).items[HOME].count == 5
        await wait_for(lambda: states(two)["n1"] == "unreachable", 5, "the peers to know")
        elsewhere = Presser(two)
        elsewhere.press(8)
        await elsewhere.last()
        await set_page_limit(one, 1 << 20)
        await wait_for(lambda: one.state == "ready", 5, "room")
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["ledger.full"]
    after = Presser(one)
    after.press(9)
    assert (await after.last()).n == 9
    await converged(HOME, 9, one, two)
    assert one._peering.replica.identity.origin != origin, "of the failed commit nothing is known (R1)"
    assert not one.failed.done()


async def test_a_full_disk_takes_no_reset_and_no_erasure(site: Site) -> None:
    node = await site.start("n1")
    Presser(node).press(5)
    await converged(HOME, 5, node)
    await fill(node)
    for answer in (await reset(node), await erase(node, 1)):
        assert (answer.refusal, answer.gen, answer.n) == ("read_only", 0, 0)
    assert not node.is_erased(visitor(1))
    assert (await read(node, [HOME])).items[HOME] == ItemState(0, 5)


async def test_a_ledger_that_fails_ends_the_node_and_takes_no_press(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(5)
    await presser.last()
    await node._batches.run(lambda: node._ledger._db.execute("DROP TABLE tallies"))
    presser.press(6)
    assert "tallies" in await asyncio.wait_for(node.failed, 5)
    presser.press(7)
    assert [answer.refusal for answer in presser.answers] == [None, "read_only", "read_only"]


async def test_a_defect_in_a_subscriber_ends_the_node(site: Site) -> None:
    node = await site.start("n1")
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def raise_it(changed: Changed) -> None:
        raise ValueError("a subscriber's defect")

    node.subscribe(raise_it)
    Presser(node).press(1)
    assert "a subscriber's defect" in await asyncio.wait_for(node.failed, 5)
