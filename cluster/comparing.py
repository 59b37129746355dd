"""Comparing what this ledger holds with a peer's, part by part, as messages to that peer (R11).

Each of these gives messages, or None after a piece of work that has nothing to say yet; one step reads at most some
1,000 rows, so a ledger's thread can go on with commits between two steps (`send_all`). The simulator takes the
steps itself.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from cluster.batches import Batches
from cluster.core.compare import CUT_ROWS, LEAF_ROWS, is_equal, is_whole, part, whole
from cluster.core.sums import sums_of
from cluster.core.wire import Compare, Mend, Message, Span, encode, pack
from cluster.ledger import Ledger
from cluster.sockets import Socket

SPANS_MAX: Final = 1000

Steps = Iterator[Message | None]


async def send_all(steps: Steps, socket: Socket, batches: Batches) -> None:
    """Take the steps on the ledger's thread, and send what comes of them. Raises LedgerError."""
    done = object()
    while not socket.is_closing and (message := await batches.run(lambda: next(steps, done))) is not done:
        if message is not None:
            socket.send(encode(message))  # type: ignore[arg-type]
            await socket.wait_until_drained()


def say_what_we_have(ledger: Ledger, buckets: Sequence[int]) -> Steps:
    """All items of these buckets, as whole spans."""
    for bucket in buckets:
        after: str | None = None
        while items := ledger.items_of(bucket, after, SPANS_MAX):
            after = items[-1][0]
            yield Compare([whole(item, sums) for item, sums in items])


def say_where_we_differ(ledger: Ledger, spans: Sequence[Span]) -> Steps:
    """Of each span that differs: our rows, or what we have in smaller ones."""
    for span in spans:
        sums = ledger.sums(span.item)
        if is_whole(span) and is_equal(span, sums):
            yield None
        elif is_whole(span) and sums.rows + span.rows > LEAF_ROWS:
            yield from _cut(ledger, span)
        else:
            yield from _look_into(ledger, span)


def _look_into(ledger: Ledger, span: Span) -> Steps:
    rows = ledger.rows_of(span.item, span.start, span.stop, LEAF_ROWS + 1)
    if len(rows) + span.rows > LEAF_ROWS and not is_equal(span, sums_of(0, rows)):
        yield from _cut(ledger, span)
    elif not is_equal(span, sums_of(0, rows)):
        yield Mend(pack(rows), [span])


def _cut(ledger: Ledger, span: Span) -> Steps:
    """What we have in this span, in parts of at most 500 rows."""
    start, parts, is_over = span.start, list[Span](), False
    while not is_over:
        rows = ledger.rows_of(span.item, start, span.stop, CUT_ROWS)
        is_over = len(rows) < CUT_ROWS
        stop = span.stop if is_over else rows[-1].actor + b"\0"
        parts.append(part(span, start, stop, rows))
        start = stop
        if is_over or len(parts) == SPANS_MAX:
            yield Compare(parts)
            parts = []
        else:
            yield None


def say_our_rows(ledger: Ledger, spans: Sequence[Span]) -> Steps:
    """Our rows in these spans."""
    for span in spans:
        yield Mend(pack(ledger.rows_of(span.item, span.start, span.stop, LEAF_ROWS)), [])
