"""Whether a node answers in time while something else is going on.

`async with Watch(folder, node) as watch: …; watch.assert_prompt("10,000 arrive")` probes `/healthz` fifty times a
second in each of three ways: a new connection to the public port, a kept one as nginx has it, and a new one to the
cluster port. A fourth prober asks a process that does nothing, on the node's own core: what that one takes is the
machine's doing (other programs want the core), and is granted to the node on top. Where even that one is late,
nobody can say how prompt the node is, and the test is skipped, saying so.

The promise is of a machine on which a connection costs `CONNECTION_US` of the processor. Where one costs more, as
the idle process finds out meanwhile, the node has as much more time: what is asserted is a ratio within one run.
"""

import signal
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.support.load import NODE_CORES, Load, Report
from tests.support.node import Node
from tests.support.ports import free_port

# What the project promises for the 99th percentile.
PROMPT_MS: Final = 100.0
# Of `tests.support.idler`'s connections, while a node beside it takes its whole core.
CONNECTION_US: Final = 120.0
# An idle process answers within some 10 ms beside a node that takes its whole core.
TOO_BUSY_MS: Final = 50.0


class Watch:
    """Probes of one node, from its beginning to its end."""

    def __init__(self, folder: Path, node: Node) -> None:
        self._folder = folder
        self._node = node
        self._parts = AsyncExitStack()
        self._probers: dict[str, Load] = {}
        self._idler: Load | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            port, public = free_port(), f"127.0.0.1:{self._node.port}"
            self._idler = await parts.enter_async_context(Load(self._folder, "idler", port, cores=NODE_CORES))
            for way, arguments in {
                "machine": [f"127.0.0.1:{port}"],
                "new": [public],
                "kept": [public, "--kept"],
                "cluster port": [self._node.cluster_address],
            }.items():
                prober = Load(self._folder, "prober", *arguments)
                self._probers[way] = await parts.enter_async_context(prober)
            for prober in self._probers.values():
                prober.send_signal(signal.SIGUSR1)  # without the time in which the others started
            self._parts = parts.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._parts.aclose()

    def reports(self) -> dict[str, Report]:
        return {way: prober.report() for way, prober in self._probers.items()}

    def slowness(self) -> float:
        """How much longer this machine takes than the one of the promise; 1 where it is faster."""
        assert self._idler is not None
        return max(1.0, float(self._idler.report()["connection_us"]) / CONNECTION_US)

    def assert_prompt(self, what: str, *, sharing: int = 1) -> None:
        """Say how it was, and that it was in time; so many nodes are busy on this core."""
        reports = self.reports()
        p99s = {way: float(report["p99_ms"]) for way, report in reports.items()}
        slowness = self.slowness()
        allowed_ms = PROMPT_MS * slowness * sharing + p99s["machine"]
        figures = ", ".join(f"{way} {p99_ms:.0f} ms" for way, p99_ms in p99s.items())
        print(f"{what}: p99 {figures}; {allowed_ms:.0f} ms allowed, {slowness:.1f} times as slow a machine")
        machine_ms = p99s.pop("machine")
        assert not any(report["failed"] for report in reports.values()), f"{what}: {reports}"
        if machine_ms > TOO_BUSY_MS:
            pytest.skip(f"{what}: this machine is too busy, {machine_ms:.0f} ms for nothing at all")
        assert all(p99_ms <= allowed_ms for p99_ms in p99s.values()), f"{what}: {reports}"
