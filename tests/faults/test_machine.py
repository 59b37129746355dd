"""The library between a process and libc does what it is told, to the calls that SQLite and Python really make."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import apsw
import pytest

from tests.support.machine import Machine, compile_library

# Commits one row, then opens the file afresh and reads; prints the seconds, the day and the error, if any.
PROBE: Final = """
import sys, time, apsw
started = time.monotonic()
said = "ok"
try:
    for sql in ("INSERT INTO rows VALUES (zeroblob(5000))", "SELECT * FROM rows"):
        db = apsw.Connection(sys.argv[1])
        db.pragma("synchronous", "full")
        db.execute(sql).fetchall()
except apsw.Error as error:
    said = type(error).__name__
print(time.monotonic() - started, time.time() / 86400, said)
"""
MAKE: Final = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.pragma("journal_mode", "wal")
db.execute("CREATE TABLE rows (row)")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    run(tmp_path, MAKE, {})
    return Machine(library, tmp_path / "machine")


def run(folder: Path, program: str, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-c", program, str(folder / "ledger.db")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_a_healthy_machine_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    assert run(tmp_path, PROBE, machine.environment)[2] == "ok"
    assert machine.injected == 0


@pytest.mark.parametrize("fault", ["sync_fails", "write_fails", "read_fails"])
def test_a_failing_disk_fails_a_commit_or_a_start(machine: Machine, tmp_path: Path, fault: str) -> None:
    machine.set(**{fault: 1})

    assert run(tmp_path, PROBE, machine.environment)[2] != "ok"
    assert machine.injected > 0
    machine.heal()
    assert run(tmp_path, PROBE, machine.environment)[2] == "ok"


def test_a_slow_disk_delays_a_commit(machine: Machine, tmp_path: Path) -> None:
    machine.set(sync_delay_ms=300)

    assert float(run(tmp_path, PROBE, machine.environment)[0]) > 0.3
    assert machine.injected > 0


def test_a_lying_disk_says_that_all_is_well(machine: Machine, tmp_path: Path) -> None:
    machine.set(sync_lies=1)

    assert run(tmp_path, PROBE, machine.environment)[2] == "ok"
    assert machine.injected > 0


COMMIT_100: Final = """
import os, signal, sys, apsw
db = apsw.Connection(sys.argv[1])
db.pragma("locking_mode", "exclusive")
db.pragma("synchronous", SYNCHRONOUS)
db.pragma("wal_autocheckpoint", 20)
for _ in range(100):
    db.execute("INSERT INTO rows VALUES (randomblob(3000))")
with db:
    db.execute("INSERT INTO rows VALUES ('not committed')")
    db.cache_flush()
    print(os.stat(sys.argv[1] + "-wal").st_size, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("synchronous", "rows"), [("full", 100), ("off", 0)])
def test_a_power_cut_leaves_what_was_synced(machine: Machine, tmp_path: Path, synchronous: str, rows: int) -> None:
    """With synchronous off nothing was: the library does not take a write for a sync."""
    disk = tmp_path / "disk"
    disk.mkdir()
    shutil.copy(tmp_path / "ledger.db", disk)
    program = COMMIT_100.replace("SYNCHRONOUS", repr(synchronous))
    command = [sys.executable, "-c", program, str(tmp_path / "ledger.db")]
    environment = machine.environment | machine.on_disk(disk)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr
    after = apsw.Connection(str(disk / "ledger.db"))
    assert after.execute("SELECT count(*) FROM rows").get == rows
    assert after.pragma("integrity_check") == "ok"
    after.close()


@pytest.mark.parametrize("days", [365, -365])
def test_a_clock_jumps(machine: Machine, tmp_path: Path, days: int) -> None:
    today = float(run(tmp_path, PROBE, machine.environment)[1])
    machine.set(clock_days=days)

    assert round(float(run(tmp_path, PROBE, machine.environment)[1]) - today) == days
