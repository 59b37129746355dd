"""Finding out that two replicas differ although their heads say they do not (R11).

1. Every 30 s a node tells each peer the digests of all its buckets. A bucket that differs at two looks in a row,
   with the same two digests, does differ; one in which rows are under way differs otherwise at every look, and is
   compared only at every twentieth, at most four such of a peer at one look: where people press on a million items,
   that is every bucket.
2. To compare is to send spans: parts of an item's rows by actor, each with its number of rows and their digest.
   Who is sent a span that differs sends its rows if both sides together have few, and asks for the other's;
   else it cuts its own rows into smaller spans and sends those. Nobody keeps any state of it.
3. Rows found so are merged as any others; no head is touched.
4. Nothing is compared while one of the two is still pulling: then it knows that it lacks rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cluster.core.rows import Row
from cluster.core.sums import BUCKETS, DIGEST_LENGTH, ItemSums, shifted, sums_of
from cluster.core.wire import Digest, MalformedError, Span

LOOKS_HOT: Final = 20
HOT_A_LOOK: Final = 4
LEAF_ROWS: Final = 1000
CUT_ROWS: Final = 500


class Buckets:
    """The digests of this replica's buckets, as of the last commit."""

    def __init__(self, digests: Sequence[int]) -> None:
        assert len(digests) == BUCKETS, "one digest per bucket"
        self.digests = list(digests)

    def change(self, changed: Mapping[int, int]) -> None:
        """Take in a commit."""
        for bucket, by in changed.items():
            self.digests[bucket] = shifted(self.digests[bucket], by)

    def total(self) -> bytes:
        """Of all buckets together."""
        return shifted(sum(self.digests), 0).to_bytes(DIGEST_LENGTH, "big")

    def tell(self) -> Digest:
        return Digest(b"".join(digest.to_bytes(DIGEST_LENGTH, "big") for digest in self.digests))


class Looks:
    """What was seen of one peer's buckets so far."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}
        self._times: dict[int, int] = {}

    @property
    def differing(self) -> int:
        """How many buckets differed at the last look."""
        return len(self._last)

    def look(self, theirs: bytes, own: Sequence[int]) -> list[int]:
        """The buckets to be compared now. Raises MalformedError."""
        if len(theirs) != BUCKETS * DIGEST_LENGTH:
            raise MalformedError(f"digests of {len(theirs)} bytes")
        digests = (theirs[at : at + DIGEST_LENGTH] for at in range(0, len(theirs), DIGEST_LENGTH))
        pairs = enumerate((int.from_bytes(digest, "big"), mine) for digest, mine in zip(digests, own, strict=True))
        differing = {bucket: pair for bucket, pair in pairs if pair[0] != pair[1]}
        self._times = {bucket: self._times.get(bucket, 0) + 1 for bucket in differing}
        stable = {bucket for bucket, pair in differing.items() if self._last.get(bucket) == pair}
        self._last = differing
        hot = self._hot(differing.keys() - stable)
        return [each for each in differing if each in stable or each in hot]

    def _hot(self, changing: Iterable[int]) -> list[int]:
        """Those that were not compared for so long that now they are; the longest first."""
        waiting = sorted((each for each in changing if self._times[each] >= LOOKS_HOT), key=self._waits_longest)
        for each in waiting[:HOT_A_LOOK]:
            self._times[each] = 0
        return waiting[:HOT_A_LOOK]

    def _waits_longest(self, bucket: int) -> tuple[int, int]:
        return -self._times[bucket], bucket


def whole(item: str, sums: ItemSums) -> Span:
    """All rows of an item."""
    return Span(item, b"", b"", sums.rows, sums.digest.to_bytes(DIGEST_LENGTH, "big"))


def is_whole(span: Span) -> bool:
    return not span.start and not span.stop


def is_equal(span: Span, sums: ItemSums) -> bool:
    """Whether rows with these sums are those of the span."""
    return span.rows == sums.rows and span.digest == sums.digest.to_bytes(DIGEST_LENGTH, "big")


def part(span: Span, start: bytes, stop: bytes, rows: Sequence[Row]) -> Span:
    """A part of a span, with these rows of ours in it."""
    digest = sums_of(0, rows).digest
    return Span(span.item, start, stop, len(rows), digest.to_bytes(DIGEST_LENGTH, "big"))
