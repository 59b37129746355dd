"""What is done once, however often it has to be asked for: an item's reset or freeze, the erasure of this visitor.

1. All are asked for while that can help, for as long as the person waits (`--wait`).
2. The admin token goes to the address that the person gave, the visitor's to any node: those know it already.
3. Done is only what the nodes say they hold as often as they want to; else the exit code is `NOT_SAVED`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp

from cli import api
from cli.api import Erased, Flagged, NotDoneError, Reset
from cli.arguments import Command
from cli.exit_codes import ExitCode, UsageError
from cli.presses import Outcome
from cli.screen import Screen
from cli.session import Session

ASK_AGAIN_S: Final = 0.5

_T = TypeVar("_T")


class Errands:
    """`admin_token` reads the token when it is needed; it raises `UsageError`."""

    def __init__(
        self, session: Session, screen: Screen, http: aiohttp.ClientSession, admin_token: Callable[[], str]
    ) -> None:
        self._session = session
        self._screen = screen
        self._http = http
        self._admin_token = admin_token

    async def run(self, command: Command, item: str, patience_s: float) -> ExitCode:
        """`reset`, `freeze`, `unfreeze` or `forget`."""
        if command.name == "reset":
            return await self.reset(item, patience_s)
        if command.name != "forget":
            return await self.freeze(item, patience_s, wanted=command.name == "freeze")
        return await self.forget(patience_s, is_sure=command.is_sure)

    async def reset(self, item: str, patience_s: float) -> ExitCode:
        token, address = self._admin_token(), self._session.addresses.given
        try:
            done = await reset_item(self._http, address, item, token, patience_s)
        except NotDoneError as error:
            return self._complain(error, "reset")
        self._screen.show_reset(item, done)
        return ExitCode.OK if done.copies >= done.wanted else ExitCode.NOT_SAVED

    async def freeze(self, item: str, patience_s: float, *, wanted: bool) -> ExitCode:
        token, address = self._admin_token(), self._session.addresses.given

        async def ask() -> Flagged:
            return await api.freeze(self._http, address, item, token, wanted=wanted)

        try:
            done = await until_answered(ask, patience_s)
        except NotDoneError as error:
            return self._complain(error, "freeze")
        self._screen.show_frozen(item, done)
        return ExitCode.OK if done.copies >= done.wanted else ExitCode.NOT_SAVED

    async def forget(self, patience_s: float, *, is_sure: bool) -> ExitCode:
        if not is_sure:
            raise UsageError(
                "forget erases what this client ever pressed, for good: forget --yes, if that is meant"
            )
        session, presses = self._session, self._session.presses
        if not presses.token:
            self._screen.say("nothing to forget: the nodes know of no visitor here")
            return ExitCode.OK
        if not await session.until(lambda: session.is_connected, patience_s):
            self._screen.complain(f"nothing was erased: {session.words}", "no_node")
            return ExitCode.NODE_REFUSES if session.ended else ExitCode.NO_NODE
        # Only now: with the connection it may have been signed anew.
        token = presses.leaving = presses.token
        try:
            erased = await erase_visitor(self._http, session.address, token, patience_s)
        except NotDoneError as error:
            return self._complain(error, "forget")
        presses.forget_visitor(token, Outcome("refused", "bad_token", "this visitor was erased"))
        session.start_over()
        self._screen.show_erased(erased)
        return ExitCode.OK if erased.copies >= erased.wanted else ExitCode.NOT_SAVED

    def _complain(self, error: NotDoneError, kind: str) -> ExitCode:
        self._screen.complain(_explained(error), kind)
        return error.exit_code


def _explained(error: NotDoneError) -> str:
    match error:
        case NotDoneError(status=404 | 405):
            return "nothing was done: the nodes there cannot do that; for operators they need a LIKE_ADMIN_TOKEN"
        case NotDoneError(code="other_gen"):
            return f"nothing was reset: somebody else just did (generation {error.gen})"
        case NotDoneError(may_be_done=True):
            return f"not confirmed, it may be done all the same: {error}"
    return f"nothing was done: {error}"


async def reset_item(http: aiohttp.ClientSession, address: str, item: str, token: str, patience_s: float) -> Reset:
    """End the item's generation of this moment. Raises `NotDoneError`.

    The generation is named in every try: one whose answer was lost may have been the one that ended it, and then
    the next generation is ours.
    """
    deadline = time.monotonic() + patience_s
    gen = await _until_answered(lambda: api.generation_of(http, address, item), deadline)
    may_be_done = False

    async def end() -> Reset:
        nonlocal may_be_done
        try:
            return await api.reset(http, address, item, token, gen=gen)
        except NotDoneError as error:
            if may_be_done and error.code == "other_gen" and error.gen == gen + 1:
                # Who else may have it is not known any more; the answer comes from one that does.
                return Reset(gen=gen + 1, count=0, copies=0, wanted=0)
            may_be_done = may_be_done or error.may_be_done
            raise

    return await _until_answered(end, deadline)


async def erase_visitor(http: aiohttp.ClientSession, address: str, token: str, patience_s: float) -> Erased:
    """Erase the visitor who has this token, and wait until enough nodes know. Raises `NotDoneError`."""
    deadline = time.monotonic() + patience_s
    while True:
        erased = await _until_answered(lambda: api.erase(http, address, token), deadline)
        if erased.copies >= erased.wanted or time.monotonic() + ASK_AGAIN_S >= deadline:
            return erased
        await asyncio.sleep(ASK_AGAIN_S)


async def until_answered(ask: Callable[[], Awaitable[_T]], patience_s: float) -> _T:
    """The same for so many seconds from now on."""
    return await _until_answered(ask, time.monotonic() + patience_s)


async def _until_answered(ask: Callable[[], Awaitable[_T]], deadline: float) -> _T:
    """Ask until there is an answer, or a refusal that asking again does not change, or the time is over."""
    while True:
        try:
            return await ask()
        except NotDoneError as error:
            if not error.is_passing or time.monotonic() + error.retry_after_s >= deadline:
                raise
            await asyncio.sleep(error.retry_after_s)
