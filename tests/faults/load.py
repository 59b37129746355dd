"""Many visitors behind nginx that press at a steady pace, in the test's own event loop.

async with Load(address, history, row="kill") as load:      everybody is connected and has saved a press
    …                                                        they press on
    load.pause()                                             nobody presses any more; what is unsaved goes on
    await load.wait_until_saved(10)
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.faults.history import History
from tests.faults.presser import Presser
from tests.support.waiting import wait_for

VISITORS: Final = 40
# So many share an item: a group.
GROUPS: Final = 4
TURNS_PER_S: Final = 10
FIRST_PRESSES_WITHIN_S: Final = 15.0


class Load:
    """With 40 visitors of 10 turns a second some 1,700 presses a second, in 400 frames."""

    def __init__(self, address: str, history: History, *, row: str, visitors: int = VISITORS) -> None:
        self.history = history
        self.pressers = [
            Presser(number, address, history, row=row, group=number % GROUPS) for number in range(visitors)
        ]
        self._is_paused = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._tasks = [asyncio.create_task(presser.live(self._session)) for presser in self.pressers]
        self._tasks.append(asyncio.create_task(self._press_on()))
        try:
            await wait_for(
                lambda: all(presser.saved for presser in self.pressers),
                FIRST_PRESSES_WITHIN_S,
                "everybody's first presses",
            )
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def items(self) -> set[str]:
        return {item for presser in self.pressers for item in presser.sent}

    @property
    def acknowledged(self) -> int:
        return sum(sum(presser.saved.values()) for presser in self.pressers)

    @property
    def is_connected(self) -> bool:
        """Whether everybody is."""
        return all(presser.is_connected for presser in self.pressers)

    @property
    def broken(self) -> int:
        """How many connections ended without the node having said that it leaves."""
        return sum(presser.broken for presser in self.pressers)

    def visitors_of(self, node: str) -> list[Presser]:
        """Who is connected to this node."""
        return [presser for presser in self.pressers if presser.is_connected and presser.node == node]

    def forget_waits(self) -> None:
        for presser in self.pressers:
            presser.longest_wait_s = 0.0

    def longest_waits_s(self, node: str) -> tuple[float, float]:
        """For "saved", since they were forgotten: of this node's visitors, and of all others."""
        theirs = [presser.longest_wait_s for presser in self.pressers if presser.node == node]
        others = [presser.longest_wait_s for presser in self.pressers if presser.node != node]
        return max(theirs, default=0.0), max(others, default=0.0)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False

    async def wait_until_saved(self, within_s: float) -> bool:
        """Whether everything that was pressed is acknowledged within this time."""
        deadline = time.monotonic() + within_s
        while not all(presser.is_saved for presser in self.pressers):
            self._raise_defects()
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def wait_for_presses(self, presses: int, within_s: float) -> None:
        """Until so many more were acknowledged, by whomever."""
        wanted = self.acknowledged + presses
        await wait_for(lambda: self.acknowledged >= wanted, within_s, f"{presses} more presses to be acknowledged")

    async def _press_on(self) -> None:
        """In turns whose pace does not depend on how long they take."""
        turn, next_at = 0, time.monotonic()
        while True:
            turn, next_at = turn + 1, next_at + 1 / TURNS_PER_S / GROUPS
            if not self._is_paused:
                for presser in self.pressers[turn % GROUPS :: GROUPS]:
                    presser.press(turn // GROUPS)
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    def _raise_defects(self) -> None:
        """Visitors never end by themselves: one that did has met a defect of this load, or of the protocol."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        defects = [error for error in ended if isinstance(error, Exception)]
        if defects:
            raise defects[0]
