"""The JSON API: what it answers, whom it believes, and its one shape of errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from yarl import URL

from app import asking, keys
from app.presses import item_of
from app.visitors import actor_of
from cluster.core.items import is_item
from tests.unit.sites import Site, until

VISITOR = b"0123456789"
MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")
NAMES = st.text(alphabet="AZaz09._~/@%-", min_size=1, max_size=30).filter(lambda name: is_item(f"tap:{name}"))


def bearer(site: Site, visitor: bytes = VISITOR) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.client.app[keys.DESK].tokens.sign(visitor)}"}


async def problem_of(answer: ClientResponse, status: int) -> dict[str, Any]:
    assert answer.status == status, await answer.text()
    problem = dict(await answer.json(content_type="application/problem+json"))
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == "about:blank"
    return problem


async def press(site: Site, item: str, body: Any = None, **headers: str) -> ClientResponse:
    return await site.client.post(f"/api/items/{quote(item, safe='')}/press", json=body, headers=headers)


async def test_an_item_never_pressed_has_count_0(site: Site) -> None:
    async with site.client.get("/api/items/tap%3Ahome") as answer:
        assert await answer.json() == {"item": "tap:home", "gen": 0, "count": 0, "viewers": 0, "frozen": False}
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_press_without_a_token_gets_one(site: Site) -> None:
    async with site.client.post("/api/items/tap:home/press") as answer:
        pressed = await answer.json()
    assert (pressed["type"], pressed["n"], pressed["count"]) == ("pressed", 1, 1)
    assert site.engine.presses[0].actor[:10] == site.client.app[keys.DESK].tokens.verify(pressed["token"])


async def test_a_press_with_a_token_is_that_visitors(site: Site) -> None:
    pressed = await (await press(site, "once:a", {"n": 3, "gen": 0}, **bearer(site))).json()
    assert "token" not in pressed
    assert site.engine.presses[0].actor == VISITOR + bytes(6)
    async with site.client.get("/api/items/once:a", headers=bearer(site)) as answer:
        said = await answer.json()
    assert said == {
        "item": "once:a",
        "gen": 0,
        "count": 1,
        "viewers": 0,
        "frozen": False,
        "mine": {"gen": 0, "n": 3},
    }


async def test_the_tab_says_whose_taps_these_are(site: Site) -> None:
    await press(site, "tap:a", {"n": 3, "tab": "t"}, **bearer(site))
    await press(site, "tap:a", {"n": 4}, **bearer(site))
    assert [each.actor for each in site.engine.presses] == [
        actor_of("tap:a", VISITOR, "t"),
        actor_of("tap:a", VISITOR, ""),
    ]
    async with site.client.get("/api/items/tap:a?tab=t", headers=bearer(site)) as answer:
        assert (await answer.json())["mine"] == {"gen": 0, "n": 3}


async def test_a_retry_with_n_is_the_same_press(site: Site) -> None:
    for _ in range(3):
        await press(site, "tap:a", {"n": 1}, **bearer(site))
    assert site.engine.item("tap:a").count == 1


async def test_several_counts_at_once(site: Site) -> None:
    await press(site, "tap:a")
    async with site.client.get("/api/items?item=tap:a&item=once:b&item=tap:a") as answer:
        assert await answer.json() == {"counts": {"tap:a": 1, "once:b": 0}}
    async with site.client.get("/api/items") as answer:
        assert await answer.json() == {"counts": {}}


async def test_at_most_100_items_at_once(site: Site) -> None:
    query = "&".join(f"item=tap:{number}" for number in range(101))
    assert (await problem_of(await site.client.get(f"/api/items?{query}"), 400))["code"] == "too_many_items"
    assert (await problem_of(await site.client.get("/api/items?item=tap:.."), 400))["code"] == "bad_item"


async def test_nodes_are_told_without_their_cluster_addresses(site: Site) -> None:
    async with site.client.get("/api/nodes") as answer:
        text = await answer.text()
        nodes = (await answer.json())["nodes"]
    assert nodes[0] == {
        "name": "node1", "is_self": True, "state": "ready", "public_address": "http://node1", "lag": 0,
        "lag_ms": 0, "watchers": 0, "presses": 12, "uptime_s": nodes[0]["uptime_s"], "links": ["node2"],
        "digest": "d1" * 16, "version": "0.1.0",
    }  # fmt: skip
    assert 60 <= nodes[0]["uptime_s"] < 120
    assert (nodes[1]["state"], nodes[1]["lag"], nodes[1]["lag_ms"], nodes[1]["uptime_s"]) == (
        "unreachable",
        7,
        250,
        0,
    )
    assert "10.0.0." not in text


@pytest.mark.parametrize("value", ["Bearer stolen", "Bearer ", "Basic YTpi", "x"])
async def test_who_is_not_known_is_told_so(site: Site, value: str) -> None:
    answer = await press(site, "tap:a", None, Authorization=value)
    assert (await problem_of(answer, 401))["code"] == "bad_token"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [
        b"like",
        b"[]",
        b"5",
        b'{"n":"1"}',
        b'{"n":1.5}',
        b'{"gen":-1}',
        b'{"tab":7}',
        b"\xff",
        b'{"n":' + b"[" * 3000,
    ],
)
async def test_a_body_that_is_no_press_is_a_bad_message(site: Site, body: bytes) -> None:
    answer = await site.client.post("/api/items/tap:a/press", data=body)
    assert (await problem_of(answer, 400))["code"] == "bad_message"


@pytest.mark.parametrize(("item", "n"), [("tap:a", 0), ("clap:a", 51), ("once:a", 2**20 + 1), ("tap:a", 2**80)])
async def test_a_tally_out_of_range(site: Site, item: str, n: int) -> None:
    assert (await problem_of(await press(site, item, {"n": n}), 400))["code"] == "bad_tally"


async def test_reset_behind_and_read_only_are_told_with_the_nodes_generation(site: Site) -> None:
    site.engine.put_reset("tap:a")
    reset = await problem_of(await press(site, "tap:a", {"n": 5, "gen": 0}), 409)
    assert (reset["code"], reset["gen"], reset["n"]) == ("reset", 1, 0)
    answer = await press(site, "tap:a", {"n": 5, "gen": 2})
    assert (await problem_of(answer, 503))["code"] == "behind"
    assert answer.headers["Retry-After"] == "1"
    site.engine.is_read_only = True
    assert (await problem_of(await press(site, "tap:a"), 503))["code"] == "read_only"


async def test_partial_grants_and_none(make_site: MakeSite) -> None:
    site = await make_site(LIKE_PRESS_RATE="0.1", LIKE_PRESS_BURST="10")
    partly = await (await press(site, "tap:a", {"n": 15}, **bearer(site))).json()
    assert (partly["n"], partly["retry_after"]) == (10, pytest.approx(10, abs=2))
    answer = await press(site, "tap:b", {"n": 1}, **bearer(site))
    problem = await problem_of(answer, 429)
    assert problem["code"] == "rate_limited"
    assert 8 <= int(answer.headers["Retry-After"]) <= 10
    assert problem["retry_after"] == pytest.approx(10, abs=2)


async def test_a_press_answers_once_the_copies_exist(site: Site) -> None:
    site.engine.wanted = 1
    asked = asyncio.create_task(press(site, "tap:a"))
    await until(lambda: site.engine.presses)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    site.engine.make_copies()
    pressed = await (await asked).json()
    assert (pressed["copies"], pressed["wanted"]) == (1, 1)
    assert len(site.engine.forgotten) == 1


async def test_a_press_answers_without_copies_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COPIES_WAIT_S", 0.01)
    site.engine.wanted = 1
    pressed = await (await press(site, "tap:a")).json()
    assert (pressed["n"], pressed["copies"], pressed["wanted"]) == (1, 0, 1)
    assert len(site.engine.forgotten) == 1


async def test_a_press_answers_at_once_where_no_link_is_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COPIES_WAIT_S", 600.0)
    site.engine.wanted = 1
    site.engine.has_links = False
    pressed = await (await press(site, "tap:a")).json()
    assert (pressed["copies"], pressed["wanted"]) == (0, 1)


async def test_what_is_not_committed_in_time_is_said_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COMMIT_WAIT_S", 0.01)
    site.engine.is_holding = True
    answer = await press(site, "tap:a", {"n": 1})
    assert (await problem_of(answer, 503))["code"] == "unanswered"
    assert answer.headers["Retry-After"] == "1"


async def test_what_does_not_exist_is_a_problem(site: Site) -> None:
    await problem_of(await site.client.get("/nothing"), 404)
    await problem_of(await site.client.get("/items/"), 404)
    await problem_of(await site.client.get("/static/../main"), 404)
    for path in ("/static/../main.py", "/static/%2e%2e/main.py"):
        # A file for the static files' folder; for whoever shortens the path it is the page of a host in Paraguay.
        assert await (await site.client.get(path)).text() == "{}"
    answer = await site.client.delete("/api/nodes")
    await problem_of(answer, 405)
    assert answer.headers["Allow"] == "GET,HEAD"


async def test_a_body_that_is_too_large_is_a_problem(site: Site) -> None:
    await problem_of(await site.client.post("/api/items/tap:a/press", data=b"x" * 20_000), 413)
    await problem_of(await site.client.post("/items/tap:a/press", data=b"x" * 20_000), 413)


async def test_what_nobody_expected_is_logged_and_answered_without_detail(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(site.engine, "status", fail)
    with caplog.at_level(logging.ERROR):
        problem = await problem_of(await site.client.get("/api/nodes"), 500)
    assert "secret" not in str(problem)
    assert [record.getMessage() for record in caplog.records] == ["http.failed"]
    caplog.clear()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(data=st.data())
def test_an_item_in_a_path_is_decoded_once_and_compared_byte_for_byte(data: st.DataObject) -> None:
    item = "once:" + data.draw(NAMES)
    assert item_of(make_mocked_request("GET", f"/items/{quote(item, safe='')}")) == item
    assert item_of(make_mocked_request("POST", f"/api/items/{quote(item, safe='')}/press?x=1")) == item


@pytest.mark.parametrize("item", ["tap:a/b", "tap:100%25", "tap:a%2Fb", "tap:~x@y", "tap:%zz"])
async def test_encoded_items_arrive_as_they_were_meant(site: Site, item: str) -> None:
    url = URL(f"/api/items/{quote(item, safe='')}", encoded=True)
    async with site.client.get(url) as answer:
        assert (await answer.json())["item"] == item
