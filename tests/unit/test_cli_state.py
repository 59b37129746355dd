"""The state file: whole at any moment, its owner's only, and safe for two runs at once."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from cli.presses import Presses
from cli.state import MemoryState, StateError, StateFile, state_folder

ADDRESS = "http://localhost:8080"


def clap(folder: Path, times: int) -> None:
    presses = Presses(StateFile(folder, ADDRESS))
    for _ in range(times):
        presses.press("clap:talk")


def set_token(state: StateFile) -> None:
    with state.changing() as stored:
        stored.token = "secret"


def token_of(state: StateFile) -> str:
    with state.changing() as stored:
        return stored.token


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state", ADDRESS)
    set_token(state)
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.path.parent.stat().st_mode) == 0o700


def test_what_was_stored_is_read_again(tmp_path: Path) -> None:
    set_token(StateFile(tmp_path, ADDRESS))
    assert token_of(StateFile(tmp_path, ADDRESS)) == "secret"


def test_nothing_is_written_where_nothing_is_kept(tmp_path: Path) -> None:
    assert not StateFile(tmp_path, ADDRESS).path.exists()


def test_addresses_have_files_of_their_own(tmp_path: Path) -> None:
    paths = {
        StateFile(tmp_path, address).path
        for address in (ADDRESS, "http://localhost_8080", "https://localhost:8080")
    }
    assert len(paths) == 3


def test_runs_at_once_lose_no_press(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    runs = [spawn.Process(target=clap, args=(tmp_path, 10)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [tally.n for tally in Presses(StateFile(tmp_path, ADDRESS))] == [20]


def test_a_failed_change_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    state = StateFile(tmp_path, ADDRESS)
    set_token(state)

    with pytest.raises(ZeroDivisionError), state.changing() as stored:
        stored.token = "other"
        raise ZeroDivisionError
    assert token_of(state) == "secret"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".lock"]


def test_an_unreadable_file_is_said_and_left_alone(tmp_path: Path) -> None:
    path = StateFile(tmp_path, ADDRESS).path
    path.write_text("{half")
    with pytest.raises(StateError, match="unreadable"):
        StateFile(tmp_path, ADDRESS)
    assert path.read_text() == "{half"


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="XDG_STATE_HOME"):
        StateFile(tmp_path / "file" / "state", ADDRESS)


def test_the_state_folder_follows_xdg(tmp_path: Path) -> None:
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}).parent == tmp_path
    for ignored in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}):
        assert state_folder(ignored).parent == Path.home() / ".local" / "state"


def test_a_run_without_a_folder_keeps_its_presses_while_it_lives() -> None:
    presses = Presses(MemoryState())
    presses.press("tap:home", 2)
    assert presses.unsaved == 2
