"""The README's commands do what it says, as written."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.documents import Document, make_workplace
from tests.support.ports import is_free
from tests.support.process import REPOSITORY, Process
from tests.support.waiting import wait_for

README = Document("README.md")
COMMANDS = README.commands("By hand: three nodes and a client")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands are run; the secret is made."""
    place = make_workplace(tmp_path / "place")
    subprocess.run(["sh", "-ec", COMMANDS[1]], cwd=place, check=True)
    return place


@pytest_asyncio.fixture
async def by_hand(folder: Path) -> AsyncIterator[str]:
    """The nodes of "By hand" run; what is left is the client's command."""
    _install, _secret, *nodes, client = COMMANDS
    ports = [int(port) for port in re.findall(r"PORT=(\d+)", " ".join(nodes))]
    assert len(set(ports)) == 6
    assert not [port for port in ports if not is_free(port)], "something listens on the README's ports"
    # `exec env`: the signal at the end shall meet the node, not the shell.
    started = [
        Process(f"terminal{number}", ["sh", "-c", f"exec env {command}"], env={}, log=folder / f"{number}.log",
                folder=folder)
        for number, command in enumerate(nodes, 1)
    ]  # fmt: skip
    yield client
    for process in started:
        print(f"--- {process.name} ---", process.log.read_text(), sep="\n")
        await process.end()


def run_client(folder: Path, command: str, typed: str) -> str:
    """What the client says, its complaints included."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, input=typed, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout + done.stderr


async def test_three_nodes_and_a_client_by_hand(by_hand: str, folder: Path) -> None:
    def nodes() -> str:
        said = run_client(folder, by_hand, "nodes\nexit\n")
        return said if all(name in said for name in ("ada", "bob", "cyd")) and said.count("ready") >= 3 else ""

    await wait_for(lambda: asyncio.to_thread(nodes), 30, "the client to see three ready nodes")
    await asyncio.to_thread(run_client, folder, by_hand, "like\nlike\nlike\nexit\n")

    other_node = by_hand.replace("8081", "8083")
    said = await asyncio.to_thread(run_client, folder, f"{other_node} watch --count 1", "")
    assert "3" in said


def test_the_two_commands_stand_at_the_top() -> None:
    top = README.text.split("\n## ")[0]
    assert COMMANDS[0] == "make install"

    assert top.index("make run") < top.index("make test")
    assert "\nrun:" in (makefile := (REPOSITORY / "Makefile").read_text())
    assert "\ntest:" in makefile
    assert "\ninstall:" in makefile


def test_every_file_that_is_linked_exists() -> None:
    documents = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
    for document in documents:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_every_picture_is_shown() -> None:
    pictures = {f"docs/images/{file.name}" for file in (REPOSITORY / "docs" / "images").iterdir()}
    assert set(re.findall(r'<img src="([^"]+)"', README.text)) == pictures


def test_the_map_of_changes_names_files_that_exist() -> None:
    rows = [line for line in (REPOSITORY / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`([\w./*-]+\.\w+|[\w./-]+/\w*)`", row)]

    assert len(named) > 40
    assert not [name for name in named if not any(REPOSITORY.glob(f"**/{name}"))]


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= 150
