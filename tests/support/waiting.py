"""Waiting for a condition with a deadline, instead of sleeping for luck."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

import aiohttp

T = TypeVar("T")

POLL_INTERVAL_S: Final = 0.02

# What asking a node that starts, stops or hangs raises: not an answer yet, so it is asked again.
_NO_ANSWER_YET: Final = (OSError, TimeoutError, aiohttp.ClientError)


@overload
async def wait_for(condition: Callable[[], Awaitable[T]], within_s: float, say: str | Callable[[], str]) -> T: ...
@overload
async def wait_for(condition: Callable[[], T], within_s: float, say: str | Callable[[], str]) -> T: ...
async def wait_for(condition: Callable[[], Any], within_s: float, say: str | Callable[[], str]) -> Any:
    """The first true result of `condition`; AssertionError with what was seen last when the time is over.

    `say` completes the sentence "waited … for"; a function is called at the end, to say what was seen.
    """
    deadline = time.monotonic() + within_s
    seen: object = None
    while True:
        try:
            result = condition()
            if inspect.isawaitable(result):
                result = await asyncio.wait_for(result, max(0.1, deadline - time.monotonic()))
            if result:
                return result
            seen = result
        except _NO_ANSWER_YET as error:
            seen = repr(error)
        if time.monotonic() > deadline:
            said = say() if callable(say) else say
            raise AssertionError(f"waited {within_s} s for {said}; last seen: {seen}")
        await asyncio.sleep(POLL_INTERVAL_S)
