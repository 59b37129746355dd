"""Three nodes in namespaces of their own behind nginx, and one row of the matrix from first press to verdict.

    node1 ─┐                          a supervisor restarts a node that fails, and nginx
    node2 ─┼─ bridge ── nginx ── load
    node3 ─┘

1. A row begins with visitors, tabs and items of its own, and a history of its own.
2. The fault is injected while they press. When it is healed they pause, and from that moment the cluster has
   `HEALED_WITHIN_S` to acknowledge what was pressed and to hold the same tallies everywhere.
3. A lab that a row has left in a bad state is thrown away; the next row gets a fresh one.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.faults import checker
from tests.faults.checker import Finding, Key, Presses, Table
from tests.faults.form import Form
from tests.faults.history import HEALED, History
from tests.faults.load import Load
from tests.faults.row import Fault, Seen
from tests.faults.spoiling import operated
from tests.faults.tables import table_of
from tests.support.cluster import Cluster
from tests.support.echoes import nodes_of_tabs
from tests.support.machine import Machine, compile_library
from tests.support.namespaces import EDGE, Network
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.supervisor import Supervisor
from tests.support.waiting import wait_for

REPAIRS: Final = "like_repairs_total"
NODES: Final = ("node1", "node2", "node3")


class Lab:
    """`async with Lab(folder, form) as lab: seen = await lab.run(fault)`."""

    load: Load
    nginx: Nginx
    cluster: Cluster
    supervisor: Supervisor
    wires: AsyncExitStack
    presses: Presses
    findings: list[Finding]
    _healed_at: float | None
    _fault: Fault
    _slowest_s: float
    _repaired: dict[int, float]

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder = folder
        self.form = form
        self.random = random.Random()
        self.network = Network(NODES)
        self.machines: dict[str, Machine] = {}
        # Of earlier rows too: it is there for good.
        self._saved_ever: dict[Key, int] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open.enter_context(self.network)
        library = compile_library(self.folder)
        settings = {"LIKE_PRESS_RATE": "0", "LIKE_PRESS_BURST": "0"}
        cluster = Cluster(self.folder, place_of=self.network.place, **settings)
        self.cluster = await self._open.enter_async_context(cluster)
        for node in [self.cluster.new_node() for _ in NODES]:
            self.machines[node.name] = Machine(library, self.folder / f"{node.name}.machine")
            node.settings |= self.machines[node.name].environment
        for node in self.nodes:
            node.settings["LIKE_PEERS"] = ",".join(each.cluster_address for each in self.nodes if each is not node)
            node.start()
        await self.wait_until_whole()
        upstreams = [f"{node.place.host}:{node.port}" for node in self.nodes]
        nginx = Nginx(self.folder, upstreams, place=self.network.place(EDGE))
        self.nginx = await self._open.enter_async_context(nginx)
        self.supervisor = await self._open.enter_async_context(Supervisor(self.nodes))

    @property
    def nodes(self) -> list[Node]:
        return self.cluster.nodes

    # -- one row

    async def run(self, fault: Fault) -> Seen:
        """Press, inject, heal, and look at what every node holds."""
        began_at = time.monotonic()
        # Each row by itself, so that one that is run alone makes the same choices.
        self.random.seed(f"{self.form.seed} {fault.name}")
        self.presses, self.findings, self._healed_at = Presses(), [], None
        self._slowest_s, self._repaired = 0.0, {}
        self._fault = fault
        if fault.begins_afresh:
            self._saved_ever.clear()
        lines = {node.name: len(node.log_lines()) for node in self.nodes}
        if fault.prepare is not None:
            await fault.prepare(self)
        await wait_for(self._offers_all_nodes, 10, "nginx to send tabs to every node again")
        with closing(History(self.folder / f"{fault.name}.jsonl")) as history:
            async with Load(self.nginx.address, history, row=fault.name) as self.load:
                repaired_before = await self._note_repairs()
                said = await fault.inject(self)
                async with operated(self, self.nodes if fault.may_repair else []):
                    await self.audit()
        self.findings += checker.stranded(self.presses, fault.outage_within_s)
        if fault.restore is not None:
            await fault.restore(self)
        took_s = time.monotonic() - began_at
        return Seen(
            fault, self.presses, self.findings, said, self._slowest_s, self._repairs_since(repaired_before), took_s,
            history.path, self._trouble(fault, lines),
        )  # fmt: skip

    def seen_until_it_broke(self, fault: Fault, error: Exception, history: Path) -> Seen:
        """The outcome of a row that raised."""
        return Seen(fault, self.presses, self.findings, "", 0.0, None, 0.0, history, raised=repr(error))

    async def audit_between(self) -> None:
        """One round of the row is over: it has to keep all promises by itself. Then people press on."""
        await self.audit()
        self.load.resume()

    async def audit(self) -> None:
        """Nobody presses on, and all that was pressed has to be acknowledged and held everywhere in time.

        Time counts from the healing, which is now unless the row has said when it was. What is wrong goes to the
        findings.
        """
        within_s = self._fault.equal_within_s
        self.load.pause()
        if self._healed_at is None:
            self.healed()
        healed_at, self._healed_at = self._healed_at, None
        assert healed_at is not None, "just said"
        await self.load.wait_until_saved(self._fault.saved_within_s)
        await self.wait_until_whole(within_s=within_s)
        tables = await self._equal_tables(healed_at + within_s)
        took_s = time.monotonic() - healed_at
        counts = {
            node.name: await wait_for(partial(self.counts, node), 10, f"{node.name} to tell its counts")
            for node in self.nodes
        }
        self.load.history.mark("audited")
        await asyncio.to_thread(self.presses.take, self.load.history.fresh_events())
        self._saved_ever |= self.presses.saved
        self.findings += [
            *checker.lost(self._saved_ever, tables),
            *checker.doubled(self.presses, tables),
            *checker.diverged(tables),
            *checker.miscounted(tables, counts),
            *checker.stalled(self.presses, self._fault.saved_within_s),
        ]
        if took_s > within_s:
            self.findings.append(Finding("stalled", f"all nodes were equal {took_s:.1f} s after the healing"))
        self._slowest_s = max(took_s, self._slowest_s)
        await self._note_repairs()

    def healed(self) -> None:
        """The fault is over: from now on the cluster has its time, also while the row waits for it to recover."""
        self._healed_at = time.monotonic()
        self.load.history.mark(HEALED)

    async def _offers_all_nodes(self) -> bool:
        """A node that was down is left out by nginx for 2 s: the row's visitors would all be elsewhere."""
        names = {node.settings.get("LIKE_NODE_NAME", node.name) for node in self.nodes}
        return set(await nodes_of_tabs(self.nginx, len(NODES))) == names

    async def _equal_tables(self, deadline: float) -> dict[str, Table]:
        """What the nodes hold, as soon as it is the same, or when the time is over."""
        while True:
            tables = {node.name: await self.table(node) for node in self.nodes}
            if not checker.diverged(tables) or time.monotonic() > deadline:
                return tables
            await asyncio.sleep(0.05)

    async def table(self, node: Node) -> Table:
        """What this node holds."""

        async def readable() -> Table | None:
            return await asyncio.to_thread(table_of, node.data_dir)

        table = await wait_for(readable, 5, f"a readable ledger of {node.name}")
        assert table is not None
        return table

    async def counts(self, node: Node) -> dict[str, int]:
        """What this node shows for the items of this row."""
        items = sorted(self.load.items)
        counts: dict[str, int] = {}
        for start in range(0, len(items), 100):
            query = "&".join(f"item={item}" for item in items[start : start + 100])
            counts |= (await node.get_json(f"/api/items?{query}"))["counts"]
        return counts

    async def _note_repairs(self) -> dict[int, float]:
        """`like_repairs_total` by process, of the nodes that have this metric, and of those that had it before."""
        for node in self.nodes:
            # One whose disk is spoilt may end at any moment: that of it which was not asked in time is not counted.
            with suppress(aiohttp.ClientError, OSError):
                pid, figures = node.pid, await self.figures(node)
                self._repaired |= {pid: figures[REPAIRS]} if REPAIRS in figures else {}
        return dict(self._repaired)

    def _repairs_since(self, before: dict[int, float]) -> int | None:
        """What was repaired meanwhile; a process that was started meanwhile began at 0. None: nobody counts it."""
        if not self._repaired:
            return None
        return int(sum(count - before.get(pid, 0) for pid, count in self._repaired.items()))

    def _trouble(self, fault: Fault, lines: dict[str, int]) -> list[str]:
        return [
            f"{node.name}: {line}"
            for node in self.nodes
            for line in node.trouble(lines[node.name])
            if not any(text in line for text in fault.trouble)
        ]

    # -- what rows use

    async def figures(self, node: Node) -> dict[str, float]:
        """The node's metrics without labels, by name."""
        async with self.cluster.session.get(f"http://{node.cluster_address}/metrics") as answer:
            text = await answer.text()
        words = [line.split() for line in text.splitlines() if not line.startswith("#")]
        return {word[0]: float(word[1]) for word in words if len(word) == 2 and "{" not in word[0]}

    async def wait_until_whole(
        self, nodes: Sequence[Node] = (), *, within_s: float = 20.0, links: int = len(NODES) - 1
    ) -> None:
        """Every node, or each of these, runs, is ready, and is linked with all others, or with so many."""
        wanted = nodes or self.nodes

        async def whole() -> bool:
            if not all(node.is_running for node in wanted):
                return False
            linked = [(await self.figures(node)).get("like_links", 0) for node in wanted]
            return all(each == links for each in linked)

        await wait_for(whole, within_s, lambda: f"every node to be linked: {self._states()}")
        for node in wanted:
            await wait_for(partial(self.state, node, "ready"), within_s, f"{node.name} to be ready")

    async def state(self, node: Node, wanted: str) -> bool:
        """Whether the node says that it is in this state: `ready`, `read_only`, …"""
        async with self.cluster.session.get(f"{node.address}/readyz") as answer:
            return bool((await answer.json())["state"] == wanted)

    async def serves(self, node: Node) -> bool:
        """Whether visitors find it now; one that is down does not answer."""
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            return await self.state(node, "ready")
        return False

    def on_end(self, undo: Callable[[], None]) -> None:
        """Called when the lab is thrown away, whatever became of the row."""
        self._open.callback(undo)

    async def press_for(self, seconds: float) -> None:
        """The fault lasts so long, and people go on pressing.

        Not a sleep for luck: nothing is waited for here, how long is what the row says.
        """
        await asyncio.sleep(seconds)

    def pick_node(self) -> Node:
        return self.random.choice(self.nodes)

    def _states(self) -> list[str]:
        return [f"{node.name} {'runs' if node.is_running else node.exit_code}" for node in self.nodes]
