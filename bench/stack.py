"""What nginx adds before a node: the project's own configuration, one worker, all traffic through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.clusters import ClusterNode, mesh, nginx_before
from bench.load import Measured, check_rate, run_load
from bench.machine import SERVER_CORE
from bench.results import Sample
from bench.servers import Server
from bench.subjects import FAN, IDLE, OURS, PRESS, Subject

# Two connections of the worker's 20,000 each; some are for asking which node.
IDLE_WATCHERS: Final = 9000
FAN_WATCHERS: Final = 1000
CROWD: Final = 2500
# A second: enough for a change in every push.
CROWD_PRESSES: Final = 100


@contextmanager
def _stack(folder: Path) -> Iterator[tuple[Server, ClusterNode]]:
    """nginx, and the only node behind it, on one core."""
    with mesh(folder, [SERVER_CORE]) as (node,), nginx_before((node,), folder / "nginx") as nginx:
        yield nginx, node


def _measured(
    folder: Path, mode: str, *options: str, seconds: float, connections: int
) -> tuple[Measured, Measured]:
    """What nginx costs alone, and together with the node."""
    with _stack(folder) as (nginx, node):
        workers = nginx.child_pids()
        alone, both = (
            run_load(nginx, mode, *options, seconds=seconds, connections=connections, pids=pids)
            for pids in (workers, [*workers, node.server.pid])
        )
        return alone, both


def fan(subject: Subject, folder: Path, seconds: float) -> Sample:
    """With the default push interval: so many watchers of an item that changes all the time."""
    alone, both = _measured(folder, "fan", *OURS.talk[FAN], seconds=seconds, connections=FAN_WATCHERS)
    return Sample(alone["cpu_us"], alone.distance_ns, {"with_node_us": both["cpu_us"], "per_s": alone["per_s"]})


def press(subject: Subject, folder: Path, seconds: float) -> Sample:
    alone, both = _measured(folder, "press", *OURS.talk[PRESS], "-w", "16", seconds=seconds, connections=64)
    return Sample(alone["cpu_us"], alone.distance_ns, {"with_node_us": both["cpu_us"], "per_s": alone["per_s"]})


def crowd(subject: Subject, folder: Path, seconds: float) -> Sample:
    """How much of the core that nginx and a node share a crowd takes, each of whom is told 20 times a second."""
    with _stack(folder) as (nginx, node):
        pids = [*nginx.child_pids(), node.server.pid]
        measured = run_load(
            nginx, "fan", *OURS.talk[FAN], "-R", str(CROWD_PRESSES), seconds=seconds, connections=CROWD, pids=pids
        )
        check_rate(measured, CROWD_PRESSES)
    more = {"cpu_us": measured["cpu_us"], "per_s": measured["per_s"]}
    return Sample(measured["utilisation"], measured.distance_ns, more)


def idle(subject: Subject, folder: Path, seconds: float) -> Sample:
    """The kernel's part is of both its sides: the browsers are of this machine too."""
    with _stack(folder) as (nginx, _):
        measured = run_load(
            nginx, "idle", *OURS.talk[IDLE], seconds=1.0, connections=IDLE_WATCHERS, pids=nginx.child_pids()
        )
    more = {"kernel_bytes": measured["kernel_bytes_per_connection"], "connect_us": measured["connect_us"]}
    return Sample(measured["bytes_per_connection"], measured.distance_ns, more)
