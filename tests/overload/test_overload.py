"""Nodes under more than they like: a full hall, everybody at once, and clients that misbehave.

Whatever goes on, a node answers `/healthz` within 100 ms at the 99th percentile, holds no more memory than its
limits say, and serves those who behave. Loads and probes are processes of their own, on another core than the
nodes. OVERLOAD=long takes longer and more clients. `-s` shows the figures.
"""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.cluster import Cluster
from tests.support.load import NODE_CORES, Load, Report, memory_bytes, pin
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.promptness import Watch
from tests.support.visitor import Visitor
from tests.support.waiting import wait_for

IS_LONG: Final = os.environ.get("OVERLOAD") == "long"
# Each takes a file in the node and one in the crowd's process.
WATCHERS: Final = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1_000)
MIB: Final = 1 << 20


def address_of(node: Node) -> str:
    return f"127.0.0.1:{node.port}"


async def let_pass(seconds: float) -> None:
    """The time that is measured over."""
    over_at = time.monotonic() + seconds
    await wait_for(lambda: time.monotonic() > over_at, seconds + 60, f"{seconds} s to pass")


def log_folder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


async def test_a_full_hall_and_everybody_at_once_when_its_node_dies(
    cluster: Cluster, three_nodes: list[Node], tmp_path: Path
) -> None:
    full, *others = three_nodes
    for node in three_nodes:
        pin(node.pid, NODE_CORES)
    before = memory_bytes(full.pid)
    addresses = [address_of(node) for node in three_nodes]
    crowd = Load(log_folder(tmp_path, "crowd"), "crowd", *addresses, "--watchers", WATCHERS, "--per-second", 2000)
    async with AsyncExitStack() as parts:
        async with Watch(log_folder(tmp_path, "arrive"), full) as watch:
            await parts.enter_async_context(crowd)
            await crowd.wait_until(lambda hall: hall["watching"] == WATCHERS, 60, "everybody to watch")
            watch.assert_prompt(f"{WATCHERS} arrive, 2,000 a second")
        async with Watch(log_folder(tmp_path, "idle"), full) as watch:
            await let_pass(60 if IS_LONG else 3)
            watch.assert_prompt(f"{WATCHERS} idle watchers")
        per_watcher = (memory_bytes(full.pid) - before) / WATCHERS
        print(f"memory: {before // MIB} MiB, with {WATCHERS} watchers {memory_bytes(full.pid) // MIB} MiB")
        assert per_watcher < 32 * 1024

        async with Watch(log_folder(tmp_path, "storm"), others[0]) as watch:
            died_at = time.monotonic()
            await full.kill()
            await crowd.wait_until(
                lambda hall: hall["watching"] == hall["returned"] == WATCHERS, 60, "everybody to be back"
            )
            hall = crowd.report()
            print(f"all back after {time.monotonic() - died_at:.1f} s (median {hall['return_p50_s']} s)")
            watch.assert_prompt(f"{WATCHERS} come back at once, to two nodes", sharing=2)
        assert full.address not in hall["by_address"]
        async with Visitor([others[1].address]) as visitor:
            visitor.press()
            await visitor.wait_until_saved()
            await crowd.wait_until(lambda hall: hall["newest"] == 1, 10, "the crowd to see the press")


# What each kind does is in tests/support/rude.py. The codes are those that refuse it.
RUDE: Final = {
    "presses": (10, []),
    "pings": (10, []),
    "watches": (3, []),
    "garbage": (2, ["4500"]),
    "giant": (2, ["1009"]),
    "lazy": (20, ["status 101"]),
    "trickle": (10, ["closed"]),
    "half": (500, []),
    "silent": (500, ["closed"]),
}


async def test_all_who_misbehave_at_the_same_time(cluster: Cluster, tmp_path: Path) -> None:
    (node,) = await cluster.start(1)
    pin(node.pid, NODE_CORES)
    before = memory_bytes(node.pid)
    async with AsyncExitStack() as parts:
        mobs = {
            kind: await parts.enter_async_context(
                Load(log_folder(tmp_path, kind), "rude", kind, address_of(node), "--clients", clients)
            )
            for kind, (clients, _) in RUDE.items()
        }
        watch = await parts.enter_async_context(Watch(log_folder(tmp_path, "all"), node))
        visitor = await parts.enter_async_context(Visitor([node.address]))
        for kind, (_, codes) in RUDE.items():
            if codes:
                await mobs[kind].wait_until(ended_by(codes), 30, f"{kind} to be refused")
        visitor.press()
        await visitor.wait_until_saved(2.0)
        watch.assert_prompt("all who misbehave")
        for kind, mob in mobs.items():
            print(f"  {kind}: {mob.report()}")
        grown = memory_bytes(node.pid) - before
        print(f"memory: {before // MIB} MiB, grown by {grown // MIB} MiB")
        assert grown < 100 * MIB
    await node.wait_until_ready()


@pytest.mark.skipif(not IS_LONG, reason="OVERLOAD=long measures each kind by itself")
@pytest.mark.parametrize("kind", RUDE)
async def test_each_who_misbehaves_by_itself(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    (node,) = await cluster.start(1)
    pin(node.pid, NODE_CORES)
    before = memory_bytes(node.pid)
    clients = 5 * RUDE[kind][0]
    async with (
        Load(tmp_path, "rude", kind, address_of(node), "--clients", clients) as mob,
        Watch(log_folder(tmp_path, "watch"), node) as watch,
        Visitor([node.address]) as visitor,
    ):
        slowest_s = 0.0
        over_at = time.monotonic() + 20
        while time.monotonic() < over_at:
            pressed_at = time.monotonic()
            visitor.press()
            await visitor.wait_until_saved()
            slowest_s = max(slowest_s, time.monotonic() - pressed_at)
            await asyncio.sleep(0.1)
        grown = (memory_bytes(node.pid) - before) // MIB
        print(f"{kind}, {clients}: slowest press {slowest_s:.2f} s, grown by {grown} MiB, {mob.report()}")
        watch.assert_prompt(f"{clients} {kind}")


async def test_browsers_that_vanish_leave_nothing_behind(cluster: Cluster, tmp_path: Path) -> None:
    """Not even for the collector of rings: it would stop the loop to find them."""
    (node,) = await cluster.start(1)
    sizes = []
    for wave in range(4):
        folder = log_folder(tmp_path, f"wave {wave}")
        async with Load(folder, "crowd", address_of(node), "--watchers", 2000, "--per-second", 2000) as crowd:
            await crowd.wait_until(lambda hall: hall["watching"] == 2000, 30, "everybody to watch")
        await wait_for(lambda: has_nobody(node), 30, "the node to notice")
        sizes.append(memory_bytes(node.pid))
    print("memory after each wave of 2,000: " + ", ".join(f"{size // MIB} MiB" for size in sizes))
    # 2,000 that were left behind are 24 MiB.
    assert sizes[-1] - sizes[0] < 24 * MIB


def ended_by(codes: Iterable[object]) -> Callable[[Report], bool]:
    """Whether any connection of a mob was ended with one of these codes."""
    return lambda mob: any(code in mob["ends"] for code in codes)


async def has_nobody(node: Node) -> bool:
    return await node.watchers() == 0


async def test_slow_requests_stay_in_nginx(cluster: Cluster, tmp_path: Path) -> None:
    """Headers that never end keep nginx's connections, for 10 s (2 s here), and no node's."""
    (node,) = await cluster.start(1)
    pin(node.pid, NODE_CORES)
    shorter = {"client_header_timeout 10s": "client_header_timeout 2s"}
    async with Nginx(tmp_path, [address_of(node)], changes=shorter) as nginx, AsyncExitStack() as parts:
        mob = await parts.enter_async_context(
            Load(tmp_path, "rude", "half", f"127.0.0.1:{nginx.port}", "--clients", 5000 if IS_LONG else 1000)
        )
        watch = await parts.enter_async_context(Watch(log_folder(tmp_path, "slow"), node))
        visitor = await parts.enter_async_context(Visitor([nginx.address]))
        await mob.wait_until(lambda slow: sum(slow["ends"].values()) >= 1000, 30, "nginx to cut them")
        visitor.press()
        await visitor.wait_until_saved(2.0)
        watch.assert_prompt("slow headers through nginx")
        assert open_files(node) < 100


def open_files(node: Node) -> int:
    return len(list(Path(f"/proc/{node.pid}/fd").iterdir()))


@pytest.mark.skipif(not IS_LONG, reason="OVERLOAD=long sends a hall through nginx")
async def test_a_hall_comes_through_nginx_and_loses_a_node(
    cluster: Cluster, three_nodes: list[Node], tmp_path: Path
) -> None:
    for node in three_nodes:
        pin(node.pid, NODE_CORES)
    lost, *others = three_nodes
    async with Nginx(tmp_path, [address_of(node) for node in three_nodes]) as nginx, AsyncExitStack() as parts:
        crowd = Load(
            log_folder(tmp_path, "crowd"), "crowd", f"127.0.0.1:{nginx.port}",
            "--watchers", WATCHERS, "--per-second", 1000,
        )  # fmt: skip
        async with Watch(log_folder(tmp_path, "arrive"), others[0]) as watch:
            await parts.enter_async_context(crowd)
            await crowd.wait_until(lambda hall: hall["watching"] == WATCHERS, 60, "everybody to watch")
            print(f"through nginx, by node: {await watchers_of(others[0])}, {crowd.report()['ends']}")
            watch.assert_prompt(f"{WATCHERS} arrive, 1,000 a second, through nginx to three nodes", sharing=3)
        async with Watch(log_folder(tmp_path, "storm"), others[0]) as watch:
            died_at = time.monotonic()
            await lost.kill()
            await crowd.wait_until(lambda hall: hall["returned"] >= WATCHERS // 4, 60, "who was there to come back")
            await crowd.wait_until(lambda hall: hall["watching"] == WATCHERS, 60, "everybody to watch")
            took_s, hall = time.monotonic() - died_at, crowd.report()
            print(f"all back after {took_s:.1f} s (median {hall['return_p50_s']} s), {hall['ends']}")
            watch.assert_prompt("a third come back, through nginx to two nodes", sharing=2)


async def watchers_of(node: Node) -> dict[str, int]:
    return {each["name"]: each["watchers"] for each in (await node.get_json("/api/nodes"))["nodes"]}
