"""What parts of a press cost by themselves: `python -m bench.parts [PART ...]`. Figures that decisions name.

frames   one read of 1 and of 16 masked text frames of 60 bytes, by our reader and by aiohttp's (decision 17)
rows     SQLite's part of a press of a new actor on 3,000,000 rows, in commits of 900: the tally's row and its
         item's, by the ledger's own statements on its own pages, the log and fsync included, and nothing else
commits  the ledger's whole part, `Ledger.commit` of 900 offers on 3,000,000 rows: presses of the same 60 tabs, of
         new actors, those of new actors as a peer hands them on, and rows of a pull

Each is the median of `TURNS` turns, in µs of this thread's processor time, with the lowest and the highest. Before
and behind them stands what an indirect call takes (`native/branches.c`): all of it depends on that.
"""

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader

from app.frames import FrameReader
from bench.ledgers import put_full_one
from bench.machine import LOAD_CORE, branch_ns, stay_off_the_servers_core
from bench.subjects import ITEMS
from cluster.core.offers import Offer, Page, Range
from cluster.core.press import Press
from cluster.core.rows import Row
from cluster.ledger import Ledger, open_ledger
from cluster.ledger_file import open_file

TURNS: Final = 9
READS: Final = 20_000
TOGETHER: Final = 16
MASK: Final = b"\x11\x22\x33\x44"
ROWS: Final = 3_000_000
COMMIT: Final = 900
COMMITS: Final = 40
TABS: Final = 60
HERE: Final = b"h" * 16
THERE: Final = b"t" * 16

# Endless, a batch each.
Batches = Iterator[list[Offer]]


def main() -> int:
    parts = {"frames": _frames, "rows": _rows, "commits": _commits}
    asked = sys.argv[1:] or list(parts)
    if unknown := set(asked) - parts.keys():
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}", file=sys.stderr)
        return 2
    stay_off_the_servers_core()
    _say_state()
    for name in asked:
        parts[name]()
    _say_state()
    return 0


def _say_state() -> None:
    print(f"an indirect call: {branch_ns(LOAD_CORE):.1f} ns", flush=True)


def _frames() -> None:
    payload = b'{"type":"press","id":1234,"item":"tap:home","n":1234,"gen":0}'[:60]
    masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    frame = bytes([0x81, 0x80 | len(payload)]) + MASK + masked
    for number in (1, TOGETHER):
        for name, feed in (("ours", _our_reader()), ("aiohttp's", _their_reader())):
            measure = partial(_time_reads, feed, frame * number, number)
            _say(f"a frame, {number} in a read, by {name}", _turns(measure))


class _Unpaused:
    _reading_paused = False


def _our_reader() -> Callable[[bytes], Any]:
    return FrameReader(4096).feed


def _their_reader() -> Callable[[bytes], Any]:
    queue = WebSocketDataQueue(_Unpaused(), 1 << 30, loop=asyncio.new_event_loop())  # type: ignore[arg-type]
    reader = WebSocketReader(queue, 4096, compress=False, decode_text=False)

    def feed(data: bytes) -> None:
        reader.feed_data(data)
        queue._buffer.clear()  # Nobody waits for what it has.

    return feed


def _time_reads(feed: Callable[[bytes], Any], data: bytes, frames: int) -> float:
    began = time.thread_time()
    for _ in range(READS):
        feed(data)
    return (time.thread_time() - began) / (READS * frames)


def _rows() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put_full_one(folder, ROWS)
        file = open_file(folder)
        try:
            items = file.db.execute("SELECT id, gen, count, rows, digest, checksum FROM items").fetchall()
            _say(
                f"SQLite's part of a new actor's press on {ROWS:,} rows",
                _turns(partial(_time_rows, file.db, items)),
            )
        finally:
            file.close()


def _time_rows(db: Any, items: list[tuple[Any, ...]]) -> float:
    tally = "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    item = "UPDATE items SET gen = ?, count = ?, rows = ?, digest = ?, checksum = ? WHERE id = ?"
    took = 0.0
    for _ in range(COMMITS):
        chosen = [items[int.from_bytes(os.urandom(4)) % len(items)] for _ in range(COMMIT)]
        rows = sorted((id_, os.urandom(16), 0, 1, 1, 1, b"", os.urandom(8)) for id_, *_ in chosen)
        sums = {
            id_: (gen, count, number, digest, checksum, id_) for id_, gen, count, number, digest, checksum in chosen
        }
        began = time.thread_time()
        with db:
            db.executemany(tally, rows)
            db.executemany(item, sorted(sums.values(), key=lambda row: row[-1]))
        took += time.thread_time() - began
    return took / (COMMITS * COMMIT)


def _commits() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put_full_one(folder, ROWS)
        ledger = open_ledger(folder)
        try:
            for what, batches in (
                ("a press of the same tabs", _same_tabs()),
                ("a press of a new actor", _new_actors()),
                ("a new actor's tally from a peer", _from_a_peer()),
                ("a tally of a pull, in the order of keys", _pulled()),
            ):
                _say(f"{what}, the ledger's part", _turns(partial(_time_commits, ledger, batches)))
        finally:
            ledger.close()


def _same_tabs() -> Batches:
    tabs = [os.urandom(16) for _ in range(TABS)]
    tallies = itertools.count(1)
    while True:
        yield [Press("tap:home", tab, n=n) for n in itertools.islice(tallies, COMMIT // TABS) for tab in tabs]


def _new_actors() -> Batches:
    while True:
        yield [Press(_some_item(), os.urandom(16), n=1) for _ in range(COMMIT)]


def _from_a_peer() -> Batches:
    for start in itertools.count(0, COMMIT):
        rows = [Row(_some_item(), os.urandom(16), 0, 1, THERE, start + seq) for seq in range(1, COMMIT + 1)]
        yield [Range(THERE, start, start + COMMIT, rows)]


def _pulled() -> Batches:
    for page in itertools.count(1):
        rows = [Row(f"tap:pulled-{page}", seq.to_bytes(16), 0, 1, THERE, seq) for seq in range(1, COMMIT + 1)]
        yield [Page(rows)]


def _some_item() -> str:
    return f"tap:item-{int.from_bytes(os.urandom(4)) % ITEMS}"


def _time_commits(ledger: Ledger, batches: Batches) -> float:
    took = 0.0
    for offers in itertools.islice(batches, COMMITS):
        began = time.thread_time()
        ledger.commit(offers, HERE, {})
        took += time.thread_time() - began
    return took / (COMMITS * COMMIT)


def _turns(measure: Callable[[], float]) -> list[float]:
    return [1e6 * measure() for _ in range(TURNS)]


def _say(what: str, turns: list[float]) -> None:
    print(f"{what}: {statistics.median(turns):.2f} µs ({min(turns):.2f} to {max(turns):.2f})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
