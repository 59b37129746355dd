"""What a simulated browser remembers of its own presses on one item: its tally, and what became of it (R8).

It keeps to docs/protocol.md: after a reset the tally of the old generation is dropped; while a node is behind, it
is kept and sent again, and after 15 such answers in a row the node's generation is taken, as at a reset. Where the
item is frozen, what the node holds is taken.
"""

from cluster.core.offers import Outcome

BEHIND_MAX = 15


class Entry:
    """`n` is what the person wants, in generation `gen`. `most` is per generation the most that was ever sent."""

    def __init__(self, gen: int = 0, n: int = 0) -> None:
        self.gen, self.n = gen, n
        self.acknowledged = 0
        self.most: dict[int, int] = {}
        self.acknowledged_in: dict[int, int] = {}
        self.behind = 0
        self.is_kept = True

    @property
    def is_satisfied(self) -> bool:
        """Whether nothing waits to be acknowledged."""
        return not self.is_kept or self.acknowledged >= self.n

    def raise_by(self, presses: int) -> None:
        self.n += presses
        self.most[self.gen] = max(self.n, self.most.get(self.gen, 0))

    def take(self, gen: int, outcome: Outcome, copies: int, wanted: int) -> None:
        """An answer to a press of this generation."""
        if outcome.refusal is None:
            self._acknowledge(gen, outcome, copies >= wanted)
        elif not self.is_kept or gen != self.gen:
            return
        elif (outcome.refusal == "reset" and outcome.gen > self.gen) or outcome.refusal == "frozen":
            self.begin(outcome.gen, outcome.n)
        elif outcome.refusal == "behind":
            self.behind += 1
            if self.behind >= BEHIND_MAX:
                self.begin(outcome.gen, outcome.n)

    def _acknowledge(self, gen: int, outcome: Outcome, is_last: bool) -> None:
        if is_last:
            self.acknowledged_in[gen] = max(outcome.n, self.acknowledged_in.get(gen, 0))
        if gen == self.gen:
            self.behind = 0
            if is_last:
                self.acknowledged = max(outcome.n, self.acknowledged)

    def begin(self, gen: int, n: int) -> None:
        """Take the node's generation, and what it holds of us there."""
        self.gen, self.n, self.behind = gen, n, 0
        self.acknowledged = n
        self.most[self.gen] = max(self.n, self.most.get(self.gen, 0))

    def forget(self) -> None:
        """The browser's storage is lost: nobody sends this any more."""
        self.is_kept = False

    def bounds(self, gen: int) -> tuple[int, int]:
        """How much of it the cluster may hold at peace, where the item is in this generation: least and most."""
        most = self.most.get(gen, 0)
        if self.is_kept and self.gen == gen:
            return self.n, max(self.n, most)
        return self.acknowledged_in.get(gen, 0), most
