"""What a batch touches, looked up by key: numbers and sums of its items, and the rows that stand there.

The sums of items that commits touched are kept as of the last commit (`note`), so a commit on them reads none. What
the disk does to them meanwhile the round finds.

Used by `cluster.ledger`, on the writer thread.
"""

from collections.abc import Iterable
from typing import Final

from cluster.core.offers import Changes
from cluster.core.rows import Key, Row
from cluster.core.sums import ItemSums
from cluster.ledger_table import Table

# Some 3 MB.
KNOWN_MAX: Final = 10_000


class Lookup:
    """Of one table, for as long as nothing but commits that are noted here changes it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[str, tuple[int, ItemSums]] = {}

    def held(self, keys: Iterable[Key]) -> tuple[dict[str, int], dict[Key, Row], dict[str, ItemSums]]:
        """Numbers of items (0 for a new one), rows and sums under these keys; before anything is written."""
        ids: dict[str, int] = {}
        rows: dict[Key, Row] = {}
        sums: dict[str, ItemSums] = {}
        for key in keys:
            item, actor = key
            if item not in ids:
                found = self._known.get(item) or self._learn(item)
                ids[item] = found[0] if found else 0
                if found:
                    sums[item] = found[1]
            row = self._table.row(ids[item], item, actor) if ids[item] else None
            if row is not None:
                rows[key] = row
        return ids, rows, sums

    def _learn(self, item: str) -> tuple[int, ItemSums] | None:
        found = self._table.item(item)
        if found is not None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[item] = found
        return found

    def note(self, changes: Changes) -> None:
        """The transaction of these changes is committed."""
        for item, sums in changes.items.items():
            if (known := self._known.get(item)) is not None:
                self._known[item] = known[0], sums
