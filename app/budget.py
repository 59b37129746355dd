"""How many presses may be made: by a visitor, from an address, on an item. In memory only, on this node only.

1. A bucket holds at most `burst` presses and fills with `rate` presses per second; it starts full.
2. Only what a commit took is spent (R3): a refused press, or one that changed nothing, costs nothing.
3. A bucket that is full again is forgotten, so memory is bounded by those who pressed within the last
   `burst / rate` seconds, and by `BUCKETS_MAX` above that: who has not pressed for the longest time is then
   forgotten early, and has a full bucket again.
4. A rate or a burst of 0 means no limit.
5. A press is charged to its visitor, over all tabs, items and ways; to the network that it comes from, /24 or /64;
   and to its item. Visitors and tabs cost nothing to make, so an actor's first press on an item, which leaves a row
   for good, is charged to another bucket of the network: of newcomers on `once` and `clap` items, where one more
   person counts by it, of tabs on `tap` items.
6. A network is nothing but a key here: it is in no log, no metric and no file. Presses of this machine itself are
   not charged to theirs.

`Budgets` implements `cluster.surface.Budget`; called by the engine and by who takes presses, on the loop's thread.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final

import msgspec

from cluster.core.items import VISITOR_LENGTH, belongs_to_visitor
from cluster.surface import Payer

BUCKETS_MAX: Final = 200_000
UNLIMITED: Final = 1 << 30
# The first byte of a network's keys: those of visitors have another length.
ADDRESS, NEWCOMERS, TABS = b"a", b"n", b"t"
_SORTS: Final = {ADDRESS: "address", NEWCOMERS: "newcomers", TABS: "tabs"}


class Buckets:
    """Of one sort of payers. `clock` is monotonic, in seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self.is_limited = rate > 0 and burst > 0
        # payer -> (presses left, at), the longest untouched first.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def rate(self) -> float:
        """Presses per second; infinite without a limit."""
        return self._rate if self.is_limited else math.inf

    def allowance(self, payer: Hashable) -> int:
        if not self.is_limited:
            return UNLIMITED
        # What `retry_after` promised must be there in spite of rounding.
        return max(0, int(self._left(payer) + 1e-6))

    def spend(self, payer: Hashable, presses: int) -> None:
        if not self.is_limited:
            return
        self._buckets[payer] = (self._left(payer) - presses, self._clock())
        self._buckets.move_to_end(payer)
        self._forget_full()

    def retry_after(self, payer: Hashable, presses: int) -> float:
        """Seconds until so many presses are there, or a second's worth of them if they are more.

        Who waited for all of a long row would see it taken in jumps of a whole bucket.
        """
        if not self.is_limited:
            return 0.0
        missing = min(presses, self._burst, max(1, int(self._rate))) - self._left(payer)
        return math.ceil(max(0.0, missing / self._rate) * 1000) / 1000

    def _left(self, payer: Hashable) -> float:
        left, at = self._buckets.get(payer, (float(self._burst), 0.0))
        return min(self._burst, left + (self._clock() - at) * self._rate)

    def _forget_full(self) -> None:
        """Two at a time, one more than a `spend` adds: the sweep keeps up without a pause."""
        for payer in list(islice(self._buckets, 2)):
            if len(self._buckets) > BUCKETS_MAX or self._left(payer) >= self._burst:
                del self._buckets[payer]


class Limit(msgspec.Struct, frozen=True):
    """Presses per second, and at once; 0 is none."""

    rate: float = 0.0
    burst: int = 0


class Limits(msgspec.Struct, frozen=True):
    """Those of a node, by sort of payers."""

    visitor: Limit = Limit()
    address: Limit = Limit()
    newcomers: Limit = Limit()
    tabs: Limit = Limit()
    item: Limit = Limit()


class Budgets:
    """All buckets of this node. `network` is what `app.guards.network_of` says; an empty one pays nothing."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._by_sort = {
            sort: Buckets(limit.rate, limit.burst, clock)
            for sort, limit in msgspec.structs.asdict(limits).items()
        }  # fmt: skip
        self.visitors = self._by_sort["visitor"]
        self._of_networks = {key: self._by_sort[sort] for key, sort in _SORTS.items()}
        self._items = self._by_sort["item"]
        self.is_limited = any(buckets.is_limited for buckets in self._by_sort.values())

    # -- who pays

    def payers(self, visitor: bytes, item: str, network: bytes) -> tuple[Payer, ...]:
        """Who pays for a press: whoever has a limit."""
        payers: tuple[Payer, ...] = (visitor,) if self.visitors.is_limited else ()
        if network and self._of_networks[ADDRESS].is_limited:
            payers += (ADDRESS + network,)
        return (*payers, item) if self._items.is_limited else payers

    def debut(self, item: str, network: bytes) -> bytes:
        """Who pays one for an actor's first; empty where nobody does."""
        sort = NEWCOMERS if belongs_to_visitor(item) else TABS
        return sort + network if network and self._of_networks[sort].is_limited else b""

    # -- what the engine asks and tells

    def allowance(self, payer: Payer) -> int:
        return self._of(payer).allowance(payer)

    def spend(self, payer: Payer, presses: int) -> None:
        self._of(payer).spend(payer, presses)

    def _of(self, payer: Payer) -> Buckets:
        if isinstance(payer, str):
            return self._items
        if len(payer) == VISITOR_LENGTH:
            return self.visitors
        return self._of_networks[payer[:1]]

    # -- what a visitor is told

    def retry_after(
        self, visitor: bytes, item: str, network: bytes, presses: int, *, is_debut: bool
    ) -> tuple[float, str]:
        """In how many seconds so many presses may be sent again, and what sort of budget they wait for.

        That is the one that takes longest, or, where all have filled again meanwhile, the one with the least.
        """
        wanted: dict[str, tuple[Payer, int]] = {
            "visitor": (visitor, presses),
            "address": (ADDRESS + network, presses),
            "item": (item, presses),
        }
        if is_debut and (debut := self.debut(item, network)):
            wanted[_SORTS[debut[:1]]] = debut, 1
        waits = [
            (self._by_sort[sort].retry_after(payer, number), -self._by_sort[sort].allowance(payer), sort)
            for sort, (payer, number) in wanted.items()
        ]
        wait_s, _, sort = max(waits)
        return wait_s, sort
