"""Backups while the node goes on: consistent, checked, and safe to start another node from."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from cluster import backup
from cluster.ledger import open_ledger
from cluster.surface import BackupError
from tests.unit.engines import Presser, Site, engines
from tests.unit.ledgers import in_memory
from tests.unit.tables import HERE, HOME, press


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with engines(tmp_path) as made:
        yield made


async def test_a_backup_under_load_holds_what_was_acknowledged_before_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES_A_STEP", 1)
    node = await site.start("n1")
    first = Presser(node)
    first.press(7)
    await first.last()
    (tmp_path / "copy").mkdir()
    copying = asyncio.create_task(node.back_up(tmp_path / "copy" / "ledger.db"))
    later = [Presser(node, who) for who in range(2, 60)]
    for presser in later:
        presser.press(1)
        await presser.last()
    await copying
    copy = open_ledger(tmp_path / "copy")
    rows = {row.actor: row.n for row in copy.rows_of(HOME, b"", b"", 1000)}
    assert rows[first.answers and (1).to_bytes(10, "big") + bytes(6)] == 7
    assert copy.sums(HOME).count == sum(rows.values()) >= 7
    assert copy.id != node._ledger.id
    copy.close()


async def test_a_file_that_exists_is_left_alone(site: Site, tmp_path: Path) -> None:
    node = await site.start("n1")
    (tmp_path / "there").write_text("mine")
    with pytest.raises(BackupError, match="exists already"):
        await node.back_up(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"


async def test_a_backup_that_fails_leaves_nothing_and_the_node_goes_on(site: Site, tmp_path: Path) -> None:
    node = await site.start("n1")
    with pytest.raises(BackupError, match="room"):
        await node.back_up(tmp_path / "no such folder" / "ledger.db")
    presser = Presser(node)
    presser.press(1)
    assert (await presser.last()).n == 1


async def test_a_copy_that_would_fill_the_disk_is_not_begun(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await site.start("n1")
    begun: list[Path] = []
    monkeypatch.setattr(backup, "_copy", lambda _ledger, _batches, target: begun.append(target))
    monkeypatch.setattr(backup, "SPARE_BYTES", 1 << 60)
    with pytest.raises(BackupError, match="free space on this disk, or back up another node"):
        await node.back_up(tmp_path / "ledger.db")
    assert not begun


async def test_a_broken_copy_is_no_backup(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = await site.start("n1")
    for who in range(40):
        Presser(node, who).press(1)
    finish = backup._finish

    def spoil_first(target: Path, is_given_up: threading.Event) -> None:
        content = bytearray(target.read_bytes())
        content[-4096:-2048] = b"\xaa" * 2048
        target.write_bytes(content)
        finish(target, is_given_up)

    monkeypatch.setattr(backup, "_finish", spoil_first)
    with pytest.raises(BackupError):
        await node.back_up(tmp_path / "ledger.db")
    assert not (tmp_path / "ledger.db").exists()


async def test_a_node_that_stops_does_not_wait_for_the_check_of_a_copy(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await site.start("n1")
    finish, told = backup._finish, []
    begun = threading.Event()

    def finish_late(target: Path, is_given_up: threading.Event) -> None:
        begun.set()
        told.append(is_given_up.wait(5))
        with pytest.raises(apsw.InterruptError):
            finish(target, is_given_up)
        told.append(True)

    monkeypatch.setattr(backup, "_finish", finish_late)
    monkeypatch.setattr(backup, "STEPS_A_LOOK", 1)
    copying = asyncio.create_task(node.back_up(tmp_path / "ledger.db"))
    await asyncio.to_thread(begun.wait, 5)
    copying.cancel()
    await asyncio.gather(copying, return_exceptions=True)
    assert copying.cancelled()
    assert told == [True, True]
    assert not (tmp_path / "ledger.db").exists()


def test_what_is_wrong_with_a_copy_is_no_fault_of_the_ledgers() -> None:
    ledger = in_memory()
    closed = apsw.Connection(":memory:")
    closed.close()
    with pytest.raises(apsw.Error):
        ledger.begin_backup(closed)
    ledger.commit([press(1)], HERE, {})
    assert ledger.sums(HOME).count == 1
