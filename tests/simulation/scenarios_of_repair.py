"""Scenarios of the rules that mend and take away: R5's headers behind a scan, and R10 to R13."""

from cluster.core.items import VISITOR_LENGTH
from cluster.core.offers import Outcome
from cluster.core.press import Erasure, Reset, Wish
from tests.simulation.cluster import SimCluster
from tests.simulation.node import SimNode
from tests.simulation.promises import promise
from tests.simulation.scenarios import (
    ITEM,
    Presser,
    assert_equal_after,
    linked_cluster,
    new_cluster,
    roll_back_and_cut_off,
    scenario,
)


def commit(cluster: SimCluster, node: SimNode, wish: Wish) -> Outcome:
    """Until the node has it on its disk."""
    answers: list[Outcome] = []
    node.wish(wish, lambda outcome, copies: answers.append(outcome), object())
    assert cluster.world.run_until(lambda: answers, within_s=10.0), "not committed"
    return answers[0]


@scenario("R5 headers behind a scan")
def an_item_is_reset_while_it_is_scanned_and_the_disk_dies() -> None:
    cluster = new_cluster(seed=11, nodes=3)
    a, b, c = cluster.nodes
    a.start()
    c.start()
    cluster.run_until_linked([a, c])
    for number in range(60):  # more than the ring holds
        Presser(cluster, bytes([2, number]) * 8).press_and_wait(a)
    c.crash()
    cluster.network.push_loss = 1.0
    b.start()
    assert cluster.world.run_until(lambda: len(b.rows()) >= 20, within_s=10.0), "no scan began"
    assert len(b.rows()) < 60, "the scan is over already"
    commit(cluster, a, Reset(ITEM))
    assert cluster.world.run_until(lambda: b.replica.holdings.has_adopted, within_s=10.0)
    a.crash()
    a.wipe()
    cluster.network.push_loss = 0.0
    cluster.nodes.remove(a)
    c.start()
    cluster.run_until_linked()
    assert_equal_after(cluster)


def put_back_and_alone() -> tuple[SimCluster, SimNode]:
    """Three nodes, and the one that was put back with its memory and reaches nobody."""
    cluster = linked_cluster(3)
    a = cluster.nodes[0]
    roll_back_and_cut_off(cluster, a, is_same_run=True)
    return cluster, a


@scenario("R9 ended run")
def a_snapshot_is_put_back_and_its_run_ends_before_anybody_can_fence_it() -> None:
    cluster, a = put_back_and_alone()
    pressers = press_five(cluster, a)
    a.crash()
    a.start()
    cluster.heal()
    cluster.run_until_linked()
    for presser in pressers:
        presser.press(a)
    lose_its_disk_when_acknowledged(cluster, a, pressers)
    promise(all(presser.acknowledged for presser in pressers), "stalled: not acknowledged")


@scenario("R10 fence")
def a_snapshot_is_put_back_and_its_presses_are_lost_with_the_disk() -> None:
    cluster = linked_cluster(3)
    a, b, _ = cluster.nodes
    roll_back_and_cut_off(cluster, a, is_same_run=True)
    presser = Presser(cluster)
    presser.press_and_commit(a)
    cluster.heal()
    cluster.world.run_until(lambda: presser.acknowledged > 0, within_s=8.0)
    if a.is_up:
        a.crash()
    a.wipe()
    a.start()
    assert_equal_after(cluster)
    promise(b.n(*presser.key) >= presser.acknowledged, "lost: an acknowledged press")


@scenario("R10 stamps")
def a_snapshot_is_put_back_and_commits_past_what_its_peers_know() -> None:
    cluster, a = put_back_and_alone()
    pressers = press_five(cluster, a)
    cluster.heal()
    lose_its_disk_when_acknowledged(cluster, a, pressers)


@scenario("R10 old heads")
def a_snapshot_is_put_back_and_commits_so_much_that_it_forgets_its_first_stamps() -> None:
    cluster, a = put_back_and_alone()
    a.replica.stamps._commits_max = 2
    pressers = press_five(cluster, a)
    cluster.heal()
    lose_its_disk_when_acknowledged(cluster, a, pressers)
    promise(all(presser.acknowledged for presser in pressers), "stalled: not acknowledged")


def press_five(cluster: SimCluster, node: SimNode) -> list[Presser]:
    """Each in a commit and a push of its own."""
    pressers = [Presser(cluster) for _ in range(5)]
    for presser in pressers:
        presser.press_and_commit(node)
        cluster.world.run_for(0.02)
    return pressers


def lose_its_disk_when_acknowledged(cluster: SimCluster, node: SimNode, pressers: list[Presser]) -> None:
    """What was acknowledged must be elsewhere in that moment."""
    cluster.world.run_until(lambda: all(presser.acknowledged for presser in pressers), within_s=8.0)
    if node.is_up:
        node.crash()
    node.wipe()
    cluster.world.run_for(1.0)
    for presser in pressers:
        held = max(peer.n(*presser.key) for peer in cluster.nodes if peer is not node)
        promise(held >= presser.acknowledged, "lost: an acknowledged press")


@scenario("R11 digest")
def a_row_outlives_its_origin_on_one_node() -> None:
    """b has a's second row, but not its first, and c has neither; nobody can raise the head, so nobody asks."""
    cluster = new_cluster(seed=5, nodes=3, has_digests=True)
    a, b, c = cluster.nodes
    cluster.cut_off(a, c)
    cluster.start()
    cluster.run_until_linked([a, b])
    cluster.run_until_linked([b, c])
    cluster.world.run_for(3.0)
    cluster.network.push_loss = 1.0
    Presser(cluster).press_and_commit(a)
    cluster.network.push_loss = 0.0
    cluster.network.cut(b.name, a.name)
    presser = Presser(cluster)
    presser.press_and_commit(a)
    assert cluster.world.run_until(lambda: b.n(*presser.key) == 1, within_s=1.0), "the row did not arrive"
    a.crash()
    cluster.nodes.remove(a)
    assert c.n(*presser.key) == 0
    assert_equal_after(cluster)


@scenario("R12 reset")
def an_old_disk_comes_back_after_a_reset() -> None:
    cluster = linked_cluster(3)
    a, _, c = cluster.nodes
    Presser(cluster).press_and_wait(a)
    cluster.world.run_for(1.0)
    c.crash()
    gen = commit(cluster, a, Reset(ITEM)).gen
    assert gen == 1
    c.start()
    assert_equal_after(cluster)
    counts = {node.ledger.sums(ITEM).count for node in cluster.nodes}
    promise(counts == {0}, f"what was reset came back: {counts}")


@scenario("R12 header of a lost reset")
def a_generation_known_by_one_tally_is_erased_with_it() -> None:
    cluster = new_cluster(seed=5, nodes=3, has_digests=True)
    a, b, c = cluster.nodes
    a.start()
    b.start()
    cluster.run_until_linked([a, b])
    Presser(cluster).press_and_wait(a)
    cluster.network.push_loss = 1.0
    gen = commit(cluster, a, Reset(ITEM)).gen
    cluster.world.run_for(0.02)
    cluster.network.push_loss = 0.0
    cluster.network.cut(b.name, a.name)
    erased = Presser(cluster)
    erased.gen = gen
    erased.press_and_commit(a)
    assert cluster.world.run_until(lambda: b.n(*erased.key) == 1, within_s=1.0), "the tally did not arrive"
    a.crash()
    a.wipe()
    cluster.network.heal()
    cluster.nodes.remove(a)
    commit(cluster, b, Erasure(erased.actor[:VISITOR_LENGTH]))
    assert cluster.world.run_until(lambda: not b.ledger.round.is_wanted, within_s=10.0), "not swept"
    b.crash()  # its ring forgets the tally too
    b.start()
    c.start()
    cluster.run_until_linked()
    cluster.world.run_for(3.0)
    late = Presser(cluster)
    late.gen = None
    late.press_and_wait(c)
    assert_equal_after(cluster)


@scenario("R12 erasure")
def an_old_disk_comes_back_after_an_erasure() -> None:
    cluster = linked_cluster(3)
    a, _, c = cluster.nodes
    presser = Presser(cluster)
    presser.press_and_wait(a)
    cluster.world.run_for(1.0)
    c.crash()
    commit(cluster, a, Erasure(presser.actor[:VISITOR_LENGTH]))
    assert cluster.world.run_until(lambda: not a.ledger.round.is_wanted, within_s=10.0), "not swept"
    c.start()
    assert_equal_after(cluster)
    presser.press(c, 7)  # a page that was left open
    assert_equal_after(cluster)
    held = [node.name for node in cluster.nodes if node.n(*presser.key)]
    promise(not held, f"what was erased came back: on {held}")
    promise(presser.acknowledged == 1, "lost: an acknowledged press of an erased visitor")


@scenario("R13 checksums")
def a_disk_raises_a_tally() -> None:
    cluster = linked_cluster(2)
    a, b = cluster.nodes
    presser = Presser(cluster)
    presser.press_and_wait(a, 5)
    a.stop()
    ledger = a.storage.open(a.name)
    ledger._db.execute("UPDATE tallies SET n = 517")
    ledger.close()
    a.start()
    presser.gen = None
    presser.press(a, 6)
    assert_equal_after(cluster)
    promise(b.ledger.sums(ITEM).count <= 6, f"a flipped bit counts: {b.ledger.sums(ITEM).count}")
