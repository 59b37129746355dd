"""Simulated connections between nodes: in order and reliable while they stand, as TCP is.

What may go wrong: a direction is cut (what is sent waits until it is healed or the link is given up), a
connection breaks (at one end only, if the news cannot travel), and a push frame is dropped, repeated, or late.
"""

from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

CLOSED = b""  # no frame is empty: this stands for the end of the connection


class Network:
    """Which directions are cut, and how long a frame travels."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.latency_s = (0.0005, 0.005)
        self.push_loss = 0.0
        self.push_repeat = 0.0
        self._cut: set[tuple[str, str]] = set()
        self._waiting: list[Pipe] = []  # pipes with frames that came to a cut

    def cut(self, source: str, target: str) -> None:
        """Let nothing through in this direction."""
        self._cut.add((source, target))

    def heal(self) -> None:
        """Let everything through again; what waited arrives in its order."""
        self._cut.clear()
        self._deliver_waiting()

    def heal_direction(self, source: str, target: str) -> None:
        self._cut.discard((source, target))
        self._deliver_waiting()

    def _deliver_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for pipe in waiting:
            pipe.deliver()

    def is_cut(self, source: str, target: str) -> bool:
        return (source, target) in self._cut

    def latency(self) -> float:
        return self.world.between(*self.latency_s)

    def wait_for_heal(self, pipe: "Pipe") -> None:
        self._waiting.append(pipe)

    def connect(self, dialer: "SimNode", listener: "SimNode") -> bool:
        """Make a connection, if both directions are open and the listener is there."""
        if self.is_cut(dialer.name, listener.name) or self.is_cut(listener.name, dialer.name):
            return False
        if not listener.is_up:
            return False
        there, back = Pipe(self, dialer, listener), Pipe(self, listener, dialer)
        there.link = listener.links.new_link(back)
        back.link = dialer.links.new_link(there)
        dialer.links.connected(back.link, listener.name, is_dialer=True)
        listener.links.connected(there.link, dialer.name, is_dialer=False)
        return True


class Pipe:
    """One direction of a connection; `link` is its number at the receiving node."""

    def __init__(self, network: Network, source: "SimNode", target: "SimNode") -> None:
        self.network = network
        self.source, self.target = source, target
        self.target_run = target.run
        self.link = 0
        self.is_closed = False
        self._frames: deque[bytes] = deque()

    def send(self, data: bytes, *, may_drop: bool) -> None:
        world, network = self.network.world, self.network
        if self.is_closed:
            return
        if may_drop and world.chance(network.push_loss):
            world.seen["push dropped"] += 1
            return
        self._queue(data)
        if may_drop and world.chance(network.push_repeat):
            world.seen["push repeated late"] += 1
            world.after(world.between(0.01, 3.0), lambda: self._queue(data))

    def _queue(self, data: bytes) -> None:
        self._frames.append(data)
        self.network.world.after(self.network.latency(), self.deliver_one)

    def close(self) -> None:
        """Tell the other end, after all that was sent."""
        if not self.is_closed:
            self.send(CLOSED, may_drop=False)
            self.is_closed = True

    def deliver_one(self) -> None:
        if self._frames:
            if self.network.is_cut(self.source.name, self.target.name):
                self.network.wait_for_heal(self)
            else:
                self._arrive(self._frames.popleft())

    def deliver(self) -> None:
        """Deliver all that waits, or go on waiting."""
        while self._frames and not self.network.is_cut(self.source.name, self.target.name):
            self._arrive(self._frames.popleft())
        if self._frames:
            self.network.wait_for_heal(self)

    def _arrive(self, data: bytes) -> None:
        if self.target.is_up and self.target.run == self.target_run:
            self.target.links.take_frame(self.link, data)
