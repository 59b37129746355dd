"""This run's presses: its tallies in memory, its tab, its token, and the state file that outlives it.

What is in memory is what is shown and sent; what is in the file is what the next run sends if this one is killed.
Each change is applied to both by the same pure function of `tallies`, the file's first where a press is raised: two
runs of one visitor then never take the same number for two presses.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import TypeVar

from cli.items import counted, kind_of, tally_max
from cli.state import State, Stored
from cli.tallies import Key, Tallies, Tally

_Result = TypeVar("_Result")


class Presses:
    """What this run pressed and what earlier runs left unsaved."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._tallies, self.addresses = state.update(
            lambda stored: (Tallies(list(stored.tallies)), tuple(stored.addresses))
        )
        self._committed: dict[Key, int] = {}
        self.tab = _new_tab()

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._tallies)

    def get(self, key: Key) -> Tally:
        return self._tallies.get(*key)

    def mine(self, item: str) -> Tally:
        """The tally that this run's next press on the item raises."""
        return self._tallies.get(item, self.tab)

    @property
    def unsaved(self) -> int:
        """How many presses no node has acknowledged."""
        return sum(tally.unsaved for tally in self)

    def uncounted(self, item: str) -> int:
        """What own presses, not yet in any answer, will add to the item's count."""
        return sum(
            tally.counts_for - counted(item, self._committed.get(tally.key, tally.saved))
            for tally in self
            if tally.item == item
        )

    # what the person does

    def press(self, item: str, presses: int = 1) -> Tally:
        """Raise this run's tally, and write it down. Raises `TallyFullError` if the item takes no more."""
        if kind_of(item) == "tap" and self.mine(item).n + presses > tally_max(item):
            self.tab = _new_tab()
        held = self.mine(item)
        return self._tallies.put(self._state.update(lambda stored: stored.tallies.press(held, presses)))

    def choose(self, item: str, liked: bool) -> tuple[Tally, bool]:
        """Like a `once` item, or take it back. Returns the tally, and whether that changed it."""
        held = self.mine(item)

        def change(stored: Stored) -> tuple[Tally, bool]:
            now = stored.tallies.put(held)
            return (now, False) if now.is_liked == liked else (stored.tallies.press(now, 1), True)

        tally, is_changed = self._state.update(change)
        return self._tallies.put(tally), is_changed

    # what a node says

    def learn(self, key: Key, gen: int, n: int) -> None:
        """A node holds n presses of this tally."""
        held = self.get(key)
        if held.gen is None:
            self._both(lambda tallies: tallies.name_gen(key[0], gen))
        if held.n or n:
            self._if_news(key, lambda tallies: tallies.learn(held, gen, n))
        else:
            # Nothing to keep, but the first press is to be written down with its generation.
            self._tallies.learn(held, gen, 0)
        self._committed[key] = n

    def take(self, key: Key, gen: int, n: int, *, is_saved: bool) -> None:
        """A node committed n presses of this tally, and has the copies if `is_saved`."""
        held = self.get(key)
        if is_saved:
            self._if_news(key, lambda tallies: tallies.settle(held, gen, n))
        else:
            self._if_news(key, lambda tallies: tallies.learn(held, gen, n))
        self._committed[key] = max(n, self._committed.get(key, 0))

    def withdraw(self, key: Key) -> None:
        """A node refused the unsaved part of this tally for good."""
        held = self.get(key)
        self._both(lambda tallies: tallies.withdraw(held))

    def reset(self, item: str, gen: int) -> int:
        """The item has a new generation: returns how many unsaved presses that made void."""
        for tally in self:
            if tally.item == item:
                self._committed.pop(tally.key, None)
        lost = self._tallies.forget_before(item, gen)
        self._state.update(lambda stored: stored.tallies.forget_before(item, gen))
        return lost

    # who presses

    def adopt(self, fresh: str) -> str:
        """The token to go by: the stored one, else this fresh one, which is stored."""

        def change(stored: Stored) -> str:
            stored.token = stored.token or fresh
            return stored.token

        return self._state.update(change)

    def renew(self, said: str, token: str) -> None:
        """A node signed our token anew."""

        def change(stored: Stored) -> None:
            if stored.token == said:
                stored.token = token

        self._state.update(change)

    def forget_visitor(self, said: str, fresh: str) -> tuple[str, int]:
        """The token is no longer good: its tallies and queue go with it, unless another run was quicker.

        Returns the token to go by, and how many presses of this run were lost.
        """

        def change(stored: Stored) -> tuple[str, list[Tally]]:
            if stored.token == said:
                stored.token = fresh
                stored.tallies.forget_all()
            return stored.token, list(stored.tallies)

        lost = self._tallies.forget_all()
        self._committed.clear()
        token, others = self._state.update(change)
        self._tallies = Tallies(others)
        return token, lost

    def remember_addresses(self, addresses: list[str]) -> None:
        """Where nodes may be found at the next start, if the address given does not answer."""

        def change(stored: Stored) -> None:
            stored.addresses = addresses

        self._state.update(change)

    def _if_news(self, key: Key, change: Callable[[Tallies], object]) -> None:
        before = self.get(key)
        change(self._tallies)
        if self.get(key) != before:
            self._state.update(lambda stored: change(stored.tallies))

    def _both(self, change: Callable[[Tallies], None]) -> None:
        change(self._tallies)
        self._state.update(lambda stored: change(stored.tallies))


def _new_tab() -> str:
    return secrets.token_urlsafe(12)
