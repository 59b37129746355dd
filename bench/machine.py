"""The machine of a run: which cores, in what state they are just now, and what is installed."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

import apsw

from bench import installed
from bench.compiled import program

REPOSITORY: Final = Path(__file__).resolve().parents[1]
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
# In ns, between what two cores with a common cache read (80 to 135) and two without (450 to 530).
FAR_NS: Final = 250
# In ns, between what an indirect call costs where the processor guesses its target (1 to 3) and where not (13).
BLIND_NS: Final = 6
_OURS: Final = ("aiohttp", "apsw", "msgspec", "uvloop")


def distance_ns() -> float:
    """The round trip of a cache line between the two cores."""
    return float(_said(str(program("distance"))))


def branch_ns(core: int = SERVER_CORE) -> float:
    """What an indirect call costs on this core."""
    return float(_said(*pinned(core, [str(program("branches"))])))


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


def stay_off_the_servers_core() -> None:
    """This process, and those that it starts without a core of their own: to measure costs the server nothing."""
    if missing := {SERVER_CORE, LOAD_CORE} - os.sched_getaffinity(0):
        cores = " and ".join(map(str, sorted(missing)))
        raise SystemExit(f"The benchmark needs cores {SERVER_CORE} and {LOAD_CORE}, and may not use {cores} here.")
    os.sched_setaffinity(0, {LOAD_CORE})


def describe() -> dict[str, str]:
    """What a figure of this run depends on, in words."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next(line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "commit": _commit(),
        "cores": f"{os.cpu_count()} of {models[0] if models else platform.machine()}",
        "memory": f"{int(memory) / 1024 / 1024:.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version() + (" as a shared library" if _is_shared() else ""),
        **{name: version(name) for name in _OURS},
        "sqlite": apsw.sqlite_lib_version(),
        **installed.versions(),
    }


def _commit() -> str:
    try:
        commit = _said("git", "rev-parse", "--short", "HEAD")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"  # a copy without its history
    # What a run writes of itself changes nothing that it measures.
    changed = _said("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return commit + ("-dirty" if changed else "")


def _is_shared() -> bool:
    """Whether Python's own calls go through a table: its build, and not its version, costs a tenth or two."""
    return any("libpython" in line for line in _lines("/proc/self/maps"))


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()
