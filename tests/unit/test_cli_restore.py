"""`restore FILE FOLDER`: what stands in the folder afterwards, and what never happens to what stood there."""

import fcntl
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from cli import restore as restoring
from cli.__main__ import main
from cluster.ledger import open_ledger
from tests.unit.ledgers import change_behind_its_back, count
from tests.unit.tables import HERE, press

Captured = pytest.CaptureFixture[str]


def make_ledger(folder: Path, n: int) -> Path:
    """A ledger with so many presses, closed in order."""
    ledger = open_ledger(folder)
    ledger.commit([press(n)], HERE, {})
    ledger.close()
    return folder / "ledger.db"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """As a node sends it: one file."""
    file = make_ledger(tmp_path / "of the backup", 7).rename(tmp_path / "node1.db")
    assert not file.with_name("node1.db-wal").exists()
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def restore(*words: object) -> int:
    return main(["restore", *map(str, words)])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def counted(folder: Path) -> int:
    ledger = open_ledger(folder)
    found = count(ledger)
    ledger.close()
    return found


def id_of(folder: Path) -> bytes:
    ledger = open_ledger(folder)
    ledger.close()
    return ledger.id


def test_a_restored_folder_holds_what_the_backup_holds(backup: Path, folder: Path, capsys: Captured) -> None:
    assert restore(backup, folder) == 0
    assert capsys.readouterr().out == f"{folder}/ledger.db is now what {backup} holds: start the node\n"
    assert files(folder) == ["ledger.db", "ledger.lock"]
    assert counted(folder) == 7


def test_nodes_of_one_backup_have_ledgers_of_their_own(backup: Path, tmp_path: Path) -> None:
    before = backup.read_bytes()
    for name in ("a", "b"):
        assert restore(backup, tmp_path / name) == 0
    assert backup.read_bytes() == before
    original = tmp_path / "of the backup"
    shutil.copyfile(backup, original / "ledger.db")
    assert len({id_of(tmp_path / "a"), id_of(tmp_path / "b"), id_of(original)}) == 3


def test_a_restore_as_json(backup: Path, folder: Path, capsys: Captured) -> None:
    assert restore(backup, folder, "--json") == 0
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["ledger"], event["aside"]) == ("restore", f"{folder}/ledger.db", "")


def test_while_a_node_runs_on_the_folder_nothing_happens(backup: Path, folder: Path, capsys: Captured) -> None:
    ledger = open_ledger(folder)
    ledger.commit([press(3)], HERE, {})
    before = files(folder)
    assert restore(backup, folder, "--replace") == 1
    assert "stop it first" in capsys.readouterr().err
    assert files(folder) == before
    assert count(ledger) == 3
    ledger.close()


def test_a_ledger_that_is_there_stays_unless_it_is_to_be_replaced(
    backup: Path, folder: Path, capsys: Captured
) -> None:
    make_ledger(folder, 3)
    assert restore(backup, folder) == 2
    assert "--replace" in capsys.readouterr().err
    assert counted(folder) == 3


def test_what_is_replaced_is_moved_aside_with_all_its_parts(
    backup: Path, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    ledger = open_ledger(folder)
    ledger.commit([press(3)], HERE, {})
    killed = shutil.copytree(folder, tmp_path / "killed")
    ledger.close()
    assert (killed / "ledger.db-wal").stat().st_size > 0

    assert restore(backup, killed, "--replace", "--json") == 0
    aside = Path(json.loads(capsys.readouterr().out)["aside"])
    assert counted(killed) == 7
    # Both parts under one name: the newest press stands in the second.
    opened_again = tmp_path / "again"
    opened_again.mkdir()
    for end in ("", "-wal"):
        shutil.move(f"{aside}{end}", opened_again / f"ledger.db{end}")
    assert counted(opened_again) == 3


def test_a_part_that_is_left_of_a_ledger_is_a_ledger_too(backup: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "ledger.db-wal").write_bytes(b"left behind")
    assert restore(backup, folder) == 2
    assert restore(backup, folder, "--replace") == 0
    assert counted(folder) == 7


@pytest.mark.parametrize("content", [b"", b"no ledger", b"SQLite format 3\0" + b"\0" * 5000])
def test_what_is_no_ledger_is_not_restored(folder: Path, tmp_path: Path, capsys: Captured, content: bytes) -> None:
    make_ledger(folder, 3)
    (tmp_path / "file").write_bytes(content)
    assert restore(tmp_path / "file", folder, "--replace") == 1
    assert "no ledger" in capsys.readouterr().err
    assert files(folder) == ["ledger.db", "ledger.lock"]
    assert counted(folder) == 3


def test_a_database_of_something_else_is_not_restored(folder: Path, backup: Path, capsys: Captured) -> None:
    (backup.parent / "else").mkdir()
    backup.rename(backup.parent / "else" / "ledger.db")
    change_behind_its_back(backup.parent / "else", "DELETE FROM meta")
    assert restore(backup.parent / "else" / "ledger.db", folder) == 1
    assert "no ledger" in capsys.readouterr().err
    assert files(folder) == ["ledger.lock"]


def test_a_broken_backup_is_not_restored(folder: Path, backup: Path, capsys: Captured) -> None:
    content = bytearray(backup.read_bytes())
    content[-4096:-2048] = b"\xaa" * 2048
    backup.write_bytes(content)
    assert restore(backup, folder) == 1
    assert "broken" in capsys.readouterr().err
    assert files(folder) == ["ledger.lock"]


def test_half_of_a_killed_nodes_ledger_is_no_backup(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    ledger = open_ledger(tmp_path / "killed")
    ledger.commit([press(3)], HERE, {})
    assert restore(tmp_path / "killed" / "ledger.db", folder) == 1
    assert "no backup" in capsys.readouterr().err
    ledger.close()


def test_a_file_or_a_folder_that_cannot_be_used_is_named(backup: Path, tmp_path: Path, capsys: Captured) -> None:
    for words in ((tmp_path / "missing", tmp_path / "a"), (backup, backup / "below a file"), (tmp_path, "b")):
        assert restore(words[0], tmp_path / words[1]) == 1
        assert "nothing was restored: " in capsys.readouterr().err


def test_a_disk_that_fails_at_the_end_leaves_the_ledger_that_was_there(
    backup: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    make_ledger(folder, 3)
    monkeypatch.setattr(restoring.os, "fsync", full)
    assert restore(backup, folder, "--replace") == 1
    assert files(folder) == ["ledger.db", "ledger.lock"]
    assert counted(folder) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_restores_belongs_to_the_folders_owner(backup: Path, folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 1234, 1235)
    assert restore(backup, folder) == 0
    for name in ("ledger.db", "ledger.lock"):
        found = (folder / name).stat()
        assert (found.st_uid, found.st_gid) == (1234, 1235)
    assert stat.S_IMODE((folder / "ledger.db").stat().st_mode) == 0o600


def test_the_lock_is_given_back(backup: Path, folder: Path) -> None:
    assert restore(backup, folder) == 0
    with (folder / "ledger.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
