"""`GET /live`: accepts browsers' WebSockets, begins their sessions, and ends them.

`GET /api/stream` is the same as a stream of events (`app.event_stream`).

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

from aiohttp import web

from app import event_stream, files, guards, keys, memory, wire
from app.connection import Connection
from app.desk import Desk
from app.event_stream import EventStream
from app.handshake import TakenOver, accepted, take_over
from app.hub import SLOW_S
from app.outboxes import Outboxes
from app.outlet import Conversation
from app.pace import Pace, work_per_s
from app.problems import RefusedError
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
# How often a client that has to wait is looked at.
LOOK_S: Final = 0.02
# A client that has not taken so much of its answers is not read from.
UNREAD_BYTES: Final = 64 * 1024
LEAVING_S_MAX: Final = 3.0
LEAVING_PER_S: Final = 1000
LEAVING_GRACE_S: Final = 0.5


class Live:
    """All browser connections of this node."""

    def __init__(self, desk: Desk, outboxes: Outboxes) -> None:
        self._desk = desk
        self._outboxes = outboxes
        self._work_per_s = work_per_s(desk.budget.visitors.rate)
        self._unanswered_max = UNANSWERED_MAX if desk.budget.visitors.is_limited else UNANSWERED_UNLIMITED_MAX
        self._without_files_until = float("-inf")
        self._connections_max = min(files.connections_max(), memory.connections_max())
        self._sessions: dict[Connection, Session] = {}
        self.is_leaving = False
        self._has_left = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = accepted(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            return web.Response()  # gone before the handshake was done
        refusal = self._refusal(request)
        connection = Connection(transport, self, self._outboxes)
        network = guards.network_of(request)
        ahead = take_over(request, transport, connection, answer)
        if refusal is not None:
            connection.close(refusal)
            return TakenOver()
        self._begin(connection, network)
        if ahead:
            connection.data_received(ahead)
        return TakenOver()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The same, as an event stream: what the client would say is in its request."""
        wishes = event_stream.wishes_of(request)
        refusal = self._refusal(request)
        if refusal is not None:
            raise RefusedError("forbidden_origin" if refusal == wire.CLOSE_FORBIDDEN_ORIGIN else "overloaded")
        transport = request.transport
        if transport is None or transport.is_closing():
            return web.Response()
        network, head = guards.network_of(request), event_stream.head_for(request)
        stream = EventStream(transport, self, self._outboxes, ends="end" in request.query)
        take_over(request, transport, stream, head)
        session = self._begin(stream, network)
        for wish in wishes:
            session.receive(wire.encode(wish))
        session.follow_taps()
        return TakenOver()

    def _begin(self, connection: Connection, network: bytes) -> Session:
        connection.pace = Pace(self._work_per_s, self._desk.clock())
        session = Session(self._desk, connection, network)
        connection.session = self._sessions[connection] = session
        self._desk.metrics.connections.inc()
        return session

    @property
    def is_full(self) -> bool:
        """Whether whoever has not come yet had better go elsewhere."""
        return self._is_crowded or self._desk.clock() < self._without_files_until

    @property
    def _is_crowded(self) -> bool:
        return len(self._sessions) >= self._connections_max

    def note_without_files(self) -> None:
        """Somebody was sent away for whom there was no file: for a while nobody more is asked here."""
        self._without_files_until = self._desk.clock() + WITHOUT_FILES_S

    async def sweep(self) -> None:
        """Look after the silent ones, and after all if nothing can be saved, for as long as the node lives."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.close_silent(self._desk.clock())
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
        if not guards.may_go_live(request):
            self._desk.metrics.refused.labels("forbidden_origin").inc()
            return wire.CLOSE_FORBIDDEN_ORIGIN
        if self.is_leaving:
            return wire.CLOSE_LEAVING
        if self._is_crowded:
            self._desk.metrics.count_turned_away("full")
            return wire.CLOSE_OVERLOADED
        return None

    # -- what connections ask and tell (`app.connection.Owner`)

    def hold_s(self, connection: Connection, session: Conversation) -> float | None:
        """How long the next message of this client has to wait; None: not at all."""
        assert isinstance(session, Session) and connection.pace is not None, "it was begun here"
        if session.unanswered > self._unanswered_max:
            session.is_catching_up = True
        if session.is_catching_up:
            if session.unanswered > self._unanswered_max // 2:
                return LOOK_S
            session.is_catching_up = False
        if connection.is_backed_up and connection.backlog_bytes() > UNREAD_BYTES:
            return self._hold_unread(connection, session)
        session.unread_since = None
        return connection.pace.pause_s(session.work, self._desk.clock())

    def _hold_unread(self, connection: Connection, session: Session) -> float:
        """It does not take its answers: it is closed if that lasts."""
        now = self._desk.clock()
        if session.unread_since is None:
            session.unread_since = now
        elif now - session.unread_since > SLOW_S:
            self._desk.metrics.slow_watchers.labels("closed").inc()
            connection.close(wire.CLOSE_TOO_SLOW)
        return LOOK_S

    def lost(self, connection: Connection) -> None:
        if self._sessions.pop(connection, None) is not None:
            self._desk.metrics.connections.dec()
        if not self._sessions:
            self._has_left.set()


async def let_go(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: a proxy's idle connections to a leaving node would only be cut later."""
    if request.app[keys.LIVE].is_leaving and response.status != 101:
        response.force_close()
        response.headers["Connection"] = "close"


async def handle(request: web.Request) -> web.StreamResponse:
    return await request.app[keys.LIVE].handle(request)


async def stream(request: web.Request) -> web.StreamResponse:
    return await request.app[keys.LIVE].stream(request)
