"""The stamps of a run's commits, by which it knows its own from those of a run that was taken back (R10).

1. A stamp is a hash of the rows that the run wrote in a commit and of the stamp before it, made inside the
   transaction and stored beside the head. Two runs that went on from the same memory and the same disk have
   different ones from their first different row on.
2. It travels with its head, so whoever holds a head of this run, from a push, an answer, a backup or a copy of its
   folder, can show the stamp that belongs to it. A head of this run is always the end of one of its commits.
3. The newest 262,144 are kept, 16 bytes each. An older head is not judged and not believed either: who announces it
   is as one that has nothing of this run, and is sent all of it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from cluster.core.rows import Row

STAMP_LENGTH: Final = 8
COMMITS_MAX: Final = 262_144

Verdict = Literal["own", "another", "too_old"]

_encoder: Final = msgspec.msgpack.Encoder()


def stamp_after(stamp: bytes, rows: Iterable[Row]) -> bytes:
    """The stamp of a commit of these own rows, `stamp` being that of the commit before it."""
    return blake2b(stamp + _encoder.encode(list(rows)), digest_size=STAMP_LENGTH).digest()


class Stamps:
    """Those of one run, which has begun with `head` (0, but in a simulated rollback)."""

    def __init__(self, head: int, commits_max: int = COMMITS_MAX) -> None:
        self._forgotten = head
        self._heads, self._stamps = array("Q"), array("Q")
        self._commits_max = commits_max

    def add(self, head: int, stamp: bytes) -> None:
        """A commit that ends with this head."""
        self._heads.append(head)
        self._stamps.append(int.from_bytes(stamp, "big"))
        if len(self._heads) > self._commits_max:
            gone = self._commits_max // 2
            self._forgotten = self._heads[gone - 1]
            del self._heads[:gone], self._stamps[:gone]

    def judge(self, head: int, stamp: bytes) -> Verdict:
        """Whose a peer's head of this run is. One that came through a node of the first version has no stamp."""
        if head == 0:
            return "own"
        if head <= self._forgotten:
            return "too_old"
        place = bisect_left(self._heads, head)
        if place == len(self._heads) or self._heads[place] != head:
            return "another"
        return "own" if stamp in (b"", self._stamps[place].to_bytes(STAMP_LENGTH, "big")) else "another"
