"""The interactive screen: a prompt, and under it a bar with the live count and the state of the connection.

The bar is drawn anew several times a second from what the session knows; notices appear above the prompt while the
person types.
"""

import asyncio
import signal
from typing import Final

import msgspec
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from cli.arguments import NAMES, Command, how_fast, how_many, parse_command
from cli.commands import Commands
from cli.exit_codes import ExitCode, UsageError
from cli.screen import Screen, spelled
from cli.session import Session

REDRAW_EVERY_S: Final = 0.2
# At the end, presses on their way are given so long; what is not saved then is kept.
FAREWELL_S: Final = 0.5
_STYLE: Final = Style.from_dict(
    {
        "bottom-toolbar": "noreverse bg:#1f2430 #c8ccd4",
        "count": "bold #ffffff",
        "good": "#8fd18f",
        "bad": "#f0c060",
    }
)


class Prompt:
    """Reads commands from a person until they leave."""

    def __init__(self, session: Session, commands: Commands, screen: Screen) -> None:
        self._session = session
        self._commands = commands
        self._screen = screen
        self._prompt: PromptSession[str] = PromptSession(
            bottom_toolbar=self._bar, refresh_interval=REDRAW_EVERY_S, style=_STYLE
        )

    async def run(self) -> ExitCode:
        """Until `exit`, the end of input, or Ctrl-C at the prompt."""
        self._screen.say(NAMES)
        while (line := await self._ask("> ")) is not None:
            if not line.split():
                continue
            try:
                command = await self._complete(parse_command(line.split()))
            except UsageError as error:
                self._screen.complain(str(error), "usage")
                continue
            if command.name == "exit":
                break
            await self._run(command)
        return await self._leave()

    async def _complete(self, command: Command) -> Command:
        """Ask for what the command did not say: how many and how fast, whether it is meant. Raises `UsageError`."""
        if command.name == "forget" and not command.is_sure:
            return await self._confirmed(command)
        presses, per_second = command.presses, command.per_second
        if command.name == "like many" and presses is None:
            presses = how_many((await self._ask("how many? ") or "").strip())
        if command.name == "like many" and per_second is None:
            per_second = how_fast((await self._ask("how many a second? ") or "").strip())
        return msgspec.structs.replace(command, presses=presses, per_second=per_second)

    async def _confirmed(self, command: Command) -> Command:
        typed = await self._ask("erase all that you pressed here, on every node, for good? type forget: ")
        if (typed or "").strip() != "forget":
            raise UsageError("nothing was erased")
        return msgspec.structs.replace(command, is_sure=True)

    async def _ask(self, question: str) -> str | None:
        """What was typed, or None if the person wants to leave."""
        try:
            # While the prompt stands, what is printed must appear above it.
            with patch_stdout(raw=True):
                return await self._prompt.prompt_async(question)
        except (EOFError, KeyboardInterrupt):
            return None

    async def _run(self, command: Command) -> None:
        """Ctrl-C ends the command, not the program."""
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(self._commands.run(command))
        loop.add_signal_handler(signal.SIGINT, running.cancel)
        try:
            await asyncio.wait([running])
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            running.cancel()
        if running.cancelled():
            self._screen.say("stopped")
        else:
            running.result()

    async def _leave(self) -> ExitCode:
        session = self._session
        if await session.until(lambda: not session.presses.unsaved, FAREWELL_S):
            return ExitCode.OK
        self._screen.say(f"not yet saved: {session.presses.unsaved}; kept, and sent at the next start")
        return ExitCode.NOT_SAVED if session.was_connected else ExitCode.NO_NODE

    def _bar(self) -> StyleAndTextTuples:
        session, item = self._session, self._commands.item
        unsaved = session.presses.unsaved
        saved = ("class:bad", f"{unsaved:,} not yet saved") if unsaved else ("class:good", "all saved")
        connection = ("class:good" if session.is_connected else "class:bad", session.words)
        count = ("class:count", spelled(session.shown(item)))
        return [("", f" {item}  "), count, ("", "   "), saved, ("", "   "), connection]
