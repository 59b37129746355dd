"""What peers may know of this run's commits: none that it has not shown them, and each by its stamp (R10).

1. A commit is shown when a push or the answer to a pull that ends with it goes out: a peer's head of this run is
   one of these, whoever it heard of it from. Another one is of a run that went on from the same memory and the same
   disk, before both were put back.
2. The stamp of a commit is a hash of what it and all before it changed, so two such runs have different ones.
3. The newest 16,384 are kept, at least two minutes of them. Below those nothing is judged.
"""

from hashlib import blake2b
from typing import Final

from cluster.core.offers import Changes

STAMP_LENGTH: Final = 8
SHOWN_MAX: Final = 16_384


class Shown:
    """The shown commits of one run. `head`: its own at the start."""

    def __init__(self, head: int, shown_max: int = SHOWN_MAX) -> None:
        self.stamp = b""
        self._stamps: dict[int, bytes] = {}
        self._floor = head
        self._shown_max = shown_max

    def committed(self, changes: Changes) -> None:
        """This run has committed own rows, whether or not anybody hears of them now."""
        content = f"{changes.heads} {changes.buckets}".encode()
        self.stamp = blake2b(self.stamp + content, digest_size=STAMP_LENGTH).digest()

    def show(self, head: int) -> bytes:
        """The stamp of the own head, which peers may know from now on."""
        self._stamps[head] = self.stamp
        if len(self._stamps) > self._shown_max:
            self._floor = next(iter(self._stamps))
            del self._stamps[self._floor]
        return self.stamp

    def may_be_known(self, head: int, stamp: bytes) -> bool:
        """Whether a peer's head is of this run. One that came through a node of the first version has no stamp."""
        if head <= self._floor:
            return True
        shown = self._stamps.get(head)
        return shown is not None and stamp in (b"", shown)
