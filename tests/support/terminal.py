"""A program on a pseudo terminal, and what a person sees of it."""

import asyncio
import os
import sys
import termios
from pathlib import Path
from typing import Final

from tests.support.process import REPOSITORY
from tests.support.waiting import wait_for

# What a terminal answers, and prompt_toolkit waits for before it draws the bar.
_WHERE_IS_THE_CURSOR: Final = "\x1b[6n"


class Terminal:
    """`python -m cli` on a pseudo terminal: what is typed, and what was written since it was last looked at."""

    def __init__(self) -> None:
        self._here, self._there = os.openpty()
        os.set_blocking(self._here, False)
        termios.tcsetwinsize(self._there, (30, 100))
        self._seen = ""

    async def start(self, address: str, state: Path, *arguments: str) -> None:
        env = {**os.environ, "XDG_STATE_HOME": str(state), "TERM": "xterm"}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "--address", address, *arguments),
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
        if _WHERE_IS_THE_CURSOR in written:
            self.type("\x1b[5;1R")

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        os.close(self._here)
