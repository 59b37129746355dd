"""Who is told what of a wish: once after the commit, and again when its copies exist (R3, R9).

1. A reply is called only for a committed wish, or with a refusal.
2. With copies wanted and not there yet, the first answer says `copies` 0 and a second one follows, unless the
   same owner has pressed the same tally again meanwhile, or is gone.
"""

from collections.abc import Callable, Hashable, Iterable

from cluster.batches import Entry
from cluster.core.copies import Copies, Owed
from cluster.core.offers import Outcome
from cluster.core.press import Wish
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
        wishes = (entry for entry in entries if isinstance(entry.offer, Wish))
        for entry, outcome in zip(wishes, outcomes, strict=True):
            assert entry.reply is not None, "a wish has someone to answer"
            self._answer(entry.offer, outcome, wanted, reply=entry.reply, owner=entry.owner)  # type: ignore[arg-type]

    def _answer(self, wish: Wish, outcome: Outcome, wanted: int, *, reply: Reply, owner: Hashable) -> None:
        item, gen, n, count = wish.item, outcome.gen, outcome.n, outcome.count
        if outcome.refusal is not None:
            reply(Answer(item, gen, n, count, 0, wanted, outcome.refusal))
            return
        copies = self.copies.count(outcome.origin, outcome.seq) if wanted else 0
        answer = Answer(item, gen, n, count, copies, wanted)
        if copies < wanted:
            self.copies.owe(_OwedAnswer(owner, wish.key, outcome.origin, outcome.seq, wanted, answer, reply))
        reply(answer)

    def settled(self, owed: Owed, copies: int) -> None:
        """The copies of an owed answer exist."""
        assert isinstance(owed, _OwedAnswer), "only these are owed here"
        first = owed.answer
        owed.reply(Answer(first.item, first.gen, first.n, first.count, copies, first.wanted))

    def refuse(self, entries: Iterable[Entry]) -> None:
        """The ledger takes nothing now."""
        for entry in entries:
            if isinstance(entry.offer, Wish) and entry.reply is not None:
                entry.reply(Answer(entry.offer.item, 0, 0, 0, 0, 0, "read_only"))
