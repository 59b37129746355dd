"""What an operator may do: who is one, that a reset is done once, and that it is logged without an address."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from app import asking
from app.presses import item_of
from tests.unit.sites import Site, until
from tests.unit.test_app_api import problem_of

MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")

TOKEN = "an-admin-token-of-this-test"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
RESET = "/api/admin/items/tap:a/reset"


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ADMIN_TOKEN=TOKEN)


async def reset(site: Site, body: Any = None, headers: dict[str, str] = ADMIN) -> ClientResponse:
    return await site.client.post(RESET, json=body, headers=headers)


async def test_a_reset_begins_the_next_generation_and_every_tally_counts_no_more(site: Site) -> None:
    site.engine.put("tap:a", bytes(16), 5)
    answer = await reset(site)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert await answer.json() == {"type": "reset", "item": "tap:a", "gen": 1, "count": 0, "copies": 0, "wanted": 0}
    async with site.client.get("/api/items/tap:a") as now:
        assert await now.json() == {"item": "tap:a", "gen": 1, "count": 0, "viewers": 0, "frozen": False}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_without_an_admin_token_there_are_no_admin_routes(make_site: MakeSite, method: str) -> None:
    site = await make_site()
    for headers in ({}, ADMIN, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        await problem_of(await site.client.request(method, RESET, headers=headers), 404)
    assert site.engine.item("tap:a").gen == 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer ü",
        "x",
    ],
)
async def test_who_does_not_have_the_admin_token_resets_nothing(site: Site, value: str | None) -> None:
    answer = await reset(site, headers={} if value is None else {"Authorization": value})
    assert (await problem_of(answer, 401))["code"] == "bad_admin_token"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert site.engine.item("tap:a").gen == 0
    assert site.metric("like_messages_refused_total", code="bad_admin_token") == 1


@pytest.mark.parametrize("token", [TOKEN, "a wrong one"])
async def test_a_path_that_leads_elsewhere_learns_nothing_of_the_token(site: Site, token: str) -> None:
    """nginx takes `/api/admin/items/x%2F..%2F..%2F…` for another path, and does not slow guesses down there."""
    url = URL("/api/admin/items/tap%3Aa%2F..%2F..%2F..%2F..%2Fx/reset", encoded=True)
    answer = await site.client.post(url, headers={"Authorization": f"Bearer {token}"})
    assert (await problem_of(answer, 400))["code"] == "bad_item"


async def test_pages_of_other_sites_may_not_reset(site: Site) -> None:
    answer = await reset(site, headers=ADMIN | {"Sec-Fetch-Site": "cross-site"})
    assert (await problem_of(answer, 403))["code"] == "forbidden"
    assert site.engine.item("tap:a").gen == 0


def test_the_item_of_a_reset_is_decoded_once() -> None:
    assert item_of(make_mocked_request("POST", "/api/admin/items/once%3Aa%2Fb%2520/reset")) == "once:a/b%20"


async def test_a_reset_of_one_generation_is_done_once(site: Site) -> None:
    assert (await reset(site, {"gen": 0})).status == 200
    problem = await problem_of(await reset(site, {"gen": 0}), 409)
    assert (problem["code"], problem["gen"]) == ("other_gen", 1)
    assert site.engine.item("tap:a").gen == 1
    assert (await reset(site, {"gen": 1})).status == 200
    assert (await problem_of(await reset(site, {"gen": 7}), 409))["gen"] == 2


async def test_of_two_resets_of_one_generation_at_once_one_is_done(site: Site) -> None:
    answers = await asyncio.gather(*(reset(site, {"gen": 0}) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    assert site.engine.item("tap:a").gen == 1


async def test_resets_of_any_generation_are_each_done(site: Site) -> None:
    for gen in (1, 2):
        assert (await (await reset(site)).json())["gen"] == gen


@pytest.mark.parametrize("body", [b"now", b"[]", b'{"gen":-1}', b'{"gen":"1"}', b"\xff"])
async def test_a_body_that_is_no_reset_is_a_bad_message(site: Site, body: bytes) -> None:
    answer = await site.client.post(RESET, data=body, headers=ADMIN)
    assert (await problem_of(answer, 400))["code"] == "bad_message"
    assert site.engine.item("tap:a").gen == 0


async def test_a_reset_answers_once_the_copies_exist(site: Site) -> None:
    site.engine.wanted = 1
    asked = asyncio.create_task(reset(site))
    await until(lambda: site.engine.item("tap:a").gen)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    site.engine.make_copies()
    done = await (await asked).json()
    assert (done["copies"], done["wanted"]) == (1, 1)
    assert len(site.engine.forgotten) == 1


async def test_a_node_that_cannot_save_says_so(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.engine.is_read_only = True
    assert (await problem_of(await reset(site), 503))["code"] == "read_only"
    assert "item.reset" not in caplog.text


async def test_every_reset_is_one_line_of_the_log_without_an_address(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await reset(site)
    await reset(site, headers={"Authorization": "Bearer wrong"})
    (record,) = (record for record in caplog.records if record.name == "app.admin")
    assert (record.getMessage(), record.levelname) == ("item.reset", "INFO")
    assert (record.__dict__["item"], record.__dict__["gen"]) == ("tap:a", 1)
    assert TOKEN not in caplog.text
    assert "127.0.0.1" not in str(record.__dict__)


async def test_a_reset_that_may_be_done_yet_is_written_down_too(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "COMMIT_WAIT_S", 0.01)
    site.engine.is_holding = True
    assert (await problem_of(await reset(site), 503))["code"] == "unanswered"
    (record,) = (record for record in caplog.records if record.name == "app.admin")
    assert (record.getMessage(), record.levelno) == ("item.reset_unanswered", logging.WARNING)
    assert record.__dict__["item"] == "tap:a"
