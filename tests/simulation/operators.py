"""What operators ask a simulated cluster for, and what of it they were told is done: that must last."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from cluster.core.flags import FROZEN, flag_actor
from cluster.core.offers import Outcome
from cluster.core.press import Flag, Reset
from cluster.core.rows import Key, Row
from cluster.core.sums import ItemSums
from tests.simulation.node import SimNode
from tests.simulation.promises import promise
from tests.simulation.visitors import Visitor
from tests.simulation.world import World


class Operators:
    """`resets` has the acknowledged generation of each item, `frozen` the acknowledged n of its flag."""

    def __init__(self, world: World, visitors: Sequence[Visitor]) -> None:
        self.world, self.visitors = world, visitors
        self.resets: dict[str, int] = defaultdict(int)
        self.frozen: dict[str, int] = defaultdict(int)

    def reset(self, item: str, node: SimNode) -> None:
        def done(outcome: Outcome) -> None:
            self.resets[item] = max(outcome.gen, self.resets[item])

        node.wish(Reset(item), _when_acknowledged(node, done), object())

    def freeze(self, item: str, node: SimNode, *, is_set: bool) -> None:
        """Freeze the item, or let it go."""

        def done(outcome: Outcome) -> None:
            self.world.seen["frozen" if is_set else "let go"] += 1
            self.frozen[item] = max(outcome.n, self.frozen[item])

        node.wish(Flag(FROZEN, item, is_set), _when_acknowledged(node, done), object())

    def lose_a_reset(self, item: str, node: SimNode) -> None:
        """The item is reset, a page sees it and presses, and before others know the disk is gone."""
        visitor = self.world.random.choice(self.visitors)
        is_lost = False

        def lose() -> None:
            nonlocal is_lost
            if node.is_up and not is_lost:
                is_lost = True
                node.crash()
                node.wipe()
                node.start_later()

        def answered(outcome: Outcome, copies: int) -> None:
            if outcome.refusal is None and not is_lost:
                visitor.follow_reset(item, outcome.gen)
                self.world.after(self.world.between(0.0, 0.01), lose)

        node.wish(Reset(item), answered, object())
        self.world.after(2.0, lose)

    def is_copied(self, nodes: Sequence[SimNode], ledgers: int) -> bool:
        """Whether all that was acknowledged is on so many ledgers by now."""
        resets = ([node.gen(item) >= gen for node in nodes] for item, gen in self.resets.items())
        flags = (
            [node.holds((FROZEN, flag_actor(item)), 0, n) for node in nodes] for item, n in self.frozen.items()
        )
        return all(
            len({node.ledger.id for node, holds in zip(nodes, each, strict=True) if holds}) >= ledgers
            for each in (*resets, *flags)
        )

    def assert_nothing_lost(self, name: str, rows: Mapping[Key, Row], items: Mapping[str, ItemSums]) -> None:
        """On this node."""
        for item, gen in self.resets.items():
            promise(items[item].gen >= gen, f"lost: a reset of {item} to {gen} on {name}")
        for item, n in self.frozen.items():
            flag = rows.get((FROZEN, flag_actor(item)))
            promise(flag is not None and flag.n >= n, f"lost: a flag of {item} on {name}")


def _when_acknowledged(node: SimNode, done: Callable[[Outcome], None]) -> Callable[[Outcome, int], None]:
    def answered(outcome: Outcome, copies: int) -> None:
        if outcome.refusal is None and copies >= node.engine.wanted_copies:
            done(outcome)

    return answered
