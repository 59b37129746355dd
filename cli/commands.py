"""What the commands do, the same whether typed, piped or given as arguments.

A command raises tallies through `session`, waits until the nodes acknowledged them, and says on the screen what
became of it. It returns how the program would end if this were its only command.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from cli.arguments import HELP, Command, UsageError
from cli.exit_codes import ExitCode
from cli.items import kind_of
from cli.nodes import NodesError, fetch_nodes
from cli.notices import Outcome
from cli.screen import PressProgress, Screen, Where, count_line
from cli.session import Session
from cli.tallies import Tally, TallyFullError

# `like many`: tallies are raised so often at most; a faster rate raises them by more than one.
PRESS_EVERY_S: Final = 0.05
DRAW_EVERY_S: Final = 0.1
FOREVER: Final = float("inf")

AskMany = Callable[[Command], Awaitable[Command]]


class Commands:
    """Runs one command after the other. `item` is the current item; `patience_s` how long a press is waited for."""

    def __init__(
        self, session: Session, screen: Screen, http: aiohttp.ClientSession, *, item: str, patience_s: float
    ) -> None:
        self.item = item
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
            case "like":
                return await (self._choose(item, True) if kind_of(item) == "once" else self._like(item))
            case "like many":
                return await self._like_many(item, command)
            case "unlike":
                return await self._unlike(item)
            case "watch":
                return await self._watch(item, command.count)
            case "nodes":
                return await self._nodes()
            case "item":
                self.item = item
                self._screen.say(f"now pressing {item}")
            case "help":
                self._screen.say(HELP)
        return ExitCode.OK

    # presses

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
        if kind_of(item) == "once":
            raise UsageError(f"{item} counts one like per visitor; many go on a tap: item (item tap:name)")
        if command.presses is None or command.per_second is None:
            raise UsageError("like many needs to know how many and how fast here: like many 500 50")
        await self._until_known(item)
        saved_before = self._session.presses.mine(item).saved
        pressing = asyncio.create_task(self._press_many(item, command.presses, command.per_second))
        progress = self._screen.progress(item, command.presses)
        try:
            if progress is not None:
                with progress:
                    while not pressing.done():
                        self._draw(progress, item, saved_before)
                        await asyncio.wait([pressing], timeout=DRAW_EVERY_S)
                    self._draw(progress, item, saved_before)
            return await self._report(await pressing, command.presses)
        finally:
            pressing.cancel()

    def _draw(self, progress: PressProgress, item: str, before: int) -> None:
        mine = self._session.presses.mine(item)
        progress.draw(mine.n - before, mine.saved - before, self._session.shown(item), self._session.words)

    async def _press_many(self, item: str, presses: int, per_second: float) -> Tally:
        """Raise the tally at this pace, and wait until all of it is saved, or that is given up."""
        started_at = time.monotonic()
        done = 0
        tally = self._session.presses.mine(item)
        while done < presses:
            due = min(presses, 1 + int((time.monotonic() - started_at) * per_second))
            if due > done:
                tally = self._session.press(item, due - done)
                done = due
            await asyncio.sleep(max(PRESS_EVERY_S, started_at + done / per_second - time.monotonic()))
        await self._session.wait_until_saved(tally, self._patience_of_press)
        return tally

    @property
    def _patience_of_press(self) -> float:
        """Where no node answered while it was waited for one (`_until_known`), as long again would not help."""
        return self._patience_s if self._session.was_connected else 0.0

    async def _until_known(self, item: str) -> None:
        """Give a node the time to say once what it holds of this visitor; then press, connected or not."""
        deadline = time.monotonic() + self._patience_s
        await self._session.until(lambda: self._session.knows_mine(item), lambda: deadline)

    async def _report(self, tally: Tally, presses: int) -> ExitCode:
        session = self._session
        outcome = await session.wait_until_saved(tally, self._patience_of_press)
        where = Where(session.node, session.copies.get(tally.key, 0))
        self._screen.show_press(tally.item, presses, session.shown(tally.item), outcome, where)
        return self._code_of(outcome)

    def _code_of(self, outcome: Outcome) -> ExitCode:
        if outcome.status == "saved":
            return ExitCode.OK
        if self._session.ended is not None:
            return ExitCode.NODE_REFUSES
        return ExitCode.NOT_SAVED if self._session.was_connected else ExitCode.NO_NODE

    # looking

    async def _watch(self, item: str, counts_max: int | None) -> ExitCode:
        session = self._session
        shown: tuple[int | None, str] = (None, "")
        counts = 0
        first_by = time.monotonic() + self._patience_s
        with self._screen.live_line() as live:
            while counts_max is None or counts < counts_max:
                patience = FOREVER if session.was_connected or live is not None else first_by
                if not await self._until_other(item, shown, patience):
                    break
                before, shown = shown[0], self._look(item)
                if live is not None:
                    live.update(count_line(item, *shown), refresh=True)
                if shown[0] is not None and shown[0] != before:
                    counts += 1
                    if live is None:
                        self._screen.show_count(item, shown[0], session.node)
        return self._why_not_watched() if counts_max is None or counts < counts_max else ExitCode.OK

    async def _until_other(self, item: str, seen: tuple[int | None, str], deadline: float) -> bool:
        """Until there is something else to see; False if the time is over or no node will talk to us."""
        return await self._session.until(lambda: self._look(item) != seen, lambda: deadline)

    def _look(self, item: str) -> tuple[int | None, str]:
        return self._session.shown(item), self._session.words

    def _why_not_watched(self) -> ExitCode:
        self._screen.complain(self._session.words, "no_node")
        return ExitCode.NODE_REFUSES if self._session.ended is not None else ExitCode.NO_NODE

    async def _nodes(self) -> ExitCode:
        troubles: list[str] = []
        for address in dict.fromkeys([self._session.address, *self._session.addresses.all]):
            try:
                nodes = await fetch_nodes(self._http, address)
            except NodesError as error:
                troubles.append(str(error))
                continue
            self._screen.show_nodes(nodes, self._session.node)
            return ExitCode.OK
        self._screen.complain("\n".join(troubles), "no_node")
        return ExitCode.NO_NODE
