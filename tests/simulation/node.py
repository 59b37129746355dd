"""A simulated node: the real core in a shell that has a `World` for a clock and a `Disk` for a ledger.

It does what `cluster.node`, `cluster.batches` and `cluster.peering` do: one transaction at a time, committed
after a random while, told after another; events carried out in order; ticks, looks and dialling.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence

from cluster.core.copies import Copies, Owed
from cluster.core.events import Asked, Close, Event, Offered, Opened, Send, Settled
from cluster.core.link import Identity
from cluster.core.merge import Changes, Offer, Outcome
from cluster.core.press import Press
from cluster.core.replica import JOIN_S, Replica
from cluster.core.ring import Ring
from cluster.core.rows import Key, Row
from cluster.core.wire import End, Rows, encode, pack
from tests.simulation.disk import Disk
from tests.simulation.network import CLOSED, Network, Pipe
from tests.simulation.world import World

KEY = b"k" * 32
RING_ROWS = 40
Reply = Callable[[Outcome, int], None]


class OwedReply(Owed):
    """An owed answer of the simulation."""

    outcome: Outcome
    reply: Reply


class SimNode:
    """One node. `run` grows with every start, so that what an earlier run had scheduled does nothing."""

    def __init__(self, world: World, network: Network, name: str) -> None:
        self.world, self.network, self.name = world, network, name
        self.disk = Disk(world.random.randbytes(16))
        self.peers: list[SimNode] = []
        self.wanted_copies = 1
        self.run = 0
        self.is_up = False
        self.is_frozen = False
        self._held_back: list[Callable[[], None]] = []
        self._links = 0

    # -- operator and fate

    def start(self, origin: bytes | None = None) -> None:
        """Start on what the disk holds, as a new origin (R1) unless a test says which."""
        self.run += 1
        self.is_up, self.is_frozen = True, False
        self.origin = origin or self.world.random.randbytes(16)
        self.pipes: dict[int, Pipe] = {}
        self.dialled: dict[int, str] = {}
        self.copies = Copies(self.disk.id)
        identity = Identity(name=self.name, ledger=self.disk.id, origin=self.origin)
        self.replica = Replica(identity, [KEY], self.disk.heads, floor=self.disk.floor(), copies=self.copies)
        self.replica.ring = Ring(self.disk.floor(), RING_ROWS)
        self._offers: deque[tuple[Offer, Reply | None, Hashable]] = deque()
        self._is_committing = False
        self._under_way: list[Offer] = []
        self._flush_wanted = False
        self._held_back = []
        self._every(lambda: 0.5, self._beat)
        self._every(lambda: self.world.between(1.0, 2.0), self._look)
        for peer in self.peers:
            self._every(lambda: self.world.between(0.05, 1.0), lambda peer=peer: self._dial(peer))

    def crash(self) -> None:
        """The process is gone, with all that was not committed; of a commit under way nothing is known."""
        self.is_up = False
        self.run += 1
        if self._under_way and self.world.chance(0.5):
            self.disk.commit(self._under_way, self.origin, {})
            self.world.seen["committed, then killed before anyone was told"] += 1
        for pipe in list(self.pipes.values()):
            pipe.close()

    def freeze(self) -> None:
        """The process stops; what comes waits."""
        self.is_frozen = True

    def thaw(self) -> None:
        self.is_frozen = False
        held_back, self._held_back = self._held_back, []
        for do in held_back:
            do()

    def wipe(self) -> None:
        """The disk is gone; a new one is empty and has a new ledger id."""
        assert not self.is_up
        self.disk = Disk(self.world.random.randbytes(16))

    # -- scheduling that ends with the run

    def later(self, delay_s: float, do: Callable[[], None]) -> None:
        """Do this so much later, or at the thaw, if this run lives to see it."""

        def unless_frozen() -> None:
            if self.is_frozen:
                self._held_back.append(unless_frozen)
            else:
                do()

        self._in_this_run(delay_s, unless_frozen)

    def _in_this_run(self, delay_s: float, do: Callable[[], None]) -> None:
        run = self.run
        self.world.after(delay_s, lambda: do() if self.is_up and self.run == run else None)

    def _every(self, interval: Callable[[], float], do: Callable[[], None]) -> None:
        def again() -> None:
            do()
            self.later(interval(), again)

        self.later(interval(), again)

    # -- presses

    def press(self, press: Press, reply: Reply, owner: Hashable) -> None:
        """What `Engine.press` does; the reply gets the outcome and the number of copies, once or twice."""
        self._offers.append((press, reply, owner))
        self._commit_soon()

    def _commit_soon(self) -> None:
        if self._is_committing or not self._offers:
            return
        taken = list(self._offers)
        self._offers.clear()
        self._is_committing = True
        self._under_way = [offer for offer, _, _ in taken]
        delay = self.world.between(0.0002, 0.02)
        if self.world.chance(0.02):
            delay += self.world.between(0.1, 1.0)
        self._in_this_run(delay, lambda: self._commit(taken))

    def _commit(self, taken: Sequence[tuple[Offer, Reply | None, Hashable]]) -> None:
        """The writer thread's COMMIT; the loop hears of it later, or never."""
        changes = self.disk.commit(self._under_way, self.origin, {})
        self._under_way = []
        self.later(self.world.between(0.0, 0.005), lambda: self._committed(taken, changes))

    def _committed(self, taken: Sequence[tuple[Offer, Reply | None, Hashable]], changes: Changes) -> None:
        self._is_committing = False
        self.replica.committed(changes, self.world.now)
        self._note(changes)
        outcomes = iter(changes.outcomes)
        for offer, reply, owner in taken:
            if isinstance(offer, Press):
                assert reply is not None
                self._answer(offer, next(outcomes), reply, owner)
        self.carry_out()
        self._commit_soon()

    def _note(self, changes: Changes) -> None:
        seen = self.world.seen
        seen["gap in a range"] += len(changes.gaps)
        seen["adopted a pull"] += changes.adopted
        seen["own row the table did not keep"] += sum(
            changes.rows.get(key) is not row for key, row in changes.own.items()
        )
        heads = self.replica.heads
        seen["row above its head"] += sum(row.seq > heads.get(row.origin, 0) for row in changes.rows.values())

    def _answer(self, press: Press, outcome: Outcome, reply: Reply, owner: Hashable) -> None:
        if outcome.refusal is not None:
            reply(outcome, 0)
            return
        copies = self.copies.count(outcome.origin, outcome.seq)
        if outcome.origin != self.origin and copies < self.wanted_copies:
            self.world.seen["no-op waits for another's row"] += 1
        if copies < self.wanted_copies:
            key: Key = (press.item, press.actor)
            self.copies.owe(OwedReply(owner, key, outcome.origin, outcome.seq, self.wanted_copies, outcome, reply))
        reply(outcome, copies)

    # -- links

    def new_link(self, pipe: Pipe) -> int:
        self._links += 1
        self.pipes[self._links] = pipe
        return self._links

    def connected(self, link: int, peer: str, *, is_dialer: bool) -> None:
        if is_dialer:
            self.dialled[link] = peer
        nonce = self.world.random.randbytes(32)
        self.replica.open_link(link, is_dialer=is_dialer, nonce=nonce, now=self.world.now)
        self.carry_out()

    def take_frame(self, link: int, data: bytes) -> None:
        if self.is_frozen:
            self._held_back.append(lambda: self.take_frame(link, data))
        elif data == CLOSED:
            self.replica.close_link(link)
            self._disconnect(link)
        elif link in self.pipes:
            self.replica.receive(link, data, self.world.now)
            self.carry_out()

    def _disconnect(self, link: int) -> None:
        pipe = self.pipes.pop(link, None)
        self.dialled.pop(link, None)
        if pipe is not None:
            pipe.close()

    def break_link(self, link: int) -> None:
        """The connection breaks, for both ends if the news can travel."""
        self.replica.close_link(link)
        self._disconnect(link)

    def _dial(self, peer: "SimNode") -> None:
        if peer.name not in self.dialled.values() and not self._is_linked(peer):
            self.network.connect(self, peer)

    def _is_linked(self, peer: "SimNode") -> bool:
        return any(session.peer.name == peer.name for session in self.replica.open_sessions().values())

    # -- what the replica wants done

    def carry_out(self) -> None:
        while events := self.replica.events:
            self.replica.events = []
            for event in events:
                self._do(event)
        if self.replica.has_joined and not self._flush_wanted:
            self._flush_wanted = True
            self.later(JOIN_S, self._flush)

    def _do(self, event: Event) -> None:
        if isinstance(event, Send):
            if (pipe := self.pipes.get(event.link)) is not None:
                pipe.send(event.data, may_drop=event.may_drop)
        elif isinstance(event, Offered):
            self._offers.append((event.offer, None, None))
            self._commit_soon()
        elif isinstance(event, Close):
            self.world.seen[f"closed a link: {event.code}"] += 1
            self._disconnect(event.link)
        elif isinstance(event, Asked):
            self._answer_pull(event)
        elif isinstance(event, Settled):
            assert isinstance(event.owed, OwedReply)
            event.owed.reply(event.owed.outcome, event.copies)
        else:
            assert isinstance(event, Opened)

    def _answer_pull(self, asked: Asked) -> None:
        if asked.rows is None:
            self.world.seen["pull answered by a scan"] += 1
            self._send_scan_page(asked, ("", b""))
            return
        self.world.seen["pull answered from the ring"] += 1
        self._send_rows(asked, list(asked.rows))
        self._send_end(asked)

    def _send_rows(self, asked: Asked, rows: list[Row]) -> None:
        if (pipe := self.pipes.get(asked.link)) is not None:
            pipe.send(encode(Rows(asked.id, pack(rows))), may_drop=False)

    def _send_end(self, asked: Asked) -> None:
        if (pipe := self.pipes.get(asked.link)) is not None:
            pipe.send(encode(End(asked.id, asked.heads)), may_drop=False)

    def _send_scan_page(self, asked: Asked, after: Key) -> None:
        rows, cursor = self.disk.scan(after, asked.base)
        self._send_rows(asked, rows)
        if cursor is None:
            self._send_end(asked)
        else:
            self.later(self.world.between(0.0005, 0.03), lambda: self._send_scan_page(asked, cursor))

    # -- time

    def _flush(self) -> None:
        self._flush_wanted = False
        self._beat()

    def _beat(self) -> None:
        self.replica.tick(self.world.now)
        self.carry_out()

    def _look(self) -> None:
        self.replica.look(self.world.now, self.world.random.random())
        self.carry_out()
