"""Sockets and links on the loopback interface: frames, queues, ends, and what is said of them."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from cluster import sockets as module
from cluster.core.wire import MESSAGE_BYTES_MAX
from cluster.links import LINK_PATH, LinkEnd, Links
from cluster.sockets import QUEUE_DROP_BYTES, Socket
from cluster.surface import StartError
from tests.support.waiting import wait_for


class Owner:
    """Keeps what its links bring."""

    def __init__(self) -> None:
        self.links: Links
        self.dialled: dict[int, bool] = {}
        self.frames: list[bytes] = []
        self.ended: list[tuple[str, str]] = []
        self.defects: list[BaseException] = []
        self.on_first_frame: Callable[[], None] = lambda: None
        self.room = asyncio.Event()
        self.room.set()

    @property
    def socket(self) -> Socket:
        """Of the only link."""
        (socket,) = self.links.sockets.values()
        return socket

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.links.port}"

    def on_connected(self, link: int, *, is_dialer: bool) -> None:
        self.dialled[link] = is_dialer

    def on_frame(self, link: int, data: bytes) -> None:
        self.on_first_frame()
        self.frames.append(data)

    def on_disconnected(self, link: int, code: str, reason: str) -> None:
        self.ended.append((code, reason))

    def on_defect(self, error: BaseException) -> None:
        self.defects.append(error)

    async def wait_for_room(self) -> None:
        await self.room.wait()


MakeOwner = Callable[[], Awaitable[Owner]]


@pytest.fixture
async def make_owner() -> AsyncIterator[MakeOwner]:
    made: list[Owner] = []

    async def make() -> Owner:
        async def alive(_: web.Request) -> web.Response:
            return web.Response(text="alive")

        owner = Owner()
        owner.links = Links(owner, [web.get("/healthz", alive)])
        await owner.links.listen("127.0.0.1", 0)
        made.append(owner)
        return owner

    yield make
    for owner in made:
        owner.room.set()
        await owner.links.stop()


@pytest.fixture(autouse=True)
def few_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.2)


@pytest.fixture
async def ann(make_owner: MakeOwner) -> Owner:
    return await make_owner()


@pytest.fixture
async def ben(make_owner: MakeOwner) -> Owner:
    return await make_owner()


async def linked(dialer: Owner, listener: Owner) -> asyncio.Task[LinkEnd]:
    task = asyncio.create_task(dialer.links.dial(listener.address))
    await wait_for(lambda: dialer.links.sockets and listener.links.sockets, 5, "the link")
    return task


# -- frames


async def test_frames_go_both_ways_in_their_order(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    for number in range(100):
        ann.socket.send(b"%d" % number)
        ben.socket.send(b"%d" % number)
    expected = [b"%d" % number for number in range(100)]
    await wait_for(lambda: (ann.frames, ben.frames) == (expected, expected), 5, "all frames")


async def test_each_end_knows_who_dialled(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    assert (list(ann.dialled.values()), list(ben.dialled.values())) == ([True], [False])
    assert ann.socket.address == ben.address
    assert ben.socket.address == "127.0.0.1"


async def test_the_largest_message_passes(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    ann.socket.send(b"x" * (MESSAGE_BYTES_MAX - 1))
    await wait_for(lambda: ben.frames, 5, "the message")


async def test_a_larger_message_ends_the_link(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    ann.socket.send(b"x" * (MESSAGE_BYTES_MAX + 1))
    await asyncio.wait_for(dialled, 5)
    assert ben.frames == []


async def test_a_text_message_ends_the_link(ann: Owner) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{ann.address}{LINK_PATH}") as ws:
        await ws.send_str("hello")
        message = await ws.receive()
        assert message.data == module.CLOSE_CODE
        assert str(message.extra) == "malformed: a text message"


# -- ends


async def test_both_ends_know_why_a_link_was_closed(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    ben.socket.close("wrong_secret", "not the same LIKE_SECRET")
    end = await asyncio.wait_for(dialled, 5)
    assert (end.code, end.reason) == ("wrong_secret", "the peer says: not the same LIKE_SECRET")
    await wait_for(lambda: ben.ended, 5, "the end")
    assert ben.ended == [("wrong_secret", "not the same LIKE_SECRET")]
    assert (ann.links.sockets, ben.links.sockets) == ({}, {})


async def test_what_was_queued_is_sent_before_the_end(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    for number in range(50):
        ann.socket.send(b"%d" % number)
    ann.socket.close("leaving", "this node is stopping")
    await wait_for(lambda: len(ben.frames) == 50, 5, "the last words")


async def test_after_the_end_nothing_is_queued(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    socket = ann.socket
    socket.close("leaving", "first")
    socket.close("slow", "second")
    socket.send(b"late")
    assert (await dialled).code == "leaving"
    assert ben.frames == []


async def test_a_long_reason_is_cut_to_what_a_close_frame_holds(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    ben.socket.close("version", "ü" * 200)
    end = await asyncio.wait_for(dialled, 5)
    assert end.reason.startswith("the peer says: üüü")


async def test_a_peer_cannot_say_that_we_are_it(ann: Owner, ben: Owner) -> None:
    """Whoever answers at a node's address for a moment could keep it from ever being dialled again."""
    dialled = await linked(ann, ben)
    ben.socket.close("self", "this address leads back to you")
    assert (await asyncio.wait_for(dialled, 5)).code != "self"


async def test_a_connection_that_breaks_is_lost(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    ben.socket._abort()
    assert (await asyncio.wait_for(dialled, 5)).code == "lost"
    await wait_for(lambda: ben.ended, 5, "the end")


async def test_a_defect_while_a_frame_is_taken_is_told(ann: Owner, ben: Owner) -> None:
    defect = ValueError("a defect")

    def raise_it() -> None:
        raise defect

    ben.on_first_frame = raise_it
    dialled = await linked(ann, ben)
    ann.socket.send(b"frame")
    await asyncio.wait_for(dialled, 5)
    assert ben.defects == [defect]


# -- slow peers


class FrozenPeer:
    """Accepts the handshake and reads no further."""

    def __init__(self) -> None:
        self.address = ""

    async def __aenter__(self) -> "FrozenPeer":
        self._done = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1024)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(key.partition(": ")[2]))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await self._done.wait()
        writer.transport.abort()


def accept_key(key: str) -> bytes:
    """RFC 6455, 4.2.2."""
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


async def test_a_full_queue_drops_pushes_and_nothing_else(ann: Owner) -> None:
    async with FrozenPeer() as peer:
        dialled = asyncio.create_task(ann.links.dial(peer.address))
        await wait_for(lambda: ann.links.sockets, 5, "the link")
        socket = ann.socket
        for _ in range(20):
            socket.send(b"x" * (1 << 20))
        await wait_for(lambda: socket._queued > QUEUE_DROP_BYTES, 5, "the queue to fill")
        queued = len(socket._queue)
        socket.send(b"push", may_drop=True)
        assert (len(socket._queue), socket.dropped) == (queued, 1)
        socket.send(b"have")
        assert len(socket._queue) == queued + 1
        socket.close("leaving", "the test is over")
        assert (await asyncio.wait_for(dialled, 3)).code == "leaving", "a frozen peer holds nobody"


async def test_a_peer_that_never_reads_loses_the_link(ann: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_BYTES_MAX", 8 << 20)
    async with FrozenPeer() as peer:
        dialled = asyncio.create_task(ann.links.dial(peer.address))
        await wait_for(lambda: ann.links.sockets, 5, "the link")
        for _ in range(32):
            if ann.links.sockets:
                ann.socket.send(b"x" * (1 << 20))
        assert (await asyncio.wait_for(dialled, 3)).code == "slow"


async def test_a_long_answer_goes_on_when_the_peer_has_taken_what_was_sent(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    ben.room.clear()
    ann.socket.send(b"0")
    for _ in range(40):
        ann.socket.send(b"x" * (1 << 20))
    waiting = asyncio.create_task(ann.socket.wait_until_drained())
    await wait_for(lambda: ben.links.sockets, 5, "the link")
    assert not waiting.done()
    ben.room.set()
    await asyncio.wait_for(waiting, 10)


async def test_a_long_answer_ends_with_its_link(ann: Owner) -> None:
    async with FrozenPeer() as peer:
        dialled = asyncio.create_task(ann.links.dial(peer.address))
        await wait_for(lambda: ann.links.sockets, 5, "the link")
        for _ in range(20):
            ann.socket.send(b"x" * (1 << 20))
        waiting = asyncio.create_task(ann.socket.wait_until_drained())
        await asyncio.sleep(0)
        ann.socket.close("leaving", "the test is over")
        await asyncio.wait_for(waiting, 1)
        await dialled


async def test_no_frame_is_handed_over_while_the_ledger_is_behind(ann: Owner, ben: Owner) -> None:
    await linked(ann, ben)
    ben.room.clear()
    ann.socket.send(b"frame")
    ben.socket.send(b"other way")
    await wait_for(lambda: ann.frames, 5, "the frame that goes the other way")
    assert ben.frames == []
    ben.room.set()
    await wait_for(lambda: ben.frames, 5, "the frame")


# -- dialling and listening


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:9000", "x" * 64 + ":9000", "[::::]:1"])
async def test_where_nobody_answers_is_unreachable(ann: Owner, address: str) -> None:
    end = await ann.links.dial(address)
    assert (end.number, end.code) == (0, "unreachable")
    assert end.reason


async def test_what_is_no_node_is_unreachable(ann: Owner) -> None:
    server = web.AppRunner(web.Application(), shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    end = await ann.links.dial(f"127.0.0.1:{server.addresses[0][1]}")
    assert (end.number, end.code) == (0, "unreachable")
    await server.cleanup()


async def test_a_port_in_use_is_refused_with_what_to_do(ann: Owner) -> None:
    other = Links(Owner(), [])
    with pytest.raises(StartError, match="LIKE_CLUSTER_PORT"):
        await other.listen("127.0.0.1", ann.links.port)
    await other.stop()


async def test_the_cluster_port_serves_the_routes_it_was_given(ann: Owner) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"http://{ann.address}/healthz") as answer:
        assert await answer.text() == "alive"


async def test_stopping_tells_every_peer_and_takes_no_more_links(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    await ben.links.stop()
    end = await asyncio.wait_for(dialled, 5)
    assert (end.code, end.reason) == ("leaving", "the peer says: this node is stopping")
    assert (await ben.links.dial(ann.address)).code == "leaving"
    assert (await ann.links.dial(ben.address)).code == "unreachable"
