"""What the commands do, the same whether typed, piped or given as arguments.

A command raises tallies through `session`, waits until the nodes acknowledged them, and says on the screen what
became of it. It returns how the program would end if this were its only command.
"""

import asyncio
import time
from typing import Final

import aiohttp

from cli.arguments import HELP, Command
from cli.errands import Errands
from cli.exit_codes import ExitCode, UsageError
from cli.items import kind_of
from cli.nodes import NodesError, fetch_nodes
from cli.screen import Screen, progress_line, watch_line
from cli.session import Session
from cli.tally import Tally, TallyFullError

# `like many`: tallies are raised so often at most; a faster rate raises them by more than one.
PRESS_EVERY_S: Final = 0.05
DRAW_EVERY_S: Final = 0.1


class Commands:
    """Runs one command after the other. `item` is the current item; `patience_s` how long a press is waited for."""

    def __init__(
        self,
        session: Session,
        screen: Screen,
        http: aiohttp.ClientSession,
        errands: Errands,
        *,
        item: str,
        patience_s: float,
    ) -> None:
        self.item = item
        self._errands = errands
        self._session = session
        self._screen = screen
        self._http = http
        self._patience_s = patience_s
        session.watch(item)

    async def run(self, command: Command) -> ExitCode:
        """Do it and say so."""
        item = command.item or self.item
        self._session.watch(self.item, item)
        try:
            return await self._run(command, item)
        except TallyFullError as error:
            self._screen.complain(str(error), "full")
            return ExitCode.NOT_SAVED
        except UsageError as error:
            self._screen.complain(str(error), "usage")
            return ExitCode.USAGE
        finally:
            self._session.watch(self.item)

    async def _run(self, command: Command, item: str) -> ExitCode:
        match command.name:
            case "like" | "like many" | "unlike":
                return await self._press(item, command)
            case "watch":
                return await self._watch(item, command.count)
            case "nodes":
                return await self._nodes()
            case "reset" | "freeze" | "unfreeze" | "forget":
                return await self._errands.run(command, item, self._patience_s)
            case "backup" | "restore" | "export" | "import":
                raise UsageError(f"this stands behind the program's name: python -m cli {command.name} …")
            case "item":
                self.item = item
                self._screen.say(f"now pressing {item}")
            case "help":
                self._screen.say(HELP)
        return ExitCode.OK

    # presses

    async def _press(self, item: str, command: Command) -> ExitCode:
        if command.name == "like many":
            return await self._like_many(item, command)
        if command.name == "unlike":
            return await self._unlike(item)
        return await (self._choose(item, True) if kind_of(item) == "once" else self._like(item))

    async def _like(self, item: str) -> ExitCode:
        await self._until_known(item)
        return await self._report(self._session.press(item), 1)

    async def _unlike(self, item: str) -> ExitCode:
        if kind_of(item) == "once":
            return await self._choose(item, False)
        raise UsageError(
            f"{item} counts every press, and a press that was made stays made; "
            "only a once: item is liked and taken back (item once:name)"
        )

    async def _choose(self, item: str, liked: bool) -> ExitCode:
        await self._until_known(item)
        tally, is_changed = self._session.choose(item, liked=liked)
        if not is_changed and not tally.unsaved and not self._screen.is_json:
            self._screen.say(f"{item}: you {'like it already' if liked else 'do not like it'}")
            return ExitCode.OK
        return await self._report(tally, int(is_changed))

    async def _like_many(self, item: str, command: Command) -> ExitCode:
        presses, per_second = command.presses, command.per_second
        if kind_of(item) == "once":
            raise UsageError(f"{item} counts one like per visitor; many go on a tap: item (item tap:name)")
        if presses is None or per_second is None:
            raise UsageError("like many needs to know how many and how fast here: like many 500 50")
        await self._until_known(item)
        session = self._session
        before = session.presses.mine(item)
        pressing = asyncio.create_task(self._press_many(item, presses, per_second))
        try:
            with self._screen.live_line() as live:
                while not pressing.done():
                    await asyncio.wait([pressing], timeout=DRAW_EVERY_S)
                    now = session.presses.mine(item)
                    done = (now.n - before.n, now.saved - before.saved, presses)
                    if live is not None:
                        shown = progress_line(item, session.shown(item), session.words, done=done)
                        live.update(shown, refresh=True)
            return await self._report(await pressing, presses)
        finally:
            pressing.cancel()

    async def _press_many(self, item: str, presses: int, per_second: int) -> Tally:
        """Raise the tally at this pace, and wait until all of it is saved, or that is given up."""
        started_at = time.monotonic()
        done = 0
        while True:
            due = min(presses, 1 + int((time.monotonic() - started_at) * per_second))
            tally = self._session.press(item, due - done)
            done = due
            if done == presses:
                break
            await asyncio.sleep(max(PRESS_EVERY_S, 1 / per_second))
        await self._session.wait_until_saved(tally, self._patience_of_press)
        return tally

    @property
    def _patience_of_press(self) -> float:
        """Where no node answered while it was waited for one (`_until_known`), as long again would not help."""
        return self._patience_s if self._session.was_connected else 0.0

    async def _until_known(self, item: str) -> None:
        """Give a node the time to say once what it holds of this visitor; then press, connected or not."""
        await self._session.until(lambda: self._session.presses.knows_mine(item), self._patience_s)

    async def _report(self, tally: Tally, presses: int) -> ExitCode:
        session = self._session
        outcome = await session.wait_until_saved(tally, self._patience_of_press)
        self._screen.show_press(tally.item, presses, session.shown(tally.item), outcome, session.node)
        if outcome.status == "saved":
            return ExitCode.OK
        return ExitCode.NOT_SAVED if session.was_connected and not session.ended else self._why_no_node()

    def _why_no_node(self) -> ExitCode:
        return ExitCode.NODE_REFUSES if self._session.ended else ExitCode.NO_NODE

    # looking

    async def _watch(self, item: str, counts_max: int | None) -> ExitCode:
        session = self._session
        seen: int | None = None
        counts = 0
        first_by = time.monotonic() + self._patience_s
        with self._screen.live_line() as live:
            while counts_max is None or counts < counts_max:
                is_late = live is None and not session.was_connected and time.monotonic() >= first_by
                if session.ended or is_late:
                    self._screen.complain(session.words, "no_node")
                    return self._why_no_node()
                count = session.shown(item)
                is_news = count is not None and count != seen
                if live is not None:
                    live.update(watch_line(item, count, session.words), refresh=True)
                elif is_news:
                    self._screen.show_count(item, count, session.node)
                counts += is_news
                seen = count
                await self._until_other(item, seen)
        return ExitCode.OK

    async def _until_other(self, item: str, seen: int | None) -> None:
        """Until there is another count to show, or it is time to look at the words again."""
        await self._session.until(lambda: self._session.shown(item) != seen, DRAW_EVERY_S)

    async def _nodes(self) -> ExitCode:
        session = self._session
        await session.until(lambda: session.is_connected, self._patience_s)
        try:
            self._screen.show_nodes(await fetch_nodes(self._http, session.address), session.node)
        except NodesError as error:
            self._screen.complain(str(error), "no_node")
            return ExitCode.NO_NODE
        return ExitCode.OK
