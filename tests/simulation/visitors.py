"""Simulated visitors: browsers that own their numbers (R8).

A visitor raises its tally before it sends, sends the absolute target, and sends it again, through any node, until
it is acknowledged. Its requests and the answers to them get lost, arrive twice, and arrive late.
"""

from collections.abc import Callable, Sequence

from cluster.core.items import belongs_to_visitor
from cluster.core.merge import Outcome
from cluster.core.press import Press
from cluster.core.rows import Key
from tests.simulation.node import SimNode
from tests.simulation.world import World


class Visitor:
    """One browser with some tabs. `targets` is what the person has pressed, `acknowledged` what was confirmed."""

    def __init__(self, world: World, nodes: Sequence[SimNode], tabs: int) -> None:
        self.world, self.nodes = world, nodes
        self.id = world.random.randbytes(10)
        self.tabs = [world.random.randbytes(6) for _ in range(tabs)]
        self.targets: dict[Key, int] = {}
        self.acknowledged: dict[Key, int] = {}

    def press(self, item: str, tab: int = 0) -> Key:
        """The person presses once in this tab."""
        actor = self.id + (bytes(6) if belongs_to_visitor(item) else self.tabs[tab])
        key = (item, actor)
        self.targets[key] = self.targets.get(key, 0) + 1
        self._send(key, self.world.random.choice(self.nodes))
        return key

    @property
    def is_satisfied(self) -> bool:
        """Whether every press was acknowledged."""
        return all(self.acknowledged.get(key, 0) >= n for key, n in self.targets.items())

    def _make_press(self, key: Key) -> Press:
        return Press(key[0], key[1], 0, self.targets[key])

    def _send(self, key: Key, node: SimNode) -> None:
        target = self.targets[key]
        press = self._make_press(key)
        world = self.world
        self._deliver(press, node, lambda outcome, copies: self._answered(key, outcome, copies))
        if world.chance(0.1):
            world.seen["press repeated through another node"] += 1
            late, other = world.between(0.0, 10.0), world.random.choice(self.nodes)
            world.after(late, lambda: self._deliver(press, other, lambda outcome, copies: None))
        world.after(world.between(0.3, 2.0), lambda: self._again(key, target))

    def _deliver(self, press: Press, node: SimNode, reply: Callable[[Outcome, int], None]) -> None:
        world = self.world
        if world.chance(0.05):
            world.seen["press lost on the way"] += 1
            return
        owner = object()

        def arrive() -> None:
            node.press(press, lambda outcome, copies: self._back(outcome, copies, reply), owner)

        world.after(world.between(0.001, 0.05), lambda: node.later(0.0, arrive) if node.is_up else None)

    def _back(self, outcome: Outcome, copies: int, reply: Callable[[Outcome, int], None]) -> None:
        if self.world.chance(0.05):
            self.world.seen["answer lost on the way"] += 1
            return
        self.world.after(self.world.between(0.001, 0.05), lambda: reply(outcome, copies))

    def _answered(self, key: Key, outcome: Outcome, copies: int) -> None:
        if outcome.refusal is None and copies >= 1:
            self.acknowledged[key] = max(outcome.n, self.acknowledged.get(key, 0))

    def _again(self, key: Key, target: int) -> None:
        if self.targets[key] == target and self.acknowledged.get(key, 0) < target:
            self.world.seen["press sent again"] += 1
            self._send(key, self.world.random.choice(self.nodes))
