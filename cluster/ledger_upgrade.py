"""Bringing a ledger of the first version up to date: checksums, buckets, and what it could not erase (R15)."""

from collections.abc import Callable
from typing import Any, Final

import apsw

from cluster.checksums import UNSUITABLE, Checksums
from cluster.core.rows import Row
from cluster.core.sums import BUCKETS, DIGEST_LENGTH, ItemSums, bucket_of, shifted

TABLES: Final = ("meta", "origins", "items", "tallies")


def from_first_version(db: apsw.Connection, schema: str, checksum_key: bytes) -> None:
    """Inside the caller's transaction. A spoilt row keeps what is wrong with it, and fails when it is read."""
    checksums = Checksums(checksum_key)

    def of_row(item: str, actor: bytes, gen: int, n: int, origin: bytes, seq: int, ext: bytes) -> bytes:
        return checksums.of_row(Row(item, actor, gen, n, origin, seq, ext))

    def of_item(item: str, gen: int, count: int, rows: int, digest: bytes) -> bytes:
        return checksums.of_item(item, ItemSums(gen, count, rows, int.from_bytes(digest, "big")))

    functions: dict[str, Any] = {
        "of_row": _or(b"", of_row),
        "of_item": _or(b"", of_item),
        "of_origin": _or(b"", checksums.of_origin),
        "bucket_of": _or(-1, bucket_of),
    }
    for name, function in functions.items():
        db.create_scalar_function(name, function)
    for table in TABLES:
        db.execute(f"ALTER TABLE {table} RENAME TO first_{table}")
    db.execute(schema)
    db.execute("""
        INSERT INTO meta SELECT * FROM first_meta WHERE key = 'ledger_id';
        INSERT INTO origins SELECT id, origin, head, seq_max, x'', of_origin(origin, head, seq_max, x'')
            FROM first_origins;
        INSERT INTO items SELECT id, bucket_of(item), item, gen, count, rows, digest,
            of_item(item, gen, count, rows, digest) FROM first_items;
        INSERT INTO tallies SELECT t.item_id, t.actor, t.gen, t.n, t.origin_id, t.seq, t.ext,
            of_row(i.item, t.actor, t.gen, t.n, o.origin, t.seq, t.ext)
            FROM first_tallies t JOIN first_items i ON i.id = t.item_id JOIN first_origins o ON o.id = t.origin_id;
        INSERT INTO meta VALUES ('sweep', 1)""")
    _sum_buckets(db)
    for table in TABLES:
        db.execute(f"DROP TABLE first_{table}")
    for name in functions:
        db.create_scalar_function(name, None)


def _or(otherwise: object, function: Callable[..., object]) -> Callable[..., object]:
    """What a function gives, and for content that no ledger wrote what fits nothing."""

    def of(*content: Any) -> object:
        try:
            return function(*content)
        except UNSUITABLE:
            return otherwise

    return of


def _sum_buckets(db: apsw.Connection) -> None:
    sums = [0] * BUCKETS
    for bucket, digest in db.execute(
        "SELECT bucket, digest FROM items WHERE typeof(digest) = 'blob' AND bucket >= 0"
    ):
        sums[bucket] = shifted(sums[bucket], int.from_bytes(digest, "big"))
    db.executemany(
        "INSERT INTO buckets VALUES (?, ?)",
        ((bucket, digest.to_bytes(DIGEST_LENGTH, "big")) for bucket, digest in enumerate(sums)),
    )
