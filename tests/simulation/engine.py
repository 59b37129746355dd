"""The engine of a simulated node: one transaction at a time, committed after a random while, told after another.

It does what `cluster.node` and `cluster.batches` do, with the real ledger, and what its failures ask for (R14): a
full disk makes the node read-only until there is room, any other failure ends the process.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cluster.core import wire
from cluster.core.copies import Copies, Owed
from cluster.core.holdings import Holdings
from cluster.core.link import Identity
from cluster.core.offers import Changes, Offer, Outcome
from cluster.core.press import Press, Wish
from cluster.core.replica import Replica
from cluster.core.rows import Key
from cluster.core.viewers import Viewers
from cluster.core.wire import Status
from cluster.ledger import LedgerError, LedgerFullError
from tests.simulation.storage import PowerCutError

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

KEY = b"k" * 32
RING_ROWS = 40
ROUND_ROWS = 200
READ_ONLY = Outcome(0, 0, 0, refusal="read_only")  # type: ignore[arg-type]
Reply = Callable[[Outcome, int], None]
Entry = tuple[Offer, Reply | None, Hashable]


class OwedReply(Owed):
    """An owed answer of the simulation."""

    outcome: Outcome
    reply: Reply


class SimEngine:
    """One run of one node, from `begin`."""

    def __init__(self, node: "SimNode") -> None:
        self._node, self._world = node, node.world
        self.wanted_copies = node.copies
        self.is_read_only = False
        self.replica: Replica
        self.copies: Copies

    def begin(self, origin: bytes) -> None:
        """Speak as a new origin, from what the ledger holds."""
        self.forget_the_last()
        self.origin = origin
        ledger = self._node.ledger
        self.copies = Copies(ledger.id)
        identity = Identity(name=self._node.title, ledger=ledger.id, origin=origin)
        holdings = Holdings(
            ledger.heads,
            stamps=ledger.stamps,
            floor=self._node.floor(),
            buckets=ledger.buckets,
            ring_rows_max=RING_ROWS,
        )
        self.replica = Replica(identity, [KEY], holdings, copies=self.copies, viewers=Viewers())

    def forget_the_last(self) -> None:
        """Nothing waits, and nothing is under way."""
        self.is_read_only = False
        self._entries: deque[Entry] = deque()
        self._is_committing = False
        self._under_way: list[Entry] = []

    def finish(self) -> None:
        """Killed: of a commit under way nothing is known."""
        if self._under_way and self._world.chance(0.5):
            try:
                offers = self._offers()
                self._commit_to_disk(offers)
                self._world.seen["committed, then killed before anyone was told"] += 1
            except (LedgerError, PowerCutError):
                self._world.seen["killed in a commit that failed"] += 1

    @property
    def is_committing(self) -> bool:
        """Whether the disk may have what the loop was not told yet."""
        return self._is_committing

    # -- wishes and offers, one transaction at a time

    def wish(self, wish: Wish, reply: Reply, owner: Hashable) -> None:
        """What `Engine.wish` does; the reply gets the outcome and the copies, once or twice."""
        if self.is_read_only:
            reply(READ_ONLY, 0)
        else:
            self.add(wish, reply, owner)

    def add(self, offer: Offer, reply: Reply | None = None, owner: Hashable = None) -> None:
        self._entries.append((offer, reply, owner))
        self._commit_soon()

    def _commit_soon(self) -> None:
        if self._is_committing or self.is_read_only or not self._entries:
            return
        self._under_way = list(self._entries)
        self._entries.clear()
        self._is_committing = True
        delay = self._world.between(0.0002, 0.02)
        if self._world.chance(0.02):
            self._world.seen["slow disk"] += 1
            delay += self._world.between(0.1, 1.0)
        self._node.in_this_run(delay, self._commit)

    def _offers(self) -> list[Offer]:
        return [offer for offer, _, _ in self._under_way]

    def _commit(self) -> None:
        """The writer thread's COMMIT; the loop hears of it later, or never."""
        taken, self._under_way = self._under_way, []
        offers = [offer for offer, _, _ in taken]
        self.with_ledger(lambda: self._told(taken, self._commit_to_disk(offers)), taken)

    def _commit_to_disk(self, offers: list[Offer]) -> Changes:
        allowances = self._node.allowances(offers)
        charged = [replace(each, payers=(each.actor[:10],)) if isinstance(each, Press) else each for each in offers]
        return self._node.ledger.commit(charged, self.origin, allowances, self.replica.live_origins())

    def _told(self, taken: Sequence[Entry], changes: Changes) -> None:
        self._node.later(self._world.between(0.0, 0.005), lambda: self._committed(taken, changes))

    def with_ledger(self, do: Callable[[], None], taken: Sequence[Entry] = ()) -> None:
        """Do something with the ledger, and what its failure asks for (R14)."""
        try:
            do()
        except PowerCutError:
            self._world.seen["power cut in a commit"] += 1
            self._node.drive.let_go()
            self._node.end()
            self._node.start_later()
        except LedgerFullError:
            self._become_read_only(taken)
        except LedgerError as error:
            self._node.exit("a spoilt row" if "next start checks" in str(error) else "the ledger failed")

    def _become_read_only(self, taken: Sequence[Entry]) -> None:
        self._world.seen["disk full"] += 1
        self.is_read_only = True
        self._node.links.close_all()
        for _, reply, _ in [*taken, *self._entries]:
            if reply is not None:
                reply(READ_ONLY, 0)
        self._entries.clear()
        self._node.later(1.0, self._try_again)

    def _try_again(self) -> None:
        def begin() -> None:
            if self._node.ledger.has_room():
                self._node.ledger.load()
                self.begin(self._world.random.randbytes(16))
            else:
                self._node.later(1.0, self._try_again)

        self.with_ledger(begin)

    def go_round(self) -> None:
        def step() -> None:
            changes = self._node.ledger.go_round(ROUND_ROWS)
            if changes.removed:
                self._world.seen["rows removed"] += len(changes.removed)
                self._node.later(0.0, lambda: self._take(changes))

        if not self.is_read_only:
            self.with_ledger(step)

    def _committed(self, taken: Sequence[Entry], changes: Changes) -> None:
        self._is_committing = False
        self._take(changes)
        self._node.spend(changes.spent)
        outcomes = iter(changes.outcomes)
        for offer, reply, owner in taken:
            if self.is_wish(offer):
                assert reply is not None
                self._answer(offer, next(outcomes), reply, owner)
        self._node.links.carry_out()
        self._commit_soon()

    def _take(self, changes: Changes) -> None:
        self.replica.committed(changes, self._node.now)
        if self.replica.holdings.has_adopted:
            self.replica.set_status(Status("ready", 0))
        self._note(changes)
        self._node.links.carry_out()

    def _note(self, changes: Changes) -> None:
        seen = self._world.seen
        seen["gap in a range"] += len(changes.gaps)
        seen["adopted a pull"] += changes.adopted
        seen["row repaired that a head had claimed"] += changes.repairs
        seen["visitor erased"] += len(changes.erased)
        own = changes.own.items()
        seen["own row the table did not keep"] += sum(changes.rows.get(key) is not row for key, row in own)
        heads = self.replica.heads
        seen["row above its head"] += sum(row.seq > heads.get(row.origin, 0) for row in changes.rows.values())

    def _answer(self, wish: Any, outcome: Outcome, reply: Reply, owner: Hashable) -> None:
        if outcome.refusal is not None:
            reply(outcome, 0)
            return
        copies = self.copies.count(outcome.origin, outcome.seq)
        if outcome.origin != self.origin and copies < self.wanted_copies:
            self._world.seen["no-op waits for another's row"] += 1
        if copies < self.wanted_copies:
            key, wanted = self.key_of(wish), self.wanted_copies
            self.copies.owe(self.owed(owner, key, outcome.origin, outcome.seq, wanted, outcome, reply))
        reply(outcome, copies)

    # -- what another version has words of its own for

    @property
    def wire(self) -> ModuleType:
        return wire

    def is_wish(self, offer: object) -> bool:
        return isinstance(offer, Wish)

    def key_of(self, wish: Any) -> Key:
        key: Key = wish.key
        return key

    def owed(self, *fields: Any) -> Owed:
        return OwedReply(*fields)
