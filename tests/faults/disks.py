"""Rows about a disk that is slow, fails, lies, or is full."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from tests.faults.lab import Lab
from tests.faults.row import Fault
from tests.faults.spoiling import back_in_service
from tests.support.node import Node
from tests.support.waiting import wait_for

LEDGER: Final = "ledger.db"
WAL: Final = "ledger.db-wal"
SECTOR_BYTES: Final = 4096
# What is left free on a full disk at first: less than a write-ahead log grows to, so that it is full at once.
LEFT_BYTES: Final = 1 << 20
FAILED: Final = ("engine.failed", "node.failed", "ledger.checked", "disk I/O error", "malformed")


async def slow_disk(lab: Lab) -> str:
    node = lab.pick_node()
    disk = lab.machines[node.name]
    delays_ms = lab.form.pick((500,), (20, 100, 1000))
    calls = 0
    for delay_ms in delays_ms:
        disk.set(sync_delay_ms=delay_ms)
        lab.load.forget_waits()
        await lab.press_for(lab.form.pick(2, 20))
        disk.heal()
        calls += disk.injected
        theirs, others = lab.load.longest_waits_s(node.name)
    assert calls, "nothing was delayed"
    assert theirs > delays_ms[-1] / 1000 > others, f"its visitors waited {theirs:.2f} s, others {others:.2f} s"
    said = f"at {delays_ms[-1]} ms its visitors waited up to {theirs:.1f} s, others up to {others:.2f} s"
    return f"{calls} fsyncs took {', '.join(map(str, delays_ms))} ms longer; {said}"


async def failing_fsync(lab: Lab) -> str:
    return await _failing(lab, "sync_fails")


async def failing_write(lab: Lab) -> str:
    return await _failing(lab, "write_fails")


async def failing_read(lab: Lab) -> str:
    """A running node reads little from the disk, so it is killed too: its next start has to read."""
    return await _failing(lab, "read_fails", is_killed=True)


async def _failing(lab: Lab, fault: str, *, is_killed: bool = False) -> str:
    """The supervisor starts it again and again; where it says that a person is needed, one is there at the end."""
    node = lab.pick_node()
    disk, restarts, codes = lab.machines[node.name], lab.supervisor.restarts[node.name], len(lab.supervisor.codes)
    disk.set(**{fault: 1})
    if is_killed:
        await node.kill()
    await lab.press_for(lab.form.pick(2, 20))
    disk.heal()
    lab.healed()
    assert disk.injected, "nothing failed"
    assert set(lab.supervisor.codes[codes:]) <= ({-signal.SIGKILL, 1} if is_killed else {1}), lab.supervisor.codes
    how = await back_in_service(lab, node)
    return f"{disk.injected} calls failed, {lab.supervisor.restarts[node.name] - restarts} restarts, then {how}"


async def lying_fsync(lab: Lab) -> str:
    """A power cut, and nothing of what was written since the lies began is there."""
    return await _power_cut(lab, is_torn=False)


async def lying_fsync_torn(lab: Lab) -> str:
    """The same, but every page has its own fate: some were written, others not."""
    return await _power_cut(lab, is_torn=True)


async def _power_cut(lab: Lab, *, is_torn: bool) -> str:
    lies, ways = 0, []
    for _ in range(lab.form.pick(1, 5)):
        node = lab.pick_node()
        disk, image = lab.machines[node.name], lab.folder / "image"
        node.freeze()
        await asyncio.to_thread(shutil.copytree, node.data_dir, image)
        disk.set(sync_lies=1)
        node.thaw()
        await lab.press_for(lab.form.pick(2, 5))
        with lab.supervisor.released(node):
            await node.kill()
            lies += disk.injected
            if is_torn:
                _mix(lab, image, node.data_dir)
            else:
                shutil.rmtree(node.data_dir)
                shutil.copytree(image, node.data_dir)
            disk.heal()
            node.start()
            lab.healed()
        shutil.rmtree(image)
        ways.append(await back_in_service(lab, node))
    assert lies, "no fsync lied"
    return f"{lies} fsyncs lied, {len(ways)} power cuts, then {', '.join(sorted(set(ways)))}"


def _mix(lab: Lab, image: Path, data_dir: Path) -> None:
    """Of each page either what stood there at the beginning or what was written last."""
    for old in image.iterdir():
        mix_file(lab, old, data_dir / old.name)


def mix_file(lab: Lab, old: Path, new: Path) -> None:
    """Of each page in the new file either what stands in the old one, or what stands there."""
    before, after = old.read_bytes(), new.read_bytes() if new.exists() else b""
    with new.open("wb") as mixed:
        for start in range(0, max(len(before), len(after)), SECTOR_BYTES):
            chosen = lab.random.choice((before, after)) or after
            mixed.write(chosen[start : start + SECTOR_BYTES])


async def move_to_a_small_disk(lab: Lab) -> None:
    """A tmpfs with the node's ledger on it, and little room beside it."""
    node = lab.nodes[0]
    with lab.supervisor.released(node):
        await node.stop()
        ledger = (node.data_dir / "ledger.db").stat().st_size
        size = ledger + 32 * (1 << 20)
        aside = lab.folder / "aside"
        shutil.move(node.data_dir, aside)
        node.data_dir.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(node.data_dir))
        lab.on_end(lambda: _unmount(node.data_dir))
        shutil.copytree(aside, node.data_dir, dirs_exist_ok=True)
        shutil.rmtree(aside)
        _fill(node, shutil.disk_usage(node.data_dir).free - LEFT_BYTES)
        node.start()
        await lab.wait_until_whole()


async def move_back(lab: Lab) -> None:
    node = lab.nodes[0]
    with lab.supervisor.released(node):
        await node.stop()
        aside = lab.folder / "aside"
        shutil.copytree(node.data_dir, aside)
        _unmount(node.data_dir)
        shutil.copytree(aside, node.data_dir, dirs_exist_ok=True)
        shutil.rmtree(aside)
        node.start()
        await lab.wait_until_whole()


async def full_disk(lab: Lab) -> str:
    node = lab.nodes[0]
    await wait_for(lambda: lab.state(node, "read_only"), 20, f"{node.name} to be read-only")
    await wait_for(lambda: not lab.load.visitors_of(node.name), 10, f"the visitors of {node.name} to be elsewhere")
    assert await lab.counts(node), f"{node.name} does not tell its counts"
    await lab.press_for(lab.form.pick(1, 30))
    _ballast(node).unlink()
    lab.healed()
    await wait_for(lambda: lab.state(node, "ready"), 10, f"{node.name} to be ready again")
    return "read-only while it was full, then ready by itself"


def _fill(node: Node, size: int) -> None:
    with _ballast(node).open("wb") as ballast:
        for _ in range(size // SECTOR_BYTES):
            ballast.write(bytes(SECTOR_BYTES))


def _ballast(node: Node) -> Path:
    return node.data_dir / "ballast"


def _unmount(folder: Path) -> None:
    if folder.is_mount():
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=20)


ROWS: Final = (
    Fault(
        "slow-disk",
        "fsync of one ledger takes 20 ms to 1 s longer (LD_PRELOAD)",
        "its visitors wait as long, nobody else does",
        slow_disk,
    ),
    Fault(
        "failing-fsync",
        "fsync of one ledger answers EIO (LD_PRELOAD)",
        "it acknowledges nothing, ends with code 1, and is restarted until the disk is well",
        failing_fsync,
        trouble=FAILED,
    ),
    Fault(
        "failing-write",
        "write of one ledger answers EIO (LD_PRELOAD)",
        "as above",
        failing_write,
        trouble=FAILED,
    ),
    Fault(
        "failing-read",
        "read of one ledger answers EIO (LD_PRELOAD), and the node is killed",
        "it does not start and says why; once the disk is well it is started again",
        failing_read,
        trouble=FAILED,
    ),
    Fault(
        "lying-fsync",
        "fsync of one ledger does nothing (LD_PRELOAD); then power is cut, and all that was written since is gone",
        "what was acknowledged is on another disk too, and pulled from there",
        lying_fsync,
    ),
    Fault(
        "lying-fsync-torn",
        "the same, but each page of 4 KiB is either old or new",
        "as a flipped bit in the ledger",
        lying_fsync_torn,
        trouble=FAILED,
        may_repair=True,
        is_long_only=True,
        equal_within_s=90,
    ),
    Fault(
        "full-disk",
        "the disk of one node (tmpfs) fills up, and is freed later",
        "read-only and still readable; visitors get another node; it goes on by itself",
        full_disk,
        prepare=move_to_a_small_disk,
        restore=move_back,
        trouble=("ledger.full",),
    ),
)
