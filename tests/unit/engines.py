"""Engines in one process: nodes on the loopback interface, each with a ledger of its own, and who presses there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster.core.rows import Key
from cluster.node import Node
from cluster.surface import FROZEN, Answer, Changed, ClusterSettings, Erasure, Flag, Reset, Snapshot
from tests.support.ports import free_port
from tests.support.waiting import wait_for
from tests.unit.tables import HOME, press, visitor

SECRET = b"one secret for the whole cluster"


def hurry(patch: pytest.MonkeyPatch) -> None:
    """What a node does every so often, it does many times a second, and its rounds are short."""
    patch.setattr("cluster.peering.HEARTBEAT_S", 0.01)
    patch.setattr("cluster.peering.LOOK_MIN_S", 0.05)
    patch.setattr("cluster.peering.LOOK_MAX_S", 0.1)
    patch.setattr("cluster.peering.DIGEST_S", 0.05)
    patch.setattr("cluster.rounds.SLOW_S", 0.02)
    patch.setattr("cluster.rounds.FAST_S", 0.0)
    patch.setattr("cluster.ledger_round.BUCKETS", 8)


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


@asynccontextmanager
async def engines(folder: Path) -> AsyncIterator[Site]:
    """A site whose nodes are stopped at the end."""
    made = Site(folder)
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


def tallies_of(changed: Changed) -> dict[Key, tuple[int, int]]:
    """The gen and n of each tally that a commit changed."""
    return {key: (tally.gen, tally.n) for key, tally in changed.tallies.items()}


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


async def reset(node: Node, item: str = HOME) -> Answer:
    """Reset the item there; the last answer."""
    return await _last_answer(lambda reply: node.wish(Reset(item), reply, "operator"))


async def erase(node: Node, who: int) -> Answer:
    """Erase this visitor there; the last answer."""
    return await _last_answer(lambda reply: node.wish(Erasure(visitor(who)), reply, "visitor"))


async def freeze(node: Node, item: str = HOME, *, is_set: bool = True) -> Answer:
    """Freeze the item there, or let it be pressed again; the last answer."""
    return await _last_answer(lambda reply: node.wish(Flag(FROZEN, item, is_set), reply, "operator"))


async def _last_answer(wish: Callable[[Callable[[Answer], None]], None]) -> Answer:
    answers: list[Answer] = []
    wish(answers.append)
    return await wait_for(lambda: answers and answers[-1].is_last and answers[-1], 5, "the last answer")


class Presser:
    """A browser's connection: it owns its number and keeps its answers."""

    def __init__(self, node: Node, who: int = 1) -> None:
        self.node, self.who = node, who
        self.answers: list[Answer] = []

    def press(self, n: int | None = None, item: str = HOME, gen: int | None = None) -> None:
        self.node.wish(press(n, item=item, who=self.who, gen=gen), self.answers.append, self)

    async def last(self) -> Answer:
        return await wait_for(
            lambda: self.answers and self.answers[-1].is_last and self.answers[-1], 5, "an answer"
        )
