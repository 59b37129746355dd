"""The ledger's file: its lock, its schema, and how SQLite is told to treat it (R2).

1. Nobody else opens this file: an exclusive lock on `ledger.lock` is taken before SQLite sees it, and SQLite
   keeps its own lock for as long as the file is open.
2. WAL and synchronous=FULL: COMMIT returns after the disk has it.
3. A file that a newer version wrote is not opened (R15).
"""

import fcntl
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import apsw

from cluster.core.link import LEDGER_LENGTH
from cluster.surface import StartError

FILE_NAME: Final = "ledger.db"
SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, origin BLOB NOT NULL UNIQUE,
    head INTEGER NOT NULL,      -- every row of this origin up to here was merged
    seq_max INTEGER NOT NULL    -- the highest seq of any row of this origin held, also above the head
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY, item TEXT NOT NULL UNIQUE,
    gen INTEGER NOT NULL, count INTEGER NOT NULL, rows INTEGER NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE tallies (
    item_id INTEGER NOT NULL, actor BLOB NOT NULL,
    gen INTEGER NOT NULL, n INTEGER NOT NULL, origin_id INTEGER NOT NULL, seq INTEGER NOT NULL, ext BLOB NOT NULL,
    PRIMARY KEY (item_id, actor)
) WITHOUT ROWID;
"""


def open_file(data_dir: Path) -> tuple[apsw.Connection, IO[bytes]]:
    """Open or create the ledger in this folder; the connection, and the lock to be closed after it.

    Raises StartError, whose message tells the operator what to do.
    """
    lock = _lock(data_dir)
    path = data_dir / FILE_NAME
    with ExitStack() as opened:
        opened.callback(lock.close)
        try:
            db = apsw.Connection(str(path))
            opened.callback(db.close)
            _prepare(db, path)
        except apsw.Error as error:
            raise unusable(path, error) from error
        opened.pop_all()
    return db, lock


def unusable(path: Path, error: apsw.Error) -> StartError:
    """What the operator is told of a file that SQLite cannot work with."""
    if isinstance(error, apsw.FullError):
        return StartError(f"{path}: {error}. Free space on this disk")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StartError(
            f"{path}: {error}. Put a backup in its place, or move it away and let the peers fill a new one"
        )
    return StartError(f"{path}: {error}. Check that this node may read and write it, and the disk")


def _prepare(db: apsw.Connection, path: Path) -> None:
    db.pragma("locking_mode", "exclusive")
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    version = db.pragma("user_version")
    if version > SCHEMA_VERSION:
        raise StartError(
            f"{path} was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}): "
            "start the newer version"
        )
    if version == 0:
        with db:
            db.execute(SCHEMA)
            ledger_id = secrets.token_bytes(LEDGER_LENGTH)
            db.execute("INSERT INTO meta VALUES ('ledger_id', ?)", (ledger_id,))
            db.pragma("user_version", SCHEMA_VERSION)


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
