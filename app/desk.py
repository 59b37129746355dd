"""What every session and every request of this node works with, and what both make of the engine's answers.

1. A tally of an older generation counts no more: it is shown as 0 of the item's own.
2. An answer that took less than was asked says when to send again.
3. The token of a visitor that was erased is good for nothing.
"""

from collections.abc import Callable

import msgspec

from app import wire
from app.budget import Budgets
from app.hub import Hub
from app.ledger_watch import LedgerWatch
from app.metrics import Metrics
from app.visitors import TokenError, Tokens, visitor_of
from cluster.surface import Answer, Engine, Press, Snapshot


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """`clock` is monotonic, in seconds."""

    node: str
    engine: Engine
    hub: Hub
    ledger: LedgerWatch
    tokens: Tokens
    budget: Budgets
    metrics: Metrics
    clock: Callable[[], float]

    def visitor_behind(self, token: str) -> bytes:
        """The visitor who has this token, or `TokenError`."""
        visitor = self.tokens.verify(token)
        if self.engine.is_erased(visitor):
            raise TokenError
        return visitor

    def press_of(self, item: str, actor: bytes, network: bytes, wish: wire.PressBody | wire.PressWish) -> Press:
        """A visitor's wish, and whose budgets it is charged to."""
        budget = self.budget
        if not budget.is_limited:
            return Press(item, actor, wish.gen, wish.n)
        payers = budget.payers(visitor_of(actor), item, network)
        return Press(item, actor, wish.gen, wish.n, payers, budget.debut(item, network))

    def pressed(
        self, answer: Answer, visitor: bytes, network: bytes, asked: int | None, message_id: int | None = None
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
            retry_after=self._wait_s(answer, visitor, network, short) if short > 0 else None,
        )

    def retry_after_s(self, answer: Answer, visitor: bytes, network: bytes) -> float | None:
        """When a refused press may be sent again, where a budget decides it."""
        return self._wait_s(answer, visitor, network, 1) if answer.refusal == "rate_limited" else None

    def _wait_s(self, answer: Answer, visitor: bytes, network: bytes, presses: int) -> float:
        item, is_debut = answer.item, answer.n == 0
        wait_s, sort = self.budget.retry_after(visitor, item, network, presses, is_debut=is_debut)
        self.metrics.limited.labels(sort).inc()
        return wait_s


def tally_in(snapshot: Snapshot, item: str, actor: bytes) -> wire.MyTally | None:
    """The actor's tally in the item's generation; None if it was not asked for."""
    tally, gen = snapshot.tallies.get((item, actor)), snapshot.items[item].gen
    if tally is None:
        return None
    return wire.MyTally(gen, tally.n if tally.gen >= gen else 0)
