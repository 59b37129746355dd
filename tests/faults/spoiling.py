"""What happens to a node whose files were changed while it was down, and what its operator does then.

The outcomes that are allowed: it serves; it finds the fault, ends with code 1, and its restart pulls everything; or
it refuses to start with a message that says what to do, and its operator does that: the folder is moved away, and
the node pulls everything from its peers.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from cluster.ledger_file import REPLACE_IT
from tests.support.node import Node
from tests.support.supervisor import LOOK_EVERY_S
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.faults.lab import Lab

BACK_WITHIN_S: Final = 30.0
# SQLite may name every page that it finds at fault.
LAST_WORDS_LINES: Final = 200
SERVED: Final = "served at once"
RESTARTED: Final = "ended and was restarted"
MOVED_AWAY: Final = "refused to start, its folder moved away"
STARTED_AGAIN: Final = "refused to start, started again"


async def back_in_service(lab: "Lab", node: Node) -> str:
    """Wait until the node is ready, helping as its operator would; how it came back."""
    restarts, how = lab.supervisor.restarts[node.name], SERVED

    async def serves() -> bool:
        nonlocal how
        if lab.supervisor.needs_operator(node):
            how = _operate(node)
        return node.is_running and await lab.state(node, "ready")

    await wait_for(
        serves, BACK_WITHIN_S, lambda: f"{node.name} to be back ({how}), its log: {node.log_lines()[-3:]}"
    )
    if how == SERVED and lab.supervisor.restarts[node.name] > restarts:
        how = RESTARTED
    return how


@asynccontextmanager
async def operated(lab: "Lab", nodes: Sequence[Node]) -> AsyncIterator[None]:
    """What a node comes upon later makes it end too, and its operator is still there."""

    async def look() -> None:
        while True:
            for node in nodes:
                if lab.supervisor.needs_operator(node):
                    _operate(node)
            await asyncio.sleep(LOOK_EVERY_S)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def _operate(node: Node) -> str:
    """Do what the node's last words ask for."""
    _, refused, said = "\n".join(node.log_lines()[-LAST_WORDS_LINES:]).rpartition("cannot start")
    assert refused, f"{node.name} ended with code {node.exit_code} and said: {said}"
    is_spoilt = REPLACE_IT in said
    if is_spoilt:
        shutil.rmtree(node.data_dir)
    node.start()
    return MOVED_AWAY if is_spoilt else STARTED_AGAIN
