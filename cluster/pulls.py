"""Answering a peer's pull: pages of rows, from the ring or by a scan of the ledger, then the heads (R5).

The heads were taken when the question came, before the first page; the pages hold current rows. A scan reads
1,000 rows at a time between commits, and goes on only when the peer has taken what was sent.
"""

from cluster.batches import Batches
from cluster.core.events import Asked
from cluster.core.wire import End, Rows, encode, pack, pages
from cluster.ledger import Cursor, Ledger
from cluster.sockets import Socket


async def answer_pull(asked: Asked, socket: Socket, batches: Batches, ledger: Ledger) -> None:
    """Send the whole answer, or what the connection takes of it. Raises LedgerError."""
    if asked.rows is not None:
        for page in pages(asked.rows):
            socket.send(encode(Rows(asked.id, pack(page))))
            await socket.wait_until_drained()
    else:
        await _scan(asked, socket, batches, ledger)
    socket.send(encode(End(asked.id, asked.heads)))


async def _scan(asked: Asked, socket: Socket, batches: Batches, ledger: Ledger) -> None:
    after: Cursor | None = (0, b"")
    while after is not None and not socket.is_closing:
        cursor = after
        rows, after = await batches.run(lambda cursor=cursor: ledger.scan(cursor, asked.base))  # type: ignore[misc]
        socket.send(encode(Rows(asked.id, pack(rows))))
        await socket.wait_until_drained()
