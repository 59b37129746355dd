"""What peers' messages mean: the fence (R10), digests and comparisons (R11)."""

import msgspec
import pytest

from cluster.core.copies import Owed
from cluster.core.events import Compared, Differs, Wanted
from cluster.core.items import SEQ_MAX
from cluster.core.offers import Adoption, Offer, Page, Range, Repair
from cluster.core.ranges import lean_push_of
from cluster.core.rows import Row
from cluster.core.sums import BUCKETS
from cluster.core.wire import (
    Compare,
    Digest,
    End,
    Have,
    Mend,
    Message,
    Push,
    Rows,
    Span,
    Status,
    pack,
)
from tests.unit.replicas import Side, linked, open_link, talk
from tests.unit.tables import HOME, THERE, actor, row


@pytest.fixture
def ann() -> Side:
    return Side("a")


@pytest.fixture
def ben(ann: Side) -> Side:
    ben = Side("b")
    linked(ann, ben)
    for side in (ann, ben):
        side.replica.set_status(Status("ready", 0))
    talk(ann, ben)
    return ben


# -- R10


def owe(ann: Side) -> None:
    """A press of ann's that waits for its copy."""
    ann.is_holding_offers = True
    outcome = ann.press(1).outcomes[0]
    ann.replica.owe(Owed("tab", (HOME, actor(1)), outcome.origin, outcome.seq, 1))


def future(ann: Side, seq: int) -> list[tuple[str, Message]]:
    """Everything that can say that somebody knows this commit of ann's present run."""
    known = pack([Row(HOME, actor(3), 0, 7, ann.origin, seq)])
    pull = ann.replica.sessions[1].pull
    number = pull.id if pull is not None else 0
    return [
        ("Have", Have({THERE: 4, ann.origin: seq})),
        ("End", End(number, {ann.origin: seq})),
        ("Push", Push(THERE, 0, 1, known)),
        ("LeanPush", lean_push_of(Range(ann.origin, seq - 1, seq, [Row(HOME, actor(3), 0, 7, ann.origin, seq)]))),
        ("Rows", Rows(number, known)),
        ("Mend", Mend(known, [])),
    ]


MESSAGES = range(5)


@pytest.mark.parametrize("number", MESSAGES)
def test_whoever_knows_a_later_commit_of_this_run_fences_it(ann: Side, ben: Side, number: int) -> None:
    owe(ann)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    name, message = future(ann, 2)[number]
    ann.receive(1, message)
    assert len(ann.fenced) == 1, name
    assert "b knows commit 2 of this run, which has made 1" in ann.fenced[0]
    assert ann.settled == [], "what they have is not what this run wrote"
    assert not any(isinstance(offer, Adoption) for offer in ann.offers)


@pytest.mark.parametrize("number", MESSAGES)
def test_whoever_knows_what_this_run_has_committed_does_not(ann: Side, ben: Side, number: int) -> None:
    owe(ann)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    ann.receive(1, future(ann, 1)[number][1])
    assert ann.fenced == []


def test_a_fenced_run_takes_no_confirmation_with_the_message_that_fences_it(ann: Side, ben: Side) -> None:
    owe(ann)
    ann.receive(1, Have({ann.origin: 2}))
    assert ann.replica.copies.count(ann.origin, 1) == 0
    ann.receive(1, Have({THERE: 3}))
    assert (ann.settled, len(ann.fenced)) == ([], 1)


def test_an_end_of_another_question_fences_nobody(ann: Side, ben: Side) -> None:
    ann.receive(1, End(77, {ann.origin: SEQ_MAX}))
    ann.receive(1, Rows(77, pack([Row(HOME, actor(3), 0, 7, ann.origin, 9)])))
    assert ann.fenced == []


def test_origins_of_others_and_of_earlier_runs_fence_nobody(ann: Side, ben: Side) -> None:
    ann.receive(1, Have({b"earlier run of a": 99, THERE: 99}))
    ann.receive(1, Push(THERE, 0, 1, pack([row(1, seq=50)])))
    assert ann.fenced == []


# -- R11


def digest_of(*differing: int) -> Digest:
    return Digest(b"".join((bucket in differing).to_bytes(16, "big") for bucket in range(BUCKETS)))


def test_a_digest_that_differs_twice_asks_for_a_comparison(ann: Side, ben: Side) -> None:
    ann.receive(1, digest_of(5))
    assert (ann.comparing, ann.replica.buckets_differing) == ([], 1)
    ann.receive(1, digest_of(5))
    assert ann.comparing == [Differs(1, [5])]


def test_digests_are_compared_with_what_is_committed_now(ann: Side, ben: Side) -> None:
    ben.press(3)
    talk(ann, ben)
    for _ in range(2):
        ann.receive(1, ben.replica.holdings.buckets.tell())
    assert (ann.comparing, ann.replica.buckets_differing) == ([], 0)


def test_nothing_is_compared_while_a_pull_is_open(ann: Side, ben: Side) -> None:
    ann.replica.pull(1, ann.now)
    for _ in range(2):
        ann.receive(1, digest_of(5))
    assert ann.comparing == []


def test_nothing_is_compared_with_a_peer_that_starts(ann: Side, ben: Side) -> None:
    ann.receive(1, Status("starting", 0))
    for _ in range(2):
        ann.receive(1, digest_of(5))
    assert ann.comparing == []
    ann.receive(1, Status("ready", 0))
    for _ in range(2):
        ann.receive(1, digest_of(5))
    assert ann.comparing == [Differs(1, [5])]


def test_a_digest_of_another_length_closes_the_link(ann: Side, ben: Side) -> None:
    ann.receive(1, Digest(b"short"))
    assert [close.code for close in ann.closed] == ["malformed"]


def test_spans_and_rows_become_events_and_an_offer(ann: Side, ben: Side) -> None:
    ann.is_holding_offers = True
    span = Span(HOME, b"", b"", 1, b"d" * 16)
    ann.receive(1, Compare([span]))
    ann.receive(1, Mend(pack([row(1)]), [span]))
    assert ann.comparing == [Compared(1, [span]), Wanted(1, [span])]
    assert ann.offers == [Repair([row(1)], source=1)]


def test_an_empty_mend_offers_and_wants_nothing(ann: Side, ben: Side) -> None:
    ann.is_holding_offers = True
    ann.receive(1, Mend(pack([]), []))
    assert (ann.offers, ann.comparing) == ([], [])


# -- whom it is told


def digests(side: Side) -> list[Message]:
    return [message for message in side.said() if isinstance(message, Digest)]


def test_a_digest_is_told_to_every_peer_that_understands_it(ann: Side, ben: Side) -> None:
    ann.press(1)
    ann.replica.tell_digest()
    ann.carry_out()
    assert digests(ann) == [ann.replica.holdings.buckets.tell()]


def test_a_digest_is_not_told_while_a_pull_is_open(ann: Side, ben: Side) -> None:
    """Ann is ready and linked anew, and the scan that answers her takes longer than two looks of Ben's."""
    ann.replica.pull(1, ann.now)
    ann.out.clear()
    ann.replica.tell_digest()
    ann.carry_out()
    assert digests(ann) == []


def test_a_digest_is_not_told_to_a_peer_of_the_first_version(ann: Side, ben: Side) -> None:
    link = ann.replica.sessions[1].link
    assert link.peer is not None
    link.peer = msgspec.structs.replace(link.peer, features=["something later"])
    ann.replica.tell_digest()
    ann.carry_out()
    assert digests(ann) == []


def test_a_digest_is_not_told_before_the_proof(ann: Side) -> None:
    open_link(ann, Side("c"), link=1)
    ann.out.clear()
    ann.replica.tell_digest()
    ann.carry_out()
    assert ann.out == {}


def test_a_message_of_an_unknown_number_closes_the_link(ann: Side, ben: Side) -> None:
    ann.receive(1, msgspec.msgpack.encode([14, b"of a later version"]))
    assert [close.code for close in ann.closed] == ["malformed"]


# -- what becomes an offer


@pytest.mark.parametrize(
    ("message", "offer"),
    [
        (Push(THERE, 0, 1, pack([row(1)])), Range(THERE, 0, 1, [row(1)], source=1)),
        (lean_push_of(Range(THERE, 4, 6, [row(1, 6)])), Range(THERE, 4, 6, [row(1, 6)], source=1)),
        (Rows(0, pack([row(1)])), Page([row(1)], source=1)),
        (Rows(0, pack([])), None),
        (End(0, {THERE: 4}), Adoption({}, {THERE: 4})),
    ],
)
def test_what_a_peer_says_is_offered_with_the_link_it_came_on(
    ann: Side, ben: Side, message: Message, offer: Offer | None
) -> None:
    ann.is_holding_offers = True
    ann.replica.pull(1, ann.now)
    pull = ann.replica.sessions[1].pull
    assert pull is not None
    if isinstance(message, Rows | End):
        message = msgspec.structs.replace(message, id=pull.id)
    ann.receive(1, message)
    assert ann.offers == ([offer] if offer is not None else [])
