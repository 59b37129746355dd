"""A file that is whole or not there: written beside its name, synced, and renamed at the end.

1. Until then it is FILE.part, which only its owner may read; whatever goes wrong removes it.
2. A FILE that was there before is touched by nothing but the rename.
3. Two programs do not write one FILE.part: the second is refused.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class FileError(Exception):
    """The file was not written; the message says why and what to do, for people."""


@contextmanager
def whole_file(file: Path) -> Iterator[IO[bytes]]:
    """What is written to this becomes `file` if the block ends well. Raises `FileError`."""
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as opened:
            _lock(opened, part)
            opened.truncate()
            try:
                yield opened
                opened.flush()
                os.fsync(opened.fileno())
                part.rename(file)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        sync_folder(file.parent)
    except OSError as error:
        raise FileError(f"{error.filename or part}: {error.strerror}") from error


def _lock(opened: IO[bytes], part: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileError(f"{part} is being written by another program: wait for it, or name another file") from error


def sync_folder(folder: Path) -> None:
    """Make renames in it outlive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
