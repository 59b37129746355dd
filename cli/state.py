"""What outlives a run: the visitor's token, and the tallies whose presses are not all saved.

One JSON file per address the person gives, in `$XDG_STATE_HOME/distributed-event-handler` (default
`~/.local/state`), readable by its owner only. It owns the file and nothing else; `presses` says what to write.

1. Every change is read, changed and written back under an exclusive lock on a file of its own beside it, so two
   runs at once lose nothing of each other. The lock is held for one small write, never over a wait.
2. The new text is written beside the old one, flushed to disk and renamed over it: a reader, and a kill at any
   moment, meets one of the two whole.
3. A press is written here before it is sent: what a kill interrupts is sent again at the next start.
4. The calls block, for as long as one flush to disk takes.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from cli.tally import Tally

FOLDER: Final = "distributed-event-handler"


class StateError(Exception):
    """The state folder cannot be used; the message says why and what to do."""


class Stored(msgspec.Struct, omit_defaults=True):
    """What is kept."""

    token: str = ""
    tallies: list[Tally] = []

    def as_text(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


class MemoryState:
    """Keeps nothing: where the state folder cannot be used, and the person was told so."""

    def __init__(self) -> None:
        self._stored = Stored()

    @contextmanager
    def changing(self) -> Iterator[Stored]:
        yield self._stored


class StateFile:
    """The state of one address on disk. Raises `StateError` where the folder cannot be used."""

    def __init__(self, folder: Path, address: str) -> None:
        self.path = folder / f"{quote(address, safe='')}.json"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.changing():
                pass
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(
                f"cannot keep state in {self.path} ({error}): presses not yet saved will not survive the end of "
                "this run; remove what is unreadable, or set XDG_STATE_HOME to a folder that can be written"
            ) from error

    @contextmanager
    def changing(self) -> Iterator[Stored]:
        """What is kept; what the block makes of it is kept from then on, unless it raises."""
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stored = self._read()
            before = stored.as_text()
            yield stored
            if stored.as_text() != before:
                self._write(stored.as_text())

    def _read(self) -> Stored:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Stored)
        except FileNotFoundError:
            return Stored()

    def _write(self, text: bytes) -> None:
        # It makes the file 0600, and a rename keeps that.
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=self.path.name, delete=False) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self.path)


State = MemoryState | StateFile


def state_folder(environment: Mapping[str, str]) -> Path:
    """The user's state folder for this program (XDG base directories: a relative path is to be ignored)."""
    home = Path(environment.get("XDG_STATE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".local" / "state") / FOLDER
