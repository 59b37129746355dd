"""`python -m bench`: measure rows, say what came out, and write the documents if it was all of them.

make bench          every row, all peers; writes docs/performance.json, docs/performance.md and its plots; where the
                    processor may not guess where calls go, docs/performance-blind.* instead
make bench-quick    under 3 minutes: our node and the floor, short turns, compared with the recorded run
python -m bench --rows press-64 joined --peers none --turns 5
"""

import argparse
import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from bench import report
from bench.compiled import PLACE
from bench.growth import GROWTHS, Growth
from bench.installed import MissingError
from bench.load import LoadError
from bench.machine import branch_ns, stay_off_the_servers_core
from bench.results import Result, Sample, compared, new_run, record_of, recorded
from bench.rows import ROWS, Row
from bench.subjects import FLOOR, OURS, PEERS

TURNS = 5
# Of a run that is recorded.
TURNS_MIN = 3
# What may be wrong with one subject, its programs or this machine's, and is no reason to give up the others.
FAILURES = (MissingError, LoadError, RuntimeError, OSError, subprocess.SubprocessError, aiohttp.ClientError)
QUICK_ROWS = ("fan-1000", "joined", "press-64", "idle")

FILES = 65_536

# Makes one sample in an empty folder, for so many seconds.
Case = Callable[[Path, float], Sample]


def main() -> int:
    asked = _arguments()
    _raise_limit_of_files()
    stay_off_the_servers_core()
    run = new_run()
    file = PLACE / "runs" / f"{run.began.replace(':', '')}.json"
    print(", ".join(f"{name} {value}" for name, value in run.machine.items()))
    began_at = time.monotonic()
    for number, row in enumerate(asked.rows, 1):
        result = run.results[row.name] = Result(row.name)
        goal = f"goal {row.goal}" if isinstance(row, Row) else row.unit
        print(f"\n{number} of {len(asked.rows)}: {row.title} ({goal})", flush=True)
        for turn in range(asked.turns):
            for name, measure in _cases(row, asked.peers):
                _measure(name, measure, result, asked.seconds or row.seconds, f"turn {turn + 1} of {asked.turns}")
        run.took_s = round(time.monotonic() - began_at)
        run.save(file)
        _say(row, result, record_of(is_blind=run.is_blind))
    print(f"\nAll of it: {file}")
    if asked.is_whole:
        print(f"Written: {report.write(run)}")
    return 0


def _raise_limit_of_files() -> None:
    """For 20,000 watchers, where this user may; what they cannot have then fails by itself, and says so."""
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    rows: dict[str, Row | Growth] = {row.name: row for row in (*ROWS, *GROWTHS)}
    parser.add_argument("--rows", nargs="+", choices=rows, default=list(rows), metavar="ROW", help=", ".join(rows))
    parser.add_argument("--peers", choices=("all", "none"), default="all")
    parser.add_argument(
        "--turns", type=int, default=TURNS, help=f"measurements of each; the median counts ({TURNS})"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="of each measurement, instead of the row's")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK_ROWS)}; 3 turns of 2 s, no peers")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.peers, asked.turns, asked.seconds = list(QUICK_ROWS), "none", 3, 2.0
    is_all = (asked.rows, asked.peers, asked.seconds) == (list(rows), "all", 0.0)
    asked.is_whole = is_all and asked.turns >= TURNS_MIN
    asked.rows = [rows[name] for name in asked.rows]
    return asked


def _cases(row: Row | Growth, peers: str) -> Iterator[tuple[str, Case]]:
    """Who or what is measured in each turn."""
    if isinstance(row, Growth):
        for point in row.points:
            yield str(point), partial(row.measure, point)
        return
    everybody = (FLOOR, OURS, *(PEERS if peers == "all" else ())) if row.others else (OURS,)
    for subject in everybody:
        if row.work in subject.talk:
            yield subject.name, partial(row.measure, subject)


def _measure(name: str, measure: Case, result: Result, seconds: float, turn: str) -> None:
    if name in result.failures:
        return
    began_at = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=_scratch()))
    try:
        before = branch_ns()
        sample = msgspec.structs.replace(measure(folder, seconds), branch_ns=(before, branch_ns()))
    except FAILURES as error:
        result.failures[name] = f"{error}" or type(error).__name__
        print(f"  {name:<18} could not be measured: {error}", flush=True)
    else:
        result.samples.setdefault(name, []).append(sample)
        more = "  ".join(f"{what} {value:,.4g}" for what, value in sample.more.items())
        took_s = time.monotonic() - began_at
        said = f"  {name:<18} {sample.value:10,.3f}  {sample.state:<5}  {turn}, {took_s:.0f} s"
        print(f"{said}  {_calls(sample)}  {more}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _calls(sample: Sample) -> str:
    """What an indirect call cost meanwhile."""
    return "calls {:.0f} to {:.0f} ns".format(*sorted(sample.branch_ns))


def _scratch() -> Path:
    folder = PLACE / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _say(row: Row | Growth, result: Result, record: Path) -> None:
    """What came out, and what has become of it since this recorded run."""
    for subject in result.samples:
        low, high = result.spread(subject)
        ratio = result.ratio(subject, FLOOR.name)
        times = f"  {ratio:.2f} × floor" if ratio and subject != FLOOR.name else ""
        print(f"  → {subject:<18} {result.median(subject):,.3f} {row.unit} ({low:,.3f} to {high:,.3f}){times}")
    if isinstance(row, Growth):
        if (worst := row.worst(result)) is not None:
            print(f"  → {worst:.2f} × what {row.order} growth allows")
    elif (is_met := row.is_met(result)) is not None:
        print(f"  → goal {'met' if is_met else 'MISSED'}: {row.ours(result):,.3f}, {row.goal}")
    before = recorded(record)
    old = before.results.get(row.name) if before else None
    # In units of the floor where that stands beside it: the rest depends on the machine's state and on its sort.
    floor = FLOOR.name if "µs" in row.unit else ""
    for said in compared(result, old, result.samples, floor):
        print(f"  → {said} ({record.name})")


if __name__ == "__main__":
    sys.exit(main())
