"""A table of tallies in a dictionary, and short ways to write rows: for the tests of the core.

`Table.commit` does what the ledger does in a transaction, so a test of `merge` speaks of commits and counts.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

from hypothesis import strategies as st

from cluster.core import flags
from cluster.core.flags import FLAGS
from cluster.core.items import erasure_key
from cluster.core.merge import merge
from cluster.core.offers import Adoption, Changes, Held, Offer, Outcome, Page, Range, keys_of
from cluster.core.press import Press
from cluster.core.rows import Key, Row
from cluster.core.sums import BUCKETS, ItemSums, shifted
from cluster.core.sweep import sweep

HOME = "tap:home"
POST = "once:post"
SONG = "clap:song"
HERE = b"h" * 16
THERE = b"t" * 16
ELSEWHERE = b"e" * 16


def actor(number: int, tab: int = 0) -> bytes:
    """The actor of a visitor, or of one of its tabs."""
    return number.to_bytes(10, "big") + tab.to_bytes(6, "big")


def visitor(number: int) -> bytes:
    return actor(number)[:10]


def row(n: int, seq: int = 1, *, item: str = HOME, who: int = 1, gen: int = 0, origin: bytes = THERE) -> Row:
    return Row(item, actor(who), gen, n, origin, seq)


def header(gen: int, seq: int = 1, *, item: str = HOME, origin: bytes = THERE) -> Row:
    """The row that says that this item was reset."""
    return Row(item, b"", gen, 0, origin, seq)


def erasure(who: int = 1, seq: int = 1, *, origin: bytes = THERE) -> Row:
    """The row that says that this visitor was erased."""
    return Row("", erasure_key(visitor(who)), 0, 1, origin, seq)


def press(n: int | None = None, *, item: str = HOME, who: int = 1, tab: int = 0, gen: int | None = None) -> Press:
    return Press(item, actor(who, tab), gen, n, (visitor(who),))


class Table:
    """Rows, item sums and heads of one replica that writes as `origin`."""

    def __init__(self, origin: bytes = HERE) -> None:
        self.origin = origin
        self.rows: dict[Key, Row] = {}
        self.items: dict[str, ItemSums] = {}
        self.heads: dict[bytes, int] = {}
        self.stamps: dict[bytes, bytes] = {}
        self.erased: set[bytes] = set()
        self.flags: dict[str, set[str]] = {item: set() for item in FLAGS}
        self.buckets = [0] * BUCKETS

    def commit(
        self, *offers: Offer, allowances: Mapping[bytes, int] | None = None, live: Collection[bytes] = (THERE,)
    ) -> Changes:
        keys = keys_of(offers)
        held = Held(
            {key: self.rows[key] for key in keys if key in self.rows},
            {item: self.items[item] for item, _ in keys if item in self.items},
            self.erased,
            self.stamps.get(self.origin, b""),
            self.flags,
        )
        changes = merge(held, offers, self.heads, origin=self.origin, allowances=allowances or {}, live=live)
        self.rows.update(changes.rows)
        self.heads.update(changes.heads)
        self.stamps.update(changes.stamps)
        self.erased |= changes.erased
        flags.note(self.flags, changes.flags)
        self.note_sums(changes)
        return changes

    def note_sums(self, changes: Changes) -> None:
        self.items.update(changes.items)
        for bucket, by in changes.buckets.items():
            self.buckets[bucket] = shifted(self.buckets[bucket], by)

    def sweep(self) -> None:
        """Remove what counts no more."""
        for item, sums in list(self.items.items()):
            changes = sweep(item, sums, [each for each in self.rows.values() if each.item == item], self.erased)
            for key in changes.removed:
                del self.rows[key]
            self.note_sums(changes)

    def press(self, *presses: Press) -> list[Outcome]:
        return self.commit(*presses).outcomes

    def take(self, *rows: Row) -> Changes:
        """Merge rows that raise no head."""
        return self.commit(Page(rows))

    def hear(self, origin: bytes, start: int, to: int, *rows: Row) -> Changes:
        """Merge a push."""
        return self.commit(Range(origin, start, to, rows))

    def adopt(self, asked: Mapping[bytes, int], heads: Mapping[bytes, int]) -> Changes:
        return self.commit(Adoption(asked, heads))

    def count(self, item: str = HOME) -> int:
        return self.items.get(item, ItemSums()).count

    def current_rows(self, item: str) -> list[Row]:
        """The rows of an item's current generation."""
        gen = self.items.get(item, ItemSums()).gen
        return [each for each in self.rows.values() if each.item == item and each.gen == gen]

    def state(self) -> tuple[dict[str, ItemSums], list[Row], set[tuple[Key, int]]]:
        """What replicas that saw the same rows must agree on; of headers, which each may write, their gen.

        An item of which nothing is left is as good as one that was never heard of.
        """
        items = {item: sums for item, sums in self.items.items() if sums != ItemSums()}
        rows = sorted((row for item in items for row in self.current_rows(item)), key=lambda row: row.key)
        tallies = [row for row in rows if row.actor]
        return items, tallies, {(row.key, row.gen) for row in rows if not row.actor}


def rows_of_few_keys() -> st.SearchStrategy[Row]:
    """Rows that meet often: few items, actors, generations, origins; n within every kind's bounds."""
    return st.builds(
        Row,
        item=st.sampled_from([HOME, POST, SONG, "later:kind"]),
        actor=st.sampled_from([b"", actor(1), actor(2), actor(2, tab=1)]),
        gen=st.integers(0, 2),
        n=st.integers(0, 50),
        origin=st.sampled_from([HERE, THERE, ELSEWHERE]),
        seq=st.integers(1, 6),
    ).map(lambda each: Row(each.item, b"", each.gen, 0, each.origin, each.seq) if not each.actor else each)


def batches_of(rows: Sequence[Row], cuts: Iterable[int]) -> list[Sequence[Row]]:
    """The rows cut at these places."""
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    return [rows[first:last] for first, last in itertools.pairwise(edges)]
