"""What may happen between simulated nodes."""

from tests.simulation.cluster import SimCluster
from tests.simulation.node import SimNode


class NetworkFaults:
    """Each method injects one fault, and ends it after a while."""

    def __init__(self, cluster: SimCluster) -> None:
        self.world, self.network, self.nodes = cluster.world, cluster.network, cluster.nodes

    def _note(self, fault: str) -> None:
        self.world.seen[f"fault: {fault}"] += 1

    def partition(self) -> None:
        a, b = self.world.random.sample(self.nodes, 2)
        self._cut_for_a_while([(a, b), (b, a)], "partition")

    def one_way_partition(self) -> None:
        a, b = self.world.random.sample(self.nodes, 2)
        self._cut_for_a_while([(a, b)], "one-way partition")

    def bridge(self) -> None:
        """Two halves that only one node can talk to."""
        nodes = self.world.random.sample(self.nodes, len(self.nodes))
        half = (len(nodes) - 1) // 2
        left, right = nodes[1 : 1 + half], nodes[1 + half :]
        pairs = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        if pairs:
            self._cut_for_a_while(pairs, "bridge")

    def flapping_link(self) -> None:
        a, b = self.world.random.sample(self.nodes, 2)
        self._note("flapping link")
        for number in range(6):
            self.world.after(0.8 * number, lambda: self._cut_for([(a, b), (b, a)], 0.4))

    def _cut_for_a_while(self, pairs: list[tuple[SimNode, SimNode]], fault: str) -> None:
        self._note(fault)
        self._cut_for(pairs, self.world.between(0.3, 9.0))

    def _cut_for(self, pairs: list[tuple[SimNode, SimNode]], seconds: float) -> None:
        for a, b in pairs:
            self.network.cut(a.name, b.name)

        def heal() -> None:
            for a, b in pairs:
                self.network.heal_direction(a.name, b.name)

        self.world.after(seconds, heal)

    def broken_link(self) -> None:
        node = self.world.random.choice(self.nodes)
        if node.is_up and node.links.pipes:
            self._note("broken link")
            node.links.break_link(self.world.random.choice(sorted(node.links.pipes)))
