"""The ledger's file: its lock, its schema, and how SQLite is told to treat it (R2).

1. Nobody else opens this file: an exclusive lock on `ledger.lock` is taken before SQLite sees it, and SQLite
   keeps its own lock for as long as the file is open.
2. WAL and synchronous=FULL: COMMIT returns after the disk has it. What is deleted is overwritten (R12).
3. A file that a newer version wrote is not opened; one that an older version wrote is brought up to date, in one
   transaction (R15).
"""

import fcntl
import secrets
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Final

import apsw
import msgspec

from cluster.checksums import KEY_LENGTH, KEY_NAMES, hash_of_key
from cluster.core.link import LEDGER_LENGTH
from cluster.core.sums import BUCKETS, DIGEST_LENGTH
from cluster.ledger_upgrade import from_first_version
from cluster.surface import StartError

FILE_NAME: Final = "ledger.db"
SCHEMA_VERSION: Final = 2
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, origin BLOB NOT NULL UNIQUE,
    head INTEGER NOT NULL,      -- every row of this origin up to here was merged
    seq_max INTEGER NOT NULL,   -- the highest seq of any row of this origin held, also above the head
    stamp BLOB NOT NULL,        -- of the head, as that origin gave it out (R10)
    checksum BLOB NOT NULL
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, item TEXT NOT NULL,
    gen INTEGER NOT NULL, count INTEGER NOT NULL, rows INTEGER NOT NULL, digest BLOB NOT NULL,
    checksum BLOB NOT NULL, UNIQUE (bucket, item)
);
CREATE TABLE buckets (id INTEGER PRIMARY KEY, digest BLOB NOT NULL);
CREATE TABLE tallies (
    item_id INTEGER NOT NULL, actor BLOB NOT NULL,
    gen INTEGER NOT NULL, n INTEGER NOT NULL, origin_id INTEGER NOT NULL, seq INTEGER NOT NULL, ext BLOB NOT NULL,
    checksum BLOB NOT NULL, PRIMARY KEY (item_id, actor)
) WITHOUT ROWID;
-- Rows whose checksum or bounds failed, for a person to look at; nothing reads them.
CREATE TABLE quarantine (item_id, item, actor, gen, n, origin_id, seq, ext, checksum, fault TEXT NOT NULL);
"""


class LedgerFile(msgspec.Struct, frozen=True):
    """An open, prepared file. `draw` makes so many random bytes; `close` ends it, and its lock."""

    db: apsw.Connection
    name: str
    close: Callable[[], None]
    draw: Callable[[int], bytes] = secrets.token_bytes


def open_file(data_dir: Path) -> LedgerFile:
    """Open or create the ledger in this folder. Raises StartError, whose message tells the operator what to do."""
    path = data_dir / FILE_NAME
    with ExitStack() as opened:
        opened.callback(_lock(data_dir).close)
        try:
            db = apsw.Connection(str(path))
            opened.callback(db.close)
            prepare(db, str(path), secrets.token_bytes)
        except (apsw.Error, UnicodeError) as error:
            raise unusable(str(path), error) from error
        return LedgerFile(db, str(path), opened.pop_all().close)


def unusable(name: str, error: Exception) -> StartError:
    """What the operator is told of a file that SQLite cannot work with."""
    if isinstance(error, apsw.FullError):
        return StartError(f"{name}: {error}. Free space on this disk")
    # Of statements that never change, SQLite complains only where the file is not what was written.
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | apsw.SQLError | UnicodeError):
        return StartError(f"{name}: {error}. {REPLACE_IT}")
    return StartError(f"{name}: {error}. Check that this node may read and write it, and the disk")


# The pages of the largest commit, 900 tallies far from each other, or they would be read twice.
CACHE_KB: Final = 16 * 1024
# A press of a new actor is somewhere of its own, and the log takes a whole page for it.
PAGE_BYTES: Final = 1024
# 16 MB: what is written again before that is copied into the ledger once.
CHECKPOINT_PAGES: Final = 16_000

# With the old -wal beside it SQLite would write the newest pages of the broken ledger into the backup.
REPLACE_IT: Final = (
    "Check the disk, then move it and the -wal beside it away, and put a backup in its place or let the peers fill "
    "a new one"
)


def prepare(db: apsw.Connection, name: str, draw: Callable[[int], bytes]) -> None:
    """Set the connection up, and make or upgrade the tables. Raises StartError, apsw.Error."""
    db.pragma("page_size", PAGE_BYTES)  # of a new file; an old one keeps its own
    db.pragma("locking_mode", "exclusive")
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.pragma("secure_delete", "on")
    db.pragma("cell_size_check", "on")
    db.pragma("cache_size", -CACHE_KB)
    db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    version = db.pragma("user_version")
    if version > SCHEMA_VERSION:
        raise StartError(
            f"{name} was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}): "
            "start the newer version"
        )
    if version < SCHEMA_VERSION:
        with db:
            _make_tables(db, version, draw)
            db.pragma("user_version", SCHEMA_VERSION)
    if not _is_as_written(db):
        # A bit of this text decides which column a number is read from.
        raise apsw.CorruptError("its schema is not the one that was written")


def _is_as_written(db: apsw.Connection) -> bool:
    with closing(apsw.Connection(":memory:")) as fresh:
        fresh.execute(SCHEMA)
        try:
            return _schema_of(db) == _schema_of(fresh)
        except UnicodeError:  # the disk has made it no text
            return False


def _schema_of(db: apsw.Connection) -> set[tuple[str, str]]:
    return {(name, sql) for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")}


def _make_tables(db: apsw.Connection, version: int, draw: Callable[[int], bytes]) -> None:
    checksum_key = draw(KEY_LENGTH)
    if version == 1:
        from_first_version(db, SCHEMA, checksum_key)
    else:
        db.execute(SCHEMA)
        db.execute("INSERT INTO meta VALUES ('ledger_id', ?)", (draw(LEDGER_LENGTH),))
        db.executemany(
            "INSERT INTO buckets VALUES (?, ?)", ((each, bytes(DIGEST_LENGTH)) for each in range(BUCKETS))
        )
    kept = checksum_key + hash_of_key(checksum_key)
    db.executemany("INSERT INTO meta VALUES (?, ?)", ((name, kept) for name in KEY_NAMES))


def _lock(data_dir: Path) -> IO[bytes]:
    """Take the folder's exclusive lock, which the kernel gives back however the process ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "ledger.lock").open("ab")
    except OSError as error:
        raise StartError(f"LIKE_DATA_DIR={data_dir} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StartError(
            f"LIKE_DATA_DIR={data_dir} is in use by another node: give every node its own folder"
        ) from error
    return lock
