"""This run's presses: its tallies in memory, its tab, its token, and the state file that outlives it.

What is in memory is what is shown and sent; what is in the file is what the next run sends if this one is killed.
A change begins with the newer of what the two know, so two runs of one visitor never take the same number for two
presses.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from cli.items import counted, kind_of, tally_max
from cli.state import State
from cli.tally import Key, Tally, key_of, newest
from cli.wire import Pressed


class Outcome(msgspec.Struct, frozen=True):
    """What became of presses. `saved`: acknowledged, with so many `copies`. `unsaved`: kept, and sent again.
    `refused`: void, `code` says why. `text` is for people.
    """

    status: Literal["saved", "unsaved", "refused"]
    code: str = ""
    text: str = ""
    copies: int = 0


class Presses:
    """What this run pressed and what earlier runs left unsaved."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._committed: dict[Key, int] = {}
        self._copies: dict[Key, int] = {}
        self._refusals: dict[str, Outcome] = {}
        # The token of a visitor who wishes to be forgotten: nobody has to be told that the nodes did it.
        self.leaving = ""
        self.tab = _new_tab()
        with state.changing() as stored:
            self._tallies = {tally.key: tally for tally in stored.tallies}

    def __iter__(self) -> Iterator[Tally]:
        return iter(list(self._tallies.values()))

    def get(self, key: Key) -> Tally:
        return self._tallies.get(key, Tally(*key))

    def mine(self, item: str) -> Tally:
        """The tally that this run's next press on the item raises."""
        return self.get(key_of(item, self.tab))

    def knows_mine(self, item: str) -> bool:
        """Whether a node has told what it holds of it."""
        return self.mine(item).key in self._committed

    @property
    def unsaved(self) -> int:
        """How many presses no node has acknowledged."""
        return sum(tally.unsaved for tally in self)

    def uncounted(self, item: str) -> int:
        """What own presses, not yet in any answer, will add to the item's count."""
        own = [(tally.n, self._committed.get(tally.key, tally.saved)) for tally in self if tally.item == item]
        return sum(counted(item, n) - counted(item, committed) for n, committed in own)

    def outcome(self, tally: Tally) -> Outcome | None:
        """What became of the presses up to this tally; None as long as that is open."""
        if self.get(tally.key).saved >= tally.n:
            return Outcome("saved", copies=self._copies.get(tally.key, 0))
        return self._refusals.get(tally.item)

    # what the person does

    def press(self, item: str, presses: int = 1) -> Tally:
        """Raise this run's tally, and write it down. Raises `TallyFullError` if the item takes no more."""
        if kind_of(item) == "tap" and self.mine(item).n + presses > tally_max(item):
            self.tab = _new_tab()
        self._refusals.pop(item, None)
        return self._change(self.mine(item).key, lambda tally: tally.pressed(presses))[1]

    def choose(self, item: str, liked: bool) -> tuple[Tally, bool]:
        """Like a `once` item, or take it back. Returns the tally, and whether that changed it."""
        self._refusals.pop(item, None)
        before, after = self._change(
            self.mine(item).key, lambda tally: tally if tally.is_liked == liked else tally.pressed(1)
        )
        return after, before.n != after.n

    # what a node says

    def learn(self, key: Key, gen: int, n: int) -> None:
        """A node holds n presses of this tally. Presses noted before any node told a generation belong to this."""
        for tally in self:
            if tally.item == key[0] and tally.gen is None:
                self._note(tally.key, lambda tally: tally.learned(gen, 0))
        self._note(key, lambda tally: tally.learned(gen, n))
        self._committed[key] = n

    def take(self, key: Key, answer: Pressed) -> bool:
        """A node committed presses of this tally; returns whether it had not said so before."""
        if answer.is_last:
            self._note(key, lambda tally: tally.settled(answer.gen, answer.n))
        else:
            self._note(key, lambda tally: tally.learned(answer.gen, answer.n))
        self._copies[key] = answer.copies
        before = self._committed.get(key, 0)
        self._committed[key] = max(before, answer.n)
        return answer.n > before

    def refuse(self, key: Key, outcome: Outcome) -> None:
        """A node refused the unsaved part of this tally for good."""
        self._note(key, Tally.withdrawn)
        self._refusals[key[0]] = outcome

    def reset(self, item: str, gen: int, outcome: Outcome) -> int:
        """The item's generation is this one now: returns how many unsaved presses of older ones that made void."""
        return self._void([tally for tally in self if tally.item == item and tally.is_before(gen)], gen, outcome)

    def give_up(self, item: str, gen: int, outcome: Outcome) -> int:
        """The nodes insist on this generation: presses of a later one are void too. Returns how many."""
        return self._void(
            [tally for tally in self if tally.item == item and tally.gen not in (None, gen)], gen, outcome
        )

    def _void(self, old: list[Tally], gen: int, outcome: Outcome) -> int:
        for tally in old:
            self._committed.pop(tally.key, None)
            self._note(tally.key, lambda tally: Tally(tally.item, tally.tab, gen))
        void = [tally for tally in old if tally.unsaved]
        self._refusals |= {tally.item: outcome for tally in void}
        return sum(tally.unsaved for tally in void)

    # who presses

    @property
    def token(self) -> str:
        """The token to go by, empty before any node gave one."""
        with self._state.changing() as stored:
            return stored.token

    def adopt(self, fresh: str) -> str:
        """The token to go by: the stored one, else this fresh one, which is stored."""
        with self._state.changing() as stored:
            stored.token = stored.token or fresh
            return stored.token

    def renew(self, said: str, token: str) -> None:
        """A node signed our token anew."""
        with self._state.changing() as stored:
            if stored.token == said:
                stored.token = token

    def forget_visitor(self, said: str, outcome: Outcome) -> int:
        """The token is no longer good: its tallies and queue go with it, unless another run was quicker.

        Returns how many presses of this run were lost.
        """
        lost = self.unsaved
        self._refusals |= {tally.item: outcome for tally in self if tally.unsaved}
        with self._state.changing() as stored:
            if stored.token == said:
                stored.token, stored.tallies = "", []
            self._tallies = {tally.key: tally for tally in stored.tallies}
        self._committed.clear()
        return lost

    def _note(self, key: Key, change: Callable[[Tally], Tally]) -> None:
        """As `_change`, but leave the file alone where this is no news."""
        if change(self.get(key)) != self.get(key):
            self._change(key, change)

    def _change(self, key: Key, change: Callable[[Tally], Tally]) -> tuple[Tally, Tally]:
        """Change a tally in memory and in the file; returns it before and after."""
        with self._state.changing() as stored:
            held = {tally.key: tally for tally in stored.tallies}
            before = newest(self.get(key), held.get(key, Tally(*key)))
            after = held[key] = change(before)
            stored.tallies = [tally for tally in held.values() if tally.is_worth_keeping]
        self._tallies[key] = after
        return before, after


def _new_tab() -> str:
    return secrets.token_urlsafe(12)
