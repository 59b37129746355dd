"""A timer that may be wanted earlier, on both loops that a node may run on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from cluster.alarm import Alarm

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def in_this_loop(what: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(what)

    return in_this_loop


def test_it_rings_once_at_the_earliest_time(run: Run) -> None:
    async def life() -> None:
        rung = asyncio.Event()
        times = 0

        def ring() -> None:
            nonlocal times
            times += 1
            rung.set()

        alarm = Alarm(ring)
        for in_s in (60.0, 0.01, 30.0, None):
            alarm.set(in_s)
        await asyncio.wait_for(rung.wait(), 5)
        await asyncio.sleep(0.02)
        assert times == 1

    run(life())


@pytest.mark.parametrize("in_s", [0.0, 1e-9, 0.0004])
def test_it_may_be_wanted_at_once_and_again(run: Run, in_s: float) -> None:
    async def life() -> None:
        for _ in range(3):
            rung = asyncio.Event()
            alarm = Alarm(rung.set)
            alarm.set(in_s)
            alarm.set(in_s)
            alarm.set(60.0)
            await asyncio.wait_for(rung.wait(), 5)

    run(life())


def test_it_can_be_set_anew_by_its_own_ring(run: Run) -> None:
    async def life() -> None:
        done = asyncio.Event()
        times = 0

        def ring() -> None:
            nonlocal times
            times += 1
            if times == 3:
                done.set()
            else:
                alarm.set(0.0)

        alarm = Alarm(ring)
        alarm.set(0.0)
        await asyncio.wait_for(done.wait(), 5)

    run(life())


def test_a_stopped_one_does_not_ring(run: Run) -> None:
    async def life() -> None:
        rung = asyncio.Event()
        alarm = Alarm(rung.set)
        for in_s in (0.0, 0.005):
            alarm.set(in_s)
            alarm.stop()
        alarm.stop()
        await asyncio.sleep(0.02)
        assert not rung.is_set()

    run(life())
