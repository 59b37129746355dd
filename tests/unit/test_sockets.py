"""Sockets: frames, queues, and ends of which both sides know why."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from cluster import sockets as module
from cluster.core.wire import MESSAGE_BYTES_MAX
from cluster.links import LINK_PATH
from cluster.sockets import QUEUE_DROP_BYTES
from tests.support.waiting import wait_for
from tests.unit.link_owners import FrozenPeer, Owner, linked, listening


@pytest.fixture(autouse=True)
def few_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.2)


@pytest.fixture
async def ann() -> AsyncIterator[Owner]:
    async with listening() as owner:
        yield owner


@pytest.fixture
async def ben() -> AsyncIterator[Owner]:
    async with listening() as owner:
        yield owner


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
    ann.socket.send(b"x" * MESSAGE_BYTES_MAX)
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
        assert len(socket._queue) == queued
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
    for _ in range(80):
        ann.socket.send(b"x" * (1 << 19))
    ann.socket.send(b"after them")
    waiting = asyncio.create_task(ann.socket.wait_until_drained())
    ben.socket.send(b"other way")
    await wait_for(lambda: ann.frames, 5, "the frame that goes the other way")
    assert not waiting.done()
    ben.room.set()
    await asyncio.wait_for(waiting, 10)
    await wait_for(lambda: ben.frames[-1:] == [b"after them"], 5, "the rest")
    assert len(ann.links.sockets) == 1


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
