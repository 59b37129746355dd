"""Simulated visitors: browsers that own their numbers (R8).

A visitor raises its tally before it sends, sends the absolute target, and sends it again, through any node, until
it is acknowledged. Its requests and the answers to them get lost, arrive twice, and arrive late. It may lose its
browser's storage, and it may ask to be forgotten, after which it is somebody else.
"""

from collections.abc import Callable, Iterator, Sequence

from cluster.core.items import CLAP_MAX, belongs_to_visitor, erasure_key, kind_of
from cluster.core.offers import Outcome
from cluster.core.press import Erasure, Press, Tally, Wish
from cluster.core.rows import Key
from tests.simulation.entries import Entry
from tests.simulation.node import SimNode
from tests.simulation.world import World

Reply = Callable[[Outcome, int], None]


class Visitor:
    """One browser with some tabs. `entries` is what it remembers, `lost` what it remembered before."""

    def __init__(self, world: World, nodes: Sequence[SimNode], tabs: int) -> None:
        self.world, self.nodes = world, nodes
        self._tabs_max = tabs
        self.lost: list[tuple[Key, Entry]] = []
        self.erased: list[bytes] = []
        self.is_being_erased = False
        self.on_acknowledged: Callable[[Key, int, int], None] = lambda key, gen, n: None
        self._become_new()

    def _become_new(self) -> None:
        self.id = self.world.random.randbytes(10)
        self.entries: dict[Key, Entry] = {}
        self._open_tabs()

    def _open_tabs(self) -> None:
        self.tabs = [self.world.random.randbytes(6) for _ in range(self._tabs_max)]

    # -- what the person does

    def press(self, item: str, tab: int = 0) -> Key | None:
        """The person presses once in this tab. None: the page did not let it."""
        key = (item, self.id + (bytes(6) if belongs_to_visitor(item) else self.tabs[tab]))
        entry = self.entries.get(key)
        if self.is_being_erased or (entry is None and (entry := self._first_entry(key)) is None):
            return None
        if kind_of(item) == "clap" and entry.n >= CLAP_MAX:
            return None
        entry.raise_by(1)
        self._send(key, entry)
        return key

    def _first_entry(self, key: Key) -> Entry | None:
        """What `mine` of the node that serves the page says; without a node there is no page to press on."""
        up = [node for node in self.nodes if node.is_up and not node.is_frozen]
        if not up:
            return None
        node, found = self.world.random.choice(up), Entry()
        node.engine.with_ledger(lambda: self._learn(found, node.ledger.read([], [key]).tallies[key]))
        self.entries[key] = found
        return found

    def _learn(self, entry: Entry, tally: Tally) -> None:
        entry.gen, entry.n = tally.gen, tally.n

    def follow_reset(self, item: str, gen: int) -> None:
        """A page hears of a reset, and the person presses at once."""
        if (key := self.press(item)) is not None:
            self.entries[key].begin(gen, 0)
            self.press(item)

    def lose_storage(self) -> None:
        """The token survives in a cookie; tallies, and presses that were not acknowledged, do not."""
        for key, entry in self.entries.items():
            entry.forget()
            self.lost.append((key, entry))
        self.entries = {}
        self._open_tabs()

    def ask_to_be_forgotten(self) -> None:
        """Ask, any node, until it is acknowledged; then be somebody else."""
        if not self.is_being_erased:
            self.is_being_erased = True
            self._ask(Erasure(self.id))

    def _ask(self, erasure: Erasure) -> None:
        def answered(outcome: Outcome, copies: int) -> None:
            if (
                outcome.refusal is None
                and copies >= self.nodes[0].engine.wanted_copies
                and erasure.visitor == self.id
            ):
                self.erased.append(erasure_key(self.id))
                self.is_being_erased = False
                self._become_new()

        def again() -> None:
            if self.is_being_erased and erasure.visitor == self.id:
                self._ask(erasure)

        self._deliver(erasure, self.world.random.choice(self.nodes), answered)
        self.world.after(self.world.between(0.5, 2.0), again)

    # -- what its pages do

    @property
    def is_satisfied(self) -> bool:
        """Whether every wish was acknowledged."""
        return not self.is_being_erased and all(entry.is_satisfied for entry in self.entries.values())

    def all_entries(self) -> Iterator[tuple[Key, Entry]]:
        """What it ever pressed as somebody that was not erased."""
        yield from self.entries.items()
        yield from ((key, entry) for key, entry in self.lost if erasure_key(key[1][:10]) not in self.erased)

    def make_press(self, key: Key, entry: Entry) -> Press:
        return Press(key[0], key[1], entry.gen, entry.n)

    def _send(self, key: Key, entry: Entry) -> None:
        world, gen, target = self.world, entry.gen, entry.n
        press = self.make_press(key, entry)
        node = world.random.choice(self.nodes)
        self._deliver(press, node, lambda outcome, copies: self._answered(key, entry, gen, outcome, copies))
        if world.chance(0.1):
            world.seen["press repeated through another node"] += 1
            late, other = world.between(0.0, 10.0), world.random.choice(self.nodes)
            world.after(late, lambda: self._deliver(press, other, lambda outcome, copies: None))
        world.after(world.between(0.3, 2.0), lambda: self._again(key, entry, target))

    def _deliver(self, wish: Wish, node: SimNode, reply: Reply) -> None:
        world = self.world
        if world.chance(0.05):
            world.seen["press lost on the way"] += 1
            return
        owner = object()

        def arrive() -> None:
            node.wish(wish, lambda outcome, copies: self._back(outcome, copies, reply), owner)

        world.after(world.between(0.001, 0.05), lambda: node.later(0.0, arrive) if node.is_up else None)

    def _back(self, outcome: Outcome, copies: int, reply: Reply) -> None:
        if self.world.chance(0.05):
            self.world.seen["answer lost on the way"] += 1
            return
        self.world.after(self.world.between(0.001, 0.05), lambda: reply(outcome, copies))

    def _answered(self, key: Key, entry: Entry, gen: int, outcome: Outcome, copies: int) -> None:
        if outcome.refusal is not None:
            self.world.seen[f"refused: {outcome.refusal}"] += 1
        if outcome.refusal == "erased":
            return
        if outcome.refusal is None and copies >= self.nodes[0].engine.wanted_copies:
            self.on_acknowledged(key, outcome.gen, outcome.n)
        was_behind, was_satisfied = entry.behind, entry.is_satisfied
        entry.take(gen, outcome, copies, self.nodes[0].engine.wanted_copies)
        if was_behind and not entry.behind and outcome.refusal == "behind":
            self.world.seen["gave a lost reset up"] += 1
        if outcome.refusal is None and entry.is_kept and gen == entry.gen and outcome.n > entry.n:
            self._take_larger(key, entry, outcome.n, may_press_on=not was_satisfied)

    def _take_larger(self, key: Key, entry: Entry, n: int, *, may_press_on: bool) -> None:
        """A larger tally of ours is known there: take it, and press on if it says the opposite (`once`)."""
        self.world.seen["a larger tally of ours was there"] += 1
        is_opposite = kind_of(key[0]) == "once" and (n - entry.n) % 2 == 1
        entry.raise_by(n - entry.n + (is_opposite and may_press_on))
        self._send(key, entry)

    def _again(self, key: Key, entry: Entry, target: int) -> None:
        if self.entries.get(key) is entry and entry.n == target and not entry.is_satisfied:
            self.world.seen["press sent again"] += 1
            self._send(key, entry)
