"""A simulated cluster and the questions that every life has to answer at its end.

assert_no_stall      every press was acknowledged, every replica has every head
assert_converged     all tables are equal, row by row, and so are their sums
assert_nothing_lost  what was acknowledged is held, at every replica
assert_exact         every tally is what its presser pressed, every count is made of them
"""

from collections.abc import Callable, Iterable

from cluster.core.items import counted
from cluster.core.merge import sums_of
from cluster.core.rows import Row
from tests.simulation.network import Network
from tests.simulation.node import SimNode
from tests.simulation.visitors import Visitor
from tests.simulation.world import World

Version = Callable[[Row | None], object]
QUIET_S = 20.0
CONVERGE_S = 10.0


def tally_of(row: Row | None) -> tuple[int, int] | None:
    """What counts of a row."""
    return (row.gen, row.n) if row else None


def whole(row: Row | None) -> Row | None:
    """All of a row, to its last byte of `ext`."""
    return row


class ViolationError(AssertionError):
    """A promise was broken; not to be mistaken for a scenario that did not get where it wanted."""


def promise(kept: object, broken: str) -> None:
    """Assert one of the cluster's promises."""
    if not kept:
        raise ViolationError(broken)


class SimCluster:
    """Some nodes that know each other, and the visitors that press on them."""

    def __init__(self, seed: int, nodes: int, visitors: int = 0) -> None:
        self.world = World(seed)
        self.network = Network(self.world)
        self.nodes = [SimNode(self.world, self.network, f"node{number}") for number in range(1, nodes + 1)]
        for node in self.nodes:
            node.peers = [peer for peer in self.nodes if peer is not node]
        self.visitors = [Visitor(self.world, self.nodes, tabs=2) for _ in range(visitors)]

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def cut_off(self, a: SimNode, b: SimNode) -> None:
        """Nothing passes between these two."""
        self.network.cut(a.name, b.name)
        self.network.cut(b.name, a.name)

    def is_linked(self, a: SimNode, b: SimNode) -> bool:
        return any(session.peer.origin == b.origin for session in a.replica.open_sessions().values())

    def run_until_linked(self, nodes: Iterable[SimNode] = ()) -> None:
        """Until every pair of these (of all) nodes has a link."""
        wanted = list(nodes) or self.nodes
        linked = self.world.run_until(
            lambda: all(self.is_linked(a, b) for a in wanted for b in wanted if a is not b), within_s=20.0
        )
        assert linked, "the nodes do not find each other"

    def heal(self) -> None:
        """End every fault."""
        self.network.heal()
        self.network.push_loss = self.network.push_repeat = 0.0
        for node in self.nodes:
            if not node.is_up:
                node.start()
            elif node.is_frozen:
                node.thaw()

    @property
    def is_settled(self) -> bool:
        """Whether every press was acknowledged and every replica has every head."""
        heads = [node.replica.heads for node in self.nodes]
        return all(visitor.is_satisfied for visitor in self.visitors) and all(head == heads[0] for head in heads)

    def assert_no_stall(self, within_s: float = QUIET_S) -> None:
        settled = self.world.run_until(lambda: self.is_settled, within_s=within_s)
        waiting = sum(not visitor.is_satisfied for visitor in self.visitors)
        promise(settled, f"stalled: {waiting} visitors wait; heads {[len(n.replica.heads) for n in self.nodes]}")

    def assert_converged(self, version: Version = tally_of) -> None:
        """All tables are equal, now or when what is still under way (a late repeat, say) has arrived.

        What is compared is (gen, n), as in the digest. Whole rows may differ in a life: a row that outlived its
        origin and disk above its head ties with the one that a retry wrote.
        """
        deadline = self.world.now + CONVERGE_S
        while (difference := self._difference(version)) and self.world.now < deadline:
            self.world.run_for(0.25)
        promise(not difference, f"diverged: {difference}")

    def _difference(self, version: Version) -> str:
        """How the nodes' tables differ, in words; nothing if they do not."""
        first = self.nodes[0]
        for node in self.nodes[1:]:
            keys = first.disk.rows.keys() | node.disk.rows.keys()
            different = sum(version(first.disk.rows.get(key)) != version(node.disk.rows.get(key)) for key in keys)
            if different or first.disk.items != node.disk.items:
                return f"{node.name} differs from {first.name} in {different} rows, or in sums"
        return ""

    def assert_nothing_lost(self) -> None:
        for visitor in self.visitors:
            for (item, actor), n in visitor.acknowledged.items():
                for node in self.nodes:
                    promise(
                        node.disk.n(item, actor) >= n,
                        f"lost: {item} {n} is {node.disk.n(item, actor)} on {node.name}",
                    )

    def assert_exact(self) -> None:
        targets = {key: n for visitor in self.visitors for key, n in visitor.targets.items()}
        for node in self.nodes:
            held = {key: row.n for key, row in node.disk.rows.items()}
            promise(held == targets, f"doubled or lost: {node.name}")
            for item, sums in node.disk.items.items():
                rows = [row for row in node.disk.rows.values() if row.item == item]
                promise(sums == sums_of(sums.gen, rows), f"sums of {item} on {node.name}")
                count = sum(counted(item, n) for key, n in targets.items() if key[0] == item)
                promise(sums.count == count, f"{item} counts {sums.count} on {node.name}, pressed {count}")

    def assert_all_is_well(self) -> None:
        """Every question, after the faults have ended."""
        self.assert_no_stall()
        self.assert_converged()
        self.assert_nothing_lost()
        self.assert_exact()
