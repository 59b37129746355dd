"""The watchdog: a stalled loop ends the process with its stack, a lively or a frozen one does not."""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator

import pytest

from app import watchdog as watchdog_module
from app.watchdog import Watchdog
from tests.unit.sites import until

ENDED_WITHIN_S = 10.0


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set where the process would end; looks come quickly."""
    ended = threading.Event()
    monkeypatch.setattr(watchdog_module, "LOOK_S", 0.01)
    monkeypatch.setattr(watchdog_module, "end_process", ended.set)
    yield ended
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0, "the watchdog left its timer behind"


def stall_until(condition: threading.Event) -> None:
    """A callback that does not come back: the loop's thread waits here."""
    assert condition.wait(ENDED_WITHIN_S), "the watchdog looked on"


async def test_a_stalled_loop_ends_the_process_and_says_where_it_hangs(
    ended: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with Watchdog(asyncio.get_running_loop()):
        stall_until(ended)

    said = next(record for record in caplog.records if record.getMessage() == "loop.stalled")
    assert said.levelno == logging.ERROR
    assert "stall_until" in said.stack  # type: ignore[attr-defined]
    assert "supervisor" in said.do  # type: ignore[attr-defined]


async def test_a_loop_that_answers_is_left_alone(ended: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    asked = 0
    ask = loop.call_soon_threadsafe

    def count(*args: object) -> object:
        nonlocal asked
        asked += 1
        return ask(*args)  # type: ignore[arg-type]

    loop.call_soon_threadsafe = count  # type: ignore[method-assign, assignment]
    with Watchdog(loop):
        await until(lambda: asked > 3 * watchdog_module.LOOKS_MAX)

    assert not ended.is_set()


async def test_a_loop_that_comes_back_in_time_starts_afresh(ended: threading.Event) -> None:
    watchdog = Watchdog(asyncio.get_running_loop())
    for _ in range(3):
        for _ in range(watchdog_module.LOOKS_MAX):
            watchdog._look()
        assert 0 < watchdog.looks_missed < watchdog_module.LOOKS_MAX
        await asyncio.sleep(0)

    watchdog._look()
    assert watchdog.looks_missed == 0


async def test_a_log_that_nobody_reads_does_not_keep_it_from_ending(
    ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop hangs in writing to a full pipe, and holds the log's lock."""
    monkeypatch.setattr(watchdog_module, "SAY_S", 0.05)
    handler = logging.getLogger().handlers[0]
    handler.acquire()
    try:
        with Watchdog(asyncio.get_running_loop()):
            stall_until(ended)
    finally:
        handler.release()


async def test_while_it_watches_the_kernel_counts_the_processor_time(ended: threading.Event) -> None:
    with Watchdog(asyncio.get_running_loop()):
        await until(lambda: signal.getitimer(signal.ITIMER_PROF)[0] > 0)
        assert signal.getitimer(signal.ITIMER_PROF)[0] <= watchdog_module.CPU_S_MAX + 1
