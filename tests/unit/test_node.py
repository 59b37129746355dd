"""The whole engine in one process: nodes on the loopback interface, each with a ledger of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from cluster import node as module
from cluster import peering
from cluster.core.merge import Page
from cluster.core.press import ItemState, Tally
from cluster.core.rows import Key
from cluster.ledger import Ledger
from cluster.node import Node
from cluster.surface import Answer, Changed, ClusterSettings, NodeStatus, Snapshot, StartError
from tests.support.ports import free_port
from tests.support.waiting import wait_for
from tests.unit.replicas import rows_above
from tests.unit.tables import HERE, HOME, POST, THERE, actor, press

SECRET = b"one secret for the whole cluster"


class Site:
    """Nodes by name, with folders that outlive them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, Node] = {}
        self.ports: dict[str, int] = {}

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports.setdefault(name, free_port())}"

    def data_dir(self, name: str) -> Path:
        return self.folder / name

    async def start(self, name: str, *knows: str, key: bytes = SECRET, copies: int | None = None) -> Node:
        """Start a node that is told of these addresses only."""
        port = int(self.address(name).rpartition(":")[2])
        settings = ClusterSettings(
            name=name,
            host="127.0.0.1",
            port=port,
            advertise="",
            public_address=f"http://{name}",
            data_dir=str(self.data_dir(name)),
            peers=knows,
            keys=(key,),
            ack_copies=copies,
            version="1.0",
        )
        node = Node(settings)
        await node.start()
        self.running[name] = node
        return node

    async def cluster(self) -> tuple[Node, Node, Node]:
        """Three nodes, of which two are told of the first."""
        one = await self.start("n1")
        two = await self.start("n2", self.address("n1"))
        three = await self.start("n3", self.address("n1"))
        await linked(one, two, three)
        return one, two, three

    async def stop(self, name: str) -> None:
        await self.running.pop(name).stop()


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(peering, "HEARTBEAT_S", 0.05)
    made = Site(tmp_path)
    yield made
    for name in list(made.running):
        await asyncio.wait_for(made.stop(name), 10)


def states(node: Node) -> dict[str, str]:
    return {each.name: each.state for each in node.status()}


async def linked(*nodes: Node) -> None:
    """Every node is ready and sees all others so."""
    names = {node.status()[0].name for node in nodes}

    def seen() -> bool:
        return all(names <= {name for name, state in states(node).items() if state == "ready"} for node in nodes)

    await wait_for(seen, 10, lambda: f"links between {names}: {[states(node) for node in nodes]}")


async def read(node: Node, items: list[str], tallies: list[Key] | None = None) -> Snapshot:
    delivered: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
    node.read(items, tallies or [], delivered.set_result)
    return await asyncio.wait_for(delivered, 5)


async def converged(item: str, count: int, *nodes: Node) -> None:
    seen: list[int] = []

    async def equal() -> bool:
        seen[:] = [(await read(node, [item])).items[item].count for node in nodes]
        return seen == [count] * len(nodes)

    await wait_for(equal, 5, lambda: f"{count} everywhere, not {seen}")


class Presser:
    """A browser's connection: it owns its number and keeps its answers."""

    def __init__(self, node: Node, who: int = 1) -> None:
        self.node, self.who = node, who
        self.answers: list[Answer] = []

    def press(self, n: int | None = None, item: str = HOME, gen: int | None = None) -> None:
        self.node.press(press(n, item=item, who=self.who, gen=gen), self.answers.append, self)

    async def last(self) -> Answer:
        return await wait_for(
            lambda: self.answers and self.answers[-1].is_last and self.answers[-1], 5, "an answer"
        )


# -- a cluster


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


async def test_no_press_waits_for_a_copy_where_there_is_no_other_node(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(1)
    assert await presser.last() == Answer(HOME, 0, 1, 1, copies=0, wanted=0)


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
    ledger = Ledger(site.data_dir("n1"))
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


# -- what app relies on


async def test_subscribers_hear_of_a_commit_before_its_answers_do(site: Site) -> None:
    node = await site.start("n1")
    heard: list[Changed | Answer] = []
    node.subscribe(heard.append)
    node.press(press(3), heard.append, "owner")
    await wait_for(lambda: len(heard) == 2, 5, "both")
    assert heard == [
        Changed({HOME: ItemState(0, 3)}, {(HOME, actor(1)): Tally(0, 3)}),
        Answer(HOME, 0, 3, 3, 0, 0),
    ]


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
    assert heard[0].tallies == {(POST, actor(1)): Tally(0, 3)}


async def test_counters_say_what_was_done(site: Site) -> None:
    node = await site.start("n1")
    presser = Presser(node)
    presser.press(3)
    await presser.last()
    counters = node.counters()
    assert (counters["engine_presses_total"], counters["commits_total"], counters["rows_written_total"]) == (
        1,
        1,
        1,
    )
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


# -- start and stop


async def test_a_node_without_peers_is_ready_at_once(site: Site) -> None:
    node = await site.start("n1")
    assert node.state == "ready"


async def test_a_node_whose_peers_do_not_answer_is_ready_after_a_while(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONELY_S", 0.6)
    node = await site.start("n1", site.address("nobody"))
    assert node.state == "starting"
    assert states(node) == {"n1": "starting", site.address("nobody"): "unreachable"}
    await asyncio.wait_for(node.wait_until_ready(), 5)
    assert node.state == "ready"


async def test_what_was_taken_is_committed_before_the_end(site: Site) -> None:
    presser = Presser(await site.start("n1"))
    presser.press(5)
    await site.stop("n1")
    assert presser.answers[0].n == 5
    await converged(HOME, 5, await site.start("n1"))


async def test_a_leaving_node_serves_its_peers_first(site: Site) -> None:
    one, two, three = await site.cluster()
    presser = Presser(one)
    for n in range(1, 1001):
        presser.press(n)
    await site.stop("n1")
    await converged(HOME, 1000, two, three)


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


# -- what the disk does


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
    assert not one.failed.done()


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
