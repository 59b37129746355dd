"""What every session and every request of this node works with, and what both make of the engine's answers.

1. A tally of an older generation counts no more: it is shown as 0 of the item's own.
2. An answer that took less than was asked says when to send again.
3. The token of a visitor that was erased is good for nothing.
"""

from collections.abc import Callable

import msgspec

from app import wire
from app.budget import PressBudget
from app.hub import Hub
from app.ledger_watch import LedgerWatch
from app.metrics import Metrics
from app.visitors import TokenError, Tokens
from cluster.surface import Answer, Engine, Snapshot


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """`clock` is monotonic, in seconds."""

    node: str
    engine: Engine
    hub: Hub
    ledger: LedgerWatch
    tokens: Tokens
    budget: PressBudget
    metrics: Metrics
    clock: Callable[[], float]

    def visitor_behind(self, token: str) -> bytes:
        """The visitor who has this token, or `TokenError`."""
        visitor = self.tokens.verify(token)
        if self.engine.is_erased(visitor):
            raise TokenError
        return visitor

    def pressed(
        self, answer: Answer, visitor: bytes, asked: int | None, message_id: int | None = None
    ) -> wire.Pressed:
        """What the visitor, who asked for a tally of `asked`, is told of a press that was not refused."""
        short = (asked or 0) - answer.n
        return wire.Pressed(
            id=message_id,
            item=answer.item,
            gen=answer.gen,
            n=answer.n,
            count=answer.count,
            copies=answer.copies,
            wanted=answer.wanted,
            retry_after=self.budget.retry_after(visitor, short) if short > 0 else None,
        )

    def retry_after_s(self, answer: Answer, visitor: bytes) -> float | None:
        """When a refused press may be sent again, where the visitor's budget decides it."""
        return self.budget.retry_after(visitor, 1) if answer.refusal == "rate_limited" else None


def tally_in(snapshot: Snapshot, item: str, actor: bytes) -> wire.MyTally | None:
    """The actor's tally in the item's generation; None if it was not asked for."""
    tally, gen = snapshot.tallies.get((item, actor)), snapshot.items[item].gen
    if tally is None:
        return None
    return wire.MyTally(gen, tally.n if tally.gen >= gen else 0)
