"""This node's registry of who watches which item, and the push of what changed.

Commits only mark items as changed; a push sends the newest numbers, at most once per push interval.

1. Per push, an item is encoded once, for all its watchers; a watcher gets one write, whatever it watches.
2. Only the newest count is ever sent: there is no queue of older ones.
3. A slow watcher (over `SLOW_BYTES` unsent) is skipped; what it missed is remembered by name, and it gets the
   newest numbers once it has drained. One that stays slow for `SLOW_S` is closed with 4002.
4. Once and clap tallies go to every watching tab of their visitor. When an item's gen rises, all its watchers
   are told that their tally is 0 in the new one.
5. Tabs of a visitor that was erased are told before anything else of that commit.
6. A push starts after the turn of the loop in which the commit was delivered, so `pressed` goes first.

Called on the loop's thread: by sessions, by the engine (`on_changed`), and `run` as a task of the node.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from app import wire
from app.connection import Outlet
from app.metrics import Metrics
from app.visitors import visitor_of
from cluster.core.items import belongs_to_visitor, erasure_key
from cluster.surface import Changed, ItemState, Tally

SLOW_BYTES: Final = 64 * 1024
SLOW_S: Final = 5.0
# Some 5 ms of writing: then others get their turn.
WRITES_PER_TURN: Final = 500


class Watcher:
    """One browser connection in the hub; the session that made it says which visitor it is.

    `on_erased` is called when that visitor was erased: the session names another (`Hub.set_visitor`).
    """

    __slots__ = ("items", "mine", "missed", "on_erased", "outlet", "slow_since", "visitor")

    def __init__(self, outlet: Outlet, visitor: bytes, on_erased: Callable[[], None]) -> None:
        self.outlet = outlet
        self.visitor = visitor
        self.on_erased = on_erased
        self.items: set[str] = set()
        self.mine: dict[str, wire.MyTally] = {}
        self.missed: set[str] = set()
        self.slow_since: float | None = None


class _Watched:
    """One watched item. `state` is None until the engine has told it, `frame` until it was pushed."""

    __slots__ = ("frame", "state", "watchers")

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.state: ItemState | None = None
        self.frame: bytes = b""


class Hub:
    """`clock` is monotonic, in seconds; `on_watchers` is told how many watch after every change of it."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float], on_watchers: Callable[[int], None]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._on_watchers = on_watchers
        self._items: dict[str, _Watched] = {}
        self._visitors: dict[bytes, set[Watcher]] = {}
        self._watchers = 0
        self._changed: set[str] = set()
        self._owed: set[Watcher] = set()
        self._slow: set[Watcher] = set()
        self._wake = asyncio.Event()

    def add(self, watcher: Watcher) -> None:
        self._visitors.setdefault(watcher.visitor, set()).add(watcher)
        self._count_watchers(1)

    def remove(self, watcher: Watcher) -> None:
        self.unwatch(watcher, list(watcher.items))
        self._forget_visitor(watcher)
        self._owed.discard(watcher)
        self._slow.discard(watcher)
        # A ring with its session would be left to the collector, which the node keeps from looking that far.
        watcher.on_erased = _nobody_is_here
        self._count_watchers(-1)

    def set_visitor(self, watcher: Watcher, visitor: bytes) -> None:
        self._forget_visitor(watcher)
        watcher.visitor = visitor
        watcher.mine.clear()
        self._visitors.setdefault(visitor, set()).add(watcher)

    def watch(self, watcher: Watcher, items: Iterable[str]) -> None:
        for item in items:
            self._items.setdefault(item, _Watched()).watchers.add(watcher)
            watcher.items.add(item)

    def unwatch(self, watcher: Watcher, items: Iterable[str]) -> None:
        for item in watcher.items.intersection(items):
            watcher.items.remove(item)
            watcher.missed.discard(item)
            watcher.mine.pop(item, None)
            watched = self._items[item]
            watched.watchers.remove(watcher)
            if not watched.watchers:
                del self._items[item]

    def learn(self, items: Mapping[str, ItemState]) -> None:
        """A snapshot's states. No older than what is known here: engines deliver in commit order."""
        for item, state in items.items():
            watched = self._items.get(item)
            if watched is not None and watched.state is None:
                watched.state = state

    def on_changed(self, changed: Changed) -> None:
        if changed.erased:
            self._tell_erased(changed.erased)
        for item, state in changed.items.items():
            watched = self._items.get(item)
            if watched is not None:
                self._note_state(item, watched, state)
        for (item, actor), tally in changed.tallies.items():
            if belongs_to_visitor(item):
                self._note_tally(item, visitor_of(actor), tally)
        if self._changed or self._owed:
            self._wake.set()

    async def run(self, push_interval_ms: int) -> None:
        """Push whenever something changed, at most once per interval; look after slow watchers."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            started_at = self._clock()
            await self.push()
            self.look_after_slow()
            if self._slow:
                self._wake.set()
            await asyncio.sleep(max(0.0, push_interval_ms / 1000 - (self._clock() - started_at)))

    async def push(self) -> None:
        """One tick: everything that changed since the last one."""
        batches = self._batches()
        for number, (watcher, items) in enumerate(batches.items(), start=1):
            self._deliver(watcher, items)
            if number % WRITES_PER_TURN == 0:
                await asyncio.sleep(0)
        self._metrics.pushes.inc(len(batches))

    def look_after_slow(self) -> None:
        """Catch up those who have drained, close those who have not for too long."""
        now = self._clock()
        for watcher in list(self._slow):
            since = watcher.slow_since
            assert since is not None, "a slow watcher is slow since some time"
            if watcher.outlet.backlog_bytes() <= SLOW_BYTES:
                self._slow.discard(watcher)
                watcher.slow_since = None
                self._deliver(watcher, ())
            elif now - since > SLOW_S:
                self._slow.discard(watcher)
                self._metrics.slow_watchers.labels("closed").inc()
                watcher.outlet.close(wire.CLOSE_TOO_SLOW)

    def _tell_erased(self, erased: frozenset[bytes]) -> None:
        """The hub knows visitors by id, an erasure says a hash: so every one here is hashed, 10 ms for 10,000."""
        gone = [visitor for visitor in self._visitors if erasure_key(visitor) in erased]
        for watcher in [watcher for visitor in gone for watcher in self._visitors[visitor]]:
            watcher.on_erased()

    def _note_state(self, item: str, watched: _Watched, state: ItemState) -> None:
        known, watched.state = watched.state, state
        if state != known:
            self._changed.add(item)
        if known is not None and state.gen > known.gen:
            for watcher in watched.watchers:
                self._owe(watcher, item, Tally(state.gen, 0))

    def _note_tally(self, item: str, visitor: bytes, tally: Tally) -> None:
        for watcher in self._visitors.get(visitor, ()):
            if item in watcher.items:
                self._owe(watcher, item, tally)

    def _owe(self, watcher: Watcher, item: str, tally: Tally) -> None:
        watcher.mine[item] = wire.MyTally(tally.gen, tally.n)
        self._owed.add(watcher)

    def _batches(self) -> dict[Watcher, list[str]]:
        """Who is to get which items; their frames are made here, once each."""
        changed, self._changed = self._changed, set()
        owed, self._owed = self._owed, set()
        batches: dict[Watcher, list[str]] = {watcher: [] for watcher in owed}
        for item in changed:
            watched = self._items.get(item)
            if watched is None or watched.state is None:
                continue
            watched.frame = wire.frame(wire.Counts({item: watched.state.count}))
            for watcher in watched.watchers:
                batches.setdefault(watcher, []).append(item)
        return batches

    def _deliver(self, watcher: Watcher, items: Iterable[str]) -> None:
        """One write with what the watcher still watches of these items and of those it missed."""
        if not watcher.items:
            return
        if watcher.outlet.backlog_bytes() > SLOW_BYTES:
            self._skip(watcher, items)
            return
        if watcher.missed:
            items = watcher.missed.union(items)
            watcher.missed = set()
        frames = [self._items[item].frame for item in items if item in watcher.items]
        if watcher.mine:
            frames.insert(0, wire.frame(wire.Mine(watcher.mine)))
            watcher.mine = {}
        if frames:
            watcher.outlet.push(b"".join(frames))

    def _skip(self, watcher: Watcher, items: Iterable[str]) -> None:
        watcher.missed.update(watcher.items.intersection(items))
        if watcher.slow_since is None:
            watcher.slow_since = self._clock()
            self._slow.add(watcher)
            self._metrics.slow_watchers.labels("skipped").inc()

    def _forget_visitor(self, watcher: Watcher) -> None:
        tabs = self._visitors[watcher.visitor]
        tabs.remove(watcher)
        if not tabs:
            del self._visitors[watcher.visitor]

    def _count_watchers(self, change: int) -> None:
        self._watchers += change
        self._metrics.watchers.set(self._watchers)
        self._on_watchers(self._watchers)


def _nobody_is_here() -> None:
    """What an erasure calls of a watcher that is gone."""
