"""`python -m cli`: where the parts of the terminal client meet."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from cli.addresses import Addresses
from cli.arguments import Command, Options, parse_arguments, read_admin_token
from cli.backup import back_up
from cli.commands import Commands
from cli.errands import Errands
from cli.exchange import exchange
from cli.exit_codes import ExitCode, UsageError
from cli.pipe import read_lines, run_lines
from cli.presses import Presses
from cli.restore import run_restore
from cli.screen import Screen
from cli.session import Session
from cli.state import MemoryState, State, StateError, StateFile, state_folder

# At the prompt a press is waited for only so long; the bar goes on saying what is not saved.
_OF_OPERATORS: Final = ("backup", "export", "import")
PROMPT_PATIENCE_S: Final = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    try:
        options = parse_arguments(sys.argv[1:] if arguments is None else arguments, os.environ)
    except UsageError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    try:
        if options.command is not None and options.command.name == "restore":
            return _restore(options, options.command)
        return asyncio.run(run(options))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # As in `python -m cli watch | head -1`. Python must not try to flush into that pipe at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INTERRUPTED


async def run(options: Options) -> int:
    """Run, and leave in order on SIGTERM and, where no prompt handles it, Ctrl-C. Returns the exit code."""
    name = options.command.name if options.command is not None else ""
    running = asyncio.create_task(_operate(options) if name in _OF_OPERATORS else _meet(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.wait([running])
    if running.cancelled():
        watching = options.command is not None and options.command.name == "watch" and options.command.count is None
        return ExitCode.OK if watching else ExitCode.INTERRUPTED
    return running.result()


def _restore(options: Options, command: Command) -> int:
    """Without a node, and without a loop that would keep Ctrl-C waiting."""
    file, folder = map(Path, command.paths)
    return run_restore(file, folder, Screen(is_json=options.is_json), replaces=command.replaces)


async def _operate(options: Options) -> int:
    """Without a session: it is no visitor who asks, and one node only that is asked."""
    assert options.command is not None, "only a command is run"
    run = back_up if options.command.name == "backup" else exchange
    screen = Screen(is_json=options.is_json)
    return await run(options, screen, lambda: read_admin_token(options.admin_token_file, os.environ))


async def _meet(options: Options) -> int:
    screen = Screen(is_json=options.is_json)
    presses = Presses(_open_state(options.address, screen))
    addresses = Addresses(options.address, random.Random())
    is_person = options.command is None and sys.stdin.isatty() and screen.is_lively
    patience_s = PROMPT_PATIENCE_S if is_person else options.wait_s
    async with (
        aiohttp.ClientSession() as http,
        Session(http, addresses, presses, screen.tell) as session,
    ):
        errands = Errands(session, screen, http, lambda: read_admin_token(options.admin_token_file, os.environ))
        commands = Commands(session, screen, http, errands, item=options.item, patience_s=patience_s)
        if options.command is not None:
            return await commands.run(options.command)
        if not is_person:
            return await run_lines(read_lines(sys.stdin.fileno()), commands, screen)
        from cli.prompt import Prompt  # noqa: PLC0415 - half of the time a start takes; others do without

        return await Prompt(session, commands, screen).run()


def _open_state(address: str, screen: Screen) -> State:
    try:
        return StateFile(state_folder(os.environ), address)
    except StateError as error:
        screen.tell("no_state", str(error))
        return MemoryState()


if __name__ == "__main__":
    sys.exit(main())
