"""Who watches what: browsers that watch the same items are one audience, and get the same bytes.

Made, filled and dissolved by `app.hub`; a session makes its own watcher.
"""

from collections.abc import Callable, Iterable

from app import wire
from app.outlet import Outlet, Write
from cluster.surface import ItemState


class News:
    """Items of which somebody is to be told the newest count, and others of which, how many watch them."""

    __slots__ = ("counts", "viewers")

    def __init__(self, counts: Iterable[str] = (), viewers: Iterable[str] = ()) -> None:
        self.counts = set(counts)
        self.viewers = set(viewers)

    def __bool__(self) -> bool:
        return bool(self.counts or self.viewers)

    def add(self, other: "News") -> None:
        self.counts |= other.counts
        self.viewers |= other.viewers

    def discard(self, item: str) -> None:
        self.counts.discard(item)
        self.viewers.discard(item)

    def of(self, items: frozenset[str]) -> "News":
        """What of it is of these items."""
        return News(self.counts & items, self.viewers & items)


class Watcher:
    """One browser connection in the hub; the session that made it says which visitor it is.

    `on_erased` is called when that visitor was erased: the session names another (`Hub.set_visitor`). `missed` is
    what a slow watcher has to be told, and None for one that takes what it gets.
    """

    __slots__ = ("audience", "mine", "missed", "on_erased", "outlet", "tapper", "visitor")

    def __init__(self, outlet: Outlet, visitor: bytes, on_erased: Callable[[], None]) -> None:
        self.outlet = outlet
        self.visitor = visitor
        self.on_erased = on_erased
        self.audience: Audience | None = None
        self.mine: dict[str, wire.MyTally] | None = None
        self.missed: News | None = None
        # The actor of whose taps it is told, if any.
        self.tapper = b""

    @property
    def items(self) -> frozenset[str]:
        """What it watches."""
        return self.audience.items if self.audience is not None else frozenset()


class Audience:
    """All who watch just these items. `quick` are those who take what they get, by where it is written."""

    __slots__ = ("items", "quick", "slow")

    def __init__(self, items: frozenset[str]) -> None:
        self.items = items
        self.quick: dict[Write, Watcher] = {}
        self.slow: set[Watcher] = set()

    def place(self, watcher: Watcher) -> None:
        """Among the quick or the slow ones, whichever it is now."""
        self.leave(watcher)
        if watcher.missed is None:
            self.quick[watcher.outlet.write] = watcher
        else:
            self.slow.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        self.quick.pop(watcher.outlet.write, None)
        self.slow.discard(watcher)


class Watched:
    """One watched item. `state` is None until the engine has told it."""

    __slots__ = ("audiences", "state")

    def __init__(self) -> None:
        self.audiences: set[Audience] = set()
        self.state: ItemState | None = None


class Audiences:
    """All audiences of this node, and the items that they watch; what nobody watches is forgotten."""

    def __init__(self) -> None:
        self.items: dict[str, Watched] = {}
        self._by_items: dict[frozenset[str], Audience] = {}

    def __len__(self) -> int:
        return len(self._by_items)

    def move(self, watcher: Watcher, items: frozenset[str]) -> None:
        """From the audience of what it has watched to that of these other items; of none to none."""
        old = watcher.audience
        # The new one first, or what both watch would be forgotten.
        watcher.audience = None
        if items:
            watcher.audience = self._by_items.get(items) or self._gather(items)
            watcher.audience.place(watcher)
        if old is not None:
            old.leave(watcher)
            if not old.quick and not old.slow:
                self._dissolve(old)

    def who_gets(self, news: News) -> dict[Audience, News]:
        """What of it each audience is to be told."""
        found: dict[Audience, News] = {}
        for item in news.counts & self.items.keys():
            for audience in self.items[item].audiences:
                found.setdefault(audience, News()).counts.add(item)
        for item in news.viewers & self.items.keys():
            for audience in self.items[item].audiences:
                found.setdefault(audience, News()).viewers.add(item)
        return found

    def told(self, items: Iterable[str]) -> list[str]:
        """Those that are watched, and whose state the engine has told."""
        return [item for item in items if item in self.items and self.items[item].state is not None]

    def counts(self, items: Iterable[str]) -> dict[str, int]:
        """Their newest counts; somebody watches each."""
        states = {item: self.items[item].state for item in items}
        return {item: state.count for item, state in states.items() if state is not None}

    def _gather(self, items: frozenset[str]) -> Audience:
        audience = self._by_items[items] = Audience(items)
        for item in items:
            self.items.setdefault(item, Watched()).audiences.add(audience)
        return audience

    def _dissolve(self, audience: Audience) -> None:
        del self._by_items[audience.items]
        for item in audience.items:
            watched = self.items[item]
            watched.audiences.remove(audience)
            if not watched.audiences:
                del self.items[item]
