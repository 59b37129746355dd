"""The check of a whole ledger in which something was found that the disk has changed (R13).

1. Every row, item and origin is held against its checksum. A row that fails is put aside (`quarantine`), for a
   person to look at; a sum that fails is made anew from the rows.
2. All heads are dropped, which is always safe (R16): the node then pulls everything, the lost rows too. What no
   other node has, it cannot get back.
3. A generation whose header was spoilt is known by the item's own row alone, and no peer would ever hear of it: its
   header is written anew, as the commit of an origin of its own (R12).
4. A file whose structure is broken is not mended but refused: a tree that lost a page cannot say what is missing.
   So is one with an item that is not found by its name, for it would be checked anew at every start.

Runs at a start, before anybody is served, in the caller's transaction.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw
import structlog

from cluster.core.offers import Changes
from cluster.core.rows import ORIGIN_LENGTH, Row
from cluster.core.sums import BUCKETS, DIGEST_LENGTH, ItemSums, bucket_of, replaced, shifted
from cluster.ledger_file import unusable
from cluster.ledger_table import COLUMNS, SpoiltError, Table, checksums_of

log = structlog.get_logger()

PUT_ASIDE: Final = "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def check_whole(db: apsw.Connection, name: str, draw: Callable[[int], bytes]) -> None:
    """Put aside what is spoilt, and make anew what can be. Raises StartError, apsw.Error."""
    log.warning("ledger.checking", ledger=name)
    if (problem := db.execute("PRAGMA integrity_check(1)").get) != "ok":
        raise unusable(name, apsw.CorruptError(problem))
    try:
        _drop_heads(db)
        table = Table(db)
        put_aside = _check_items(table)
        _note_highest_seqs(table)
        _write_missing_headers(table, draw(ORIGIN_LENGTH))
    except SpoiltError as error:
        raise unusable(name, apsw.CorruptError(str(error))) from error
    table.set_meta("suspect", None)
    # Rows may have stood under an older generation than their item's.
    table.set_meta("sweep", 1)
    log.error("ledger.checked", ledger=name, rows_put_aside=put_aside, do="check the disk; the peers fill the gaps")


def _drop_heads(db: apsw.Connection) -> None:
    """Write every origin anew with head 0. One that is no origin goes, and its rows are then put aside."""
    checksums = checksums_of(db)
    for number, origin in list(db.execute("SELECT id, origin FROM origins")):
        if isinstance(origin, bytes) and len(origin) == ORIGIN_LENGTH:
            checksum = checksums.of_origin(origin, 0, 0, b"")
            db.execute(
                "UPDATE origins SET head = 0, seq_max = 0, stamp = x'', checksum = ? WHERE id = ?",
                (checksum, number),
            )
        else:
            db.execute("DELETE FROM origins WHERE id = ?", (number,))


def _note_highest_seqs(table: Table) -> None:
    """Of the sound rows only: a seq that the disk has raised would make every answer to a pull a scan, for ever."""
    highest = list(table.db.execute("SELECT origin_id, max(seq) FROM tallies GROUP BY origin_id"))
    for number, seq in highest:
        table.write_origin(table.origins[number], 0, seq, b"")


def _write_missing_headers(table: Table, origin: bytes) -> None:
    changes, ids = Changes(), dict[str, int]()
    for item_id, item, columns in table.all_items():
        sums = table.checked_sums(item, *columns)
        header = table.row(item_id, item, b"")
        if sums.gen > 0 and (header is None or header.gen < sums.gen):
            new = Row(item, b"", sums.gen, 0, origin, len(ids) + 1)
            ids[item], changes.rows[new.key] = item_id, new
            changes.items[item] = replaced(sums, None, new)
            bucket, by = bucket_of(item), changes.items[item].digest - sums.digest
            changes.buckets[bucket] = changes.buckets.get(bucket, 0) + by
    if ids:
        changes.heads[origin] = len(ids)
        table.write(changes, ids)


def _check_items(table: Table) -> int:
    """Check the rows of all items, and write the sums anew; how many rows were put aside."""
    put_aside = _put_orphans_aside(table)
    buckets = [0] * BUCKETS
    for item_id, item, columns in list(table.all_items()):
        sums, spoilt = _check_item(table, item_id, item, columns)
        put_aside += spoilt
        table.write_sums(item_id, item, sums)
        bucket = bucket_of(item)
        buckets[bucket] = shifted(buckets[bucket], sums.digest)
    table.db.execute("DELETE FROM buckets")
    table.db.executemany(
        "INSERT INTO buckets VALUES (?, ?)",
        ((each, digest.to_bytes(DIGEST_LENGTH, "big")) for each, digest in enumerate(buckets)),
    )
    return put_aside


def _check_item(table: Table, item_id: int, item: str, columns: Sequence[Any]) -> tuple[ItemSums, int]:
    """The sums of an item's sound rows, and how many others were put aside."""
    sums = {gen: ItemSums(gen) for gen in _stored_gen(table, item, columns)}
    spoilt: list[tuple[Any, ...]] = []
    for actor, *values in table.db.execute(
        f"SELECT t.actor, {COLUMNS} FROM tallies t WHERE t.item_id = ?",  # noqa: S608 - names of columns
        (item_id,),
    ):
        gen, n, origin_id, seq, ext, checksum = values
        row = Row(item, actor, gen, n, table.origins.get(origin_id, b""), seq, ext)
        if (fault := table.fault_of(row, checksum)) is None:
            sums[gen] = replaced(sums.get(gen, ItemSums(gen)), None, row)
        else:
            spoilt.append((item_id, item, actor, *values, fault))
    table.db.executemany(PUT_ASIDE, spoilt)
    table.remove((item_id, values[2]) for values in spoilt)
    return sums[max(sums)] if sums else ItemSums(), len(spoilt)


def _stored_gen(table: Table, item: str, columns: Sequence[Any]) -> list[int]:
    """The generation in the item's own row, if that row is sound."""
    try:
        return [table.checked_sums(item, *columns).gen]
    except SpoiltError:
        return []


def _put_orphans_aside(table: Table) -> int:
    """Rows whose item is none: how many there were."""
    orphans = list(
        table.db.execute(
            f"SELECT t.item_id, NULL, t.actor, {COLUMNS}, 'its item is none' FROM tallies t "  # noqa: S608
            "WHERE t.item_id NOT IN (SELECT id FROM items)"
        )
    )
    table.db.executemany(PUT_ASIDE, orphans)
    table.remove((item_id, actor) for item_id, _, actor, *_ in orphans)
    return len(orphans)
