"""A ledger whose table is a dict: the real merge, simulated storage.

`Disk` survives its node's crashes. What is committed is there at the next start, and nothing else; a wipe, or an
old backup put back, is what an operator or a broken drive does to it.
"""

import copy
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from cluster.core.merge import Changes, Held, ItemSums, Offer, keys_of, merge
from cluster.core.rows import Key, Row

SCAN_ROWS = 7


class Disk:
    """The durable state of one node."""

    def __init__(self, ledger_id: bytes) -> None:
        self.id = ledger_id
        self.rows: dict[Key, Row] = {}
        self.items: dict[str, ItemSums] = {}
        self.heads: dict[bytes, int] = {}
        self.seqs: dict[bytes, int] = {}

    def copy(self) -> "Disk":
        """A backup."""
        return copy.deepcopy(self)

    def commit(self, offers: Sequence[Offer], origin: bytes, allowances: Mapping[bytes, int]) -> Changes:
        """One transaction, as `cluster.ledger.Ledger.commit`."""
        keys = keys_of(offers)
        rows = {key: self.rows[key] for key in keys if key in self.rows}
        items = {item: self.items[item] for item, _ in keys if item in self.items}
        changes = merge(Held(rows, items), offers, self.heads, origin=origin, allowances=allowances)
        self.rows.update(changes.rows)
        self.items.update(changes.items)
        self.heads.update(changes.heads)
        for row in changes.rows.values():
            self.seqs[row.origin] = max(row.seq, self.seqs.get(row.origin, 0))
        return changes

    def scan(self, after: Key, base: Mapping[bytes, int]) -> tuple[list[Row], Key | None]:
        """The next rows in key order, of which those above `base`; where to go on, None at the end."""
        keys = sorted(self.rows)
        first = bisect_right(keys, after)
        page = keys[first : first + SCAN_ROWS]
        rows = [self.rows[key] for key in page if self.rows[key].gen == self.items[key[0]].gen]
        found = [row for row in rows if row.seq > base.get(row.origin, 0)]
        return found, page[-1] if len(page) == SCAN_ROWS else None

    def floor(self) -> dict[bytes, int]:
        """Where the ring of a new run begins."""
        return {o: max(self.heads.get(o, 0), self.seqs.get(o, 0)) for o in self.heads | self.seqs}

    def n(self, item: str, actor: bytes) -> int:
        row = self.rows.get((item, actor))
        return row.n if row else 0

    def count(self, item: str) -> int:
        return self.items.get(item, ItemSums()).count
