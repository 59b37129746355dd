"""The presser owns its number: this client's tallies, and how they grow. Pure: no clock, file or socket.

One `Tallies` is what stands in the state file, another is what a run holds in memory; the same functions
change both (`session` does that, under the file's lock).

1. A tally only grows within its generation, and is raised here before it is sent anywhere.
2. What is sent is the absolute target n, so a retry, a second run and a second node are all the same no-op.
3. `saved` is the largest n that a node acknowledged (copies >= wanted). `n - saved` presses are not saved,
   and are never shown as saved.
4. A `once` tally keeps the person's choice until it is acknowledged: if somebody else of the same visitor raised
   the tally meanwhile, to the other parity, the choice is pressed again on top of it.
"""

from collections.abc import Iterator

import msgspec

from cli.items import belongs_to_visitor, counted, kind_of, tally_max

Key = tuple[str, str]


class TallyFullError(Exception):
    """The item takes no more presses of this actor."""


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """One actor's presses on one item. `tab` is empty for `once` and `clap`; `gen` None means not known yet."""

    item: str
    tab: str = ""
    gen: int | None = None
    n: int = 0
    saved: int = 0
    choice: bool | None = None

    @property
    def key(self) -> Key:
        return (self.item, self.tab)

    @property
    def unsaved(self) -> int:
        return max(self.n - self.saved, 0)

    @property
    def is_liked(self) -> bool:
        return self.n % 2 == 1

    @property
    def counts_for(self) -> int:
        """What it adds to the item's count once a node has it."""
        return counted(self.item, self.n)


def newest(one: Tally, other: Tally) -> Tally:
    """Of two notes on one tally, what is true of it: the later generation, there the larger numbers.

    A note without generation was made before any node told one, and belongs to the other's.
    """
    if one.gen is not None and other.gen is not None and one.gen != other.gen:
        return one if one.gen > other.gen else other
    larger = one if one.n >= other.n else other
    gen = one.gen if other.gen is None else other.gen
    return msgspec.structs.replace(larger, gen=gen, saved=max(one.saved, other.saved))


class Tallies:
    """Tallies by (item, tab)."""

    def __init__(self, tallies: list[Tally] | None = None) -> None:
        self._by_key = {tally.key: tally for tally in tallies or ()}

    def __iter__(self) -> Iterator[Tally]:
        return iter(list(self._by_key.values()))

    def get(self, item: str, tab: str) -> Tally:
        """The tally of this actor; n 0 if there is none. The tab plays no part in `once` and `clap`."""
        tab = "" if belongs_to_visitor(item) else tab
        return self._by_key.get((item, tab), Tally(item, tab))

    def put(self, tally: Tally) -> Tally:
        """Note a tally, and keep what was known of it where that is newer."""
        merged = newest(tally, self._by_key.get(tally.key, tally))
        self._by_key[tally.key] = merged
        return merged

    def press(self, held: Tally, presses: int) -> Tally:
        """Raise a tally by so many presses; `held` is what the caller knows of it.

        Raises `TallyFullError` if not all of them fit.
        """
        now = self.put(held)
        target = now.n + presses
        if target > tally_max(now.item):
            raise TallyFullError(f"{now.item}: {tally_max(now.item)} presses are the most, and you have {now.n}")
        choice = target % 2 == 1 if kind_of(now.item) == "once" else None
        return self._set(now, n=target, choice=choice)

    def learn(self, tally: Tally, gen: int, n: int) -> Tally:
        """A node holds n of this actor's presses in generation gen (`mine`, or a `pressed` larger than asked)."""
        now = self.put(tally)
        if now.gen is not None and gen < now.gen:
            return now
        if now.gen is not None and gen > now.gen:
            return self._replace(Tally(now.item, now.tab, gen, n))
        if n <= now.n:
            return self._set(now, gen=gen)
        if not now.unsaved:
            return self._set(now, gen=gen, n=n, saved=n)
        if now.choice is not None and now.choice != (n % 2 == 1):
            n += 1
        return self._set(now, gen=gen, n=n)

    def name_gen(self, item: str, gen: int) -> None:
        """A node told the item's generation: presses noted before any node could tell belong to it."""
        for tally in self:
            if tally.item == item and tally.gen is None:
                self._set(tally, gen=gen)

    def settle(self, tally: Tally, gen: int, n: int) -> Tally:
        """A node acknowledged n: these presses are saved."""
        now = self.learn(tally, gen, n)
        if now.gen != gen or n <= now.saved:
            return now
        return self._set(now, saved=n, choice=None if n >= now.n else now.choice)

    def withdraw(self, tally: Tally) -> None:
        """A node refused the unsaved part for good: it is no longer wanted."""
        now = self.get(tally.item, tally.tab)
        if now.gen == tally.gen or now.gen is None:
            self._replace(msgspec.structs.replace(now, n=min(now.n, now.saved), choice=None))

    def forget_before(self, item: str, gen: int) -> int:
        """The item was reset to gen: older tallies no longer count. How many presses were not saved yet."""
        lost = 0
        for tally in self:
            if tally.item == item and tally.gen is not None and tally.gen < gen:
                lost += tally.unsaved
                self._replace(Tally(tally.item, tally.tab, gen))
        return lost

    def forget_all(self) -> int:
        """The token was refused: nothing here belongs to anybody. How many presses were not saved yet."""
        lost = sum(tally.unsaved for tally in self)
        self._by_key.clear()
        return lost

    def without_settled_taps(self) -> list[Tally]:
        """What is worth keeping on disk: a tab dies with its run, so its saved taps are of no use to another."""
        return [tally for tally in self if tally.n and (tally.unsaved or belongs_to_visitor(tally.item))]

    def _set(self, tally: Tally, **fields: int | bool | None) -> Tally:
        return self._replace(msgspec.structs.replace(tally, **fields))

    def _replace(self, tally: Tally) -> Tally:
        self._by_key[tally.key] = tally
        return tally
