"""The power goes in the whole house: of every ledger is left what was synced.

A SIGKILL leaves what was written in the kernel's cache, so a node that never syncs would survive it. Here the
library between the node and libc (`tests.support.machine`) keeps, beside each ledger, what was synced.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from tests.faults.disks import LEDGER, SECTOR_BYTES, WAL, mix_file
from tests.faults.lab import Lab
from tests.faults.row import ALL_BACK_WITHIN_S, Fault
from tests.faults.spoiling import SERVED, back_in_service
from tests.support.node import Node
from tests.support.waiting import wait_for

SYNC_DELAY_MS: Final = 30


async def keep_what_is_synced(lab: Lab) -> None:
    """Beside each ledger a folder in which it stands as a power cut would leave it."""
    for node in lab.nodes:
        with lab.supervisor.released(node):
            await node.stop()
            shutil.copytree(node.data_dir, _disk_of(lab, node))
            node.settings |= lab.machines[node.name].on_disk(_disk_of(lab, node))
            node.start()
            await lab.wait_until_whole()


async def keep_it_no_more(lab: Lab) -> None:
    for node in lab.nodes:
        with lab.supervisor.released(node):
            await node.stop()
            for variable in lab.machines[node.name].on_disk(_disk_of(lab, node)):
                del node.settings[variable]
            shutil.rmtree(_disk_of(lab, node))
            node.start()
            await lab.wait_until_whole()


def _disk_of(lab: Lab, node: Node) -> Path:
    return lab.folder / f"{node.name}.disk"


async def cut_power_everywhere(lab: Lab) -> str:
    """All machines are off at once. Half of the time pages that were not synced have been written all the same."""
    rounds, unsynced = lab.form.pick(2, 20), 0
    for node in lab.nodes:  # slow ones, so that the power goes while something is not synced yet
        lab.machines[node.name].set(sync_delay_ms=SYNC_DELAY_MS)
    for number in range(rounds):
        with lab.supervisor.released(*lab.nodes):
            await asyncio.gather(*(node.kill() for node in lab.nodes))
            for node in lab.nodes:
                unsynced += _take_what_is_synced(lab, node, is_torn=number % 2 == 1)
                node.start()
            lab.healed()
        for node in lab.nodes:
            how = await back_in_service(lab, node)
            assert how == SERVED, f"{node.name}: {how}"
        await lab.wait_until_whole()
        await lab.audit_between()
        await wait_for(lambda: lab.load.is_connected, 20, "everybody to be back")
        await lab.load.wait_for_presses(500, 20)
    for node in lab.nodes:
        lab.machines[node.name].heal()
    return f"power was cut {rounds} times on all three, {unsynced / 1024:,.0f} KiB had not been synced"


def _take_what_is_synced(lab: Lab, node: Node, *, is_torn: bool) -> int:
    """Leave on the node's disk what a power cut leaves; how many bytes of what was written that is not."""
    disk, gone = _disk_of(lab, node), 0
    for name in (LEDGER, WAL):
        synced, written = disk / name, node.data_dir / name
        gone += _differing_bytes(synced, written)
        if is_torn and synced.exists():
            mix_file(lab, synced, written)
        else:
            written.unlink(missing_ok=True)
            if synced.exists():
                shutil.copy(synced, written)
    shutil.rmtree(disk)
    shutil.copytree(node.data_dir, disk)
    return gone


def _differing_bytes(synced: Path, written: Path) -> int:
    before, after = (path.read_bytes() if path.exists() else b"" for path in (synced, written))
    pages = range(0, max(len(before), len(after)), SECTOR_BYTES)
    return SECTOR_BYTES * sum(before[at : at + SECTOR_BYTES] != after[at : at + SECTOR_BYTES] for at in pages)


ROW: Final = Fault(
    "power-cut",
    "all nodes at once: SIGKILL, and of their ledgers is left what was synced, or that and some pages more",
    "what was acknowledged is on their disks",
    cut_power_everywhere,
    prepare=keep_what_is_synced,
    restore=keep_it_no_more,
    equal_within_s=ALL_BACK_WITHIN_S,
    saved_within_s=ALL_BACK_WITHIN_S,
    outage_within_s=ALL_BACK_WITHIN_S,
)
