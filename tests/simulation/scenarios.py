"""For each rule a scenario in which the cluster is well with it, and not without it.

The scenarios are directed, not drawn: each leads straight to the moment that its rule is for. Those of R10 to R13
are in `tests.simulation.scenarios_of_repair`.
"""

from collections.abc import Callable

from cluster.core.press import Press
from cluster.core.rows import Key
from cluster.core.wire import End, encode
from tests.simulation.cluster import SimCluster
from tests.simulation.node import SimNode
from tests.simulation.promises import promise, whole

ITEM = "tap:home"
Scenario = Callable[[], None]
SCENARIOS: dict[str, Scenario] = {}
_made: list[SimCluster] = []


def scenario(rule: str) -> Callable[[Scenario], Scenario]:
    def register(run: Scenario) -> Scenario:
        SCENARIOS[rule] = run
        return run

    return register


class Presser:
    """A visitor whose every step the scenario decides. `acknowledged` is the n of the last full answer."""

    def __init__(self, cluster: SimCluster, actor: bytes | None = None) -> None:
        self.cluster = cluster
        self.actor = actor or cluster.world.random.randbytes(16)
        self.gen: int | None = 0
        self.acknowledged = 0
        self.answers = 0

    @property
    def key(self) -> Key:
        return ITEM, self.actor

    def press(self, node: SimNode, n: int = 1) -> None:
        node.wish(Press(ITEM, self.actor, self.gen, n), self._answered, object())

    def _answered(self, outcome: object, copies: int) -> None:
        self.answers += 1
        if copies >= 1:
            self.acknowledged = max(self.acknowledged, outcome.n)  # type: ignore[attr-defined]

    def press_and_wait(self, node: SimNode, n: int = 1) -> None:
        """Until the copies exist."""
        self.press(node, n)
        done = self.cluster.world.run_until(lambda: self.acknowledged >= n, within_s=10.0)
        promise(done, "stalled: not acknowledged")

    def press_and_commit(self, node: SimNode, n: int = 1) -> None:
        """Until the node has it on its disk, and no longer."""
        self.press(node, n)
        before = self.answers
        assert self.cluster.world.run_until(lambda: self.answers > before, within_s=10.0), "not committed"


def new_cluster(seed: int, nodes: int, visitors: int = 0, *, has_digests: bool = False) -> SimCluster:
    """A cluster that ends with its scenario; without digests, which would mend what the rule is to prevent."""
    made = SimCluster(seed, nodes, visitors, has_digests=has_digests)
    _made.append(made)
    return made


def play(rule: str) -> None:
    """Play the rule's scenario. Raises ViolationError if a promise was broken."""
    try:
        SCENARIOS[rule]()
    finally:
        while _made:
            _made.pop().__exit__(None, None, None)


def linked_cluster(nodes: int) -> SimCluster:
    cluster = new_cluster(seed=7, nodes=nodes)
    cluster.start()
    cluster.run_until_linked()
    cluster.world.run_for(3.0)
    return cluster


def assert_equal_after(cluster: SimCluster, seconds: float = 30.0) -> None:
    cluster.world.run_for(seconds)
    cluster.assert_converged()


def roll_back_and_cut_off(cluster: SimCluster, node: SimNode, *, is_same_run: bool) -> None:
    """Its drive is what it was three presses ago, and nobody can tell it. The same run: its memory too."""
    Presser(cluster).press_and_wait(node)
    snapshot = node.snapshot()
    for _ in range(3):
        Presser(cluster).press_and_wait(node)
    for peer in cluster.nodes:
        if peer is not node:
            cluster.cut_off(node, peer)
    if is_same_run:
        node.put_back(snapshot)
    else:
        node.crash()
        node.drive = snapshot.drive
        node.start()


@scenario("R1 origin")
def an_old_backup_is_put_back_and_pressed_on_before_it_meets_anyone() -> None:
    cluster = linked_cluster(3)
    a = cluster.nodes[0]
    roll_back_and_cut_off(cluster, a, is_same_run=False)
    Presser(cluster).press_and_commit(a)
    cluster.heal()
    assert_equal_after(cluster)


@scenario("R3 after commit")
def the_power_is_cut_everywhere_when_a_press_is_acknowledged() -> None:
    cluster = linked_cluster(3)
    pressers = [Presser(cluster) for _ in range(5)]
    for presser in pressers:
        presser.press_and_wait(cluster.nodes[0])
    for node in cluster.nodes:
        node.cut_power()
    cluster.start()
    assert_equal_after(cluster)
    held = [node.n(*presser.key) for node in cluster.nodes for presser in pressers]
    promise(all(held), f"lost: acknowledged presses, of which are held {held}")


@scenario("R4 range push")
def a_dropped_push_is_followed_by_another() -> None:
    cluster = linked_cluster(2)
    a = cluster.nodes[0]
    cluster.network.push_loss = 1.0
    Presser(cluster).press_and_commit(a)
    cluster.world.run_for(0.02)
    cluster.network.push_loss = 0.0
    Presser(cluster).press_and_commit(a)
    assert_equal_after(cluster)


@scenario("R5 base")
def a_node_comes_back_with_an_empty_disk() -> None:
    cluster = linked_cluster(2)
    a, b = cluster.nodes
    for _ in range(5):
        Presser(cluster).press_and_wait(a)
    b.crash()
    b.wipe()
    b.start()
    assert_equal_after(cluster)


@scenario("R5 heads before pages")
def a_row_is_committed_behind_the_cursor_of_a_scan() -> None:
    cluster = new_cluster(seed=11, nodes=2)
    a, b = cluster.nodes
    a.start()
    for number in range(60):  # more than the ring holds
        Presser(cluster, bytes([2, number]) * 8).press_and_commit(a)
    cluster.network.push_loss = 1.0
    b.start()
    assert cluster.world.run_until(lambda: len(b.rows()) >= 30, within_s=10.0), "no scan began"
    assert len(b.rows()) < 60, "the scan is over already"
    Presser(cluster, bytes(16)).press_and_commit(a)
    assert cluster.world.run_until(lambda: b.replica.holdings.has_adopted, within_s=10.0)
    assert_equal_after(cluster)


@scenario("R5 open question")
def the_end_of_an_old_answer_reaches_an_empty_disk() -> None:
    cluster = linked_cluster(2)
    a, b = cluster.nodes
    for _ in range(5):
        Presser(cluster).press_and_wait(a)
    old_end = encode(End(1, dict(a.replica.heads)))
    b.crash()
    b.wipe()
    b.start()
    cluster.network.cut(a.name, b.name)
    cluster.network.heal()
    assert cluster.world.run_until(lambda: any(s.link.is_open for s in b.replica.sessions.values()), within_s=10.0)
    link, session = next((link, s) for link, s in b.replica.sessions.items() if s.link.is_open)
    session.pull = None
    b.links.take_frame(link, old_end)
    a.crash()
    cluster.world.run_for(1.0)
    a.start()
    assert_equal_after(cluster)


@scenario("R5 floor of the ring")
def a_row_above_its_head_is_older_than_the_ring() -> None:
    cluster, b, c = row_above_its_head()
    b.crash()
    b.start()
    c.start()
    assert_equal_after(cluster)


def row_above_its_head() -> tuple[SimCluster, SimNode, SimNode]:
    """a dies after b has its second row, but not its first; c was away. a never comes back as this origin."""
    cluster = new_cluster(seed=5, nodes=3)
    a, b, c = cluster.nodes
    a.start()
    b.start()
    cluster.run_until_linked([a, b])
    cluster.world.run_for(3.0)
    cluster.network.push_loss = 1.0
    Presser(cluster).press_and_commit(a)
    cluster.network.push_loss = 0.0
    cluster.network.cut(b.name, a.name)
    presser = Presser(cluster, b"\1" * 16)
    presser.press_and_commit(a)
    assert cluster.world.run_until(lambda: b.n(*presser.key) == 1, within_s=1.0), "the row did not arrive"
    assert b.ledger.heads.get(a.origin, 0) == 0, "the head did"
    a.crash()
    a.wipe()
    cluster.network.heal()
    cluster.nodes.remove(a)
    return cluster, b, c


@scenario("R6 total order")
def two_nodes_take_the_same_press() -> None:
    cluster = linked_cluster(2)
    a, b = cluster.nodes
    cluster.cut_off(a, b)
    presser = Presser(cluster)
    presser.press_and_commit(a)
    presser.press_and_commit(b)
    cluster.heal()
    cluster.world.run_for(30.0)
    cluster.assert_converged(whole)


@scenario("R7 relay")
def two_nodes_have_only_a_third_between_them() -> None:
    cluster = new_cluster(seed=3, nodes=3)
    a, b, c = cluster.nodes
    cluster.cut_off(a, c)
    cluster.start()
    cluster.run_until_linked([a, b])
    cluster.run_until_linked([b, c])
    cluster.world.run_for(3.0)
    Presser(cluster).press_and_wait(a)
    assert_equal_after(cluster)


@scenario("R8 presser owns n")
def an_answer_is_lost_and_the_press_sent_again() -> None:
    cluster = new_cluster(seed=2, nodes=3, visitors=1)
    cluster.start()
    cluster.run_until_linked()
    for _ in range(40):
        cluster.visitors[0].press(ITEM)
        cluster.world.run_for(0.5)
    cluster.assert_all_is_well()


@scenario("R9 no-op")
def a_press_is_repeated_before_it_has_a_copy_and_the_disk_dies() -> None:
    cluster = linked_cluster(2)
    a, b = cluster.nodes
    cluster.network.push_loss = 1.0
    presser = Presser(cluster)
    presser.press_and_commit(a)
    presser.press_and_commit(a)
    acknowledged = presser.acknowledged
    a.crash()
    a.wipe()
    cluster.heal()
    assert_equal_after(cluster)
    promise(b.n(*presser.key) >= acknowledged, "lost: an acknowledged press")


@scenario("R9 dead origin")
def a_press_is_repeated_whose_row_has_outlived_its_origin() -> None:
    cluster, b, c = row_above_its_head()
    c.start()
    cluster.run_until_linked()
    Presser(cluster, b"\1" * 16).press_and_wait(b)
