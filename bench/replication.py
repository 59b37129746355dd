"""What the second node costs: its processor time per tally, what passes between the two, and how soon it shows."""

import threading
import time
import urllib.request
from pathlib import Path
from typing import Final

from bench import ledgers
from bench.clusters import ClusterNode, cluster_node, link_bytes, pair, wait_until
from bench.load import Beside, LoadError, check_rate, loaded, run_load
from bench.machine import LOAD_CORE, SERVER_CORE, distance_ns
from bench.results import Sample, percentile_ms
from bench.servers import Look, free_port
from bench.subjects import ITEMS, NEW_PRESS, OURS, PRESS, Subject

ROWS: Final = 3_000_000
PROBES_APART_S: Final = 0.01
VISITORS: Final = 1000
PRESSES_MEANWHILE_PER_S: Final = 500
# At a fifth of the rate that is the goal: who misses it by so much is to be measured too.
CAUGHT_UP_WITHIN_S: Final = 190.0
NEW_ACTORS: Final = (
    "-P", "/live", "-u", "/live", "-I", str(ITEMS),
    "-b", '{"type":"press","id":{n},"item":"tap:item-{i}","n":1,"tab":"{r}"}',
)  # fmt: skip


def receive(subject: Subject, folder: Path, seconds: float) -> Sample:
    """New tabs of 1,000 visitors press on one node; the other has 3,000,000 rows, and gets theirs pushed."""
    for name in "ab":
        ledgers.put_restored(folder / name / "data", ROWS)
    with pair(folder) as (a, b):
        look = Look(b.server)
        began = time.monotonic()
        before, cpu_s = b.figures()["like_rows_written_total"], b.server.cpu_s()
        options = (*OURS.talk[NEW_PRESS], "-w", "4")
        measured = run_load(a.server, "press", *options, seconds=seconds, connections=VISITORS)
        wait_until_level(a, b)
        took_s = time.monotonic() - began
        rows, cpu_s = b.figures()["like_rows_written_total"] - before, b.server.cpu_s() - cpu_s
        beside_s = look.cost_s()
    more = {"rows_per_s": rows / took_s, "look_us": beside_s * 1e6 / rows}
    return Sample((cpu_s - beside_s) * 1e6 / rows, measured.distance_ns, more)


def wait_until_level(*nodes: ClusterNode) -> None:
    wait_until(lambda: all(node.figures()["like_lag_rows"] == 0 for node in nodes), "the lag to end")


def catch_up(subject: Subject, folder: Path, seconds: float) -> Sample:
    """An empty node pulls 3,000,000 rows from one that is pressed on meanwhile, 500 times a second.

    It takes presses itself when it has all; until then it is asked for its health, as the other is.
    """
    ledgers.put_full_one(folder / "a" / "data", ROWS)
    ports = [(free_port(), free_port()) for _ in range(2)]
    before = distance_ns()
    with cluster_node(folder / "a", ports[0], [ports[1][1]], LOAD_CORE) as a:
        probes = [Probe(port) for _, port in ports]
        presses = Beside("press", (*OURS.talk[PRESS], "-R", str(PRESSES_MEANWHILE_PER_S)), 8)
        began = time.monotonic()
        with (
            loaded(a.server, presses, chunk_s=2.0) as faults,
            probes[0],
            probes[1],
            cluster_node(folder / "b", ports[1], [ports[0][1]], SERVER_CORE, within_s=CAUGHT_UP_WITHIN_S) as b,
        ):
            took_s, cpu_s = time.monotonic() - began, b.server.cpu_s()
            for probe in probes:
                probe.stop()
            rows = b.figures()["like_rows_written_total"]
        if faults:
            raise faults[0]
    more = {
        "rows_per_s": rows / took_s,
        "lag_p99_ms": max(probe.percentile_ms(0.99) for probe in probes),
        "lag_max_ms": max(probe.percentile_ms(1.0) for probe in probes),
    }
    return Sample(cpu_s * 1e6 / rows, (before, distance_ns()), more)


class Probe:
    """Asks a node for `/healthz` again and again, on its cluster port: what its loop keeps others waiting."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waited_s: list[float] = []
        self._is_over = threading.Event()

    def __enter__(self) -> "Probe":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _ask(self) -> None:
        """Each is due at its time, and has waited since then, however long the one before it took."""
        due = time.monotonic()
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=10).close()
            except OSError:
                if not self._waited_s:
                    due = time.monotonic() + PROBES_APART_S  # it does not listen yet
                    continue
            self._waited_s.append(time.monotonic() - due)
            due += PROBES_APART_S

    def percentile_ms(self, share: float) -> float:
        """Raises LoadError if nobody has answered."""
        if not self._waited_s:
            raise LoadError(f"nothing answered on {self._port}")
        return percentile_ms(self._waited_s, share)


def traffic(subject: Subject, folder: Path, seconds: float) -> Sample:
    """Bytes between two nodes per press, both ways, at 1,000 and at 20,000 presses of new actors a second."""
    seen = {}
    for rate in (1000, 20_000):
        with pair(folder / str(rate)) as nodes:
            wait_until(lambda nodes=nodes: nodes[0].figures()["like_lag_rows"] == 0, "quiet")  # type: ignore[misc]
            before, presses = link_bytes(nodes), nodes[0].figures()["like_engine_presses_total"]
            measured = run_load(
                nodes[0].server, "fan", *NEW_ACTORS, "-s", '{"type":"watch","items":["tap:item-0"]}',
                "-f", '{"type":"counts"', "-R", str(rate), seconds=seconds, connections=1,
            )  # fmt: skip
            wait_until_level(*nodes)
            presses = nodes[0].figures()["like_engine_presses_total"] - presses
            check_rate(measured, rate)
            seen[rate] = (link_bytes(nodes) - before) / presses
    return Sample(seen[1000], measured.distance_ns, {"bytes_at_20000": seen[20_000]})
