"""A node that hangs, in its loop or in its ledger, does not keep its visitors: real processes, made to hang."""

import signal
import time
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import STALLS, Node
from tests.support.visitor import Visitor
from tests.support.waiting import wait_for

# A tenth of the real looks: what the watchdog allows, 10 s, is 1 s here.
LOOK_S: Final = 0.1
ALLOWED_S: Final = 10 * LOOK_S


def node_that_can_hang(cluster: Cluster, stall: str = "endless_loop") -> Node:
    return cluster.new_node(PYTHONPATH=str(STALLS), STALL=stall, LOOK_S=str(LOOK_S))


async def start(node: Node) -> None:
    node.start()
    await node.wait_until_ready()


@pytest.mark.parametrize("stall", ["endless_loop", "blocking_call"])
async def test_a_stalled_loop_ends_the_process_with_1_and_its_stack(cluster: Cluster, stall: str) -> None:
    node = node_that_can_hang(cluster, stall)
    node.expect_trouble("loop.stalled")
    await start(node)
    stalled_at = time.monotonic()
    node.send_signal(signal.SIGUSR1)
    code = await node.wait_until_ended(ALLOWED_S + 5.0)

    assert code == 1
    assert time.monotonic() - stalled_at >= ALLOWED_S - LOOK_S, "it had no time to come back"
    said = await node.wait_until_logged("loop.stalled")
    assert stall in said
    assert "report the stack" in said


async def test_a_loop_that_never_gives_the_interpreter_back_is_ended_by_the_kernel(cluster: Cluster) -> None:
    node = node_that_can_hang(cluster, "endless_expression")
    await start(node)
    node.send_signal(signal.SIGUSR1)
    code = await node.wait_until_ended(30.0)

    assert code == -signal.SIGPROF
    await node.wait_until_logged("in endless_expression")


async def test_after_a_stall_a_supervisor_finds_what_was_acknowledged(cluster: Cluster) -> None:
    node = node_that_can_hang(cluster)
    node.expect_trouble("loop.stalled")
    await start(node)
    async with Visitor([node.address]) as visitor:
        visitor.press(7)
        await visitor.wait_until_saved()
        node.send_signal(signal.SIGUSR1)
        await node.wait_until_ended(ALLOWED_S + 5.0)
        visitor.press(2)
        await start(node)
        await visitor.wait_until_saved()
    assert await node.count("tap:home") == 9


async def two_periods(say: str) -> None:
    """Twice as long as the watchdog would wait for a sign of life."""
    until = time.monotonic() + 2 * ALLOWED_S
    await wait_for(lambda: time.monotonic() > until, 60.0, say)


async def test_a_frozen_node_does_not_end_itself_at_the_thaw(cluster: Cluster) -> None:
    node = node_that_can_hang(cluster)
    await start(node)
    for _ in range(2):
        node.freeze()
        await two_periods("the frozen time to pass")
        node.thaw()
        await node.wait_until_ready()
    await two_periods("the watchdog to look again")
    assert node.is_running


async def test_visitors_of_a_node_whose_ledger_hangs_go_to_another(cluster: Cluster, tmp_path: Path) -> None:
    nodes = [cluster.new_node(PYTHONPATH=str(STALLS)) for _ in range(3)]
    for node in nodes:
        node.settings["LIKE_PEERS"] = ",".join(peer.cluster_address for peer in nodes if peer is not node)
        node.start()
    await cluster.wait_until_ready()
    async with (
        Nginx(tmp_path, [f"127.0.0.1:{node.port}" for node in nodes]) as nginx,
        Visitor([nginx.address]) as visitor,
    ):
        visitor.press()
        await visitor.wait_until_saved()
        hanging = next(node for node in nodes if node.name == visitor.node)
        hanging.send_signal(signal.SIGUSR2)
        visitor.press()
        await visitor.wait_until_saved(15.0)
        assert visitor.node != hanging.name
        assert await readiness(hanging) == (503, "stalled")
        statuses = [await status_of(f"{nginx.address}/") for _ in range(6)]
        assert statuses == [200] * 6, "a page that another node can show"
        hanging.send_signal(signal.SIGUSR2)
        await hanging.wait_until_ready()
        visitor.press()
        await visitor.wait_until_saved()
    await cluster.assert_converged("tap:home", 3)
    await hanging.wait_until_logged("ledger.answers_again")


async def readiness(node: Node) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{node.address}/readyz") as answer:
        return answer.status, (await answer.json())["state"]


async def status_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
