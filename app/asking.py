"""What HTTP needs of an engine that answers by callback: to wait, and not for ever.

1. A press, a reset, an erasure is answered once: when its copies exist, after `COPIES_WAIT_S`, or at once where no
   link is up.
2. What the engine does not answer in `COMMIT_WAIT_S` is `unanswered`: it may be done yet. Both together are less
   than nginx waits for a node, so the visitor hears it from us.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

import msgspec

from app.problems import RefusedError
from cluster.surface import Answer, Engine, Erasure, Flag, Listed, Place, Press, Reset, Snapshot

COPIES_WAIT_S: Final = 0.75
COMMIT_WAIT_S: Final = 2.0

_T = TypeVar("_T")
_Ask = Callable[[Callable[[Answer], None], Hashable], None]


async def read(engine: Engine, items: Sequence[str], tallies: Sequence[tuple[str, bytes]] = ()) -> Snapshot:
    delivered: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
    engine.read(items, tallies, lambda snapshot: _resolve(delivered, snapshot))
    return await _within(delivered, COMMIT_WAIT_S)


async def list_items(engine: Engine, place: Place, limit: int) -> Listed:
    delivered: asyncio.Future[Listed] = asyncio.get_running_loop().create_future()
    engine.list_items(place, limit, lambda listed: _resolve(delivered, listed))
    return await _within(delivered, COMMIT_WAIT_S)


async def press(engine: Engine, press: Press) -> Answer:
    return await _answered(engine, lambda reply, owner: engine.wish(press, reply, owner))


async def press_all(engine: Engine, wishes: Sequence[Press]) -> Answer:
    """All of one item: a refusal if one was refused, else the newest count and the fewest copies of all."""
    answers = await asyncio.gather(*(press(engine, wish) for wish in wishes))
    refused = next((answer for answer in answers if answer.refusal is not None), None)
    if refused is not None:
        return refused
    fewest = min(answers, key=lambda answer: answer.copies - answer.wanted)
    return msgspec.structs.replace(fewest, count=max(answer.count for answer in answers))


async def reset(engine: Engine, item: str) -> Answer:
    return await _answered(engine, lambda reply, owner: engine.wish(Reset(item), reply, owner))


async def erase(engine: Engine, visitor: bytes) -> Answer:
    return await _answered(engine, lambda reply, owner: engine.wish(Erasure(visitor), reply, owner))


async def flag(engine: Engine, wish: Flag) -> Answer:
    return await _answered(engine, lambda reply, owner: engine.wish(wish, reply, owner))


async def _answered(engine: Engine, ask: _Ask) -> Answer:
    loop = asyncio.get_running_loop()
    committed: asyncio.Future[Answer] = loop.create_future()
    copied: asyncio.Future[Answer] = loop.create_future()

    def reply(answer: Answer) -> None:
        _resolve(committed, answer)
        if answer.is_last:
            _resolve(copied, answer)

    try:
        ask(reply, copied)
        first = await _within(committed, COMMIT_WAIT_S)
        if first.is_last or not engine.has_links:
            return first
        await asyncio.wait([copied], timeout=COPIES_WAIT_S)
        return copied.result() if copied.done() else first
    finally:
        engine.forget(copied)


async def _within(answered: "asyncio.Future[_T]", seconds: float) -> _T:
    await asyncio.wait([answered], timeout=seconds)
    if not answered.done():
        raise RefusedError("unanswered")
    return answered.result()


def _resolve(future: "asyncio.Future[_T]", result: _T) -> None:
    if not future.done():
        future.set_result(result)
