"""What a simulation of the design alone had seen seldom, and could not explain (docs/design.md): led to directly.

A lowered head without the digest, and a reset that is lost with its only disk, are scenarios of rules: "R11
digest", "R5 headers behind a scan", "R12 header of a lost reset".
"""

import pytest

from tests.simulation.cluster import SimCluster
from tests.simulation.promises import whole

ITEM = "once:post-1"


@pytest.mark.parametrize("has_digests", [False, True])
@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_a_like_whose_browser_lost_its_storage(seed: int, is_saved: bool, has_digests: bool) -> None:
    """Liked and taken back on one node, liked on another that knows of neither: the larger tally says the opposite.

    If the node dies before the second like is saved, it is sent again, the answer says more than was asked, and
    the page presses once more. If it was saved, the larger tally looks like one from another tab of the same
    person, and is taken for the later choice: on every node alike.
    """
    with SimCluster(seed, nodes=3, visitors=1, has_digests=has_digests) as cluster:
        a, b, c = cluster.nodes
        cluster.start()
        cluster.run_until_linked()
        cluster.world.run_for(3.0)
        for node in (b, c):
            cluster.cut_off(a, node)
        if not is_saved:
            cluster.cut_off(b, c)
        (visitor,) = cluster.visitors
        visitor.nodes = [a]
        visitor.press(ITEM)
        key = visitor.press(ITEM)
        assert key is not None
        assert cluster.world.run_until(lambda: a.n(*key) == 2, within_s=10.0), "not taken back on the first node"

        visitor.lose_storage()
        visitor.nodes = [b]
        visitor.press(ITEM)
        assert cluster.world.run_until(lambda: b.n(*key) == 1, within_s=10.0), "not liked on the second node"
        if is_saved:
            assert cluster.world.run_until(lambda: visitor.is_satisfied, within_s=10.0), "not saved"
        else:
            b.crash()
        cluster.heal()
        visitor.nodes = cluster.nodes

        cluster.assert_all_is_well()
        cluster.assert_converged(whole)
        counts = {node.ledger.sums(ITEM).count for node in cluster.nodes}
        assert counts == ({0} if is_saved else {1})
