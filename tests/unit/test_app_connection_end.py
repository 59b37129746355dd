"""How a connection ends, over real sockets, on both loops that a node may run on."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

import pytest
import uvloop

from app import connection as connection_module
from app import frames
from app.connection import SOCKET_BYTES, Connection
from app.outboxes import Outboxes
from tests.unit.sites import until
from tests.unit.transports import Owner, Session

LINGER_S: Final = 0.05
# linux/tcp_states.h
CLOSED, CLOSE_WAIT = 7, 8

Run = Callable[["Life"], None]


class Ends:
    """Both ends of one connection, and what the loop complained of."""

    def __init__(self, connection: Connection, session: Session, client: socket.socket) -> None:
        self.connection, self.session, self.client = connection, session, client

    async def read_to_the_end(self) -> bytes:
        loop, said = asyncio.get_running_loop(), b""
        while data := await asyncio.wait_for(loop.sock_recv(self.client, 1 << 16), 5):
            said += data
        return said

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)

    @property
    def state(self) -> int:
        """Of the client's socket, as its system has it."""
        return self.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


Life = Callable[[Ends], Coroutine[Any, Any, None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(connection_module, "LINGER_S", LINGER_S)

    async def live(life: Life) -> None:
        loop = asyncio.get_running_loop()
        complaints: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        session, made = Session(), list[Connection]()

        class First(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                through = cast("asyncio.Transport", transport)
                connection = Connection(through, Owner(session), Outboxes(loop))
                connection.session = session
                through.set_protocol(connection)
                made.append(connection)

        server = await loop.create_server(First, "127.0.0.1", 0)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await until(lambda: made)
            try:
                await life(Ends(made[0], session, client))
            except BaseException:
                made[0]._abort()  # uvloop would wait for it at its own end.
                raise
            finally:
                server.close()
        # Whatever is to come after it comes within its time.
        await asyncio.sleep(2 * LINGER_S)
        assert session.lost == 1
        assert not complaints

    def in_this_loop(life: Life) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(live(life))

    return in_this_loop


def test_the_node_closes_first_and_hears_nothing_more(run: Run) -> None:
    async def life(ends: Ends) -> None:
        ends.connection.send(b"before")
        ends.connection.close(4001, "why")
        assert await ends.read_to_the_end() == b"before" + frames.close_frame(4001, "why")
        # By halves: what still comes resets nothing.
        await ends.say(b"\x81\x83\0\0\0\0one")
        assert ends.state == CLOSE_WAIT
        assert not ends.session.heard

    run(life)


def test_a_client_that_does_not_close_is_let_go_and_still_reads_why(run: Run) -> None:
    async def life(ends: Ends) -> None:
        ends.connection.close(4001)
        await until(lambda: ends.session.lost)
        assert await ends.read_to_the_end() == frames.close_frame(4001)
        assert ends.state == CLOSE_WAIT

    run(life)


def test_of_a_client_that_reads_nothing_the_system_keeps_nothing(run: Run) -> None:
    async def life(ends: Ends) -> None:
        while not ends.connection.is_backed_up:
            ends.connection.send(bytes(SOCKET_BYTES))
            await asyncio.sleep(0)
        ends.connection.close(4002)
        await until(lambda: ends.session.lost)
        await until(lambda: ends.state == CLOSED, "the reset")

    run(life)


def test_a_client_that_says_close_is_answered_and_closed(run: Run) -> None:
    async def life(ends: Ends) -> None:
        await ends.say(b"\x88\x82\0\0\0\0\x03\xe9")
        assert await ends.read_to_the_end() == frames.close_frame(1001)
        assert ends.session.told == ["end"]

    run(life)


def test_a_client_that_is_gone_is_closed_without_a_complaint(run: Run) -> None:
    async def life(ends: Ends) -> None:
        ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, connection_module._NO_LONGER)
        ends.client.close()
        ends.connection.send(b"nobody is there")
        ends.connection.close(4001)
        await until(lambda: ends.session.lost)

    run(life)
