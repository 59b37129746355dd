"""Each replication rule switched off, by name: a context in which the core breaks just that rule.

The rules themselves have no switch; what stands here replaces the few lines that keep one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import pytest

from cluster.core import merge as merging
from cluster.core.events import Asked, Offered
from cluster.core.hearing import Hearing
from cluster.core.offers import Adoption, Outcome, Range
from cluster.core.press import Press, Reset
from cluster.core.replica import Replica
from cluster.core.rows import Key, Row
from cluster.core.sessions import Session
from cluster.core.stamps import Stamps
from cluster.core.sums import ItemSums
from cluster.core.wire import End, Pull, above
from cluster.ledger_table import Table
from tests.simulation import storage
from tests.simulation.entries import Entry
from tests.simulation.links import SimLinks
from tests.simulation.node import SimNode, Snapshot
from tests.simulation.visitors import Visitor

Merging: Any = merging._Merging  # the ablations replace single methods of it
Switch = Callable[[pytest.MonkeyPatch], None]
ABLATIONS: dict[str, Switch] = {}


def ablation(rule: str) -> Callable[[Switch], Switch]:
    """Register what switches this rule off."""

    def register(switch: Switch) -> Switch:
        ABLATIONS[rule] = switch
        return switch

    return register


@contextmanager
def switched_off(rule: str) -> Iterator[None]:
    """Break this rule for a while."""
    with pytest.MonkeyPatch.context() as patch:
        ABLATIONS[rule](patch)
        yield


@ablation("R1 origin")
def read_the_origin_back_from_disk(patch: pytest.MonkeyPatch) -> None:
    start = SimNode.start

    def start_as_before(self: SimNode, memory: Snapshot | None = None) -> None:
        origin = getattr(self.engine, "origin", None)
        start(self, memory or (Snapshot(self.drive, origin, None) if origin else None))

    patch.setattr(SimNode, "start", start_as_before)


@ablation("R3 after commit")
def tell_before_the_disk_has_it(patch: pytest.MonkeyPatch) -> None:
    prepare = storage.prepare

    def prepare_without_syncs(db: apsw.Connection, name: str, draw: Callable[[int], bytes]) -> None:
        prepare(db, name, draw)
        db.pragma("synchronous", "off")

    patch.setattr(storage, "prepare", prepare_without_syncs)


@ablation("R4 range push")
def raise_the_head_over_a_gap(patch: pytest.MonkeyPatch) -> None:
    def take_range(self: Any, offer: Range) -> None:
        self.rows(offer)
        self.raise_head(offer.origin, offer.to, offer.stamp)

    patch.setattr(Merging, "range", take_range)


@ablation("R5 base")
def answer_above_what_the_peer_once_had(patch: pytest.MonkeyPatch) -> None:
    remembered: dict[str, dict[bytes, int]] = {}
    receive = Hearing.take

    def take(self: Hearing, link: int, session: Session, message: Any, now: float) -> None:
        receive(self, link, session, message, now)
        remembered.setdefault(session.peer.name, {}).update(
            {o: max(h, remembered.get(session.peer.name, {}).get(o, 0)) for o, h in session.heads.items()}
        )

    def asked(self: Hearing, link: int, session: Session, message: Pull) -> None:
        base, holdings = remembered.get(session.peer.name, {}), self._holdings
        heads = above(holdings.heads, session.heads)
        stamps = [holdings.stamps.get(origin, b"") for origin in heads]
        self._tell(Asked(link, message.id, base, heads, stamps, holdings.ring.since(base)))

    patch.setattr(Hearing, "take", take)
    patch.setattr(Hearing, "_asked", asked)


@ablation("R5 heads before pages")
def take_the_heads_after_the_pages(patch: pytest.MonkeyPatch) -> None:
    send_end = SimLinks.send_end

    def send_new_end(self: SimLinks, asked: Asked) -> None:
        heads = above(self._node.replica.heads, asked.base)
        asked.heads.clear()
        asked.heads.update(heads)
        if hasattr(asked, "stamps"):  # the first version has none
            asked.stamps[:] = [self._node.replica.holdings.stamps.get(origin, b"") for origin in heads]
        send_end(self, asked)

    patch.setattr(SimLinks, "send_end", send_new_end)


@ablation("R5 headers behind a scan")
def leave_out_what_came_while_the_scan_went_on(patch: pytest.MonkeyPatch) -> None:
    send_end = SimLinks.send_end

    def send_end_only(self: SimLinks, asked: Asked) -> None:
        getattr(asked, "late", []).clear()  # the first version has none
        send_end(self, asked)

    patch.setattr(SimLinks, "send_end", send_end_only)


@ablation("R5 open question")
def adopt_an_answer_to_an_old_question(patch: pytest.MonkeyPatch) -> None:
    def end(self: Hearing, session: Session, message: End) -> None:
        self._tell(Offered(Adoption({}, message.heads)))

    patch.setattr(Hearing, "_end", end)


@ablation("R5 floor of the ring")
def begin_the_ring_at_the_heads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimNode, "floor", lambda self: dict(self.ledger.heads))


@ablation("R6 total order")
def keep_the_first_of_two_equals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Row, "rank", property(lambda self: (self.gen, self.n)))


@ablation("R7 relay")
def never_ask_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "look", lambda self, now, pick: None)


@ablation("R8 presser owns n")
def say_one_more(patch: pytest.MonkeyPatch) -> None:
    def make_press(self: Visitor, key: Key, entry: Entry) -> Press:
        return Press(key[0], key[1])

    patch.setattr(Visitor, "make_press", make_press)


@ablation("R9 no-op")
def acknowledge_a_no_op_at_once(patch: pytest.MonkeyPatch) -> None:
    def rest_on(self: Any, held: Row) -> Outcome:
        return Outcome(held.gen, held.n, self.sums(held.item).count, b"", 0)

    patch.setattr(Merging, "rest_on", rest_on)


@ablation("R9 dead origin")
def wait_for_an_origin_that_died(patch: pytest.MonkeyPatch) -> None:
    def rest_on(self: Any, held: Row) -> Outcome:
        return Outcome(held.gen, held.n, self.sums(held.item).count, held.origin, held.seq)

    patch.setattr(Merging, "rest_on", rest_on)


@ablation("R9 ended run")
def rest_on_what_an_ended_run_wrote(patch: pytest.MonkeyPatch) -> None:
    def rest_on(self: Any, held: Row) -> Outcome:
        if held.seq > self.head(held.origin):
            return self.write_own(held.item, held.actor, held.gen, held.n, held.ext)  # type: ignore[no-any-return]
        return Outcome(held.gen, held.n, self.sums(held.item).count, held.origin, held.seq)

    patch.setattr(Merging, "rest_on", rest_on)


@ablation("R10 fence")
def go_on_after_a_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hearing, "_judged", lambda self, session, head, stamp: "own")


@ablation("R10 stamps")
def take_a_number_for_a_commit(patch: pytest.MonkeyPatch) -> None:
    def judged(self: Any, session: Session, head: int, stamp: bytes) -> str:
        if head > self._own_head:
            self._fence(session, head)
        return "another" if head > self._own_head else "own"

    patch.setattr(Hearing, "_judged", judged)


@ablation("R10 old heads")
def believe_an_old_head(patch: pytest.MonkeyPatch) -> None:
    judge = Stamps.judge

    def believe(self: Stamps, head: int, stamp: bytes) -> str:
        verdict = judge(self, head, stamp)
        return "own" if verdict == "too_old" else verdict

    patch.setattr(Stamps, "judge", believe)


@ablation("R11 digest")
def trust_the_heads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "tell_digest", lambda self: None)


@ablation("R12 reset")
def begin_afresh_without_a_header(patch: pytest.MonkeyPatch) -> None:
    def reset(self: Any, reset: Reset) -> Outcome:
        gen = self.sums(reset.item).gen + 1
        self.changes.items[reset.item] = ItemSums(gen)
        self.changes.has_stale = True
        return Outcome(gen, 0, 0)

    patch.setattr(Merging, "reset", reset)


@ablation("R12 header of a lost reset")
def leave_the_header_to_who_reset(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Merging, "write_missing_headers", lambda self: None)


@ablation("R12 erasure")
def delete_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Merging, "is_erased", lambda self, actor: False)


@ablation("R13 checksums")
def believe_the_disk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Table, "_check", lambda self, checksum, what, expected: None)
