"""What may happen to a simulated cluster: network, disk, process, visitor and operator faults, drawn by weight.

As many ledgers may lose what they had at a time, in whatever way, as copies are promised (`LIKE_ACK_COPIES`); the
next ones only when all that was acknowledged has its copies again (`may_lose_a_ledger`).
"""

from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from tests.simulation.cluster import SimCluster
from tests.simulation.network_faults import NetworkFaults
from tests.simulation.node import SimNode, Snapshot
from tests.simulation.people_faults import PeopleFaults
from tests.simulation.storage import MAIN, WAL, Drive

if TYPE_CHECKING:
    from tests.simulation.life import Life

STRIKES_PER_S = 0.8
APART_S = 10.0
NODES_MAX = 9


class Faults:
    """The fate of one life. The first version is spared what it had no rule for: rollbacks and flipped bits."""

    def __init__(self, cluster: SimCluster, life: "Life") -> None:
        self.cluster, self.life = cluster, life
        self.world, self.nodes = cluster.world, cluster.nodes
        self.backups: dict[str, Drive] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.losses: list[float] = []
        network, people = NetworkFaults(cluster), PeopleFaults(cluster)
        self.all: tuple[tuple[float, Callable[[], None]], ...] = (
            (3.0, self.crash),
            (1.5, self.power_cut),
            (1.5, self.power_cut_in_a_commit),
            (0.8, self.power_cut_everywhere),
            (2.5, network.partition),
            (2.5, network.one_way_partition),
            (1.5, network.bridge),
            (1.0, network.flapping_link),
            (2.0, self.freeze),
            (2.5, network.broken_link),
            (1.0, self.io_error),
            (1.0, self.full_disk),
            (1.0, self.lying_disk),
            (1.0, self.flipped_bits),
            (1.0, self.flipped_wal),
            (0.6, self.flipped_while_it_runs),
            (1.5, self.wiped_disk),
            (1.0, self.old_backup_put_back),
            (0.6, self.cloned_disk),
            (1.0, self.snapshot_put_back),
            (1.3, self.lost_reset),
            (4.0, self.backup),
            (0.5, self.equal_names),
            (0.5, self.joining_node),
            (0.5, self.leaving_node),
            (1.5, self.reset),
            (0.6, people.erasure),
            (0.8, people.lost_storage),
        )
        self._of_two = (
            network.partition,
            network.one_way_partition,
            network.bridge,
            network.flapping_link,
            self.equal_names,
        )

    def strike_until(self, end: float) -> None:
        world = self.world
        weights = [weight for weight, _ in self.all]

        def strike() -> None:
            if world.now < end:
                fault = world.random.choices([fault for _, fault in self.all], weights)[0]
                if len(self.nodes) > 1 or fault not in self._of_two:
                    fault()
                world.after(world.random.expovariate(STRIKES_PER_S), strike)

        world.after(2.0, strike)

    def _note(self, fault: str) -> None:
        self.world.seen[f"fault: {fault}"] += 1

    def _one_up(self, among: Container[str] | None = None) -> SimNode | None:
        """A node, of these names, that may go down: at least one other stays."""
        up = [node for node in self.nodes if node.is_up and not node.is_frozen]
        if len(up) < min(3, len(self.nodes)):
            return None
        able = [node for node in up if among is None or node.name in among]
        return self.world.random.choice(able) if able else None

    # -- processes and machines

    def crash(self) -> None:
        self._take_one_down("crash", SimNode.crash)

    def power_cut(self) -> None:
        self._take_one_down("power cut", SimNode.cut_power)

    def _take_one_down(self, fault: str, go_down: Callable[[SimNode], None]) -> None:
        if (node := self._one_up()) is not None:
            self._note(fault)
            go_down(node)
            node.start_later()

    def power_cut_in_a_commit(self) -> None:
        if (node := self._one_up()) is not None:
            self._note("power cut in a commit")
            node.drive.cut_in = self.world.random.randrange(1, 30)

    def power_cut_everywhere(self) -> None:
        """All machines at once: what was acknowledged is on their drives, or it is lost."""
        self._note("power cut everywhere")
        for node in self.nodes:
            if node.is_up:
                node.cut_power()
                node.start_later()

    def freeze(self) -> None:
        if (node := self._one_up()) is not None:
            self._note("freeze")
            run = node.run
            node.freeze()
            self.world.after(
                self.world.between(0.2, self.world.random.choice([8.0, 8.0, 30.0])),
                lambda: node.thaw() if node.run == run else None,
            )

    # -- drives that keep what they have

    def io_error(self) -> None:
        """While it runs, or when it starts."""
        self._note("I/O error")
        if self.world.chance(0.3) and (node := self._one_up()) is not None:
            node.crash()
            node.drive.fails_in = self.world.random.randrange(1, 5)
            node.start_later()
        else:
            self.world.random.choice(self.nodes).drive.fails_in = self.world.random.randrange(1, 30)

    def full_disk(self) -> None:
        node = self.world.random.choice(self.nodes)
        drive = node.drive
        self._note("full disk")
        drive.quota = max((len(file.seen) for file in drive.files.values()), default=0) // 2

        def free() -> None:
            drive.quota = None

        self.world.after(self.world.between(0.5, 8.0), free)

    # -- drives that lose something

    def _one_to_lose(
        self, fault: str, among: Container[str] | None = None, *, spares_first: bool = False
    ) -> SimNode | None:
        """A node that may lose what its drive holds now, and a note of it."""
        node = self._one_up(among)
        if node is None or (spares_first and node.make_first is not None) or not self.may_lose_a_ledger():
            return None
        self._note(fault)
        self.losses.append(self.world.now)
        return node

    def lying_disk(self) -> None:
        """What was synced for a while was not, and then the power goes."""
        if (node := self._one_to_lose("lying disk")) is not None:
            drive, run = node.drive, node.run
            drive.lies = True
            self.losses[-1] += 3.0

            def go() -> None:
                drive.lies = False
                if node.is_up and node.run == run:
                    node.cut_power()
                    node.start_later()

            self.world.after(self.world.between(0.5, 3.0), go)

    def flipped_bits(self) -> None:
        if (node := self._one_to_lose("flipped bits", spares_first=True)) is not None:
            flips = self.world.random.choice([1, 1, 3])
            node.stop()
            for _ in range(flips):
                node.drive.flip_a_bit()
            node.start_later()

    def flipped_while_it_runs(self) -> None:
        """The round, a read or a commit comes upon it."""
        if (node := self._one_to_lose("flipped bits while it runs", spares_first=True)) is not None:
            node.drive.flip_a_bit(self.world.random.choice([MAIN, WAL]))

    def flipped_wal(self) -> None:
        """What was committed behind the flipped bit is gone, and what was checkpointed meanwhile is not."""
        if (node := self._one_to_lose("flipped bits of the WAL", spares_first=True)) is not None:
            self._lose(node, lambda: node.drive.flip_a_bit(WAL))

    def wiped_disk(self) -> None:
        if (node := self._one_to_lose("wiped disk")) is not None:
            self._lose(node, node.wipe)

    def backup(self) -> None:
        node = self.world.random.choice(self.nodes)
        self.backups[node.name] = node.drive.copy()
        if node.is_up:
            self.snapshots[node.name] = node.snapshot()

    def old_backup_put_back(self) -> None:
        if (node := self._one_to_lose("old backup put back", self.backups)) is not None:
            self._lose(node, lambda: setattr(node, "drive", self.backups[node.name].copy()))

    def cloned_disk(self) -> None:
        """A node goes on with a copy of another one's ledger: two have the same id."""
        if self._has_ledgers_to_spare() and (node := self._one_to_lose("cloned disk")) is not None:
            other = self.world.random.choice([each for each in self.nodes if each is not node])
            if other.make_first is None:
                node.make_first = None  # the first version refuses what a newer one has written
            self._lose(node, lambda: setattr(node, "drive", other.drive.copy()))

    def _lose(self, node: SimNode, do: Callable[[], object]) -> None:
        """Stop the node, let it lose something, and start it again."""
        node.crash()
        do()
        node.start_later()

    def snapshot_put_back(self) -> None:
        """The whole machine, memory and disk, is put back to what it was: the same run goes on from there (R10)."""
        if (node := self._one_to_lose("snapshot put back", self.snapshots, spares_first=True)) is not None:
            node.put_back(self.snapshots[node.name])

    def lost_reset(self) -> None:
        if (node := self._one_to_lose("reset lost with its disk")) is not None:
            self.cluster.operators.lose_a_reset(self.life.random_item(), node)

    @property
    def is_calm(self) -> bool:
        """Whether no confirmation that was under way when the last ledger went can still be taken in."""
        return not self.losses or self.world.now - self.losses[-1] > APART_S

    def may_lose_a_ledger(self) -> bool:
        """Whether there is a copy for it: all that was acknowledged has them, or some of them are not gone yet."""
        copies = self.life.copies
        if any(node.is_frozen for node in self.nodes):
            return False
        if not self.is_calm:
            return len(self.losses) < copies
        if copies == 0 or not self._is_copied(copies + 1):
            return False
        self.losses = []
        return True

    def _is_copied(self, ledgers: int) -> bool:
        """Whether all that was acknowledged is on so many ledgers by now."""
        up = [node for node in self.nodes if node.is_up]
        return not self.losses or (
            all(
                len({node.ledger.id for node in up if node.holds(key, gen, n)}) >= ledgers
                for visitor in self.cluster.visitors
                for key, entry in visitor.all_entries()
                for gen, n in entry.acknowledged_in.items()
            )
            and self.cluster.operators.is_copied(up, ledgers)
        )

    def _has_ledgers_to_spare(self) -> bool:
        """Whether with one less there are enough for all copies."""
        return len({node.ledger.id for node in self.nodes if node.is_up}) > self.life.copies + 1

    # -- the cluster itself

    def joining_node(self) -> None:
        if len(self.nodes) < NODES_MAX:
            self._note("joining node")
            node = self.cluster.add_node()
            self.life.settle_in(node)
            node.start()

    def leaving_node(self) -> None:
        """It is stopped for good, and its disk is gone with it."""
        if self._has_ledgers_to_spare() and (node := self._one_to_lose("leaving node")) is not None:
            self.cluster.remove_node(node)

    # -- people

    def equal_names(self) -> None:
        self._note("equal names")
        node, other = self.world.random.sample(self.nodes, 2)
        node.title = other.title

    def reset(self) -> None:
        if (node := self._one_up()) is not None:
            self._note("reset")
            self.cluster.operators.reset(self.life.random_item(), node)
