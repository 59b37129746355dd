"""Answering a peer's pull: pages of rows, from the ring or by a scan of the ledger, then the heads (R5).

1. The heads were taken when the question came, before the first page; the pages hold current rows.
2. A scan reads 1,000 rows at a time between commits, and goes on only when the peer has taken what was sent.
3. Header and erasure rows that were committed while it went on are sent before the heads. The scan left out the
   rows that count as absent because of them, and the heads claim those rows: without the reason for it the peer
   would claim what it never had, and if the reason then died with this disk, it would differ for ever.
"""

from cluster.batches import Batches
from cluster.core.events import Asked
from cluster.core.holdings import Holdings
from cluster.core.wire import End, Rows, encode, pack, pages
from cluster.ledger import Cursor, Ledger
from cluster.sockets import Socket


async def answer_pull(asked: Asked, socket: Socket, batches: Batches, ledger: Ledger, holdings: Holdings) -> None:
    """Send the whole answer, or what the connection takes of it. Raises LedgerError."""
    try:
        if asked.rows is None:
            await _scan(asked, socket, batches, ledger)
        # Commits are told to the loop in their order, so whatever the last page saw is in `late` by now.
        for page in pages(asked.late if asked.rows is None else asked.rows):
            socket.send(encode(Rows(asked.id, pack(page))))
            await socket.wait_until_drained()
        socket.send(encode(End(asked.id, asked.heads, asked.stamps)))
    finally:
        holdings.end_scan(asked)


async def _scan(asked: Asked, socket: Socket, batches: Batches, ledger: Ledger) -> None:
    after: Cursor | None = (0, b"")
    while after is not None and not socket.is_closing:
        cursor = after
        rows, after = await batches.run(lambda cursor=cursor: ledger.scan(cursor, asked.base))  # type: ignore[misc]
        socket.send(encode(Rows(asked.id, pack(rows))))
        await socket.wait_until_drained()
