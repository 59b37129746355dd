"""One actor's presses on one item, and how their number grows. Pure: no clock, file or socket.

1. The presser owns its number: a tally only grows within its generation, and is raised before it is sent anywhere.
2. What is sent is the absolute target n, so a retry, a second run and a second node are all the same no-op.
3. `saved` is the largest n that a node acknowledged (copies >= wanted). `n - saved` presses are not saved,
   and are never shown as saved.
4. The parity of an unsaved `once` tally is the person's choice: if somebody else of the same visitor raised the
   tally meanwhile, to the other parity, the choice is pressed again on top of it.
"""

import msgspec
from msgspec.structs import replace

from cli.items import kind_of, tally_max

Key = tuple[str, str]


class TallyFullError(Exception):
    """The item takes no more presses of this actor."""


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """`tab` is empty for `once` and `clap`; `gen` None means not known yet."""

    item: str
    tab: str = ""
    gen: int | None = None
    n: int = 0
    saved: int = 0

    @property
    def key(self) -> Key:
        return (self.item, self.tab)

    @property
    def unsaved(self) -> int:
        return max(self.n - self.saved, 0)

    def is_before(self, gen: int) -> bool:
        """Whether it is of an older generation; one that no node told yet is not."""
        return self.gen is not None and self.gen < gen

    @property
    def is_liked(self) -> bool:
        return self.n % 2 == 1

    @property
    def is_worth_keeping(self) -> bool:
        """Whether a later run needs it: a tab dies with its run, and its saved taps with it."""
        return self.n > 0 and (self.unsaved > 0 or not self.tab)

    def pressed(self, presses: int) -> "Tally":
        """Raised by so many presses. Raises `TallyFullError` if not all of them fit."""
        n = self.n + presses
        if n > tally_max(self.item):
            raise TallyFullError(f"{self.item}: {tally_max(self.item)} presses are the most, and you have {self.n}")
        return replace(self, n=n)

    def learned(self, gen: int, n: int) -> "Tally":
        """A node holds n of this actor's presses in generation gen (`mine`, or a `pressed` larger than asked)."""
        if self.gen is not None and gen < self.gen:
            return self
        if self.gen is not None and gen > self.gen:
            return Tally(self.item, self.tab, gen, n, saved=n)
        if n <= self.n:
            return replace(self, gen=gen)
        if not self.unsaved:
            return replace(self, gen=gen, n=n, saved=n)
        is_other_choice = kind_of(self.item) == "once" and n % 2 != self.n % 2
        return replace(self, gen=gen, n=n + 1 if is_other_choice else n)

    def settled(self, gen: int, n: int) -> "Tally":
        """A node acknowledged n: these presses are saved."""
        now = self.learned(gen, n)
        if now.gen != gen or n <= now.saved:
            return now
        return replace(now, saved=n)

    def withdrawn(self) -> "Tally":
        """A node refused the unsaved part for good: it is no longer wanted."""
        return replace(self, n=min(self.n, self.saved))


def key_of(item: str, tab: str) -> Key:
    """Whose tally a press on the item raises: one tab's (`tap`) or the whole visitor's (`once`, `clap`)."""
    return (item, tab if kind_of(item) == "tap" else "")


def newest(one: Tally, other: Tally) -> Tally:
    """Of two notes on one tally, what is true of it: the later generation, there the larger numbers.

    A note without generation was made before any node told one, and belongs to the other's.
    """
    if one.gen is not None and other.gen is not None and one.gen != other.gen:
        return one if one.gen > other.gen else other
    larger = one if one.n >= other.n else other
    return replace(larger, gen=one.gen if other.gen is None else other.gen, saved=max(one.saved, other.saved))
