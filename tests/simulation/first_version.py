"""Nodes of the first version in a simulated cluster: its own core, ledger and wire beside those of today (R15).

Its package is loaded from `tests/versions` under another name. A node of it is upgraded by being stopped and
started as one of today's, on the same drive.
"""

import atexit
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import apsw

from cluster.core.press import Press, Wish
from cluster.ledger import LedgerError, LedgerFullError
from tests.simulation.engine import KEY, READ_ONLY, RING_ROWS, Entry, OwedReply, Reply, SimEngine
from tests.simulation.node import SimNode
from tests.simulation.storage import CHECKPOINT_PAGES, MAIN, Storage
from tests.support.versions import FIRST, unpack

NAME: Final = "first_version_cluster"


@cache
def module(name: str) -> ModuleType:
    """A module of the first version's `cluster` package, such as "core.wire"."""
    if NAME not in sys.modules:
        _load()
    return importlib.import_module(f"{NAME}.{name}")


def _load() -> None:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    (unpack(FIRST, folder) / "cluster").rename(folder / NAME)
    for path in (folder / NAME).rglob("*.py"):
        text = (
            path.read_text().replace("from cluster.", f"from {NAME}.").replace("import cluster.", f"import {NAME}.")
        )
        path.write_text(text)
    sys.path.insert(0, str(folder))


def open_first(storage: Storage, place: str) -> Any:
    """The ledger on this drive, opened by the first version. Raises apsw.Error."""
    files, ledger_module = module("ledger_file"), module("ledger")
    files.secrets = SimpleNamespace(token_bytes=storage.random.randbytes)  # type: ignore[attr-defined]
    name = Path(place) / MAIN
    ledger = ledger_module.Ledger.__new__(ledger_module.Ledger)
    ledger._db = db = apsw.Connection(str(name), vfs=storage.name)
    files._prepare(db, name)
    db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    ledger._path, ledger._end = name, None
    ledger._lock = SimpleNamespace(close=lambda: None)
    ledger.load()
    ledger.close = storage.closing(place, db)
    return ledger


@contextmanager
def _translated() -> Iterator[None]:
    """The first version's errors as today's."""
    errors = module("ledger")
    try:
        yield
    except errors.LedgerFullError as error:
        raise LedgerFullError(str(error)) from error
    except errors.LedgerError as error:
        raise LedgerError(str(error)) from error


@cache
def _first_owed() -> type:
    """Owed answers of the first version's own kind."""
    base = module("core.copies").Owed
    return type("FirstOwedReply", (base,), {"__annotations__": OwedReply.__annotations__})


class FirstEngine(SimEngine):
    """What the first version's engine does: no resets, no erasures, no digests, no rounds."""

    @property
    def wire(self) -> ModuleType:
        return module("core.wire")

    def begin(self, origin: bytes) -> None:
        self.forget_the_last()
        node, self.origin = self._node, origin
        ledger = node.ledger
        self.copies = module("core.copies").Copies(ledger.id)
        identity = module("core.link").Identity(name=node.title, ledger=ledger.id, origin=origin)
        replica = module("core.replica").Replica(
            identity, [KEY], ledger.heads, floor=node.floor(), copies=self.copies
        )
        replica.ring = module("core.ring").Ring(node.floor(), RING_ROWS)
        self.replica = replica

    def _commit_to_disk(self, offers: list[Any]) -> Any:
        with _translated():
            return self._node.ledger.commit(offers, self.origin, self._node.allowances(offers))

    def wish(self, wish: Wish, reply: Reply, owner: Hashable) -> None:
        if self.is_read_only or not isinstance(wish, Press):
            reply(READ_ONLY, 0)
        else:
            press = module("core.press").Press(wish.item, wish.actor, wish.gen, wish.n)
            self.add(press, reply, owner)

    def is_wish(self, offer: object) -> bool:
        return isinstance(offer, module("core.press").Press)

    def owed(self, *fields: Any) -> Any:
        return _first_owed()(*fields)

    def key_of(self, wish: Any) -> tuple[str, bytes]:
        return wish.item, wish.actor

    def with_ledger(self, do: Callable[[], None], taken: Sequence[Entry] = ()) -> None:
        def translated() -> None:
            with _translated():
                do()

        super().with_ledger(translated, taken)

    def go_round(self) -> None:
        """It has none."""

    def _take(self, changes: Any) -> None:
        self.replica.committed(changes, self._node.now)
        if self.replica.has_adopted:  # type: ignore[attr-defined]
            self.replica.set_status(self.wire.Status("ready", 0))
        self._world.seen["commits of the first version"] += 1
        self._node.links.carry_out()


def make_first(node: SimNode) -> tuple[Any, SimEngine]:
    """What a node of the first version starts with. Raises apsw.Error."""
    return open_first(node.storage, node.name), FirstEngine(node)
