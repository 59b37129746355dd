"""The lab sees what it is there to see: a cluster that breaks its promise fails, and a wire that is cut is cut."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.faults.form import Form
from tests.faults.lab import Lab
from tests.faults.networks import cut
from tests.faults.processes import restart
from tests.faults.row import Fault
from tests.support.namespaces import Network
from tests.support.process import Process
from tests.support.waiting import wait_for

ONE_OF_EACH: Final = Form(is_long=False, kills=1, bits=1, seed=1)
DIAL: Final = "import socket, sys; socket.create_connection((sys.argv[1], 8080), timeout=0.5)"


async def lose_the_only_copy(lab: Lab) -> str:
    """node1 is cut off, takes presses, and loses its disk: what it acknowledged by itself is nowhere.

    Its wires are healed only when the others have given it up: the kernel goes on sending for a dead process.
    """
    node, *others = lab.nodes
    cut(lab, [("node1", "node2"), ("node1", "node3")])
    await lab.load.wait_for_presses(500, 20)
    lab.load.pause()
    with lab.supervisor.released(node):
        await node.kill()
        node.wipe()
        await lab.wait_until_whole(others, links=1)
        lab.network.heal()
        node.start()
    return "its only copy is gone"


async def test_a_cluster_that_acknowledges_without_a_copy_is_caught(tmp_path: Path) -> None:
    async with Lab(tmp_path, ONE_OF_EACH) as lab:
        for node in lab.nodes:
            node.settings["LIKE_ACK_COPIES"] = "0"
            await restart(lab, node)
        seen = await lab.run(Fault("only-copy", "", "", lose_the_only_copy))

    assert not seen.is_good
    assert "lost" in {finding.kind for finding in seen.findings}


async def test_what_is_cut_does_not_arrive_until_it_is_healed(tmp_path: Path) -> None:
    with Network(("node1", "node2")) as network:
        place = network.place("node1")
        command = [*place.enter, sys.executable, "-m", "http.server", "8080", "--bind", place.host]
        server = Process("node1", command, env={}, log=tmp_path / "node1.log", folder=tmp_path)
        await wait_for(partial(reaches, network, "node2", "node1"), 5, "node1 to answer node2")

        network.cut("node2", "node1")
        assert not await reaches(network, "node2", "node1")
        network.heal()
        assert await reaches(network, "node2", "node1")
        await server.end()

    assert place.enter[-1] not in await asyncio.to_thread(namespaces)


async def test_namespaces_are_removed_with_what_runs_in_them_when_a_test_fails(tmp_path: Path) -> None:
    network = Network(("node1",))
    with pytest.raises(ZeroDivisionError), network:
        place = network.place("node1")
        server = Process("node1", [*place.enter, "sleep", "600"], env={}, log=tmp_path / "node1.log")
        raise ZeroDivisionError

    await server.wait_until_ended(5)
    assert place.enter[-1] not in await asyncio.to_thread(namespaces)


def namespaces() -> str:
    return subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout


async def reaches(network: Network, sender: str, receiver: str) -> bool:
    """Whether a connection from the one to the other can be made."""
    command = [*network.place(sender).enter, sys.executable, "-c", DIAL, network.place(receiver).host]
    dialling = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await dialling.wait() == 0
