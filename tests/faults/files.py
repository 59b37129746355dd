"""Rows about the files of a ledger: torn, flipped, lost, old, or somebody else's."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tests.faults.disks import FAILED, LEDGER, WAL
from tests.faults.lab import Lab
from tests.faults.row import Fault
from tests.faults.spoiling import back_in_service, operated
from tests.support.node import Node
from tests.support.waiting import wait_for

SPOILT_S: Final = 90.0


async def torn_wal(lab: Lab) -> str:
    return await _spoil(lab, WAL, _tear)


async def flipped_wal(lab: Lab) -> str:
    return await _spoil(lab, WAL, _flip)


async def flipped_ledger(lab: Lab) -> str:
    """After a stop, which leaves everything in this one file: a log would hide what is changed below it."""
    return await _spoil(lab, LEDGER, _flip)


async def _spoil(lab: Lab, name: str, change: Callable[[Lab, Path], str]) -> str:
    """One case after the other, each audited; afterwards that node gets a new disk, for one fault at a time.

    A log is spoilt as a crash leaves it, and what it has lost must be pulled before any digest would find it.
    """
    ways: Counter[str] = Counter()
    for _ in range(lab.form.bits):
        node = lab.pick_node()
        with lab.supervisor.released(node):
            await (node.kill() if name == WAL else node.stop())
            what = change(lab, node.data_dir / name)
            lab.load.history.mark(f"{node.name}: {what}")
            node.start()
            lab.healed()
        ways[await back_in_service(lab, node)] += 1
        async with operated(lab, [node]):
            await lab.load.wait_for_presses(50, 10)
            await lab.audit_between()
        await _new_disk(lab, node)
    return f"{lab.form.bits} cases: " + ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))


def _tear(lab: Lab, path: Path) -> str:
    """Cut it somewhere; half of the time what was behind the cut is zeros, as a file system may leave it."""
    size = path.stat().st_size
    cut = lab.random.randrange(size)
    with path.open("r+b") as file:
        file.truncate(cut)
        if lab.random.random() < 0.5:
            file.truncate(size)
    return f"{path.name} of {size} bytes torn at {cut}"


def _flip(lab: Lab, path: Path) -> str:
    at, bit = lab.random.randrange(path.stat().st_size), lab.random.randrange(8)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    return f"bit {bit} of byte {at} of {path.name} flipped"


async def _new_disk(lab: Lab, node: Node) -> None:
    await _swap_disk(lab, node)
    await lab.wait_until_whole()


async def _swap_disk(lab: Lab, node: Node) -> None:
    with lab.supervisor.released(node):
        if node.is_running:
            await node.kill()
        node.wipe()
        node.start()


async def wipe(lab: Lab) -> str:
    nodes = lab.form.pick(lab.nodes[:1], lab.nodes * 3)
    for node in nodes:
        other = next(each for each in lab.nodes if each is not node)
        held = await lab.table(other)
        await _swap_disk(lab, node)
        lab.healed()
        await wait_for(partial(lab.serves, node), 20, f"{node.name} to serve")
        pulled = await lab.table(node)
        missing = sum(pulled.get(key, (0, 0)) < tally for key, tally in held.items())
        assert not missing, f"{node.name} was ready without {missing} of {len(held)} tallies that {other.name} had"
        await lab.wait_until_whole()
        await lab.audit_between()
    return f"{len(nodes)} disks lost, one after the other"


async def restore_backup(lab: Lab) -> str:
    """The folder of a stopped node, put back after people have pressed on."""
    rounds = lab.form.pick(1, 5)
    for _ in range(rounds):
        node, backup = lab.pick_node(), lab.folder / "backup"
        with lab.supervisor.released(node):
            await node.stop()
            shutil.copytree(node.data_dir, backup)
            node.start()
            await lab.wait_until_whole()
            await lab.load.wait_for_presses(lab.form.pick(1000, 10_000), 30)
            await node.stop()
            node.wipe()
            shutil.move(backup, node.data_dir)
            node.start()
            lab.healed()
        await lab.wait_until_whole()
        await lab.audit_between()
    return f"{rounds} backups put back, each {lab.form.pick(1000, 10_000):,} presses old"


async def clone(lab: Lab) -> str:
    """Two nodes say that they are the same ledger: together they are one copy, and the third is the other.

    In the end both lose their disks at once, and the third alone has all that was acknowledged.
    """
    first, second = lab.nodes[:2]
    with lab.supervisor.released(second):
        await second.stop()
        second.wipe()
        await _copy_of_running(first, second.data_dir)
        second.start()
    await lab.wait_until_whole()
    await lab.load.wait_for_presses(lab.form.pick(2000, 20_000), 60)
    with lab.supervisor.released(first, second):
        await asyncio.gather(first.kill(), second.kill())
        for node in (first, second):
            node.wipe()
            node.start()
    lab.healed()
    await lab.wait_until_whole()
    return f"{lab.form.pick(2000, 20_000):,} presses with two equal ledgers, then both were lost"


async def _copy_of_running(node: Node, folder: Path) -> None:
    node.freeze()
    await asyncio.to_thread(shutil.copytree, node.data_dir, folder)
    node.thaw()


async def take_a_name(lab: Lab) -> None:
    await _rename(lab, lab.nodes[0].name)


async def give_it_back(lab: Lab) -> None:
    await _rename(lab, lab.nodes[1].name)


async def _rename(lab: Lab, name: str) -> None:
    node = lab.nodes[1]
    with lab.supervisor.released(node):
        await node.stop()
        node.settings["LIKE_NODE_NAME"] = name
        node.start()
    await lab.wait_until_whole()


async def equal_names(lab: Lab) -> str:
    await lab.load.wait_for_presses(500, 10)
    for node in lab.nodes[:2]:
        await node.kill()
        await back_in_service(lab, node)
        await lab.load.wait_for_presses(lab.form.pick(500, 10_000), 30)
        await lab.audit_between()
    return "two nodes of one name, each killed once"


ROWS: Final = (
    Fault(
        "torn-wal",
        "SIGKILL, then the write-ahead log is cut at a random byte, half of the time with zeros behind",
        "what the node has lost it pulls; no wrong number anywhere",
        torn_wal,
        trouble=FAILED,
    ),
    Fault(
        "flipped-wal",
        "SIGKILL, then one random bit of the write-ahead log is flipped",
        "as above",
        flipped_wal,
        trouble=FAILED,
    ),
    Fault(
        "flipped-ledger",
        "SIGTERM, then one random bit of ledger.db is flipped",
        "no wrong number anywhere; the row is pulled again, or the node refuses to start and says what to do",
        flipped_ledger,
        trouble=FAILED,
        may_repair=True,
        equal_within_s=SPOILT_S,
    ),
    Fault("wiped-disk", "SIGKILL, and its data folder is empty", "it pulls everything before it is ready", wipe),
    Fault(
        "old-backup",
        "the data folder of a stopped node is put back later",
        "newer rows come from the others; nobody confuses its new rows with lost ones",
        restore_backup,
    ),
    Fault(
        "cloned-folder",
        "two nodes run on copies of the same data folder, and then both lose it at once",
        "one copy, not two: a press is acknowledged when the third node has it",
        clone,
    ),
    Fault(
        "equal-names",
        "two nodes with the same LIKE_NODE_NAME, each killed once",
        "a name is for people only",
        equal_names,
        prepare=take_a_name,
        restore=give_it_back,
    ),
)
