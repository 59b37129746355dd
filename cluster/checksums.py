"""Keyed checksums of what stands in the ledger: SQLite does not checksum its pages (R13).

A flipped bit in a row would go unseen, and a raised n would win everywhere. So every row of a tally, an item and an
origin carries BLAKE2b-64 of its content under a random key that is made with the ledger and never leaves it: a row
that was copied from another ledger, or moved under another item, fails too. It is no defence against a person who
can write to the file.
"""

import struct
from hashlib import blake2b
from typing import Final

from cluster.core.hashes import keyed
from cluster.core.rows import Row
from cluster.core.sums import ItemSums

CHECKSUM_LENGTH: Final = 8
KEY_LENGTH: Final = 16
# Kept twice, each with its own hash: with a wrong key no row would fit, and a lone node would have lost them all.
KEY_NAMES: Final = ("checksum_key", "checksum_key_again")

_three_numbers: Final = struct.Struct(">qqq").pack
_two_numbers: Final = struct.Struct(">qq").pack

# What content of a wrong type or size raises: the disk may turn a number into a text.
UNSUITABLE: Final = (struct.error, TypeError, AttributeError, ValueError, OverflowError)


def hash_of_key(key: bytes) -> bytes:
    """What stands behind the key where it is kept."""
    return blake2b(key, digest_size=CHECKSUM_LENGTH).digest()


class Checksums:
    """The checksums of one ledger. Each raises one of `UNSUITABLE` for content that no ledger wrote."""

    def __init__(self, key: bytes) -> None:
        self._of = keyed(CHECKSUM_LENGTH, key)

    def of_row(self, row: Row) -> bytes:
        numbers = _three_numbers(row.gen, row.n, row.seq)
        return self._of(b"%b\0%b%b%b%b" % (row.item.encode(), row.actor, numbers, row.origin, row.ext))

    def of_item(self, item: str, sums: ItemSums) -> bytes:
        numbers = _three_numbers(sums.gen, sums.count, sums.rows)
        return self._of(b"%b\0%b%b" % (item.encode(), numbers, sums.digest.to_bytes(16, "big")))

    def of_origin(self, origin: bytes, head: int, seq_max: int, stamp: bytes) -> bytes:
        return self._of(origin + _two_numbers(head, seq_max) + stamp)
