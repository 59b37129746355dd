"""One random life of a cluster: presses all the time, faults at random, then peace and the questions.

`python -m tests.simulation.life SEED` replays a life and prints what it came across.
"""

import sys
from collections.abc import Callable

from tests.simulation.cluster import SimCluster
from tests.simulation.disk import Disk
from tests.simulation.node import SimNode

ITEMS = ("tap:home", "once:article", "clap:talk", "tap:stage/2")
LIFE_S = 25.0


class Life:
    """A cluster with its fate."""

    def __init__(self, seed: int) -> None:
        self.cluster = SimCluster(seed, nodes=4 + seed % 2, visitors=3)
        self.world = self.cluster.world
        self.network = self.cluster.network
        self.backups: dict[str, Disk] = {}
        self.disk_lost_at: float | None = None
        self.faults: tuple[tuple[float, Callable[[], None]], ...] = (
            (4.0, self.crash_one),
            (3.0, self.cut_both_ways),
            (3.0, self.cut_one_way),
            (1.5, self.leave_a_bridge),
            (2.0, self.freeze_one),
            (3.0, self.break_a_link),
            (2.0, self.lose_a_disk),
            (1.5, self.put_back_a_backup),
            (2.0, self.take_a_backup),
        )

    def live(self) -> SimCluster:
        """From start to peace; the caller asks the questions."""
        world, network = self.world, self.network
        network.latency_s = world.random.choice([(0.0005, 0.005), (0.001, 0.08), (0.05, 0.3)])
        network.push_loss = world.random.choice([0.0, 0.1, 0.5])
        network.push_repeat = world.random.choice([0.0, 0.1])
        self.cluster.start()
        end = world.now + LIFE_S
        self._press_until(end)
        self._strike_until(end)
        world.run_for(LIFE_S)
        self.cluster.heal()
        return self.cluster

    def _press_until(self, end: float) -> None:
        world = self.world

        def press() -> None:
            if world.now < end:
                visitor = world.random.choice(self.cluster.visitors)
                item = world.random.choice(ITEMS)
                clapped = max((n for key, n in visitor.targets.items() if key[0] == "clap:talk"), default=0)
                if item != "clap:talk" or clapped < 50:
                    visitor.press(item, tab=world.random.randrange(2))
                world.after(world.random.expovariate(12.0), press)

        world.after(0.5, press)

    def _strike_until(self, end: float) -> None:
        world = self.world
        weights = [weight for weight, _ in self.faults]

        def strike() -> None:
            if world.now < end:
                world.random.choices([fault for _, fault in self.faults], weights)[0]()
                world.after(world.random.expovariate(0.8), strike)

        world.after(2.0, strike)

    def _note(self, fault: str) -> None:
        self.world.seen[f"fault: {fault}"] += 1

    def _one_up(self) -> SimNode | None:
        """A node that may go down: most of the others stay."""
        up = [node for node in self.cluster.nodes if node.is_up and not node.is_frozen]
        return self.world.random.choice(up) if len(up) > 2 else None

    # -- faults

    def crash_one(self) -> None:
        if (node := self._one_up()) is not None:
            self._note("crash")
            node.crash()
            self._start_later(node)

    def _start_later(self, node: SimNode) -> None:
        def start() -> None:
            if not node.is_up:
                node.start()

        self.world.after(self.world.between(0.05, 6.0), start)

    def cut_both_ways(self) -> None:
        a, b = self.world.random.sample(self.cluster.nodes, 2)
        self._cut_for_a_while([(a, b), (b, a)], "partition")

    def cut_one_way(self) -> None:
        a, b = self.world.random.sample(self.cluster.nodes, 2)
        self._cut_for_a_while([(a, b)], "one-way partition")

    def leave_a_bridge(self) -> None:
        """Two halves that only one node can talk to."""
        nodes = self.world.random.sample(self.cluster.nodes, len(self.cluster.nodes))
        half = (len(nodes) - 1) // 2
        left, right = nodes[1 : 1 + half], nodes[1 + half :]
        pairs = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        self._cut_for_a_while(pairs, "bridge")

    def _cut_for_a_while(self, pairs: list[tuple[SimNode, SimNode]], fault: str) -> None:
        self._note(fault)
        for a, b in pairs:
            self.network.cut(a.name, b.name)

        def heal() -> None:
            for a, b in pairs:
                self.network.heal_direction(a.name, b.name)

        self.world.after(self.world.between(0.3, 9.0), heal)

    def freeze_one(self) -> None:
        if (node := self._one_up()) is not None:
            self._note("freeze")
            run = node.run
            node.freeze()
            self.world.after(self.world.between(0.2, 8.0), lambda: node.thaw() if node.run == run else None)

    def break_a_link(self) -> None:
        node = self.world.random.choice(self.cluster.nodes)
        if node.is_up and node.pipes:
            self._note("broken link")
            node.break_link(self.world.random.choice(sorted(node.pipes)))

    def take_a_backup(self) -> None:
        node = self.world.random.choice(self.cluster.nodes)
        self.backups[node.name] = node.disk.copy()

    def lose_a_disk(self) -> None:
        node = self._one_up()
        if node is not None and self._may_lose_a_disk():
            self._note("wiped disk")
            node.crash()
            node.wipe()
            self.disk_lost_at = self.world.now
            self._start_later(node)

    def put_back_a_backup(self) -> None:
        node = self._one_up()
        if node is not None and node.name in self.backups and self._may_lose_a_disk():
            self._note("old backup put back")
            node.crash()
            node.disk = self.backups[node.name].copy()
            self.disk_lost_at = self.world.now
            self._start_later(node)

    def _may_lose_a_disk(self) -> bool:
        """One copy is promised, so one disk may go at any time, and the next when all is on two disks again.

        A confirmation that was under way when the first disk went may still be taken in for a while, so the
        second waits until no node is frozen and 10 s have passed.
        """
        if self.disk_lost_at is None:
            return True
        if self.world.now - self.disk_lost_at < 10.0 or any(node.is_frozen for node in self.cluster.nodes):
            return False
        return all(
            sum(node.disk.n(*key) >= n for node in self.cluster.nodes) >= 2
            for visitor in self.cluster.visitors
            for key, n in visitor.acknowledged.items()
        )


def main() -> None:
    life = Life(int(sys.argv[1]))
    cluster = life.live()
    cluster.assert_all_is_well()
    print(f"seed {sys.argv[1]}: {life.world.events} events, {life.world.now:.0f} s, all is well")
    for what, times in sorted(life.world.seen.items()):
        print(f"  {times:6} {what}")


if __name__ == "__main__":
    main()
