"""What a node holds, read straight from its ledger's files: every tally, whoever made it.

A running node keeps its file to itself, so a copy is read. A copy that was taken while the node wrote may be torn,
and then cannot be opened: `None`, and whoever asks asks again. The write-ahead log is copied first: a checkpoint
in between moves rows from it into the file, and never out of it.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Final

import apsw

from tests.faults.checker import Table

FILES: Final = ("ledger.db-wal", "ledger.db")
_ROWS: Final = (
    "SELECT i.item, hex(t.actor), t.gen, t.n FROM tallies t JOIN items i ON i.id = t.item_id "
    "WHERE length(t.actor) > 0 AND t.gen = i.gen"
)


def table_of(data_dir: Path) -> Table | None:
    """Every tally of its item's generation, or None if this copy cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in FILES:
                if (data_dir / name).exists():
                    shutil.copy(data_dir / name, Path(folder, name))
            return _read(Path(folder, "ledger.db"))
        except (apsw.Error, OSError):
            return None


def _read(path: Path) -> Table:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return {(item, actor.lower()): (gen, n) for item, actor, gen, n in db.execute(_ROWS)}
    finally:
        db.close()
