"""A simulated drive: the real ledger and the real SQLite on files that live in memory and may lie, tear and break.

What was written is seen at once by who runs, and stands on the drive only after a sync. A power cut keeps what was
synced, and of the rest any part: single writes, or the first sectors of one. Other things that a drive may do:

fail       a write or a sync raises an I/O error: nothing is known of what it did
fill       a write beyond the quota finds no space
lie        a sync does nothing and says that it did
flip       a bit of what stands on the drive changes
cut        the power goes in the middle of a commit: at the n-th write or sync from now
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

import apsw

from cluster.ledger import Ledger
from cluster.ledger_file import LedgerFile, prepare, unusable

SECTOR: Final = 512
MAIN: Final = "ledger.db"
WAL: Final = "ledger.db-wal"
# Small, so that lives of some hundred commits see checkpoints too.
CHECKPOINT_PAGES: Final = 60


class PowerCutError(Exception):
    """The power has gone while SQLite was writing."""


class File:
    """One file. `seen` is what a reader gets, `kept` what stands on the drive, `unsynced` what came between."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.kept = bytearray()
        self.unsynced: list[tuple[int, bytes]] = []

    def copy(self) -> "File":
        other = File()
        other.seen, other.kept = bytearray(self.seen), bytearray(self.seen)
        return other

    def write(self, data: bytes, at: int) -> None:
        _put(self.seen, data, at)
        self.unsynced.append((at, data))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.sync()

    def sync(self) -> None:
        for at, data in self.unsynced:
            _put(self.kept, data, at)
        del self.kept[len(self.seen) :]
        self.unsynced.clear()

    def cut_power(self, random: Random) -> None:
        """Of what was not synced, any part has reached the drive."""
        for at, data in self.unsynced:
            fate = random.random()
            if fate < 0.4:
                _put(self.kept, data, at)
            elif fate < 0.5:
                _put(self.kept, data[: SECTOR * random.randrange(1 + len(data) // SECTOR)], at)
        self.unsynced.clear()
        self.seen = bytearray(self.kept)


def _put(content: bytearray, data: bytes, at: int) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


class Drive:
    """The files of one node, and what is wrong with them. It outlives the node's process."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.files: dict[str, File] = {}
        self.lies = False
        self.quota: int | None = None
        self.fails_in: int | None = None
        self.cut_in: int | None = None
        self.handle = 0

    def copy(self) -> "Drive":
        """A backup, or what an operator copies while the node is down."""
        other = Drive(self.random)
        other.files = {name: file.copy() for name, file in self.files.items()}
        return other

    def cut_power(self) -> None:
        """Whoever has a file open has it no more; what was not synced may be gone."""
        self.handle += 1
        self.cut_in = None
        for file in self.files.values():
            file.cut_power(self.random)

    def let_go(self) -> None:
        """The process is gone, and the machine lives: all that was written is there."""
        self.handle += 1
        self.cut_in = None
        for file in self.files.values():
            file.sync()

    def mend(self) -> None:
        """From now on it does what it says."""
        self.lies, self.quota, self.fails_in, self.cut_in = False, None, None, None
        for file in self.files.values():
            file.sync()

    def flip_a_bit(self, name: str = MAIN) -> None:
        """In the part of this file that is on the drive."""
        file = self.files.get(name)
        if file is not None and file.kept:
            place = self.random.randrange(len(file.kept))
            bit = 1 << self.random.randrange(8)
            file.kept[place] ^= bit
            if place < len(file.seen):
                file.seen[place] ^= bit

    def on_change(self, file: File, size: int) -> None:
        """Before every write (with the file's size after it) and every sync."""
        if self.quota is not None and size > self.quota:
            raise apsw.FullError("the drive is full")
        if _is_due(self, "fails_in"):
            raise apsw.IOError("the drive has failed")
        if _is_due(self, "cut_in"):
            self.cut_power()
            raise PowerCutError


def _is_due(drive: Drive, counter: str) -> bool:
    left: int | None = getattr(drive, counter)
    if left is None:
        return False
    setattr(drive, counter, left - 1 if left > 1 else None)
    return left <= 1


class Handle:
    """An open file, as SQLite asks for it. Once the power was cut it does nothing any more."""

    def __init__(self, drive: Drive, name: str, flags: list[int]) -> None:
        self._drive, self._number = drive, drive.handle
        self._file = drive.files.setdefault(name, File())
        flags[1] = flags[0]

    @property
    def _is_open(self) -> bool:
        return self._number == self._drive.handle

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._is_open:
            file = self._file
            self._drive.on_change(file, max(len(file.seen), offset + len(data)))
            file.write(data, offset)

    def xTruncate(self, size: int) -> None:
        if self._is_open:
            self._drive.on_change(self._file, 0)
            self._file.truncate(size)

    def xSync(self, flags: int) -> None:
        if self._is_open:
            self._drive.on_change(self._file, 0)
            if not self._drive.lies:
                self._file.sync()

    def xFileSize(self) -> int:
        return len(self._file.seen)

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xLock(self, level: int) -> None:
        """Nobody else opens it (R2)."""

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xClose(self) -> None:
        pass


class Storage(apsw.VFS):
    """All drives of one life, as a file system of SQLite's. File names are `drive/file`."""

    def __init__(self, name: str, random: Random) -> None:
        super().__init__(name, base="")
        self.name, self.random = name, random
        self.drives: dict[str, Drive] = {}

    def open(self, place: str) -> Ledger:
        """The ledger on this drive, created if there is none. Raises StartError, PowerCutError."""
        name = f"{place}/{MAIN}"
        try:
            db = apsw.Connection(name, vfs=self.name)
            prepare(db, name, self.random.randbytes)
            db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        except apsw.Error as error:
            raise unusable(name, error) from error
        return Ledger(LedgerFile(db, name, self.closing(place, db), self.random.randbytes))

    def closing(self, place: str, db: apsw.Connection) -> Callable[[], None]:
        """What closes a connection to this drive, also after the power was cut."""
        drive = self.drives[place]
        number = drive.handle
        return lambda: _close(db, drive, number)

    def _find(self, path: str) -> tuple[Drive, str]:
        place, _, name = path.rpartition("/")
        return self.drives[place], name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> Handle:  # type: ignore[override]
        if name is None:  # a temporary file
            return Handle(Drive(self.random), "", flags)
        drive, file = self._find(name if isinstance(name, str) else name.filename())
        return Handle(drive, file, flags)

    def xDelete(self, path: str, sync: bool) -> None:
        drive, name = self._find(path)
        drive.files.pop(name, None)

    def xAccess(self, path: str, flags: int) -> bool:
        drive, name = self._find(path)
        return name in drive.files

    def xFullPathname(self, name: str) -> str:
        return name

    def xRandomness(self, amount: int) -> bytes:
        return self.random.randbytes(amount)


def _close(db: apsw.Connection, drive: Drive, number: int) -> None:
    """Close what is still open; of a process that is gone, nothing must reach the drive any more."""
    files = dict(drive.files)
    with suppress(apsw.Error, PowerCutError):
        db.close()
    if drive.handle != number:
        drive.files = files
