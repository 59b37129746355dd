"""A backup over HTTP: a consistent copy of this node's ledger, made while the node goes on, sent and removed.

1. One at a time: a second would take as much room again, and as much of the disk's time.
2. The copy lies in the data folder under one name until it is complete, and without a name while it is sent: it is
   gone however the request or the process ends. What a killed node leaves is removed at the next start or backup.
3. Its digest (RFC 9530) goes out before its first byte, so whoever takes it can tell that it arrived whole.
4. Files are read and hashed off the loop, piece by piece, so that nothing waits long and a stop need not either.
5. Every backup is one line of the log, without an address.

Not through nginx: it would give up a node that copies for more than seconds, and nobody could say whose copy came.
"""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

import structlog
from aiohttp import web

from app import admin, keys
from app.problems import RefusedError
from cluster.surface import BackupError, Engine

# The name, also of what SQLite puts beside it.
COPY_NAME: Final = "backup.tmp"
PIECE_BYTES: Final = 256 * 1024
# Who takes less than a piece in so long keeps a disk full of copies for nothing.
STALLED_S: Final = 60.0
# Whoever has the last byte of a backup may ask for the next before this node has put the first one away.
TURN_S: Final = 1.0
CONTENT_TYPE: Final = "application/vnd.sqlite3"

_log = structlog.get_logger(__name__)


async def download(request: web.Request) -> web.StreamResponse:
    admin.check_admin(request)
    cluster = request.app[keys.SETTINGS].cluster
    async with _one_at_a_time(request.app[keys.BACKING_UP]):
        copy = await _make_copy(request.app[keys.DESK].engine, Path(cluster.data_dir), cluster.name)
        try:
            return await _send(request, copy, cluster.name)
        finally:
            # This gives the disk its room back, which takes a while for many gigabytes. Not waited for, so that
            # it happens though this request may be cancelled.
            asyncio.get_running_loop().run_in_executor(None, copy.close)


@asynccontextmanager
async def _one_at_a_time(making: asyncio.Lock) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TURN_S):
            await making.acquire()
    except TimeoutError as late:
        raise RefusedError("backing_up") from late
    try:
        yield
    finally:
        making.release()


def remove_leftovers(data_dir: Path) -> None:
    """What a node that was killed left in its folder. Only who has the folder's lock may call this."""
    for path in data_dir.glob(f"{COPY_NAME}*"):
        path.unlink()


async def _make_copy(engine: Engine, data_dir: Path, node: str) -> IO[bytes]:
    """The complete copy, open and without a name."""
    target = data_dir / COPY_NAME
    await asyncio.to_thread(remove_leftovers, data_dir)
    try:
        await engine.back_up(target)
        with _removed(target):
            return target.open("rb")
    except (BackupError, OSError) as error:
        _log.warning("backup.failed", node=node, problem=str(error))
        raise RefusedError("no_backup", f"No backup was made: {error}") from error


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink()


async def _send(request: web.Request, copy: IO[bytes], node: str) -> web.StreamResponse:
    size, digest = os.fstat(copy.fileno()).st_size, await _digest_of(copy)
    response = web.StreamResponse(headers=_headers(node, size, digest))
    is_sent = False
    try:
        await response.prepare(request)
        async for piece in _pieces(copy):
            async with asyncio.timeout(STALLED_S):
                await response.write(piece)
        await response.write_eof()
        is_sent = True
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    finally:
        # Also where the node stops meanwhile.
        if is_sent:
            _log.info("backup.sent", node=node, bytes=size, sha256=digest.hex())
        else:
            _log.warning("backup.broken_off", node=node, bytes=size)
    return response


def _headers(node: str, size: int, digest: bytes) -> dict[str, str]:
    made = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{node}-{made}.db"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Cache-Control": "no-store",
    }


async def _digest_of(copy: IO[bytes]) -> bytes:
    hashed = sha256()
    async for piece in _pieces(copy):
        await asyncio.to_thread(hashed.update, piece)
    return hashed.digest()


async def _pieces(copy: IO[bytes]) -> AsyncIterator[bytes]:
    copy.seek(0)
    while piece := await asyncio.to_thread(copy.read, PIECE_BYTES):
        yield piece
