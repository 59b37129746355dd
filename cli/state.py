"""What outlives a run: the visitor's token, and the tallies whose presses are not all saved.

One JSON file per address the person gives, in `$XDG_STATE_HOME/distributed-event-handler` (default
`~/.local/state`), readable by its owner only. It owns the file and nothing else; `session` says what to write.

1. Every change is read, changed and written back under an exclusive lock on a file of its own beside it, so two
   runs at once lose nothing of each other. The lock is held for one small write, never over a wait.
2. The new text is written beside the old one, flushed to disk and renamed over it: a reader, and a kill at any
   moment, meets one of the two whole.
3. A press is written here before it is sent: what a kill interrupts is sent again at the next start.
4. The calls block, for as long as one flush to disk takes.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from cli.tallies import Tallies, Tally

FOLDER: Final = "distributed-event-handler"
_Result = TypeVar("_Result")


class StateError(Exception):
    """The state folder cannot be used; the message says why and what to do."""


class _Text(msgspec.Struct, omit_defaults=True):
    """The file as written. `addresses` are the public addresses of nodes that were met."""

    version: int = 1
    token: str = ""
    addresses: list[str] = []
    tallies: list[Tally] = []


class Stored:
    """The file's content while it is being changed."""

    def __init__(self, text: _Text) -> None:
        self.token = text.token
        self.addresses = text.addresses
        self.tallies = Tallies(text.tallies)

    def as_text(self) -> bytes:
        text = _Text(token=self.token, addresses=self.addresses, tallies=self.tallies.without_settled_taps())
        return msgspec.json.format(msgspec.json.encode(text), indent=1)


class State(Protocol):
    """Where a run keeps what must outlive it."""

    def update(self, change: Callable[[Stored], _Result]) -> _Result:
        """Apply `change` to what is stored, and store it; returns what `change` returns."""


class MemoryState:
    """Keeps nothing: where the state folder cannot be used, and the person was told so."""

    def __init__(self) -> None:
        self._stored = Stored(_Text())

    def update(self, change: Callable[[Stored], _Result]) -> _Result:
        result = change(self._stored)
        self._stored.tallies = Tallies(self._stored.tallies.without_settled_taps())
        return result


class StateFile:
    """The state of one address on disk. Raises `StateError` where the folder cannot be used."""

    def __init__(self, folder: Path, address: str) -> None:
        self.path = folder / f"{_file_name(address)}.json"
        self._lock_path = self.path.with_suffix(".lock")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.update(lambda stored: None)
        except OSError as error:
            raise StateError(
                f"cannot keep state in {folder} ({error.strerror}): presses not yet saved will not survive the "
                "end of this run; set XDG_STATE_HOME to a folder that can be written"
            ) from error

    def update(self, change: Callable[[Stored], _Result]) -> _Result:
        with self._locked():
            before = self._read()
            stored = Stored(_decode(before, self.path))
            result = change(stored)
            after = stored.as_text()
            if after != before and (before or after != Stored(_Text()).as_text()):
                self._write(after)
        return result

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> bytes:
        with suppress(FileNotFoundError):
            return self.path.read_bytes()
        return b""

    def _write(self, text: bytes) -> None:
        # mkstemp makes the file 0600, and a rename keeps that.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def state_folder(environment: Mapping[str, str]) -> Path:
    """The user's state folder for this program (XDG base directories: a relative path is to be ignored)."""
    home = Path(environment.get("XDG_STATE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".local" / "state") / FOLDER


def _file_name(address: str) -> str:
    """A name that a person recognizes, and that two addresses never share."""
    told = re.sub(r"[^A-Za-z0-9.]+", "_", address.partition("://")[2]).strip("_")[:60]
    return f"{told}-{hashlib.blake2b(address.encode(), digest_size=4).hexdigest()}"


def _decode(text: bytes, path: Path) -> _Text:
    """The content; an unreadable file is put aside, not overwritten, since a person may want to look at it."""
    if not text:
        return _Text()
    try:
        return msgspec.json.decode(text, type=_Text)
    except msgspec.DecodeError:
        path.replace(path.with_suffix(".unreadable"))
        return _Text()
