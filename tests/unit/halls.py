"""A hub with a clock of the test's, and watchers that keep what they are sent."""

from typing import Any

import pytest

from app import writes
from app.audience import Watcher
from app.hub import Hub
from app.metrics import Metrics
from cluster.core.viewers import Viewers
from cluster.surface import Changed, ItemState, Tally
from tests.unit.fakes import FakeClock
from tests.unit.outlets import FakeOutlet

VISITOR = b"0123456789"
OTHER = b"9876543210"


class Hall:
    """A hub, its clock, and how many watchers it reported."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reported: list[int] = []
        self.erased: list[bytes] = []
        self.metrics = Metrics()
        self.flushes = 0
        self.viewers = Viewers()
        self.hub = Hub(self.metrics, self.clock, self.reported.append, self.viewers, set, self.flush)

    def flush(self) -> None:
        self.flushes += 1

    def watcher(self, *items: str, visitor: bytes = VISITOR) -> tuple[Watcher, FakeOutlet]:
        outlet = FakeOutlet()
        watcher = Watcher(outlet, visitor, lambda: self.erased.append(visitor))
        outlet.on_behind = lambda: self.hub.fell_behind(watcher)
        outlet.on_caught_up = lambda: self.hub.caught_up(watcher)
        self.hub.add(watcher)
        self.hub.watch(watcher, items)
        self.hub.learn({item: ItemState() for item in items})
        return watcher, outlet

    def change(self, gen: int = 0, **counts: int) -> None:
        self.hub.on_changed(Changed({f"tap:{name}": ItemState(gen, count) for name, count in counts.items()}, {}))

    async def find_slow(self, outlet: FakeOutlet, room: int = 10) -> None:
        """This one does not read on after so many bytes, and the hub comes to know it."""
        outlet.room = room
        self.change(a=-1)
        await self.hub.push()
        assert outlet.is_backed_up
        outlet.sent.clear()
        outlet.pushes.clear()

    def tally(self, item: str, visitor: bytes, n: int, gen: int = 0) -> None:
        watched = self.hub._audiences.items.get(item)
        state = watched.state if watched is not None and watched.state is not None else ItemState()
        self.hub.on_changed(Changed({item: state}, {(item, visitor + bytes(6)): Tally(gen, n)}))


def finish(push: Any) -> None:
    """Let a push that was begun by hand go on to its end."""
    with pytest.raises(StopIteration):
        while True:
            push.send(None)


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WRITES_PER_TURN", 1)
