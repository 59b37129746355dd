"""What one transaction does: offers in, changes out.

The writer thread reads the rows and item rows that a batch of offers touches (`keys_of`), calls `merge`, writes
the `Changes`, commits, and only then hands them to the loop (R3). Nothing here reads or writes the table.

1. The larger row wins (R6), own or foreign; a row of a generation below its item's counts as absent.
2. A row of a higher generation starts its item afresh. Only rows from peers do that, never a press.
3. Own rows get the next numbers of this run's origin (R1, R4), inside the transaction.
4. A head is raised only by a range that begins at or below it (R4) or by a whole pull whose question still holds
   (R5); rows are merged in either case.
5. A press that changes nothing rests on the row that makes it so; if that row lies above the head of its origin,
   no peer may ever confirm it, so it is offered again as an own row (R9).
6. `ItemSums` are changed with the rows: count, number of rows, and the sum of the rows' hashes (R11).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from cluster.core.items import VISITOR_LENGTH, counted, kind_of, tally_max
from cluster.core.press import Press
from cluster.core.rows import Key, Row, fault_of

Refusal = Literal["rate_limited", "reset", "behind"]

DIGEST_KEY: Final = b"distributed-event-handler/1"
_DIGEST_MASK: Final = (1 << 128) - 1


class ItemSums(msgspec.Struct, frozen=True):
    """An item row: what its rows of the current generation come to. `digest` is a sum mod 2^128."""

    gen: int = 0
    count: int = 0
    rows: int = 0
    digest: int = 0


class Range(msgspec.Struct, frozen=True):
    """A peer's commits start+1..to of one origin (R4), heard on the link `source`."""

    origin: bytes
    start: int
    to: int
    rows: Sequence[Row]
    source: int = 0


class Page(msgspec.Struct, frozen=True):
    """Rows of a pull's answer; they raise no head (R5)."""

    rows: Sequence[Row]
    source: int = 0


class Adoption(msgspec.Struct, frozen=True):
    """The end of a pull's answer: take these heads if the ones it was asked with still stand (R5)."""

    asked: Mapping[bytes, int]
    heads: Mapping[bytes, int]


Offer = Press | Range | Page | Adoption


class Held(msgspec.Struct, frozen=True):
    """What the table holds under the keys and items that a batch touches; absent ones are missing."""

    rows: Mapping[Key, Row]
    items: Mapping[str, ItemSums]


class Outcome(msgspec.Struct, frozen=True):
    """What became of one press, in its place in the batch. Without refusal it rests on the row (origin, seq)."""

    gen: int
    n: int
    count: int
    origin: bytes = b""
    seq: int = 0
    refusal: Refusal | None = None


class Changes(msgspec.Struct):
    """What a transaction changed: written as a whole, and only then told to anyone.

    `own` are this run's rows, to be pushed, also those that the table did not keep.
    `gaps` and `bad_rows` name the links whose ranges began above our head, or held rows out of bounds.
    """

    rows: dict[Key, Row]
    items: dict[str, ItemSums]
    heads: dict[bytes, int]
    outcomes: list[Outcome]
    spent: dict[bytes, int]
    own: dict[Key, Row]
    gaps: set[int]
    bad_rows: dict[int, int]
    adopted: int = 0


def keys_of(offers: Iterable[Offer]) -> set[Key]:
    """Every key that a merge of these offers may look at."""
    keys: set[Key] = set()
    for offer in offers:
        if isinstance(offer, Press):
            keys.add((offer.item, offer.actor))
        elif isinstance(offer, Range | Page):
            keys.update(row.key for row in offer.rows)
    return keys


def merge(
    held: Held,
    offers: Iterable[Offer],
    heads: Mapping[bytes, int],
    *,
    origin: bytes,
    allowances: Mapping[bytes, int],
) -> Changes:
    """Apply a batch of offers, in order.

    `heads` are all heads after the last commit; `origin` is this run's; `allowances` says how many presses each
    visitor (first 10 bytes of the actor) may still make, and is unlimited for a visitor that it does not name.
    """
    merging = _Merging(held, heads, origin, allowances)
    for offer in offers:
        merging.apply(offer)
    return merging.changes


def row_hash(row: Row) -> int:
    """The row's share of its item's digest: BLAKE2b-128 of (item, actor, gen, n) under a fixed public key."""
    content = b"%b\0%b%b%b" % (
        row.item.encode(),
        row.actor,
        row.gen.to_bytes(8, "big"),
        row.n.to_bytes(8, "big"),
    )
    return int.from_bytes(blake2b(content, digest_size=16, key=DIGEST_KEY).digest(), "big")


class _Merging:
    """The working state of one `merge`."""

    def __init__(
        self, held: Held, heads: Mapping[bytes, int], origin: bytes, allowances: Mapping[bytes, int]
    ) -> None:
        self.held = held
        self.heads = heads
        self.origin = origin
        self.allowances = allowances
        self.changes = Changes({}, {}, {}, [], {}, {}, set(), {})

    def apply(self, offer: Offer) -> None:
        if isinstance(offer, Press):
            self.changes.outcomes.append(self.press(offer))
        elif isinstance(offer, Range):
            self.range(offer)
        elif isinstance(offer, Page):
            self.rows(offer)
        else:
            self.adopt(offer)

    # -- what stands now: changed in this batch, else as read

    def sums(self, item: str) -> ItemSums:
        return self.changes.items.get(item) or self.held.items.get(item) or ItemSums()

    def row(self, key: Key) -> Row | None:
        """The row under this key, or None where there is none of the item's generation."""
        row = self.changes.rows.get(key) or self.held.rows.get(key)
        return row if row is not None and row.gen == self.sums(key[0]).gen else None

    def head(self, origin: bytes) -> int:
        head = self.changes.heads.get(origin)
        return self.heads.get(origin, 0) if head is None else head

    def raise_head(self, origin: bytes, to: int) -> None:
        if to > self.head(origin):
            self.changes.heads[origin] = to

    # -- presses

    def press(self, press: Press) -> Outcome:
        held = self.row((press.item, press.actor))
        gen, n = self.sums(press.item).gen, held.n if held else 0
        if press.gen is not None and press.gen != gen:
            return self.refuse(press.item, gen, n, "reset" if press.gen < gen else "behind")
        target = min(n + 1, tally_max(press.item)) if press.n is None else press.n
        if target <= n:
            assert held is not None, "n >= 1 is checked before"
            return self.rest_on(held)
        granted = self.grant(press, target - n)
        if granted == 0:
            return self.refuse(press.item, gen, n, "rate_limited")
        return self.write_own(press.item, press.actor, gen, n + granted, b"")

    def grant(self, press: Press, wanted: int) -> int:
        """How much of the wish the visitor's budget takes; `once` costs 1 and is never cut."""
        visitor = press.actor[:VISITOR_LENGTH]
        whole = kind_of(press.item) == "once"
        cost = 1 if whole else wanted
        spent = self.changes.spent.get(visitor, 0)
        allowance = self.allowances.get(visitor)
        if allowance is not None:
            cost = min(cost, allowance - spent)
        if cost <= 0:
            return 0
        self.changes.spent[visitor] = spent + cost
        return wanted if whole else cost

    def rest_on(self, held: Row) -> Outcome:
        if held.seq > self.head(held.origin):
            return self.write_own(held.item, held.actor, held.gen, held.n, held.ext)
        return Outcome(held.gen, held.n, self.sums(held.item).count, held.origin, held.seq)

    def refuse(self, item: str, gen: int, n: int, refusal: Refusal) -> Outcome:
        return Outcome(gen, n, self.sums(item).count, refusal=refusal)

    def write_own(self, item: str, actor: bytes, gen: int, n: int, ext: bytes) -> Outcome:
        seq = self.head(self.origin) + 1
        own = Row(item, actor, gen, n, self.origin, seq, ext)
        self.changes.heads[self.origin] = seq
        self.changes.own[own.key] = own
        self.take(own)
        return Outcome(gen, n, self.sums(item).count, self.origin, seq)

    # -- what peers offer

    def range(self, offer: Range) -> None:
        self.rows(offer)
        if offer.start <= self.head(offer.origin):
            self.raise_head(offer.origin, offer.to)
        else:
            self.changes.gaps.add(offer.source)

    def adopt(self, offer: Adoption) -> None:
        if all(head <= self.head(origin) for origin, head in offer.asked.items()):
            for origin, head in offer.heads.items():
                self.raise_head(origin, head)
            self.changes.adopted += 1

    def rows(self, offer: Range | Page) -> None:
        for row in offer.rows:
            if fault_of(row) is None:
                self.take(row)
            else:
                self.changes.bad_rows[offer.source] = self.changes.bad_rows.get(offer.source, 0) + 1

    def take(self, row: Row) -> None:
        """Put the row into the table if it is larger than what stands there."""
        sums = self.sums(row.item)
        if row.gen < sums.gen:
            return
        if row.gen > sums.gen:
            sums = ItemSums(gen=row.gen)
            self.changes.items[row.item] = sums
        held = self.row(row.key)
        if held is not None and row.rank <= held.rank:
            return
        self.changes.rows[row.key] = row
        self.changes.items[row.item] = _replaced(sums, held, row)


def _replaced(sums: ItemSums, old: Row | None, new: Row) -> ItemSums:
    """The item's sums when `new` stands where `old` stood."""
    if old is None:
        return ItemSums(
            sums.gen,
            sums.count + counted(new.item, new.n),
            sums.rows + 1,
            (sums.digest + row_hash(new)) & _DIGEST_MASK,
        )
    if old.n == new.n:
        return sums
    return ItemSums(
        sums.gen,
        sums.count + counted(new.item, new.n) - counted(old.item, old.n),
        sums.rows,
        (sums.digest + row_hash(new) - row_hash(old)) & _DIGEST_MASK,
    )


def sums_of(gen: int, rows: Iterable[Row]) -> ItemSums:
    """The sums of an item whose rows of its generation are these; what `merge` keeps up to date row by row."""
    sums = ItemSums(gen)
    for row in rows:
        sums = _replaced(sums, None, row)
    return sums
