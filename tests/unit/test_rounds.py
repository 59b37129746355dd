"""What the ledger's thread does beside commits: rounds at their pace, and comparisons step by step."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cluster import rounds
from cluster.batches import Batches
from cluster.comparing import send_all
from cluster.core.offers import Changes
from cluster.core.wire import Compare, Message
from cluster.ledger import LedgerError, LedgerFullError
from cluster.rounds import STEP_ROWS, go_rounds
from tests.unit.link_owners import TakingPeer
from tests.unit.tables import HOME, actor
from tests.unit.test_batches import Owner


@pytest.fixture
async def batches() -> AsyncIterator[Batches]:
    made = Batches(Owner(), None)
    yield made
    made.close()


class ScriptedLedger:
    """Its steps give or raise what the test says, one after the other; then it fails."""

    def __init__(self, *steps: Changes | Exception, wanted_steps: int = 0, first_steps: int = 0) -> None:
        self.steps = [*steps, LedgerError("the end of the script")]
        self.wanted_steps, self.first_steps = wanted_steps, first_steps
        self.asked: list[int] = []
        self.round = self

    @property
    def is_wanted(self) -> bool:
        return len(self.asked) <= self.wanted_steps

    @property
    def passes(self) -> int:
        return int(len(self.asked) > self.first_steps)

    def go_round(self, rows_max: int) -> Changes:
        self.asked.append(rows_max)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


async def walk(batches: Batches, ledger: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Changes], list[float]]:
    """What was told of, and the pauses, until the ledger failed."""
    told: list[Changes] = []
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(rounds.asyncio, "sleep", pause)
        with pytest.raises(LedgerError, match="the end of the script"):
            await go_rounds(batches, ledger, told.append)
    return told, pauses


async def test_only_steps_that_removed_something_are_told_of(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing = Changes(removed=[(HOME, actor(1))])
    ledger = ScriptedLedger(Changes(), removing, Changes())
    told, _ = await walk(batches, ledger, monkeypatch)
    assert told == [removing]
    assert set(ledger.asked) == {STEP_ROWS}


async def test_a_round_is_slow_and_fast_while_rows_are_to_be_removed(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pauses = await walk(batches, ScriptedLedger(*[Changes()] * 4, wanted_steps=2), monkeypatch)
    assert pauses == [rounds.FAST_S, rounds.FAST_S, rounds.SLOW_S, rounds.SLOW_S]


async def test_the_first_pass_after_a_start_is_faster(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pauses = await walk(batches, ScriptedLedger(*[Changes()] * 3, first_steps=2), monkeypatch)
    assert pauses == [rounds.FIRST_S, rounds.FIRST_S, rounds.SLOW_S]


async def test_a_full_disk_ends_no_round(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    removing = Changes(removed=[(HOME, actor(1))])
    told, _ = await walk(batches, ScriptedLedger(LedgerFullError("full"), removing), monkeypatch)
    assert told == [removing]


# -- comparisons


async def test_steps_are_taken_on_the_ledgers_thread_and_only_messages_are_sent(batches: Batches) -> None:
    threads: set[int] = set()

    def steps() -> Iterator[Message | None]:
        for message in (None, Compare([]), None, Compare([])):
            threads.add(threading.get_ident())
            yield message

    peer = TakingPeer()
    await send_all(steps(), peer, batches)  # type: ignore[arg-type]
    assert peer.heard == [Compare([]), Compare([])]
    assert threads == {await batches.run(threading.get_ident)}
    assert threading.get_ident() not in threads


async def test_commits_go_on_between_two_steps(batches: Batches) -> None:
    happened: list[str] = []

    def steps() -> Iterator[None]:
        for number in range(3):
            happened.append(f"step {number}")
            yield None

    comparison = asyncio.create_task(send_all(steps(), TakingPeer(), batches))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await batches.run(lambda: happened.append("commit"))
    await comparison
    assert happened == ["step 0", "commit", "step 1", "step 2"]


async def test_a_comparison_ends_with_its_link(batches: Batches) -> None:
    peer, taken = TakingPeer(), []

    async def meanwhile() -> None:
        peer.is_closing = True

    def steps() -> Iterator[Message]:
        for number in range(5):
            taken.append(number)
            yield Compare([])

    peer.meanwhile = meanwhile
    await send_all(steps(), peer, batches)  # type: ignore[arg-type]
    assert taken == [0]
