"""Background tasks: the first defect in one of them is the end of the node."""

import asyncio

import pytest

from cluster.tasks import Tasks


async def test_the_first_failure_is_the_reason() -> None:
    tasks = Tasks()

    async def fail(error: Exception) -> None:
        raise error

    tasks.spawn(fail(ValueError("first")))
    assert await asyncio.wait_for(tasks.failed, 1) == "ValueError: first"
    tasks.spawn(fail(ValueError("second")))
    await tasks.cancel()
    assert tasks.failed.result() == "ValueError: first"


async def test_what_ends_or_is_cancelled_is_no_failure() -> None:
    tasks = Tasks()
    tasks.spawn(asyncio.sleep(0))
    tasks.spawn(asyncio.sleep(3600))
    await asyncio.sleep(0)
    await tasks.cancel()
    assert not tasks.failed.done()


async def test_cancelling_waits_until_everything_has_ended() -> None:
    tasks, ended = Tasks(), []

    async def linger() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    tasks.spawn(linger())
    await asyncio.sleep(0)
    await tasks.cancel()
    assert ended == [True]
    with pytest.raises(asyncio.InvalidStateError):
        tasks.failed.result()
