"""The interactive screen, as a person sees it: `python -m cli` on a pseudo terminal."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.fake_node import FakeCluster
from tests.support.terminal import Terminal


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    started = FakeCluster()
    await started.start()
    yield started
    await started.end()
    assert started.mistakes == []


@pytest_asyncio.fixture
async def terminal(cluster: FakeCluster, tmp_path: Path) -> AsyncIterator[Terminal]:
    opened = Terminal()
    await opened.start(cluster.nodes[0].address, tmp_path)
    yield opened
    await opened.end()


async def test_the_count_moves_while_nothing_is_typed(cluster: FakeCluster, terminal: Terminal) -> None:
    await terminal.until_shown("connected to node1")
    terminal.type("li")
    await cluster.nodes[0].say({"type": "counts", "counts": {"tap:home": 7777}})
    await terminal.until_shown("7,777")
    terminal.type("ke\r")
    await terminal.until_shown("saved (node1 and 1 more)")
    terminal.type("exit\r")
    assert await asyncio.wait_for(terminal.process.wait(), 5.0) == 0
    assert cluster.count("tap:home") == 1


async def test_what_is_not_saved_is_never_called_saved(cluster: FakeCluster, terminal: Terminal) -> None:
    await terminal.until_shown("all saved")
    cluster.nodes[0].keeps_last_answers = True
    terminal.type("like\r")
    await terminal.until_shown("not yet saved")
    await terminal.until_shown("1 not yet saved")
    terminal.type("exit\r")
    await terminal.until_shown("not yet saved: 1; kept, and sent at the next start")
    assert await asyncio.wait_for(terminal.process.wait(), 5.0) == 1


async def test_forget_asks_whether_it_is_meant(cluster: FakeCluster, terminal: Terminal) -> None:
    await terminal.until_shown("all saved")
    terminal.type("like\r")
    await terminal.until_shown("saved (node1 and 1 more)")
    terminal.type("forget\r")
    await terminal.until_shown("type forget:")
    terminal.type("yes\r")
    await terminal.until_shown("nothing was erased")
    assert cluster.count("tap:home") == 1
    terminal.type("forget\r")
    await terminal.until_shown("type forget:")
    terminal.type("forget\r")
    await terminal.until_shown("erased: this client is nobody's now")
    assert cluster.count("tap:home") == 0
    await terminal.until_shown("connected to node1")
    terminal.type("like\r")
    await terminal.until_shown("saved (node1 and 1 more)")
    assert cluster.count("tap:home") == 1


async def test_interrupting_a_command_keeps_the_program(cluster: FakeCluster, terminal: Terminal) -> None:
    await terminal.until_shown("all saved")
    terminal.type("watch\r")
    await terminal.until_shown("tap:home  \x1b[1m0")
    # What Ctrl-C is while no prompt reads keys.
    terminal.process.send_signal(signal.SIGINT)
    await terminal.until_shown("stopped")
    terminal.type("like\r")
    await terminal.until_shown("saved (node1 and 1 more)")
    assert cluster.count("tap:home") == 1
