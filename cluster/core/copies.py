"""Which answers are owed until other ledgers have confirmed the row that they rest on (R9).

1. A ledger has confirmed a row when it announced, on a link that is open now, a head of the row's origin at or
   above the row's seq. It announces only what it has committed.
2. Ledgers are counted, not links and not names: two links to one ledger are one copy, and the own ledger is none.
3. A link that ends takes its confirmations with it.
4. Of one owner, item and actor only the newest press is owed.
"""

import heapq
from collections.abc import Hashable, Mapping

import msgspec

from cluster.core.rows import Key


class Owed(msgspec.Struct, eq=False):
    """An answer that waits for `wanted` copies of the row (origin, seq)."""

    owner: Hashable
    key: Key
    origin: bytes
    seq: int
    wanted: int


class Copies:
    """The confirmations of the open links, and what still waits for them."""

    def __init__(self, own_ledger: bytes) -> None:
        self._own_ledger = own_ledger
        self._links: dict[int, tuple[bytes, Mapping[bytes, int]]] = {}
        self._owed: dict[Hashable, dict[Key, Owed]] = {}
        self._owed_count = 0
        self._waiting: dict[tuple[bytes, int], list[tuple[int, int, Owed]]] = {}
        self._tiebreak = 0

    def open_link(self, link: int, ledger: bytes, heads: Mapping[bytes, int]) -> None:
        """Count this link's ledger; `heads` is the link's own mapping, which it keeps up to date."""
        self._links[link] = (ledger, heads)

    def close_link(self, link: int) -> None:
        self._links.pop(link, None)

    def count(self, origin: bytes, seq: int) -> int:
        """How many other ledgers have confirmed this row."""
        ledgers = {ledger for ledger, heads in self._links.values() if heads.get(origin, 0) >= seq}
        ledgers.discard(self._own_ledger)
        return len(ledgers)

    def owe(self, owed: Owed) -> None:
        """Keep this answer until its copies exist; it takes the place of an earlier one with the same key."""
        of_owner = self._owed.setdefault(owed.owner, {})
        self._owed_count += owed.key not in of_owner
        of_owner[owed.key] = owed
        self._tiebreak += 1
        waiting = self._waiting.setdefault((owed.origin, owed.wanted), [])
        heapq.heappush(waiting, (owed.seq, self._tiebreak, owed))
        if len(waiting) > 64 and len(waiting) > 4 * self._owed_count:
            waiting[:] = [entry for entry in waiting if self._is_owed(entry[2])]
            heapq.heapify(waiting)

    def forget(self, owner: Hashable) -> None:
        """Owe this owner nothing more."""
        self._owed_count -= len(self._owed.pop(owner, ()))

    def settle(self) -> list[tuple[Owed, int]]:
        """Take out what is confirmed by now: each answer with its number of copies."""
        settled: list[tuple[Owed, int]] = []
        for group in list(self._waiting):
            origin, wanted = group
            reached = self._reached(origin, wanted)
            waiting = self._waiting[group]
            while waiting and waiting[0][0] <= reached:
                owed = heapq.heappop(waiting)[2]
                if self._is_owed(owed):
                    self._discharge(owed)
                    settled.append((owed, self.count(owed.origin, owed.seq)))
            if not waiting:
                del self._waiting[group]
        return settled

    def _is_owed(self, owed: Owed) -> bool:
        """Whether this is still the newest press of its owner, item and actor."""
        return self._owed.get(owed.owner, {}).get(owed.key) is owed

    def _discharge(self, owed: Owed) -> None:
        of_owner = self._owed[owed.owner]
        del of_owner[owed.key]
        self._owed_count -= 1
        if not of_owner:
            del self._owed[owed.owner]

    def _reached(self, origin: bytes, wanted: int) -> int:
        """The highest seq of this origin that `wanted` other ledgers have confirmed."""
        best: dict[bytes, int] = {}
        for ledger, heads in self._links.values():
            if ledger != self._own_ledger:
                best[ledger] = max(best.get(ledger, 0), heads.get(origin, 0))
        return sorted(best.values(), reverse=True)[wanted - 1] if len(best) >= wanted else 0
