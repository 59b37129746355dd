"""Commands from standard input where no person sits at it, line by line: a pipe or a file."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from cli.arguments import parse_command
from cli.commands import Commands
from cli.exit_codes import ExitCode, UsageError
from cli.screen import Screen


async def read_lines(descriptor: int) -> AsyncIterator[str]:
    """The lines of a pipe, file or device, as they come.

    A thread reads, since a file cannot be waited for; a daemon, and not through `sys.stdin`, so that neither a
    pending read nor its lock is in the way when the program ends.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        # RuntimeError: the program has ended meanwhile.
        with suppress(RuntimeError), open(descriptor, errors="replace", closefd=False) as file:
            for line in file:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while line := await lines.get():
        yield line


async def run_lines(lines: AsyncIterator[str], commands: Commands, screen: Screen) -> ExitCode:
    """Each command, one after the other, each waiting for its acknowledgement; the first failure is the result."""
    result = ExitCode.OK
    async for line in lines:
        if not line.split():
            continue
        try:
            command = parse_command(line.split())
        except UsageError as error:
            screen.complain(str(error), "usage")
            result = result or ExitCode.USAGE
            continue
        if command.name == "exit":
            break
        code = await commands.run(command)
        result = result or code
    return result
