"""`restore FILE FOLDER`: put a backup where a node that does not run looks for its ledger.

1. Nothing happens while a node runs on FOLDER: its lock is taken first, and held.
2. The copy is checked before it gets the ledger's name, and a ledger that is there is moved aside, never deleted.
3. The copy gets a ledger id of its own. Two nodes from one backup would otherwise be one for the rest of the
   cluster, and a press that only those two have would never count as saved.
4. It belongs to whom the folder belongs to, also where root restores it.

The heads and sums inside stay true, for they are the copy's own; what is newer comes from the peers.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

from cli.exit_codes import ExitCode, UsageError
from cli.screen import Screen
from cli.whole_file import FileError, sync_folder, whole_file

LEDGER: Final = "ledger.db"
LOCK: Final = "ledger.lock"
LEDGER_ID_BYTES: Final = 16
# What SQLite puts beside a file, and takes for its newest part.
BESIDE: Final = ("", "-wal", "-shm", "-journal")


def run_restore(file: Path, folder: Path, screen: Screen, *, replaces: bool) -> ExitCode:
    """Restore and say so."""
    try:
        aside = restore(file, folder, replaces=replaces)
    except UsageError as error:
        screen.complain(str(error), "usage")
        return ExitCode.USAGE
    except FileError as error:
        screen.complain(f"nothing was restored: {error}", "restore")
        return ExitCode.NOT_SAVED
    screen.show_restored(str(file), str(folder / LEDGER), "" if aside is None else str(aside))
    return ExitCode.OK


def restore(file: Path, folder: Path, *, replaces: bool) -> Path | None:
    """Returns where the ledger is now that was there before, or None. Raises `FileError`, `UsageError`."""
    _check_alone(file)
    with _locked(folder):
        if _ledger_of(folder) and not replaces:
            raise UsageError(f"{folder} has a ledger: name another folder, or say --replace to move it aside")
        with whole_file(folder / LEDGER) as part:
            _copy(file, part)
            _make_own(folder / f"{LEDGER}.part", file)
            _give_to_owner(folder, part.fileno(), folder / LOCK)
            os.fsync(part.fileno())
            # Last, so that whatever goes wrong before leaves all as it was.
            return _move_aside(folder)


def _check_alone(file: Path) -> None:
    beside = file.with_name(f"{file.name}-wal")
    if beside.exists() and beside.stat().st_size:
        raise FileError(f"a part of {file} lies in {beside}: it is a node's ledger and no backup of one")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else uses this folder, which is made if there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("ab")
    except OSError as error:
        raise FileError(f"{error.filename}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(f"a node runs on {folder}: stop it first") from error
        yield


def _ledger_of(folder: Path) -> list[str]:
    """What is there of a ledger: the ends of the files' names."""
    return [end for end in BESIDE if (folder / f"{LEDGER}{end}").exists()]


def _copy(file: Path, part: IO[bytes]) -> None:
    try:
        with file.open("rb") as source:
            shutil.copyfileobj(source, part)
        part.flush()
    except OSError as error:
        raise FileError(f"{error.filename or file}: {error.strerror}") from error


def _make_own(copy: Path, file: Path) -> None:
    """Check that the copy is a ledger, and give it an id of its own."""
    try:
        with closing(sqlite3.connect(copy)) as db, db:
            if (problem := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise FileError(f"{file} is broken ({problem}): take another backup")
            new_id = secrets.token_bytes(LEDGER_ID_BYTES)
            changed = db.execute("UPDATE meta SET value = ? WHERE key = 'ledger_id'", (new_id,)).rowcount
    except sqlite3.Error as error:
        raise FileError(f"{file} is no ledger, or broken ({error})") from error
    if changed != 1:
        raise FileError(f"{file} is no ledger")


def _give_to_owner(folder: Path, *files: int | Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        for file in files:
            os.chown(file, owner.st_uid, owner.st_gid)


def _move_aside(folder: Path) -> Path | None:
    """Give what is there another name, all its parts the same, so that it can still be opened."""
    ends = _ledger_of(folder)
    aside = folder / f"{LEDGER}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for end in ends:
        (folder / f"{LEDGER}{end}").rename(folder / f"{aside.name}{end}")
    sync_folder(folder)
    return aside if ends else None
