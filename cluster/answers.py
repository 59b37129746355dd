"""Who is told what of a wish: once after the commit, and again when its copies exist (R3, R9).

1. A reply is called only for a committed wish, or with a refusal.
2. With copies wanted and not there yet, the first answer says `copies` 0 and a second one follows, unless the
   same owner has pressed the same tally again meanwhile, or is gone.
"""

from collections.abc import Callable, Iterable

from cluster.batches import Entry
from cluster.core.copies import Copies, Owed
from cluster.core.offers import Outcome
from cluster.core.rows import Key
from cluster.surface import Answer

Reply = Callable[[Answer], None]


class _OwedAnswer(Owed):
    """An owed answer with what it will say."""

    answer: Answer
    reply: Reply


class Answers:
    """The replies of one node. `wanted` says how many copies an answer given now waits for."""

    def __init__(self, copies: Copies, wanted: Callable[[], int]) -> None:
        self.copies = copies
        self._wanted = wanted

    def committed(self, entries: Iterable[Entry], outcomes: Iterable[Outcome]) -> None:
        """Answer the wishes of a batch; `outcomes` has one for each, in order."""
        wanted = self._wanted()
        left = iter(outcomes)
        for entry in entries:
            reply = entry.reply
            if reply is None:
                continue
            outcome = next(left)
            item: str = entry.offer.item  # type: ignore[union-attr]
            rests = wanted and outcome.refusal is None
            copies = self.copies.count(outcome.origin, outcome.seq) if rests else 0
            answer = Answer(item, outcome.gen, outcome.n, outcome.count, copies, wanted, outcome.refusal)
            if rests and copies < wanted:
                self._owe(entry, outcome, answer, reply)
            reply(answer)
        assert next(left, None) is None, "each wish has its outcome"

    def _owe(self, entry: Entry, outcome: Outcome, answer: Answer, reply: Reply) -> None:
        key: Key = entry.offer.key  # type: ignore[union-attr]
        owed = _OwedAnswer(entry.owner, key, outcome.origin, outcome.seq, answer.wanted, answer, reply)
        self.copies.owe(owed)

    def settled(self, owed: Owed, copies: int) -> None:
        """The copies of an owed answer exist."""
        assert isinstance(owed, _OwedAnswer), "only these are owed here"
        first = owed.answer
        owed.reply(Answer(first.item, first.gen, first.n, first.count, copies, first.wanted))

    def refuse(self, entries: Iterable[Entry]) -> None:
        """The ledger takes nothing now."""
        for entry in entries:
            if entry.reply is not None:
                item: str = entry.offer.item  # type: ignore[union-attr]
                entry.reply(Answer(item, 0, 0, 0, 0, 0, "read_only"))
