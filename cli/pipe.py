"""Commands from standard input where no person sits at it, line by line: a pipe or a file."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import Final

from cli.arguments import UsageError, parse_line
from cli.commands import Commands
from cli.exit_codes import ExitCode
from cli.screen import Screen

_CHUNK: Final = 65_536


async def read_lines(descriptor: int) -> AsyncIterator[str]:
    """The lines of a pipe, file or device, as they come.

    A thread reads, since a file cannot be waited for; a daemon, and past Python's buffers, so that neither a
    pending read nor its lock is in the way when the program ends.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except OSError:
                chunk = b""
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            if not chunk:
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


async def run_lines(lines: AsyncIterator[str], commands: Commands, screen: Screen) -> ExitCode:
    """Each command, one after the other, each waiting for its acknowledgement; the first failure is the result."""
    result = ExitCode.OK
    async for line in lines:
        try:
            command = parse_line(line)
        except UsageError as error:
            screen.complain(str(error), "usage")
            result = result or ExitCode.USAGE
            continue
        if command is None:
            continue
        if command.name == "exit":
            break
        code = await commands.run(command)
        result = result or code
    return result
