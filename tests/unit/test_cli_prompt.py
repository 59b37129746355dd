"""The interactive screen, as a person sees it: `python -m cli` on a pseudo terminal."""

import asyncio
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.fake_node import FakeCluster
from tests.support.process import REPOSITORY
from tests.support.waiting import wait_for

# What a terminal answers, and prompt_toolkit waits for before it draws the bar.
WHERE_IS_THE_CURSOR = "\x1b[6n"


class Terminal:
    """A program on a pseudo terminal: what is typed, and all that was written since it was last looked at."""

    def __init__(self) -> None:
        self._here, self._there = os.openpty()
        os.set_blocking(self._here, False)
        termios.tcsetwinsize(self._there, (30, 100))
        self._seen = ""

    async def start(self, address: str, state: Path) -> None:
        env = {**os.environ, "XDG_STATE_HOME": str(state), "TERM": "xterm"}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "--address", address),
            cwd=REPOSITORY,
            env=env,
            stdin=self._there,
            stdout=self._there,
            stderr=self._there,
            start_new_session=True,
        )
        os.close(self._there)

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    async def until_shown(self, text: str) -> None:
        """Wait until the text appears, and forget what was written up to it."""

        def is_shown() -> bool:
            self._read()
            return text in self._seen

        await wait_for(is_shown, 10.0, lambda: f"{text!r}; shown: {self._seen[-600:]!r}")
        self._seen = self._seen.partition(text)[2]

    def _read(self) -> None:
        try:
            written = os.read(self._here, 65_536).decode(errors="replace")
        except OSError:
            # Nothing new, or, after its end, nothing more.
            return
        self._seen += written
        if WHERE_IS_THE_CURSOR in written:
            self.type("\x1b[5;1R")

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        os.close(self._here)


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


async def test_like_many_asks_and_shows_its_progress(cluster: FakeCluster, terminal: Terminal) -> None:
    await terminal.until_shown("all saved")
    terminal.type("like many\r")
    await terminal.until_shown("how many?")
    terminal.type("30\r")
    await terminal.until_shown("a second?")
    terminal.type("60\r")
    await terminal.until_shown("of 30 pressed")
    await terminal.until_shown("saved (node1 and 1 more)")
    assert cluster.count("tap:home") == 30


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
