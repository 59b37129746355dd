"""`GET /live`: accepts a browser's WebSocket, feeds its session, and ends it.

1. A forbidden origin is accepted and closed with 4502: a browser's script cannot see a refused handshake.
2. A connection from which nothing came for `SILENCE_S`, not even a ping, is closed with 4003.
3. Nobody is let in for whom there is no file or no memory left: that one is closed with 4004, and finds another
   node.
4. A client that asks faster than the engine answers, or than it reads the answers, is not read from until that is
   over; one that has not taken them after `SLOW_S` is closed with 4002.
5. On shutdown every browser is told when to leave, spread so that the other nodes are not stormed; who is
   still here after that is closed with 4001. A node that turned read-only, or whose ledger hangs, sends them to a
   healthy one.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web, web_ws

from app import files, guards, keys, memory, wire
from app.connection import Connection
from app.desk import Desk
from app.hub import SLOW_S
from app.pace import Pace, work_per_s
from app.session import Session

# A hidden page may wake only once a minute to ping; one that is gone for good is soon a slow watcher.
SILENCE_S: Final = 150.0
# As long as nginx leaves out a node that has failed.
WITHOUT_FILES_S: Final = 2.0
SWEEP_S: Final = 4.0
UNANSWERED_MAX: Final = 100
# Where visitors may press without limit, their programs do. Two answers to each of these, of the longest items, fit
# into what a connection may have unsent.
UNANSWERED_UNLIMITED_MAX: Final = 250
CAUGHT_UP_LOOK_S: Final = 0.02
UNHEARD_BYTES: Final = 32 * 1024
# A client that has not taken so much of its answers is not read from.
UNREAD_BYTES: Final = 64 * 1024
LEAVING_S_MAX: Final = 3.0
LEAVING_PER_S: Final = 1000
LEAVING_GRACE_S: Final = 0.5

# aiohttp would keep half a MiB of every browser that talks faster than it is heard: twice this number.
vars(web_ws)["DEFAULT_CHUNK_SIZE"] = UNHEARD_BYTES

_log = structlog.get_logger(__name__)


class Live:
    """All browser connections of this node."""

    def __init__(self, desk: Desk, allowed_origins: frozenset[str]) -> None:
        self._desk = desk
        self._allowed_origins = allowed_origins
        self._work_per_s = work_per_s(desk.budget.rate)
        self._unanswered_max = UNANSWERED_MAX if desk.budget.is_limited else UNANSWERED_UNLIMITED_MAX
        self._without_files_until = float("-inf")
        self._connections_max = min(files.connections_max(), memory.connections_max())
        self._sessions: dict[Connection, Session] = {}
        self.is_leaving = False
        self._has_left = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(headers={"Upgrade": "websocket"})
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=wire.MESSAGE_BYTES_MAX + 1, autoping=False, timeout=1.0
        )
        try:
            await socket.prepare(request)
        except ConnectionResetError:
            # Gone before the handshake was done. The socket is half prepared, and aiohttp would trip over it.
            return web.Response()
        refusal = self._refusal(request)
        if refusal is not None:
            await socket.close(code=refusal, drain=False)
        elif request.transport is not None:
            await self._converse(Connection(socket, request.transport), socket)
        return socket

    @property
    def is_full(self) -> bool:
        """Whether whoever has not come yet had better go elsewhere."""
        return self._is_crowded or asyncio.get_running_loop().time() < self._without_files_until

    @property
    def _is_crowded(self) -> bool:
        return len(self._sessions) >= self._connections_max

    def note_without_files(self) -> None:
        """Somebody was sent away for whom there was no file: for a while nobody more is asked here."""
        self._without_files_until = asyncio.get_running_loop().time() + WITHOUT_FILES_S

    async def sweep(self) -> None:
        """Look after the silent ones, and after all if nothing can be saved, for as long as the node lives."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.close_silent(asyncio.get_running_loop().time())
            self.relieve()

    def close_silent(self, now: float) -> None:
        for connection in list(self._sessions):
            if now - connection.heard_at > SILENCE_S:
                connection.close(wire.CLOSE_SILENT)

    async def leave(self) -> None:
        """Send everybody elsewhere; returns when they are gone."""
        self.is_leaving = True
        await self._wait_until_left(self._tell_to_leave() + LEAVING_GRACE_S)
        for connection in list(self._sessions):
            connection.close(wire.CLOSE_LEAVING)
        await self._wait_until_left(LEAVING_GRACE_S)

    def relieve(self) -> None:
        """A node that cannot save sends its browsers to one that can, if there is one (R14).

        They may come back by chance; then they are sent on again.
        """
        engine = self._desk.engine
        cannot_save = engine.state == "read_only" or self._desk.ledger.is_stalled
        if cannot_save and any(node.state == "ready" and not node.is_self for node in engine.status()):
            self._tell_to_leave()

    def _tell_to_leave(self) -> float:
        """In how many seconds everybody is to have left."""
        number = len(self._sessions)
        spread_s = min(LEAVING_S_MAX, number / LEAVING_PER_S)
        for place, session in enumerate(self._sessions.values()):
            session.leave(round(spread_s * place / number, 3))
        return spread_s

    async def _wait_until_left(self, within_s: float) -> None:
        if self._sessions:
            self._has_left.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_left.wait(), within_s)

    def _refusal(self, request: web.Request) -> int | None:
        if not guards.may_go_live(request, self._allowed_origins):
            self._desk.metrics.refused.labels("forbidden_origin").inc()
            return wire.CLOSE_FORBIDDEN_ORIGIN
        if self.is_leaving:
            return wire.CLOSE_LEAVING
        if self._is_crowded:
            self._desk.metrics.count_turned_away("full")
            return wire.CLOSE_OVERLOADED
        return None

    async def _converse(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        session = self._sessions[connection] = Session(self._desk, connection)
        self._desk.metrics.connections.inc()
        try:
            await self._listen(connection, socket, session)
        except Exception:  # noqa: BLE001 - logged, and told to the client
            # The handshake is done, so no HTTP answer can tell of it any more.
            _log.exception("live.failed")
            connection.close(WSCloseCode.INTERNAL_ERROR)
        finally:
            del self._sessions[connection]
            self._desk.metrics.connections.dec()
            session.end()
            connection.release()
            _forget_how_it_ended(socket)
            if not self._sessions:
                self._has_left.set()

    async def _listen(self, connection: Connection, socket: web.WebSocketResponse, session: Session) -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(self._work_per_s)
        while True:
            message: WSMessage = await socket.receive()
            connection.heard_at = loop.time()
            match message.type:
                case WSMsgType.TEXT if not connection.is_closing:
                    session.receive(message.data)
                case WSMsgType.TEXT:
                    pass
                case WSMsgType.PING:
                    connection.send(wire.pong_frame(message.data))
                case WSMsgType.PONG:
                    pass
                case WSMsgType.BINARY:
                    connection.close(WSCloseCode.UNSUPPORTED_DATA)
                case _:
                    return
            if session.unanswered > self._unanswered_max:
                await _caught_up(session, connection, self._unanswered_max // 2)
            if connection.backlog_bytes() > UNREAD_BYTES and not await _has_drained(connection):
                self._desk.metrics.slow_watchers.labels("closed").inc()
                connection.close(wire.CLOSE_TOO_SLOW)
            await pace.keep(session.work)


def _forget_how_it_ended(socket: web.WebSocketResponse) -> None:
    """A socket keeps the error that ended it, and its traceback the socket: a ring that only a full collection of
    all objects takes apart, which stops the loop for as long as ten thousand of them need.
    """
    error = socket.exception()
    if error is not None:
        error.__traceback__ = error.__context__ = None


async def _caught_up(session: Session, connection: Connection, unanswered: int) -> None:
    """Until the engine owes no more than so many answers, or the connection was closed.

    It looks now and then instead of being told: this is rare, and two sides can end it.
    """
    while session.unanswered > unanswered and not connection.is_closing:  # noqa: ASYNC110
        await asyncio.sleep(CAUGHT_UP_LOOK_S)


async def _has_drained(connection: Connection) -> bool:
    """Waits until the client has read what it asked for, or is gone; False if it has not after `SLOW_S`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SLOW_S
    while connection.backlog_bytes() > UNREAD_BYTES and not connection.is_closing:
        if loop.time() > deadline:
            return False
        await asyncio.sleep(CAUGHT_UP_LOOK_S)
    return True


async def let_go(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: a proxy's idle connections to a leaving node would only be cut later."""
    if request.app[keys.LIVE].is_leaving and response.status != 101:
        response.force_close()
        response.headers["Connection"] = "close"


async def handle(request: web.Request) -> web.StreamResponse:
    return await request.app[keys.LIVE].handle(request)
