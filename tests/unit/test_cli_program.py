"""`python -m cli` as a program: pipes, one-shot commands, JSON lines, exit codes.

It runs inside the test's process, but where a signal or a broken pipe is to end it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli.__main__ import run
from cli.arguments import parse_arguments
from tests.support.fake_node import FakeCluster
from tests.support.ports import free_port
from tests.support.process import REPOSITORY
from tests.support.waiting import wait_for


class Program:
    """Starts the terminal client against one address, with a state folder of its own."""

    def __init__(
        self, address: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.address = address
        self.state = state
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._started: list[asyncio.subprocess.Process] = []

    def other(self) -> "Program":
        """The same program of another person."""
        return Program(self.address, self.state / "other", self._monkeypatch, self._capsys)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """As a process of its own."""
        env = {**os.environ, "XDG_STATE_HOME": str(self.state), "LIKE_ADDRESS": self.address}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "--wait", "3", *arguments),
            cwd=REPOSITORY,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    async def end(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def run(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self._monkeypatch.setenv("XDG_STATE_HOME", str(self.state))
        options = parse_arguments(["--wait", "3", *arguments], {"LIKE_ADDRESS": self.address})
        end_here, end_there = os.pipe()
        os.write(end_there, typed.encode())
        os.close(end_there)
        with os.fdopen(end_here) as piped:
            self._monkeypatch.setattr("sys.stdin", piped)
            code = await run(options)
        out, err = self._capsys.readouterr()
        return code, out, err

    async def json(self, *arguments: str, typed: str = "") -> tuple[int, list[dict[str, Any]]]:
        code, out, _ = await self.run("--json", *arguments, typed=typed)
        return code, [json.loads(line) for line in out.splitlines()]


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    started = FakeCluster()
    await started.start(2)
    yield started
    await started.end()
    assert started.mistakes == []


@pytest_asyncio.fixture
async def program(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Program]:
    made = Program(cluster.nodes[0].address, tmp_path, monkeypatch, capsys)
    yield made
    await made.end()


async def test_a_piped_like_is_one_press(cluster: FakeCluster, program: Program) -> None:
    code, out, err = await program.run(typed="like\n")
    assert (code, out, err) == (0, "tap:home  1  saved (node1 and 1 more)\n", "")
    assert cluster.count("tap:home") == 1


async def test_a_last_line_without_an_end_counts_too(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run(typed="like\n\nlike"))[0] == 0
    assert cluster.count("tap:home") == 2


async def test_a_pipe_goes_on_after_a_mistake_and_remembers_it(cluster: FakeCluster, program: Program) -> None:
    code, out, err = await program.run(typed="lick\nlike\nexit\nlike\n")
    assert code == 2
    assert "'lick' is no command" in err
    assert out.count("saved") == 1
    assert cluster.count("tap:home") == 1, "nothing is done after exit"


async def test_like_many_presses_as_often_as_asked(cluster: FakeCluster, program: Program) -> None:
    code, events = await program.json("like", "many", "40", "400")
    assert code == 0
    assert [(event["presses"], event["count"], event["status"]) for event in events] == [(40, 40, "saved")]
    assert cluster.count("tap:home") == 40


async def test_like_many_needs_numbers_where_nobody_can_be_asked(cluster: FakeCluster, program: Program) -> None:
    code, _, err = await program.run(typed="like many\n")
    assert (code, "like many 500 50" in err) == (2, True)
    assert cluster.count("tap:home") == 0


async def test_a_like_is_taken_back(cluster: FakeCluster, program: Program) -> None:
    code, events = await program.json(typed="item once:a\nlike\nlike\nunlike\nunlike\nlike\n")
    assert code == 0
    assert [(event["presses"], event["count"]) for event in events if event["event"] == "pressed"] == [
        (1, 1),
        (0, 1),
        (1, 0),
        (0, 0),
        (1, 1),
    ]
    assert cluster.count("once:a") == 1


async def test_a_like_is_remembered_by_the_next_run(cluster: FakeCluster, program: Program) -> None:
    for _ in range(2):
        assert (await program.run("like", "once:a"))[0] == 0
    assert cluster.count("once:a") == 1


@pytest.mark.parametrize("item", ["tap:home", "clap:talk"])
async def test_unlike_explains_itself_where_presses_stay(program: Program, item: str) -> None:
    code, out, err = await program.run("unlike", item)
    assert (code, out) == (2, "")
    assert "only a once: item" in err


async def test_claps_end_at_fifty(cluster: FakeCluster, program: Program) -> None:
    code, _, err = await program.run(typed="item clap:talk\nlike many 50 1000\nlike\n")
    assert (code, "50 presses are the most" in err) == (1, True)
    assert cluster.count("clap:talk") == 50


async def test_nodes_are_listed(cluster: FakeCluster, program: Program) -> None:
    code, events = await program.json("nodes")
    assert code == 0
    assert [event["name"] for event in events] == ["node1", "node2"]
    assert [event["public_address"] for event in events] == [node.address for node in cluster.nodes]


async def test_nodes_in_a_pipe_are_a_table(cluster: FakeCluster, program: Program) -> None:
    code, out, _ = await program.run("nodes")
    assert code == 0
    for node in cluster.nodes:
        line = next(line for line in out.splitlines() if node.name in line)
        assert "ready" in line
        assert node.address in line


async def test_watch_ends_after_so_many_counts(cluster: FakeCluster, program: Program) -> None:
    process = await program.start("watch", "--count", "2")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"tap:home  0\n"
    assert (await program.other().run("like"))[0] == 0
    assert await process.communicate() == (b"tap:home  1\n", b"")
    assert process.returncode == 0


async def test_a_watch_ended_by_hand_is_no_failure(program: Program) -> None:
    process = await program.start("watch")
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0


async def test_a_watch_that_nobody_reads_ends(cluster: FakeCluster, program: Program) -> None:
    process = await program.start("watch")
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert (await program.other().run("like"))[0] == 0
    assert await asyncio.wait_for(process.wait(), 5.0) == 130
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_without_an_acknowledgement_it_ends_with_1(cluster: FakeCluster, program: Program) -> None:
    for node in cluster.nodes:
        node.keeps_last_answers = True
    code, events = await program.json("--wait", "0.2", "like")
    assert (code, events[0]["status"]) == (1, "unsaved")


async def test_a_refused_press_ends_with_1(cluster: FakeCluster, program: Program) -> None:
    cluster.nodes[0].before_press = lambda frame: {"type": "error", "code": "bad_item", "message": "not here"}
    code, events = await program.json("like")
    assert code == 1
    assert (events[0]["status"], events[0]["code"]) == ("refused", "bad_item")


async def test_a_node_that_refuses_the_client_ends_it_with_4(cluster: FakeCluster, program: Program) -> None:
    process = await program.start("watch")
    assert process.stdout is not None
    await process.stdout.readline()
    await cluster.nodes[0].close_all(4500, "you talk nonsense")
    _, err = await process.communicate()
    assert process.returncode == 4
    assert b"you talk nonsense" in err


@pytest.mark.parametrize("command", ["like", "nodes", "watch"])
async def test_without_a_node_it_ends_with_3(program: Program, command: str) -> None:
    program.address = f"http://127.0.0.1:{free_port()}"
    assert (await program.run("--wait", "0.1", command))[0] == 3


async def test_a_press_made_without_a_node_is_sent_by_the_next_run(cluster: FakeCluster, program: Program) -> None:
    node = cluster.nodes[0]
    await node.stop()
    assert (await program.run("--wait", "0.1", "like"))[0] == 3
    await node.start()
    assert (await program.run("like"))[0] == 0
    await wait_for(lambda: cluster.count("tap:home") == 2, 2.0, "both presses")


async def test_a_kill_between_sending_and_acknowledgement_neither_loses_nor_repeats(
    cluster: FakeCluster, program: Program
) -> None:
    node = cluster.nodes[0]
    node.keeps_last_answers = True
    process = await program.start("like", "many", "20", "400")
    await wait_for(lambda: cluster.count("tap:home") == 20, 5.0, "the presses to arrive")
    process.kill()
    await process.communicate()
    node.keeps_last_answers = False
    code, _ = await program.json("like")
    assert code == 0
    assert cluster.count("tap:home") == 21


async def test_an_unusable_state_folder_is_said_and_survived(cluster: FakeCluster, program: Program) -> None:
    program.state = program.state / "file"
    program.state.write_text("")
    code, _, err = await program.run("like")
    assert (code, "XDG_STATE_HOME" in err) == (0, True)
    assert cluster.count("tap:home") == 1
