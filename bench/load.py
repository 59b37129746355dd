"""The load generator (`native/load.c`) as a function: what it was asked for, and what it measured."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from bench.compiled import program
from bench.machine import LOAD_CORE, distance_ns, pinned
from bench.servers import Server

TIME_MAX_S: Final = 240
# Of a rate that was asked for.
RATE_MIN: Final = 0.9


class Measured(msgspec.Struct, frozen=True):
    """One measurement: the generator's figures, and where the cores were before and after it (ns)."""

    figures: dict[str, Any]
    distance_ns: tuple[float, float]

    def __getitem__(self, name: str) -> float:
        return float(self.figures[name])


class LoadError(Exception):
    """The load could not be put on this server; the message is the generator's or the server's."""


class Beside(msgspec.Struct, frozen=True):
    """A load that nothing is measured with."""

    mode: str
    options: tuple[str, ...]
    connections: int


def check_rate(measured: Measured, rate: int) -> None:
    """Whether so many presses a second were made as were asked for, nearly. Raises LoadError."""
    made = measured["published"] / measured["seconds"]
    if made < RATE_MIN * rate:
        raise LoadError(f"of {rate:,} presses a second {made:,.0f} were made")


@contextlib.contextmanager
def loaded(server: Server, *loads: Beside, chunk_s: float) -> Iterator[list[Exception]]:
    """These loads while the body runs, begun anew every `chunk_s` seconds; yields why one has ended, if it has."""
    is_over = threading.Event()
    faults: list[Exception] = []

    def go_on(load: Beside) -> None:
        try:
            while not is_over.is_set():
                _figures(server, load.mode, load.options, chunk_s, load.connections, ())
        except Exception as error:  # noqa: BLE001 - for whoever waits
            faults.append(error)

    threads = [threading.Thread(target=go_on, args=(load,)) for load in loads]
    for thread in threads:
        thread.start()
    try:
        yield faults
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def run_load(
    server: Server, mode: str, *options: str, seconds: float, connections: int, pids: Sequence[int] = ()
) -> Measured:
    """Load this server from the other core; what is counted is its cost, or that of these processes.

    Raises LoadError.
    """
    before = distance_ns()
    figures = _figures(server, mode, options, seconds, connections, pids)
    return Measured(figures, (before, distance_ns()))


def _figures(
    server: Server, mode: str, options: Sequence[str], seconds: float, connections: int, pids: Sequence[int]
) -> dict[str, Any]:
    counted = [word for pid in pids or [server.pid] for word in ("-x", str(pid))]
    command = [
        str(program("load")), "-m", mode, "-p", str(server.port), *counted,
        "-c", str(connections), "-d", str(seconds), *options,
    ]  # fmt: skip
    done = subprocess.run(
        pinned(LOAD_CORE, command), capture_output=True, text=True, check=False, timeout=TIME_MAX_S
    )
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.strip() or f"the load ended with {done.returncode}"
        raise LoadError(f"{said}\n{server.log.read_text(errors='replace')[-500:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["closed"] or figures["faults"]:
        raise LoadError(f"{figures['closed']} connections were closed, {figures['faults']} frames were faulty")
    return figures
