"""The cluster for people: a table that needs no script, and a stream of what it shows."""

import asyncio
import re
from typing import Any

import aiohttp
import msgspec
import pytest

from app import cluster_page, keys
from app.texts import LANGUAGES, texts_for
from tests.unit.sites import WITHIN_S, Site, until

pytestmark = pytest.mark.usefixtures("no_traceback")


def rows_of(text: str) -> list[list[str]]:
    """The cells of the table's rows, without markup."""
    rows = re.findall(r"<tr data-node.*?</tr>", text, re.DOTALL)
    return [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<t[hd] .*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


async def next_nodes(answer: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    event = await answer.content.readuntil(b"\n\n")
    nodes: list[dict[str, Any]] = msgspec.json.decode(event.removeprefix(b"data: "))["nodes"]
    return nodes


async def test_the_table_says_all_of_every_node_and_which_one_serves_you(site: Site) -> None:
    site.engine.watchers = 1234
    text = await (await site.client.get("/cluster")).text()
    assert rows_of(text) == [
        ["node1 serves you", "ready", "1 min", "1,234", "12", "rows: 0, 0 ms", "node2", "d1" * 6, "0.1.0"],
        ["node2", "unreachable", "–", "–", "–", "–", "–", "–", "0.1.0"],
    ]
    assert "This node is alone" in text
    assert "10.0.0." not in text


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_every_state_has_a_word_in_every_language(site: Site, language: str) -> None:
    for state in ("ready", "starting", "read_only", "leaving", "unreachable"):
        site.engine.peers_state = state
        text = await (await site.client.get("/cluster", headers={"Accept-Language": language})).text()
        assert LANGUAGES[language]["cluster"][state] in text


@pytest.mark.parametrize(
    ("digests", "says"),
    [("", "This node is alone"), ("same", "All nodes agree: d1d1d1d1d1d1"), ("other", "still on its way")],
)
async def test_nodes_agree_when_they_hold_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, digests: str, says: str
) -> None:
    own, other = site.engine.status()
    held = {"": b"", "same": own.digest, "other": b"\xee" * 16}[digests]
    linked = msgspec.structs.replace(other, state="ready", digest=held)
    monkeypatch.setattr(site.engine, "status", lambda: [own, linked])
    assert says in await (await site.client.get("/cluster")).text()


async def test_what_an_unreachable_node_holds_nobody_knows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = site.engine.status()
    nodes = [own, msgspec.structs.replace(other, name="node3", state="ready", digest=own.digest), other]
    monkeypatch.setattr(site.engine, "status", lambda: nodes)
    text = await (await site.client.get("/cluster")).text()
    assert "2 of 3 nodes agree: d1d1d1d1d1d1" in text


async def test_a_peer_that_never_answered_is_not_named_by_where_it_is_dialled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = site.engine.status()
    address = "10.0.0.5:9000"
    stranger = msgspec.structs.replace(other, name=address, cluster_address=address, state="unreachable")
    monkeypatch.setattr(site.engine, "status", lambda: [own, stranger])
    for path in ("/cluster", "/api/nodes"):
        text = await (await site.client.get(path)).text()
        assert "10.0.0." not in text
        assert "peer-1" in text


async def test_the_stream_says_the_same_again_and_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_page, "EVERY_S", 0.01)
    async with asyncio.timeout(WITHIN_S), site.client.get("/api/nodes/stream") as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == cluster_page.RETRY
        for state in ("unreachable", "ready"):
            site.engine.peers_state = state
            nodes = await next_nodes(answer)
            while nodes[1]["state"] != state:
                nodes = await next_nodes(answer)
            assert nodes[0]["is_self"]


async def test_so_many_look_at_once_and_no_more_until_one_goes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_page, "LOOKING_MAX", 1)
    monkeypatch.setattr(cluster_page, "EVERY_S", 0.01)
    async with site.client.get("/api/nodes/stream") as first:
        await first.content.readuntil(b"\n\n")
        assert (await site.client.get("/api/nodes/stream")).status == 503
    await until(lambda: not site.client.app[keys.LOOKING])
    async with asyncio.timeout(WITHIN_S):
        assert (await site.client.get("/api/nodes/stream")).status == 200


async def test_a_leaving_node_lets_those_go_who_look(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_page, "EVERY_S", 0.01)
    async with asyncio.timeout(WITHIN_S), site.client.get("/api/nodes/stream") as answer:
        await answer.content.readuntil(b"\n\n")
        await site.client.app[keys.LIVE].leave()
        await answer.read()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 d"), (10**9, "11,574 d")],
)
def test_a_time_is_said_in_its_largest_unit(seconds: int, text: str) -> None:
    assert cluster_page._time(seconds, texts_for("en")) == text
