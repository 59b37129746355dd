"""Who watches what: browsers that watch the same items are one audience, and get the same bytes.

Made, filled and dissolved by `app.hub`; a session makes its own watcher.
"""

from collections.abc import Callable

from app import wire
from app.connection import Outlet, Write


class Watcher:
    """One browser connection in the hub; the session that made it says which visitor it is.

    `on_erased` is called when that visitor was erased: the session names another (`Hub.set_visitor`). `missed` is
    what a slow watcher has to be told, and None for one that takes what it gets.
    """

    __slots__ = ("audience", "mine", "missed", "on_erased", "outlet", "visitor")

    def __init__(self, outlet: Outlet, visitor: bytes, on_erased: Callable[[], None]) -> None:
        self.outlet = outlet
        self.visitor = visitor
        self.on_erased = on_erased
        self.audience: Audience | None = None
        self.mine: dict[str, wire.MyTally] | None = None
        self.missed: set[str] | None = None

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
