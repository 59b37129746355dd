"""What a replica holds as of its ledger's last commit, as far as its peers need to know: never the table itself.

1. It changes only in `committed`, so nothing is announced, and nothing confirmed, before its commit (R3).
2. `late` of a scan under way takes the header and erasure rows committed since its first page (R5): the scan may
   have left out rows that count as absent because of them, and its heads will claim those.
"""

from collections.abc import Mapping, Sequence

from cluster.core.compare import Buckets
from cluster.core.events import Asked
from cluster.core.offers import Changes
from cluster.core.ring import RING_ROWS_MAX, Ring


class Holdings:
    """Heads with their stamps, the newest rows, the digests of all. `floor`: where the ring begins (see `Ring`)."""

    def __init__(
        self,
        heads: Mapping[bytes, int],
        *,
        stamps: Mapping[bytes, bytes],
        floor: Mapping[bytes, int],
        buckets: Sequence[int],
        ring_rows_max: int = RING_ROWS_MAX,
    ) -> None:
        self.heads, self.stamps = dict(heads), dict(stamps)
        self.ring = Ring(floor, ring_rows_max)
        self.buckets = Buckets(buckets)
        self.has_adopted = False
        self.scans: list[Asked] = []

    def committed(self, changes: Changes) -> None:
        """Take in what a transaction changed."""
        self.heads.update(changes.heads)
        self.stamps.update(changes.stamps)
        self.buckets.change(changes.buckets)
        self.ring.append(changes.heads, changes.rows.values())
        self.has_adopted = self.has_adopted or changes.adopted > 0
        for asked in self.scans:
            asked.late.extend(row for row in changes.rows.values() if not row.item or not row.actor)

    def end_scan(self, asked: Asked) -> None:
        """The answer was sent, or its link is gone."""
        self.scans = [each for each in self.scans if each is not asked]
