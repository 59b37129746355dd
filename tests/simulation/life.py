"""One random life of a cluster: presses all the time, faults at random, then peace and the questions.

`python -m tests.simulation.life SEED` replays a life and prints what it came across.
"""

import sys
from typing import Self

from cluster.core.rows import Key
from tests.simulation.cluster import SimCluster
from tests.simulation.faults import Faults
from tests.simulation.first_version import make_first
from tests.simulation.node import SimNode
from tests.simulation.promises import promise

KINDS = ("tap", "once", "clap")
LIFE_S = 25.0
FREEZES_PER_S = 0.1


class Life:
    """A cluster with its fate. `with` ends it."""

    def __init__(self, seed: int) -> None:
        self.cluster = SimCluster(seed, nodes=nodes_of(seed), visitors=3)
        self.world = self.cluster.world
        self.copies = copies_of(seed)
        self.is_limited = seed // 5 % 4 == 1
        for node in self.cluster.nodes:
            self.settle_in(node)
        self._note(f"{len(self.cluster.nodes)} nodes")
        self._note(f"{self.copies} copies")
        self._note(f"{items_of(seed)} items")
        self.faults = Faults(self.cluster, self)
        self.items = [f"{KINDS[number % 3]}:item/{number}" for number in range(items_of(seed))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cluster.__exit__(None, None, None)

    def settle_in(self, node: SimNode) -> None:
        """The settings of this life's nodes."""
        node.copies = self.copies
        if self.is_limited:
            self._note("a press budget on a node")
            node.limit(rate=4.0, burst=3)

    def _note(self, setting: str) -> None:
        self.world.seen[f"with: {setting}"] += 1

    def live(self) -> SimCluster:
        """From start to peace; the caller asks the questions."""
        world, network = self.world, self.cluster.network
        network.latency_s = world.random.choice([(0.0005, 0.005), (0.001, 0.08), (0.05, 0.3)])
        network.push_loss = world.random.choice([0.0, 0.1, 0.5])
        network.push_repeat = world.random.choice([0.0, 0.1])
        self._note(f"latency up to {1000 * network.latency_s[1]:g} ms")
        self._note(f"{network.push_loss:.0%} of pushes dropped")
        self._note(f"{network.push_repeat:.0%} of pushes repeated")
        self._make_some_old()
        for visitor in self.cluster.visitors:
            visitor.on_acknowledged = self._assert_copied
        self.cluster.start()
        end = world.now + LIFE_S
        self._press_until(end)
        self._freeze_until(end)
        self.faults.strike_until(end)
        world.run_for(LIFE_S)
        self.cluster.heal()
        return self.cluster

    def _make_some_old(self) -> None:
        """In every fourth life some nodes begin as the first version, and are upgraded one by one."""
        if self.world.seed % 4 == 3:
            self._note("nodes of the first version")
            for node in self.cluster.nodes[: self.world.random.randrange(1, len(self.cluster.nodes) + 1)]:
                node.make_first = make_first
                self.world.after(self.world.between(5.0, LIFE_S), node.upgrade)

    def _assert_copied(self, key: Key, gen: int, n: int) -> None:
        """What is acknowledged has its copies now: the next disk waits for that, so later nobody would know."""
        nodes = self.cluster.nodes
        if self.faults.is_calm and all(node.is_up and not node.is_frozen for node in nodes):
            ledgers = {node.ledger.id for node in nodes if node.holds(key, gen, n) or node.has_erased(key)}
            self.world.seen["acknowledged while all could be asked"] += 1
            promise(len(ledgers) > self.copies, f"not copied: acknowledged {key} {n} of gen {gen}")

    def random_item(self) -> str:
        return self.world.random.choice(self.items)

    def _press_until(self, end: float) -> None:
        world = self.world

        def press() -> None:
            if world.now < end:
                world.random.choice(self.cluster.visitors).press(self.random_item(), tab=world.random.randrange(2))
                world.after(world.random.expovariate(12.0), press)

        world.after(0.5, press)

    def _freeze_until(self, end: float) -> None:
        """An operator freezes items, and lets them go, by whichever node answers."""
        world = self.world

        def freeze() -> None:
            up = [node for node in self.cluster.nodes if node.is_up and not node.is_frozen]
            if up and world.now < end:
                item, is_set = self.random_item(), world.chance(0.5)
                self.cluster.operators.freeze(item, world.random.choice(up), is_set=is_set)
            world.after(world.random.expovariate(FREEZES_PER_S), freeze)

        world.after(1.0, freeze)


def nodes_of(seed: int) -> int:
    """2 to 9 nodes, mostly few, and now and then one alone."""
    return 1 if seed % 50 == 24 else (4, 5, 3, 4, 2, 5, 3, 7, 4, 9)[seed % 10]


def copies_of(seed: int) -> int:
    """Mostly one; none where there is nobody to have one, or nobody waits for it; two where one may be missing."""
    nodes = nodes_of(seed)
    return 0 if nodes == 1 else min((1, 1, 1, 0, 1, 2, 2, 1)[seed // 3 % 8], max(1, nodes - 2))


def items_of(seed: int) -> int:
    """1 to 1,000 items, mostly few."""
    return (4, 4, 12, 1, 4, 100, 4, 12, 4, 1000)[seed // 10 % 10]


def main() -> None:
    seed = int(sys.argv[1])
    with Life(seed) as life:
        life.live().assert_all_is_well()
        print(f"seed {seed}: {life.world.events} events, {life.world.now:.0f} s, all is well")
        for what, times in sorted(life.world.seen.items()):
            print(f"  {times:6} {what}")


if __name__ == "__main__":
    main()
