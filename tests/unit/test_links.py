"""Links: dialling, listening, and the end of all of them."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from cluster.links import Links
from cluster.surface import StartError
from tests.unit.link_owners import Owner, linked, listening
from tests.unit.strangers import ask_and_leave


@pytest.fixture
async def ann() -> AsyncIterator[Owner]:
    async with listening() as owner:
        yield owner


@pytest.fixture
async def ben() -> AsyncIterator[Owner]:
    async with listening() as owner:
        yield owner


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


async def test_a_peer_that_is_gone_before_it_was_let_in_is_no_error(
    ann: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    """As all are that dialled a frozen node, when it thaws."""
    ask_and_leave(ann.links.port, "/link")
    async with aiohttp.ClientSession() as session, session.get(f"http://{ann.address}/healthz") as answer:
        assert answer.status == 200, "ann has taken the earlier connection too by now"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not ann.links.sockets


async def test_stopping_tells_every_peer_and_takes_no_more_links(ann: Owner, ben: Owner) -> None:
    dialled = await linked(ann, ben)
    await ben.links.stop()
    end = await asyncio.wait_for(dialled, 5)
    assert (end.code, end.reason) == ("leaving", "the peer says: this node is stopping")
    assert (await ben.links.dial(ann.address)).code == "leaving"
    assert (await ann.links.dial(ben.address)).code == "unreachable"
