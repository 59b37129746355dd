"""How fast the ledger's round goes (`cluster.ledger_round`): slowly; faster after a start and to remove rows."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from cluster.batches import Batches
from cluster.core.offers import Changes
from cluster.ledger import Ledger, LedgerFullError
from cluster.ledger_round import Round

STEP_ROWS: Final = 1000
# A thousand rows a second are some 5 ms of work: ten million rows are looked at in three hours.
SLOW_S: Final = 1.0
# The first pass after a start takes a sixth of the ledger's thread, 20,000 rows a second: what the disk has changed
# while nobody looked is found soon.
FIRST_S: Final = 0.04
# About half of the ledger's thread, so that commits go on between the steps.
FAST_S: Final = 0.005


async def go_rounds(batches: Batches, ledger: Ledger, on_changes: Callable[[Changes], None]) -> None:
    """Until cancelled. `on_changes` is told of each step that changed something. Raises LedgerError."""
    while True:
        with suppress(LedgerFullError):  # the next commit finds that too, and decides what follows
            changes = await batches.run(lambda: ledger.go_round(STEP_ROWS))
            if changes.removed:
                on_changes(changes)
        await asyncio.sleep(_pause_s(ledger.round))


def _pause_s(current: Round) -> float:
    if current.is_wanted:
        return FAST_S
    return SLOW_S if current.passes else FIRST_S
