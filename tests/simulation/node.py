"""A simulated machine and its node: the real core, the real ledger, a `World` for a clock, a `Drive` for a disk.

Its process comes and goes here, and what happens in it by the clock. What a supervisor and an operator would do is
here too: a process that ended is started again, and a ledger that cannot be opened any more is moved away.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import apsw

from app.budget import Buckets
from cluster.core.items import VISITOR_LENGTH, erasure_key
from cluster.core.press import Wish
from cluster.core.replica import Replica
from cluster.core.rows import Key, Row
from cluster.core.stamps import Stamps
from cluster.core.sums import ItemSums
from cluster.ledger import Ledger
from cluster.surface import StartError
from tests.simulation.engine import Reply, SimEngine
from tests.simulation.links import SimLinks
from tests.simulation.network import Network
from tests.simulation.storage import Drive, PowerCutError, Storage
from tests.simulation.world import World

DIGEST_S = 3.0


class Snapshot(NamedTuple):
    """Of a machine; nodes of the first version have no stamps."""

    drive: Drive
    origin: bytes
    stamps: Stamps | None


class SimNode:
    """One node. `run` grows with every start, so that what an earlier run had scheduled does nothing."""

    def __init__(self, world: World, network: Network, storage: Storage, name: str) -> None:
        self.world, self.network, self.storage, self.name = world, network, storage, name
        self.title = name
        self.clock_s = world.between(0.0, 1e6)  # every machine's monotonic clock began at another time
        self.copies = 1
        self.links = SimLinks(self)
        self.engine = SimEngine(self)
        self.make_first: Callable[[SimNode], tuple[Any, SimEngine]] | None = None
        self.peers: list[SimNode] = []
        self.ledger: Ledger
        self.has_digests = True
        self.budget = Buckets(0, 0, lambda: self.now)
        self.has_left = self.is_put_back = False
        self.run = 0
        self.is_up = False
        self.is_frozen = False
        self.passes_at_peace: int | None = None
        self._held_back: list[Callable[[], None]] = []
        storage.drives[name] = Drive(storage.random)

    @property
    def drive(self) -> Drive:
        return self.storage.drives[self.name]

    @drive.setter
    def drive(self, drive: Drive) -> None:
        assert not self.is_up, "a drive is put in while the machine is off"
        self.storage.drives[self.name] = drive

    @property
    def now(self) -> float:
        return self.world.now + self.clock_s

    @property
    def replica(self) -> Replica:
        return self.engine.replica

    @property
    def origin(self) -> bytes:
        return self.engine.origin

    def wish(self, wish: Wish, reply: Reply, owner: Hashable) -> None:
        """What `Engine.wish` does; the reply gets the outcome and the copies, once or twice."""
        self.engine.wish(wish, reply, owner)

    def limit(self, rate: float, burst: int) -> None:
        """So many presses a second, and at once, for every visitor on this node."""
        self.budget = Buckets(rate, burst, lambda: self.now)

    def allowances(self, offers: Iterable[object]) -> dict[bytes, int]:
        """What each visitor may still press, as in `cluster.batches`."""
        visitors = {offer.actor[:VISITOR_LENGTH] for offer in offers if type(offer).__name__ == "Press"}  # type: ignore[attr-defined]
        return {visitor: self.budget.allowance(visitor) for visitor in visitors}

    def spend(self, spent: Mapping[bytes, int]) -> None:
        for visitor, presses in spent.items():
            self.budget.spend(visitor, presses)

    # -- operator and fate

    def snapshot(self) -> Snapshot:
        """Its disk, and what its memory says of its own run."""
        return Snapshot(self.drive.copy(), self.origin, deepcopy(vars(self.replica).get("stamps")))

    def put_back(self, snapshot: Snapshot) -> None:
        """The whole machine goes on from there; only its connections are gone."""
        self.crash()
        self.drive = snapshot.drive.copy()
        self.start(snapshot)

    def start(self, memory: Snapshot | None = None) -> None:
        """Start on what the drive holds, as a new origin (R1) unless the memory was put back too."""
        if self.has_left or not self._open_ledger():
            return
        self.run += 1
        self.is_up, self.is_frozen = True, False
        self._held_back = []
        self.links.begin()
        self.engine.begin(memory.origin if memory else self.world.random.randbytes(16))
        self.is_put_back = memory is not None
        if memory and memory.stamps is not None:
            vars(self.replica.stamps).update(vars(deepcopy(memory.stamps)))
        self._every(lambda: 0.5, self.links.tick)
        self._every(lambda: self.world.between(1.0, 2.0), self.links.look)
        if self.has_digests:
            self._every(lambda: DIGEST_S, self.links.tell_digest)
        if self.make_first is None:
            self._every(lambda: 0.02 if self.ledger.round.is_wanted else 0.25, self.engine.go_round)
        for peer in self.peers:
            self._every(lambda: self.world.between(0.05, 1.0), lambda peer=peer: self.links.dial(peer))

    def _open_ledger(self) -> bool:
        try:
            if self.make_first is not None:
                self.ledger, self.engine = self.make_first(self)
                return True
            self.ledger, self.engine = self.storage.open(self.name), SimEngine(self)
        except (PowerCutError, apsw.Error):
            self.start_later()
            return False
        except StartError as error:
            self.world.seen[f"refused to start: {'structure' if 'backup' in str(error) else 'drive'}"] += 1
            if "backup" in str(error):
                self.wipe()
            self.start_later()
            return False
        self.world.seen["rows put aside"] += self.ledger.quarantined
        return True

    def floor(self) -> dict[bytes, int]:
        """Where the ring of a new run begins."""
        heads, seqs = self.ledger.heads, self.ledger.seqs
        return {origin: max(heads.get(origin, 0), seqs.get(origin, 0)) for origin in heads | seqs}

    def crash(self) -> None:
        """The process is gone, with all that was not committed; of a commit under way nothing is known."""
        self.engine.finish()
        self.drive.let_go()
        self.end()

    def upgrade(self) -> None:
        """Put today's program in the place of the first version's, on the same drive."""
        if self.make_first is not None:
            self.world.seen["upgraded"] += 1
            self.make_first = None
            if self.is_up:
                self.stop()
                self.start()

    def stop(self) -> None:
        """SIGTERM: the ledger is closed, and all of it stands in the main file."""
        self.ledger.close()
        self.drive.let_go()
        self.end()

    def leave(self) -> None:
        """SIGTERM, and its machine is given away."""
        self.stop()
        self.has_left = True

    def cut_power(self) -> None:
        """The machine is off: what was not synced may be gone."""
        self.drive.cut_power()
        self.end()

    def exit(self, why: str) -> None:
        """The process ends by itself; its supervisor starts it again."""
        self.world.seen[f"exit: {why}"] += 1
        self.drive.let_go()
        self.end()
        self.start_later()

    def end(self) -> None:
        self.is_up = False
        self.run += 1
        self.ledger.close()
        self.links.end()

    def start_later(self) -> None:
        def start() -> None:
            if not self.is_up:
                self.start()

        self.world.after(self.world.between(0.05, 6.0), start)

    def freeze(self) -> None:
        """The process stops; what comes waits."""
        self.is_frozen = True

    def thaw(self) -> None:
        self.is_frozen = False
        held_back, self._held_back = self._held_back, []
        for do in held_back:
            do()

    def wipe(self) -> None:
        """The drive is gone; a new one is empty, and its ledger will have a new id."""
        self.drive = Drive(self.storage.random)

    # -- scheduling that ends with the run

    def later(self, delay_s: float, do: Callable[[], None]) -> None:
        """Do this so much later, or at the thaw, if this run lives to see it."""

        def unless_frozen() -> None:
            if self.is_frozen:
                self.hold_back(unless_frozen)
            else:
                do()

        self.in_this_run(delay_s, unless_frozen)

    def hold_back(self, do: Callable[[], None]) -> None:
        """Do this at the thaw."""
        self._held_back.append(do)

    def in_this_run(self, delay_s: float, do: Callable[[], None]) -> None:
        run = self.run
        self.world.after(delay_s, lambda: do() if self.is_up and self.run == run else None)

    def _every(self, interval: Callable[[], float], do: Callable[[], None]) -> None:
        def again() -> None:
            do()
            self.later(interval(), again)

        self.later(interval(), again)

    @property
    def has_gone_round(self) -> bool:
        """Whether every row was looked at since peace began, and nothing waits to be removed."""
        passes = self.ledger.round.passes
        if self.passes_at_peace is None or self.passes_at_peace > passes:
            self.passes_at_peace = passes
        return passes > self.passes_at_peace + 1 and not self.ledger.round.is_wanted

    # -- what the questions at the end of a life look at

    def rows(self) -> dict[Key, Row]:
        """All rows of their items' generations."""
        items = [item for _, item, _ in self.ledger._table.all_items()]
        return {row.key: row for item in items for row in self.ledger.rows_of(item, b"", b"", 1 << 30)}

    def items(self) -> dict[str, ItemSums]:
        return {item: self.ledger.sums(item) for _, item, _ in self.ledger._table.all_items()}

    def n(self, item: str, actor: bytes) -> int:
        return self.ledger.read([], [(item, actor)]).tallies[item, actor].n

    def gen(self, item: str) -> int:
        return self.ledger.read([item], []).items[item].gen

    def holds(self, key: Key, gen: int, n: int) -> bool:
        """Whether this tally, or what takes its place, is in the table."""
        tally = self.ledger.read([], [key]).tallies[key]
        return tally.gen > gen or (tally.gen == gen and tally.n >= n)

    def has_erased(self, key: Key) -> bool:
        """Whether its visitor is known to be erased; the first version knows nobody who is."""
        return erasure_key(key[1][:VISITOR_LENGTH]) in getattr(self.ledger, "erased", ())
