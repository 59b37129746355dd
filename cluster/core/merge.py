"""What one transaction does: offers in, changes out.

The writer thread reads the rows and item rows that a batch of offers touches (`keys_of`), calls `merge`, writes
the `Changes`, commits, and only then hands them to the loop (R3). Nothing here reads or writes the table.

1. The larger row wins (R6), own or foreign; a row of a generation below its item's counts as absent.
2. A row of a higher generation starts its item afresh. Only a reset and rows from peers do that, never a press.
   Whoever learns of a generation from a tally alone writes its header row too, for the one who reset the item may
   have lost its disk (R12).
3. Own rows get the next numbers of this run's origin (R1, R4), inside the transaction.
4. A head is raised only by a range that begins at or below it (R4) or by a whole pull whose question still holds
   (R5); rows are merged in either case.
5. A press that changes nothing rests on the row that makes it so, if that is of this run or of a linked peer's. Of
   a run that has ended nobody can tell any more which of its rows a head stands for (it may have been put back
   before it ended), and above its head no peer may ever confirm one: that row is offered again as an own one (R9).
6. A row of an erased visitor is refused, whoever offers it; the generation that it belongs to is not (R12).
7. A commit with own rows gets a stamp, a raised head the one that came with it (R10).
8. `ItemSums` and buckets are changed with the rows: count and number of rows at once, and the sum of their hashes
   at the end (R11).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from cluster.core.charges import Charges
from cluster.core.flags import FLAGS, FROZEN, ext_of, is_set, name_of, next_n
from cluster.core.items import GEN_MAX, VISITOR_LENGTH, erasure_key, tally_max
from cluster.core.offers import (
    Adoption,
    Changes,
    Held,
    Offer,
    Outcome,
    Page,
    Range,
    Refusal,
    Repair,
)
from cluster.core.press import Erasure, Flag, Payer, Press, Reset
from cluster.core.rows import Key, Row, fault_of
from cluster.core.stamps import stamp_after
from cluster.core.sums import ItemSums, bucket_of, counted_with, digest_shift, with_digest

# The own rows of a batch must fit into one push (R4), so there is room for so many headers beside its wishes.
HEADERS_MAX: Final = 100


def merge(
    held: Held,
    offers: Iterable[Offer],
    heads: Mapping[bytes, int],
    *,
    origin: bytes,
    allowances: Mapping[Payer, int],
    live: Collection[bytes],
) -> Changes:
    """Apply a batch of offers, in order.

    `heads` are all heads after the last commit; `origin` is this run's; `allowances` says for how many presses
    each payer can still pay, any number for whom it does not name; `live` are the present runs of linked peers.
    """
    merging = _Merging(held, heads, origin, allowances, live)
    for offer in offers:
        merging.apply(offer)
    merging.write_missing_headers()
    merging.sum_digests()
    merging.sum_buckets()
    merging.stamp()
    return merging.changes


class _Merging:
    """The working state of one `merge`."""

    def __init__(
        self,
        held: Held,
        heads: Mapping[bytes, int],
        origin: bytes,
        allowances: Mapping[Payer, int],
        live: Collection[bytes],
    ) -> None:
        self.held = held
        self.heads = heads
        self.origin = origin
        self.live = live
        self.changes = Changes()
        self.charges = Charges(allowances, self.changes.spent)
        self.raised: set[str] = set()

    def apply(self, offer: Offer) -> None:
        if isinstance(offer, Press):
            self.changes.outcomes.append(self.press(offer))
        elif isinstance(offer, Range):
            self.range(offer)
        elif isinstance(offer, Page):
            self.rows(offer)
        elif isinstance(offer, Adoption):
            self.adopt(offer)
        elif isinstance(offer, Repair):
            self.repair(offer)
        elif isinstance(offer, Reset):
            self.changes.outcomes.append(self.reset(offer))
        elif isinstance(offer, Erasure):
            self.changes.outcomes.append(self.erase(offer))
        else:
            self.changes.outcomes.append(self.flag(offer))

    # -- what stands now: changed in this batch, else as read

    def sums(self, item: str) -> ItemSums:
        return self.changes.items.get(item) or self.held.items.get(item) or ItemSums()

    def row(self, key: Key, gen: int) -> Row | None:
        """The row under this key, or None where there is none of this, the item's generation."""
        row = self.changes.rows.get(key) or self.held.rows.get(key)
        return row if row is not None and row.gen == gen else None

    def head(self, origin: bytes) -> int:
        head = self.changes.heads.get(origin)
        return self.heads.get(origin, 0) if head is None else head

    def raise_head(self, origin: bytes, to: int, stamp: bytes) -> None:
        if to > self.head(origin):
            self.changes.heads[origin] = to
            self.changes.stamps[origin] = stamp

    def is_erased(self, actor: bytes) -> bool:
        """Whether the presses of this actor's visitor are refused."""
        if not self.held.erased and not self.changes.erased:
            return False
        key = erasure_key(actor[:VISITOR_LENGTH])
        return key in self.held.erased or key in self.changes.erased

    def is_frozen(self, item: str) -> bool:
        """Whether nobody may change the item's count any more; what peers had taken before they heard of it may."""
        is_frozen = self.changes.flags.get((FROZEN, item)) if self.changes.flags else None
        return item in self.held.flags[FROZEN] if is_frozen is None else is_frozen

    # -- wishes

    def press(self, press: Press) -> Outcome:
        sums = self.sums(press.item)
        gen = sums.gen
        held = self.row((press.item, press.actor), gen)
        n = held.n if held else 0
        if self.is_erased(press.actor):
            return self.refuse(press.item, gen, 0, "erased")
        if press.gen is not None and press.gen != gen:
            return self.refuse(press.item, gen, n, "reset" if press.gen < gen else "behind")
        target = min(n + 1, tally_max(press.item)) if press.n is None else press.n
        if target <= n:
            assert held is not None, "n >= 1 is checked before"
            return self.rest_on(held)
        if self.is_frozen(press.item):
            return self.refuse(press.item, gen, n, "frozen")
        granted = self.charges.grant(press, target - n, is_debut=n == 0)
        if granted == 0:
            return self.refuse(press.item, gen, n, "rate_limited")
        self.changes.presses += granted
        own = self.next_own(press.item, press.actor, gen, n + granted, b"")
        # It is larger than what stands there, so there is nothing to compare.
        return self.outcome_of(own, self.put(own, held, sums))

    def reset(self, reset: Reset) -> Outcome:
        # The last generation cannot be ended: no peer and no start of this node would take the next one (R13).
        gen = min(self.sums(reset.item).gen + 1, GEN_MAX)
        return self.write_own(reset.item, b"", gen, 0, b"")

    def erase(self, erasure: Erasure) -> Outcome:
        item, actor = erasure.key
        held = self.row((item, actor), 0)
        return self.write_own(item, actor, 0, 1, b"") if held is None else self.rest_on(held)

    def flag(self, flag: Flag) -> Outcome:
        item, actor = flag.key
        gen = self.sums(item).gen
        held = self.row((item, actor), gen)
        n = held.n if held else 0
        wanted = next_n(n, wanted=flag.is_set)
        if held is not None and wanted == n:
            return self.rest_on(held)
        return self.write_own(item, actor, gen, wanted, ext_of(flag.name))

    def rest_on(self, held: Row) -> Outcome:
        is_vouched_for = held.origin == self.origin or held.origin in self.live
        if not is_vouched_for or held.seq > self.head(held.origin):
            return self.write_own(held.item, held.actor, held.gen, held.n, held.ext)
        return Outcome(held.gen, held.n, self.sums(held.item).count, held.origin, held.seq)

    def refuse(self, item: str, gen: int, n: int, refusal: Refusal) -> Outcome:
        return Outcome(gen, n, self.sums(item).count, refusal=refusal)

    def write_own(self, item: str, actor: bytes, gen: int, n: int, ext: bytes) -> Outcome:
        own = self.next_own(item, actor, gen, n, ext)
        self.take(own)
        return self.outcome_of(own, self.sums(item))

    def next_own(self, item: str, actor: bytes, gen: int, n: int, ext: bytes) -> Row:
        """A row with the next number of this run's origin."""
        seq = self.head(self.origin) + 1
        own = Row(item, actor, gen, n, self.origin, seq, ext)
        self.changes.heads[self.origin] = seq
        self.changes.own[item, actor] = own
        return own

    def outcome_of(self, own: Row, sums: ItemSums) -> Outcome:
        return Outcome(own.gen, own.n, sums.count, self.origin, own.seq)

    # -- what peers offer

    def range(self, offer: Range) -> None:
        self.rows(offer)
        if offer.start <= self.head(offer.origin):
            self.raise_head(offer.origin, offer.to, offer.stamp)
        else:
            self.changes.gaps.add(offer.source)

    def adopt(self, offer: Adoption) -> None:
        if all(head <= self.head(origin) for origin, head in offer.asked.items()):
            for origin, head in offer.heads.items():
                self.raise_head(origin, head, offer.stamps.get(origin, b""))
            self.changes.adopted += 1

    def repair(self, offer: Repair) -> None:
        self.changes.repairs += sum(row.seq <= self.heads.get(row.origin, 0) for row in self.rows(offer))

    def rows(self, offer: Range | Page | Repair) -> list[Row]:
        """Those of the offered rows that the table took."""
        taken = []
        for row in offer.rows:
            if fault_of(row) is not None:
                self.changes.bad_rows[offer.source] = self.changes.bad_rows.get(offer.source, 0) + 1
            elif self.take(row):
                taken.append(row)
        return taken

    def take(self, row: Row) -> bool:
        """Put the row into the table if it is larger than what stands there."""
        sums = self.sums(row.item)
        if row.gen < sums.gen:
            return False
        if row.gen > sums.gen:
            self.changes.has_stale = self.changes.has_stale or sums.rows > 0
            sums = ItemSums(gen=row.gen)
            self.changes.items[row.item] = sums
            self.raised.add(row.item)
        if row.item and row.actor and self.is_erased(row.actor):
            return False
        held = self.row((row.item, row.actor), row.gen)
        if held is not None and row.rank <= held.rank:
            return False
        self.put(row, held, sums)
        if not row.item:
            self.changes.erased.add(row.actor)
            self.changes.has_stale = True
        elif row.item in FLAGS and (name := name_of(row)) is not None:
            self.changes.flags[row.item, name] = is_set(row.n)
        return True

    def put(self, row: Row, held: Row | None, sums: ItemSums) -> ItemSums:
        """Let this larger row stand where `held` stood; the item's sums then, but for the digest."""
        self.changes.rows[row.item, row.actor] = row
        now = self.changes.items[row.item] = counted_with(sums, held, row)
        return now

    # -- what follows from all of them

    def write_missing_headers(self) -> None:
        gens = {item: self.sums(item).gen for item in sorted(self.raised) if item}
        missing = [item for item, gen in gens.items() if self.row((item, b""), gen) is None]
        for item in missing[:HEADERS_MAX]:
            self.write_own(item, b"", gens[item], 0, b"")

    def stamp(self) -> None:
        if self.changes.own:
            self.changes.stamps[self.origin] = stamp_after(self.held.stamp, self.changes.own.values())

    def sum_digests(self) -> None:
        """Once for each row that stands now: a tally that was pressed a hundred times here is hashed once."""
        shifts: dict[str, int] = {}
        for key, row in self.changes.rows.items():
            sums, old = self.changes.items[row.item], self.held.rows.get(key)
            if row.gen == sums.gen:
                counts_still = old is not None and old.gen == row.gen
                shifts[row.item] = shifts.get(row.item, 0) + digest_shift(old if counts_still else None, row)
        for item, shift in shifts.items():
            self.changes.items[item] = with_digest(self.changes.items[item], shift)

    def sum_buckets(self) -> None:
        buckets = self.changes.buckets
        for item, sums in self.changes.items.items():
            before = self.held.items.get(item) or ItemSums()
            if sums.digest != before.digest:
                bucket = bucket_of(item)
                buckets[bucket] = buckets.get(bucket, 0) + sums.digest - before.digest
