"""What may happen to simulated visitors."""

from tests.simulation.cluster import SimCluster


class PeopleFaults:
    """Each method happens to one of them."""

    def __init__(self, cluster: SimCluster) -> None:
        self.world, self.visitors = cluster.world, cluster.visitors

    def erasure(self) -> None:
        self.world.seen["fault: erasure"] += 1
        self.world.random.choice(self.visitors).ask_to_be_forgotten()

    def lost_storage(self) -> None:
        self.world.seen["fault: lost storage"] += 1
        self.world.random.choice(self.visitors).lose_storage()
