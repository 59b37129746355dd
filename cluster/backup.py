"""A copy of the ledger while the node goes on: consistent, checked, and safe to start another node from.

1. Pages are copied between commits, some megabytes at a time; what commits change meanwhile SQLite copies again,
   for it happens on the same connection (sqlite.org/backup.html).
2. The copy gets a ledger id of its own. With the old one, a node that is started from it beside the first would
   not count as a copy, nor the first for it (R9).
3. It is checked and synced before anybody is told that it is there.
4. Where it would fill the disk it is not begun.
"""

import asyncio
import os
import secrets
import shutil
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from cluster.batches import Batches
from cluster.core.link import LEDGER_LENGTH
from cluster.ledger import Ledger, LedgerError
from cluster.surface import BackupError

PAGES_A_STEP: Final = 1000
# Of SQLite's machine; some milliseconds.
STEPS_A_LOOK: Final = 10_000
# For what commits write while the copy lies beside the ledger; and a tenth of the ledger, for what they add to it.
SPARE_BYTES: Final = 4 * 1024 * 1024


async def back_up(ledger: Ledger, batches: Batches, target: Path) -> None:
    """Write a copy of the ledger into this file, which must not exist. Raises BackupError."""
    if await asyncio.to_thread(target.exists):
        raise BackupError(f"{target} exists already")
    try:
        await _check_room(ledger, batches, target.parent)
        await _copy(ledger, batches, target)
        await _finish_in_thread(target)
    except BaseException as error:
        await asyncio.to_thread(target.unlink, missing_ok=True)
        if isinstance(error, apsw.Error | OSError | LedgerError):
            raise BackupError(f"{target}: {error}. Is there room for a copy of the ledger?") from error
        raise


async def _check_room(ledger: Ledger, batches: Batches, folder: Path) -> None:
    """A copy that fills the disk would keep the ledger from going on."""
    needed = await batches.run(ledger.size_bytes) * 11 // 10 + SPARE_BYTES
    free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
    if free < needed:
        raise BackupError(
            f"{folder} has {free:,} bytes free, and a copy of the ledger beside it takes up to {needed:,}: "
            "free space on this disk, or back up another node"
        )


async def _copy(ledger: Ledger, batches: Batches, target: Path) -> None:
    with closing(apsw.Connection(str(target))) as copy:
        # Synced once at the end, and not by the ledger's thread.
        copy.pragma("synchronous", "off")
        backup = await batches.run(lambda: ledger.begin_backup(copy))
        try:
            while not await batches.run(lambda: backup.step(PAGES_A_STEP)):
                pass
        finally:
            await batches.run(backup.finish)


async def _finish_in_thread(target: Path) -> None:
    """A thread cannot be cancelled, and a process waits for it at its end: it is told to give up.

    It has ended when this ends, so that it does not work on a file that is removed.
    """
    is_given_up = threading.Event()
    finishing = asyncio.ensure_future(asyncio.to_thread(_finish, target, is_given_up))
    try:
        await asyncio.shield(finishing)
    except asyncio.CancelledError:
        is_given_up.set()
        # Whatever it says now, nobody wants the copy any more.
        await asyncio.gather(finishing, return_exceptions=True)
        raise


def _finish(target: Path, is_given_up: threading.Event) -> None:
    with closing(apsw.Connection(str(target))) as copy:
        copy.set_progress_handler(is_given_up.is_set, STEPS_A_LOOK)
        copy.pragma("journal_mode", "delete")
        copy.execute("UPDATE meta SET value = ? WHERE key = 'ledger_id'", (secrets.token_bytes(LEDGER_LENGTH),))
        problem = copy.pragma("quick_check")
    if problem != "ok":
        raise BackupError(f"the copy of the ledger is broken ({problem}): check the disk")
    with target.open("rb") as file:
        os.fsync(file.fileno())
