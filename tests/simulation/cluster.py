"""A simulated cluster and the questions that every life has to answer at its end.

assert_no_stall      every wish was acknowledged, every replica has every head, nothing waits to be removed
assert_converged     all tables are equal, row by row, and so are their sums
assert_nothing_lost  what was acknowledged is held, at every replica: presses, resets, erasures
assert_exact         every tally is what its presser pressed, every count and digest is made of them
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from types import TracebackType
from typing import Self

from cluster.core.flags import FLAGS, FROZEN, is_set, name_of
from cluster.core.items import VISITOR_LENGTH, counted, erasure_key
from cluster.core.rows import Key
from cluster.core.sums import BUCKETS, bucket_of, shifted, sums_of
from tests.simulation.links import FENCED_FOR_NOTHING
from tests.simulation.network import Network
from tests.simulation.node import SimNode
from tests.simulation.operators import Operators
from tests.simulation.promises import Version, promise, tally_of
from tests.simulation.storage import Storage
from tests.simulation.visitors import Visitor
from tests.simulation.world import World

QUIET_S = 40.0
CONVERGE_S = 40.0


class SimCluster:
    """Some nodes that know each other, and the visitors that press on them. `with` ends its drives."""

    def __init__(self, seed: int, nodes: int, visitors: int = 0, *, has_digests: bool = True) -> None:
        self.world = World(seed)
        self.network = Network(self.world)
        self.storage = Storage(f"simulation-{id(self)}", self.world.random)
        self.nodes: list[SimNode] = []
        self._names = count(1)
        for _ in range(nodes):
            self.add_node().has_digests = has_digests
        self.visitors = [Visitor(self.world, self.nodes, tabs=2) for _ in range(visitors)]
        self.operators = Operators(self.world, self.visitors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            if node.is_up:
                node.ledger.close()
        self.storage.unregister()

    def add_node(self) -> SimNode:
        """One more, that knows all others and they it."""
        node = SimNode(self.world, self.network, self.storage, f"node{next(self._names)}")
        for peer in self.nodes:
            peer.peers.append(node)
            node.peers.append(peer)
        self.nodes.append(node)
        return node

    def remove_node(self, node: SimNode) -> None:
        """It leaves for good, with its disk."""
        node.leave()
        self.nodes.remove(node)
        for peer in self.nodes:
            peer.peers.remove(node)

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
            node.drive.mend()
            node.upgrade()
            node.passes_at_peace = None
            if not node.is_up:
                node.start()
            elif node.is_frozen:
                node.thaw()

    # -- the questions

    @property
    def is_settled(self) -> bool:
        """Whether all is acknowledged, every replica has every head, and nothing waits to be removed."""
        if not all(node.is_up and not node.engine.is_read_only for node in self.nodes):
            return False
        heads = [node.replica.heads for node in self.nodes]
        return (
            all(visitor.is_satisfied for visitor in self.visitors)
            and all(head == heads[0] for head in heads)
            and all(node.has_gone_round for node in self.nodes)
        )

    def assert_no_stall(self, within_s: float = QUIET_S) -> None:
        settled = self.world.run_until(lambda: self.is_settled, within_s=within_s)
        waiting = sum(not visitor.is_satisfied for visitor in self.visitors)
        up = [node.is_up and not node.engine.is_read_only for node in self.nodes]
        promise(settled, f"stalled: {waiting} visitors wait; up {up}; heads {self._heads()}")

    def _heads(self) -> list[int]:
        return [len(node.replica.heads) for node in self.nodes if node.is_up]

    def assert_converged(self, version: Version = tally_of) -> None:
        """All tables are equal, now or when what is still under way (a late repeat, a comparison) has arrived.

        What is compared is (gen, n), as in the digest. Whole rows may differ in a life: a row that outlived its
        origin and disk above its head ties with the one that a retry wrote.
        """
        difference = ""

        def equal() -> bool:
            nonlocal difference
            difference = self._difference(version)
            return not difference

        deadline = self.world.now + CONVERGE_S
        while not equal() and self.world.now < deadline:
            self.world.run_for(0.25)
        promise(not difference, f"diverged: {difference}")

    def _difference(self, version: Version) -> str:
        """How the nodes' tables differ, in words; nothing if they do not."""
        first, *others = self.nodes
        if not all(node.is_up for node in self.nodes):
            return "a node is down"
        if all(node.ledger.buckets == first.ledger.buckets for node in others) and version is tally_of:
            return self._difference_in_generations()
        rows = first.rows()
        for node in others:
            theirs = node.rows()
            different = [
                key for key in rows.keys() | theirs.keys() if version(rows.get(key)) != version(theirs.get(key))
            ]
            if different or first.items() != node.items():
                return f"{node.name} differs from {first.name} in {len(different)} rows {different[:2]}, or in sums"
        return ""

    def _difference_in_generations(self) -> str:
        """No digest sees a generation without rows, and a press on it would be taken here and refused there."""
        for node in self.nodes:
            rows = node.rows()
            for item, sums in node.items().items():
                header = rows.get((item, b""))
                if sums.gen > 0 and (header is None or header.gen != sums.gen):
                    return f"{node.name} has no header of {item} in generation {sums.gen}"
        return ""

    def assert_nothing_lost(self) -> None:
        for node in self.nodes:
            rows, items = node.rows(), node.items()
            self.operators.assert_nothing_lost(node.name, rows, items)
            for visitor in self.visitors:
                for key in visitor.erased:
                    promise(("", key) in rows, f"lost: an erasure on {node.name}")
                for key, entry in visitor.all_entries():
                    gen = items[key[0]].gen if key[0] in items else 0
                    for acknowledged_gen, n in entry.acknowledged_in.items():
                        held = rows[key].n if key in rows else 0
                        is_held = gen > acknowledged_gen or (gen == acknowledged_gen and held >= n)
                        promise(
                            is_held, f"lost: {key[0]} {n} of gen {acknowledged_gen}, held {held} on {node.name}"
                        )

    def assert_exact(self) -> None:
        # A late repeat may be under way, and between its commit and the loop's hearing of it the two differ.
        told = self.world.run_until(
            lambda: not any(node.engine.is_committing for node in self.nodes), within_s=10.0
        )
        assert told, "commits without end"
        for node in self.nodes:
            rows, items = node.rows(), node.items()
            least, most = self._bounds({item: sums.gen for item, sums in items.items()})
            tallies = {key: row.n for key, row in rows.items() if key[0] and key[1] and key[0] not in FLAGS}
            frozen = {name_of(row) for row in rows.values() if row.item == FROZEN and is_set(row.n)}
            promise(frozen == node.ledger.flags[FROZEN], f"flags that {node.name} goes by")
            for key in tallies.keys() | least.keys():
                n = tallies.get(key, 0)
                promise(least.get(key, 0) <= n <= most.get(key, 0), f"doubled or lost: {key} is {n} on {node.name}")
            self._assert_nobody_erased(tallies)
            for item, sums in items.items():
                mine = [row for row in rows.values() if row.item == item]
                promise(sums == sums_of(sums.gen, mine), f"sums of {item} on {node.name}")
                promise(sums.count == sum(counted(item, row.n) for row in mine), f"count of {item} on {node.name}")
            buckets = [0] * BUCKETS
            for item, sums in items.items():
                buckets[bucket_of(item)] = shifted(buckets[bucket_of(item)], sums.digest)
            promise(
                buckets == node.ledger.buckets == node.replica.holdings.buckets.digests, f"buckets of {node.name}"
            )

    def _bounds(self, gens: dict[str, int]) -> tuple[dict[Key, int], dict[Key, int]]:
        """The least and the most that every tally may be."""
        least: dict[Key, int] = defaultdict(int)
        most: dict[Key, int] = defaultdict(int)
        for visitor in self.visitors:
            for key, entry in visitor.all_entries():
                low, high = entry.bounds(gens.get(key[0], 0))
                least[key], most[key] = max(low, least[key]), max(high, most[key])
        return least, most

    def _assert_nobody_erased(self, tallies: dict[Key, int]) -> None:
        erased = {key for visitor in self.visitors for key in visitor.erased}
        held = [key for key in tallies if erasure_key(key[1][:VISITOR_LENGTH]) in erased]
        promise(not held, f"not erased: {len(held)} tallies")

    def assert_no_repairs(self) -> None:
        """A digest found no row that a head had claimed; but for disks that changed what they held.

        So does one that lies: of a checkpoint that was never synced, a power cut leaves any pages.
        """
        seen = self.world.seen
        disks_changed = (
            "lying disk",
            "flipped bits",
            "flipped bits of the WAL",
            "flipped bits while it runs",
            "snapshot put back",
        )
        if not any(seen[f"fault: {fault}"] for fault in disks_changed):
            repairs = seen["row repaired that a head had claimed"]
            promise(repairs == 0, f"{repairs} rows were claimed by a head and not held")

    def assert_no_false_fence(self) -> None:
        promise(not self.world.seen[FENCED_FOR_NOTHING], "the node failed: fenced, and was never put back")

    def assert_all_is_well(self) -> None:
        """Every question, after the faults have ended."""
        self.assert_no_stall()
        self.assert_converged()
        self.assert_nothing_lost()
        self.assert_exact()
        self.assert_no_repairs()
        self.assert_no_false_fence()
