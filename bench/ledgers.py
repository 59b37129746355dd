"""Ledgers that are full already: made once with the product's own code, then copied.

Every row is a tap of an actor of its own; they are of `ITEMS` items, unless it is said of how many.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.compiled import PLACE
from bench.subjects import ITEMS
from cli.restore import restore
from cluster.core.offers import Range
from cluster.core.rows import Row
from cluster.ledger import open_ledger
from cluster.ledger_file import PAGE_BYTES, SCHEMA_VERSION

_BATCH: Final = 4000
_ORIGIN: Final = hashlib.blake2b(b"bench", digest_size=16).digest()


def full_one(rows: int, items: int = ITEMS) -> Path:
    """The folder of a ledger with so many rows."""
    folder = PLACE / "ledgers" / f"{rows}-rows-{items}-items-schema-{SCHEMA_VERSION}-{PAGE_BYTES}"
    if not folder.exists():
        half_made = folder.with_name(f"{folder.name}.half-made")
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(parents=True)
        _fill(half_made, rows, items)
        half_made.rename(folder)
    return folder


def put_full_one(data_dir: Path, rows: int, items: int = ITEMS) -> None:
    """A copy of it in this folder."""
    shutil.copytree(full_one(rows, items), data_dir, dirs_exist_ok=True)


def put_restored(data_dir: Path, rows: int) -> None:
    """The same as a ledger of its own: with another id, as two nodes of a cluster have."""
    restore(full_one(rows) / "ledger.db", data_dir, replaces=False)


def _fill(folder: Path, rows: int, items: int) -> None:
    ledger = open_ledger(folder)
    # Nobody needs what is on the disk if this is cut off.
    ledger._db.pragma("synchronous", "off")
    try:
        for start, batch in _batches(rows, items):
            ledger.commit([Range(_ORIGIN, start, start + len(batch), batch)], _ORIGIN[::-1], {})
            print(f"\r  a ledger of {rows:,} rows: {start + len(batch):,}", end="", flush=True)
        print()
    finally:
        ledger.close()


def _batches(rows: int, items: int) -> Iterator[tuple[int, list[Row]]]:
    """In key order: item by item, actor by actor, as a pull of a whole ledger brings them."""
    per_item = rows // items
    batch: list[Row] = []
    seq = 0
    for item in range(items):
        name = f"tap:item-{item}"
        for actor in range(per_item):
            seq += 1
            batch.append(Row(name, _actor(actor, per_item), 0, 1, _ORIGIN, seq))
            if len(batch) == _BATCH:
                yield seq - len(batch), batch
                batch = []
    if batch:
        yield seq - len(batch), batch


def _actor(number: int, of: int) -> bytes:
    """Ascending, and spread over all that there may be."""
    return (number * ((1 << 128) // of)).to_bytes(16, "big")
