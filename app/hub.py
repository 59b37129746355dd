"""This node's registry of who watches which item, and the push of what changed.

Commits only mark items as changed; a push sends the newest numbers, at most once per push interval.

1. Watchers of the same items are an audience. Per push, what changed is encoded once for each audience, and each of
   its watchers gets one write: the same bytes.
2. Only the newest count is ever sent: there is no queue of older ones.
3. An audience is looked over for slow watchers (over `SLOW_BYTES` unsent) whenever it was sent `LOOK_BYTES` or a
   second has passed. A slow one is skipped; what it missed is remembered by name, and it gets the newest numbers
   once it has drained. One that stays slow for `SLOW_S` is closed with 4002.
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
from app.audience import Audience, Watcher
from app.metrics import Metrics
from app.visitors import visitor_of
from cluster.core.items import belongs_to_visitor, erasure_key
from cluster.surface import Changed, ItemState, Tally

# With what may come on top of it before anybody looks, 64 KiB.
SLOW_BYTES: Final = 48 * 1024
SLOW_S: Final = 5.0
LOOK_BYTES: Final = 16 * 1024
LOOK_S: Final = 1.0
# Some 5 ms of writing: then others get their turn.
WRITES_PER_TURN: Final = 500


class _Watched:
    """One watched item. `state` is None until the engine has told it."""

    __slots__ = ("audiences", "state")

    def __init__(self) -> None:
        self.audiences: set[Audience] = set()
        self.state: ItemState | None = None


class Hub:
    """`clock` is monotonic, in seconds; `on_watchers` is told how many watch after every change of it."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float], on_watchers: Callable[[int], None]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._on_watchers = on_watchers
        self._items: dict[str, _Watched] = {}
        self._audiences: dict[frozenset[str], Audience] = {}
        self._visitors: dict[bytes, set[Watcher]] = {}
        self._watchers = 0
        self._changed: set[str] = set()
        self._owed: set[Watcher] = set()
        self._slow: set[Watcher] = set()
        self._wake = asyncio.Event()
        self._written = 0

    def add(self, watcher: Watcher) -> None:
        self._visitors.setdefault(watcher.visitor, set()).add(watcher)
        self._count_watchers(1)

    def remove(self, watcher: Watcher) -> None:
        self._move(watcher, frozenset())
        self._forget_visitor(watcher)
        self._owed.discard(watcher)
        self._slow.discard(watcher)
        # A ring with its session would be left to the collector, which the node keeps from looking that far.
        watcher.on_erased = _nobody_is_here
        self._count_watchers(-1)

    def set_visitor(self, watcher: Watcher, visitor: bytes) -> None:
        self._forget_visitor(watcher)
        watcher.visitor = visitor
        watcher.mine = None
        self._visitors.setdefault(visitor, set()).add(watcher)

    def watch(self, watcher: Watcher, items: Iterable[str]) -> None:
        self._move(watcher, watcher.items.union(items))

    def unwatch(self, watcher: Watcher, items: Iterable[str]) -> None:
        self._move(watcher, watcher.items.difference(items))
        for item in items:
            if watcher.mine is not None:
                watcher.mine.pop(item, None)
            if watcher.missed is not None:
                watcher.missed.discard(item)

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

    # -- pushes

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
        changed, self._changed = self._changed, set()
        self._tell_mine()
        self._written = 0
        for audience, items in self._who_gets(changed).items():
            for watcher in audience.slow:
                assert watcher.missed is not None, "a slow watcher misses what it is not sent"
                watcher.missed.update(items)
            await self._write(audience, self._frame_of(items))

    def _who_gets(self, changed: Iterable[str]) -> dict[Audience, list[str]]:
        found: dict[Audience, list[str]] = {}
        for item in changed:
            watched = self._items.get(item)
            if watched is not None and watched.state is not None:
                for audience in watched.audiences:
                    found.setdefault(audience, []).append(item)
        return found

    def _frame_of(self, items: Iterable[str]) -> bytes:
        """Their newest counts."""
        states = {item: self._items[item].state for item in items}
        return wire.frame(wire.Counts({item: state.count for item, state in states.items() if state is not None}))

    async def _write(self, audience: Audience, frame: bytes) -> None:
        """To all who read; with a pause for others where they are many, in which some may leave."""
        quick = list(audience.quick.items())
        self._metrics.pushes.inc(len(quick))
        start = 0
        while start < len(quick):
            stop = start + WRITES_PER_TURN - self._written
            for watcher, write in quick[start:stop]:
                if watcher.audience is audience:
                    write(frame)
            self._written += len(quick[start:stop])
            start = stop
            if self._written >= WRITES_PER_TURN:
                self._written = 0
                await asyncio.sleep(0)
        self._look_over(audience, len(frame))

    def _tell_mine(self) -> None:
        """Own tallies go first, and leave with the counts behind them."""
        owed, self._owed = self._owed, set()
        for watcher in owed:
            if watcher.mine and watcher.slow_since is None:
                mine = {item: tally for item, tally in watcher.mine.items() if item in watcher.items}
                watcher.mine = None
                if mine:
                    watcher.outlet.send(wire.frame(wire.Mine(mine)))

    # -- slow watchers

    def _look_over(self, audience: Audience, sent_bytes: int) -> None:
        """Find those who do not read what they are sent."""
        now = self._clock()
        audience.unlooked_bytes += sent_bytes
        if audience.unlooked_bytes < LOOK_BYTES and now - audience.looked_at < LOOK_S:
            return
        audience.unlooked_bytes, audience.looked_at = 0, now
        for watcher in [each for each in audience.quick if each.outlet.backlog_bytes() > SLOW_BYTES]:
            del audience.quick[watcher]
            audience.slow.add(watcher)
            watcher.slow_since, watcher.missed = now, set()
            self._slow.add(watcher)
            self._metrics.slow_watchers.labels("skipped").inc()

    def look_after_slow(self) -> None:
        """Catch up those who have drained, close those who have not for too long."""
        now = self._clock()
        for watcher in list(self._slow):
            since = watcher.slow_since
            assert since is not None, "a slow watcher is slow since some time"
            if watcher.outlet.backlog_bytes() <= SLOW_BYTES:
                self._catch_up(watcher)
            elif now - since > SLOW_S:
                self._slow.discard(watcher)
                self._metrics.slow_watchers.labels("closed").inc()
                watcher.outlet.close(wire.CLOSE_TOO_SLOW)

    def _catch_up(self, watcher: Watcher) -> None:
        """It is quick again, and gets one frame with the truth."""
        missed, watcher.missed, watcher.slow_since = watcher.missed or set(), None, None
        self._slow.discard(watcher)
        if watcher.audience is not None:
            watcher.audience.slow.discard(watcher)
            watcher.audience.quick[watcher] = watcher.outlet.push
        self._owed.add(watcher)
        self._tell_mine()
        if missed:
            watcher.outlet.push(self._frame_of(missed))

    # -- who is who

    def _move(self, watcher: Watcher, items: frozenset[str]) -> None:
        """From the audience of what it has watched to that of these items; of none to none."""
        old = watcher.audience
        if old is not None:
            old.quick.pop(watcher, None)
            old.slow.discard(watcher)
            if not old.quick and not old.slow:
                self._dissolve(old)
        watcher.audience = None
        if items:
            new = watcher.audience = self._audiences.get(items) or self._gather(items)
            if watcher.slow_since is None:
                new.quick[watcher] = watcher.outlet.push
            else:
                new.slow.add(watcher)

    def _gather(self, items: frozenset[str]) -> Audience:
        audience = self._audiences[items] = Audience(items, self._clock())
        for item in items:
            self._items.setdefault(item, _Watched()).audiences.add(audience)
        return audience

    def _dissolve(self, audience: Audience) -> None:
        del self._audiences[audience.items]
        for item in audience.items:
            watched = self._items[item]
            watched.audiences.remove(audience)
            if not watched.audiences:
                del self._items[item]

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
            for audience in watched.audiences:
                for watcher in (*audience.quick, *audience.slow):
                    self._owe(watcher, item, Tally(state.gen, 0))

    def _note_tally(self, item: str, visitor: bytes, tally: Tally) -> None:
        for watcher in self._visitors.get(visitor, ()):
            if item in watcher.items:
                self._owe(watcher, item, tally)

    def _owe(self, watcher: Watcher, item: str, tally: Tally) -> None:
        if watcher.mine is None:
            watcher.mine = {}
        watcher.mine[item] = wire.MyTally(tally.gen, tally.n)
        self._owed.add(watcher)

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
