"""This node's registry of who watches which item, and the push of what changed.

Commits only mark items as changed; a push sends the newest numbers, at most once per push interval.

1. Watchers of the same items are an audience. Per push, what changed is encoded once for each audience, and each of
   its watchers gets one write: the same bytes.
2. That write goes straight to the watcher's socket, past its transport (docs/decisions/0018-straight-writes.md):
   to those for whom nothing waits to be written, and behind what was said to them in this turn of the loop.
3. Only the newest count is ever sent: there is no queue of older ones. A watcher for whom something waits is slow:
   it is skipped, what it missed is remembered by name, and it gets the newest numbers once all of it has left. One
   that takes nothing for `SLOW_S` is closed with 4002. The same holds of how many watch, and of what is frozen.
4. Once and clap tallies go to every watching tab of their visitor. When an item's gen rises, all its watchers
   are told that their tally is 0 in the new one. Taps are news only to whom presses them elsewhere (`follow_taps`).
5. Tabs of a visitor that was erased are told before anything else of that commit.
6. A push starts after the turn of the loop in which the commit was delivered, so `pressed` goes first.

Called on the loop's thread: by sessions, by the engine (`on_changed`), and `run` as a task of the node.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from app import wire
from app.audience import Audience, Audiences, News, Watched, Watcher
from app.metrics import Metrics
from app.outlet import Write
from app.visitors import visitor_of
from app.writes import Writes
from cluster.core.items import belongs_to_visitor, erasure_key
from cluster.surface import FROZEN, Changed, ItemState, Tallied, Tally, Viewing

SLOW_S: Final = 5.0


class Hub:
    """`clock` is monotonic, in seconds; `on_watchers` is told how many watch after every change of it, `viewers`
    how many of them each item, and `frozen` says which items are.

    `flush` lets all that was said to watchers in this turn of the loop leave.
    """

    def __init__(
        self,
        metrics: Metrics,
        clock: Callable[[], float],
        on_watchers: Callable[[int], None],
        viewers: Viewing,
        frozen: Callable[[], Collection[str]],
        flush: Callable[[], None],
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._on_watchers = on_watchers
        self._viewers = viewers
        self._frozen = frozen
        self._writes = Writes(flush)
        self._audiences = Audiences()
        self._visitors: dict[bytes, set[Watcher]] = {}
        # Who is told of this actor's taps: seldom anybody.
        self._tappers: dict[bytes, Watcher] = {}
        self._watchers = 0
        # What the next push tells, and what the one that is under way does.
        self._news = News()
        self._pushed = News()
        self._owed: set[Watcher] = set()
        # Since when each has taken nothing, and how many bytes wait for it.
        self._slow: dict[Watcher, tuple[float, int]] = {}
        self._wake = asyncio.Event()
        viewers.subscribe(self.on_viewers)

    def add(self, watcher: Watcher) -> None:
        self._visitors.setdefault(watcher.visitor, set()).add(watcher)
        self._count_watchers(1)
        if watcher.outlet.is_backed_up:
            self.fell_behind(watcher)

    def remove(self, watcher: Watcher) -> None:
        self._move(watcher, frozenset())
        self._forget_visitor(watcher)
        self._owed.discard(watcher)
        self._slow.pop(watcher, None)
        if watcher.tapper and self._tappers.get(watcher.tapper) is watcher:
            del self._tappers[watcher.tapper]
        # A ring with its session would be left to the collector, which the node keeps from looking that far.
        watcher.on_erased = _nobody_is_here
        self._count_watchers(-1)

    def set_visitor(self, watcher: Watcher, visitor: bytes) -> None:
        self._forget_visitor(watcher)
        watcher.visitor = visitor
        watcher.mine = None
        self._visitors.setdefault(visitor, set()).add(watcher)

    def follow_taps(self, watcher: Watcher, actor: bytes) -> None:
        watcher.tapper = actor
        self._tappers[actor] = watcher

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
            watched = self._audiences.items.get(item)
            if watched is not None and watched.state is None:
                watched.state = state

    def on_changed(self, changed: Changed) -> None:
        if changed.erased:
            self._tell_erased(changed.erased)
        for item, state in changed.items.items():
            watched = self._audiences.items.get(item)
            if watched is not None:
                self._note_state(item, watched, state)
        if self._tappers or any(map(belongs_to_visitor, changed.items)):
            self._note_tallies(changed)
        if changed.flags:
            self._news.viewers.update(name for item, name in changed.flags if item == FROZEN)
        if self._news or self._owed:
            self._wake.set()

    def on_viewers(self, totals: Mapping[str, int]) -> None:
        self._news.viewers.update(totals)
        self._wake.set()

    # -- pushes

    async def run(self, push_interval_ms: int) -> None:
        """Push whenever something changed, at most once per interval; look after slow watchers."""
        next_at = self._clock()
        while True:
            await self._wake.wait()
            if (early_s := next_at - self._clock()) > 0:
                await asyncio.sleep(early_s)
            self._wake.clear()
            next_at = self._clock() + push_interval_ms / 1000
            await self.push()
            self.look_after_slow()
            if self._slow:
                self._wake.set()

    async def push(self) -> None:
        """One tick: everything that changed since the last one."""
        news, self._news = self._news, News()
        self._pushed = News(self._audiences.told(news.counts), news.viewers)
        self._writes.begin()
        who_gets = self._audiences.who_gets(self._pushed)
        told = self._tell_owed(who_gets)
        for audience, its_news in who_gets.items():
            self._metrics.pushes.inc(len(audience.quick))
            await self._writes.to(audience, its_news, self._frames_of, told)
        self._pushed = News()

    def _frames_of(self, news: News) -> bytes:
        """Its newest numbers; somebody watches each of its items."""
        counts = wire.frame(wire.Counts(self._audiences.counts(news.counts))) if news.counts else b""
        return counts + (self.viewers_frame(news.viewers) if news.viewers else b"")

    def viewers_frame(self, items: Iterable[str]) -> bytes:
        """How many watch these, here and on other nodes, and which of them are frozen."""
        frozen = self._frozen()
        viewers = {item: self._viewers.total(item) for item in items}
        return wire.frame(wire.Viewers(viewers, [item for item in viewers if item in frozen]))

    def _tell_owed(self, who_gets: Mapping[Audience, News]) -> set[Write]:
        """Own tallies go first, and leave with the counts behind them. Whom these were told."""
        told: set[Write] = set()
        frames: dict[Audience, bytes] = {}
        owed, self._owed = self._owed, set()
        for watcher in owed:
            if watcher.missed is not None or not self._tell_mine(watcher):
                continue
            audience = watcher.audience
            if audience is not None and audience in who_gets:
                if audience not in frames:
                    frames[audience] = self._frames_of(who_gets[audience])
                watcher.outlet.send(frames[audience])
                told.add(watcher.outlet.write)
        return told

    def _tell_mine(self, watcher: Watcher) -> bool:
        """Whether there was something to tell it."""
        mine, watcher.mine = watcher.mine or {}, None
        mine = {item: tally for item, tally in mine.items() if item in watcher.items}
        if mine:
            watcher.outlet.send(wire.frame(wire.Mine(mine)))
        return bool(mine)

    # -- slow watchers

    def fell_behind(self, watcher: Watcher) -> None:
        """Something waits to be written to it: nothing more is until that has left."""
        watcher.missed = News()
        self._slow[watcher] = (self._clock(), watcher.outlet.untaken_bytes())
        self._metrics.slow_watchers.labels("skipped").inc()
        if watcher.audience is not None:
            watcher.audience.place(watcher)
        self._wake.set()

    def caught_up(self, watcher: Watcher) -> None:
        """All of it has left: it gets one write with the truth."""
        missed, watcher.missed = watcher.missed or News(), None
        self._slow.pop(watcher, None)
        if watcher.audience is not None:
            watcher.audience.place(watcher)
        self._tell_mine(watcher)
        if missed:
            watcher.outlet.send(self._frames_of(missed))

    def look_after_slow(self) -> None:
        """Close those that take nothing. What waits for one grows while it is answered: that it shrinks counts."""
        now = self._clock()
        for watcher, (since, bytes_then) in list(self._slow.items()):
            bytes_now = watcher.outlet.untaken_bytes()
            self._slow[watcher] = (now if bytes_now < bytes_then else since, bytes_now)
            if bytes_now >= bytes_then and now - since > SLOW_S:
                self._metrics.slow_watchers.labels("closed").inc()
                watcher.outlet.close(wire.CLOSE_TOO_SLOW)

    # -- who is who

    def _move(self, watcher: Watcher, items: frozenset[str]) -> None:
        """It watches these items now, and no others."""
        before = watcher.items
        if items == before:
            return
        self._audiences.move(watcher, items)
        for item in items ^ before:
            self._viewers.change_own(item, 1 if item in items else -1)
        if missed := self._pushed.of(before & items):
            # The push that is under way may not have come to it yet, and passes it over now.
            if watcher.missed is None:
                watcher.outlet.send(self._frames_of(missed))
            else:
                watcher.missed.add(missed)

    def _tell_erased(self, erased: frozenset[bytes]) -> None:
        """The hub knows visitors by id, an erasure says a hash: so every one here is hashed, 10 ms for 10,000."""
        gone = [visitor for visitor in self._visitors if erasure_key(visitor) in erased]
        for watcher in [watcher for visitor in gone for watcher in self._visitors[visitor]]:
            watcher.on_erased()

    def _note_state(self, item: str, watched: Watched, state: ItemState) -> None:
        known, watched.state = watched.state, state
        if state != known:
            self._news.counts.add(item)
        if known is not None and state.gen > known.gen:
            for audience in watched.audiences:
                for watcher in (*audience.quick.values(), *audience.slow):
                    self._owe(watcher, item, Tally(state.gen, 0))

    def _note_tallies(self, changed: Changed) -> None:
        for (item, actor), tally in changed.tallies.items():
            # One that a reset of the same commit has ended is no news any more.
            if tally.gen < changed.items[item].gen:
                continue
            for watcher in self._who_owns(item, actor):
                if item in watcher.items:
                    self._owe(watcher, item, tally)

    def _who_owns(self, item: str, actor: bytes) -> Collection[Watcher]:
        if belongs_to_visitor(item):
            return self._visitors.get(visitor_of(actor), ())
        return (self._tappers[actor],) if actor in self._tappers else ()

    def _owe(self, watcher: Watcher, item: str, tally: Tallied) -> None:
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
