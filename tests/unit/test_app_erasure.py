"""A visitor that was erased: its token is good for nothing, on every way in, and whoever had it begins afresh."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse

from app import asking
from cluster.core.items import erasure_key
from tests.unit.sites import Browser, Site, until
from tests.unit.test_app_api import bearer, press, problem_of
from tests.unit.test_app_pages import come_back_as, submit, tokens, view

MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")

VISITOR = b"0123456789"
OTHER = b"9876543210"


async def erase(site: Site, **headers: str) -> ClientResponse:
    return await site.client.delete("/api/visitor", headers=bearer(site, VISITOR) | headers)


async def is_visitor(browser: Browser, site: Site, visitor: bytes) -> None:
    await browser.hear("hello")
    await browser.say(type="hello", token=tokens(site).sign(visitor), tab="t")
    await browser.hear("hello")


def test_of_an_erased_visitor_a_hash_is_kept_that_no_version_may_change() -> None:
    """It is stored, and peers of other versions compare it."""
    assert erasure_key(VISITOR).hex() == "42e3751db34b3d102c382fa96db38bbb"


# over HTTP


async def test_a_visitor_erases_its_own_presses_and_nobody_elses(site: Site) -> None:
    for visitor in (VISITOR, OTHER):
        site.engine.put("once:a", visitor + bytes(6), 1)
        site.engine.put("clap:b", visitor + bytes(6), 7)
    answer = await erase(site)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert await answer.json() == {"type": "erased", "copies": 0, "wanted": 0}
    assert [site.engine.item(item).count for item in ("once:a", "clap:b")] == [1, 7]


async def test_an_erasure_answers_once_the_copies_exist(site: Site) -> None:
    site.engine.wanted = 1
    asked = asyncio.create_task(erase(site))
    await until(lambda: site.engine.erased)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    site.engine.make_copies()
    assert await (await asked).json() == {"type": "erased", "copies": 1, "wanted": 1}


async def test_an_erasure_may_be_asked_for_again_until_the_copies_exist(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "COPIES_WAIT_S", 0.01)
    site.engine.wanted = 1
    assert await (await erase(site)).json() == {"type": "erased", "copies": 0, "wanted": 1}
    assert await (await erase(site)).json() == {"type": "erased", "copies": 0, "wanted": 1}


@pytest.mark.parametrize("value", ["Bearer stolen", "Bearer ", "Basic YTpi", "x", None])
async def test_who_has_no_token_erases_nobody(site: Site, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    come_back_as(site, VISITOR)  # The API knows no cookie, so no page of another site can use it.
    answer = await site.client.delete("/api/visitor", headers=headers)
    assert (await problem_of(answer, 401))["code"] == "bad_token"
    assert not site.engine.erased


async def test_pages_of_other_sites_may_not_erase(site: Site) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await problem_of(await erase(site, **headers), 403))["code"] == "forbidden"
    assert not site.engine.erased


async def test_nothing_is_logged_of_an_erasure(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "app"):
        await erase(site)
    assert not [record for record in caplog.records if record.name.startswith("app")]


async def test_a_node_that_cannot_save_says_so(site: Site) -> None:
    site.engine.is_read_only = True
    assert (await problem_of(await erase(site), 503))["code"] == "read_only"
    assert not site.engine.erased


async def test_the_api_takes_the_token_of_an_erased_visitor_for_none(site: Site) -> None:
    site.engine.put_erasure(VISITOR)
    assert (await problem_of(await press(site, "tap:a", {"n": 1}, **bearer(site)), 401))["code"] == "bad_token"
    answer = await site.client.get("/api/items/tap:a", headers=bearer(site))
    assert (await problem_of(answer, 401))["code"] == "bad_token"
    assert not site.engine.presses


async def test_a_press_that_the_erasure_overtakes_is_a_bad_token(site: Site) -> None:
    site.engine.is_holding = True
    asked = asyncio.create_task(press(site, "tap:a", {"n": 1}, **bearer(site)))
    await until(lambda: site.engine.presses)
    site.engine.put_erasure(VISITOR)
    site.engine.commit()
    assert (await problem_of(await asked, 401))["code"] == "bad_token"
    assert site.metric("like_presses_total", way="api", outcome="erased") == 1


# the page and its form


async def test_a_page_takes_the_cookie_of_an_erased_visitor_for_none(site: Site) -> None:
    site.engine.put("once:article", VISITOR + bytes(6), 1)
    come_back_as(site, VISITOR)
    assert (await view(site))["examples"][0]["liked"] is True
    site.engine.put_erasure(VISITOR)
    shown = (await view(site))["examples"][0]
    assert (shown["liked"], shown["mine_n"], shown["count"]) == (False, 0, 0)


async def test_a_form_press_with_that_cookie_is_a_fresh_visitors_and_replaces_it(site: Site) -> None:
    come_back_as(site, VISITOR)
    site.engine.put_erasure(VISITOR)
    answer = await submit(site, (await view(site))["examples"][0])
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    fresh = tokens(site).verify(answer.cookies["like_token"].value)
    assert fresh != VISITOR
    assert site.engine.table.keys() == {("once:article", fresh + bytes(6))}
    assert (await view(site))["examples"][0]["liked"] is True


async def test_a_form_older_than_the_erasure_leads_back_to_a_page_that_works(site: Site) -> None:
    old = await view(site)
    await submit(site, old)
    site.engine.put_erasure(site.engine.presses[0].actor[:10])
    answer = await submit(site, old)
    assert (answer.status, answer.headers["Location"]) == (303, "/?notice=bad_token")
    assert site.engine.item("tap:home").count == 0
    assert (await submit(site, await view(site, answer.headers["Location"]))).headers["Location"] == "/"
    assert site.engine.item("tap:home").count == 1


# live


async def test_hello_with_the_token_of_an_erased_visitor_leaves_the_connection_its_fresh_one(site: Site) -> None:
    site.engine.put_erasure(VISITOR)
    browser = await site.browser()
    fresh = tokens(site).verify((await browser.hear("hello"))["token"])
    await browser.say(type="hello", token=tokens(site).sign(VISITOR), tab="t")
    refusal = await browser.hear()
    assert (refusal["type"], refusal["code"]) == ("error", "bad_token")
    assert "erased" not in refusal, "it answers the hello"
    await browser.say(type="press", id=1, item="once:a", n=1)
    await browser.hear("pressed")
    assert site.engine.presses[0].actor == fresh + bytes(6)


async def test_open_connections_of_an_erased_visitor_begin_afresh(site: Site) -> None:
    site.engine.put("once:a", VISITOR + bytes(6), 1)
    tabs = [await site.browser() for _ in range(2)]
    for tab in tabs:
        await is_visitor(tab, site, VISITOR)
        await tab.say(type="watch", items=["once:a"])
        assert (await tab.hear("mine"))["tallies"]["once:a"]["n"] == 1
        await tab.hear("viewers")
    assert (await erase(site)).status == 200
    fresh = set()
    for tab in tabs:
        refusal = await tab.hear()
        assert refusal["code"] == "bad_token"
        assert refusal["erased"] is True
        hello = await tab.hear()
        fresh.add(tokens(site).verify(hello["token"]))
        later: dict[str, Any] = {}
        while len(later) < 2:
            message = await tab.hear()
            later[message["type"]] = message
        assert later["mine"]["tallies"] == {"once:a": {"gen": 0, "n": 0}}
        assert later["counts"]["counts"] == {"once:a": 0}
        await tab.say(type="hello", token=hello["token"], tab="t2")
        await tab.say(type="press", id=1, item="once:a", n=1)
        assert (await tab.hear("pressed"))["n"] == 1
    assert len(fresh) == 2
    assert VISITOR not in fresh
    assert {press.actor[:10] for press in site.engine.presses} == fresh


async def test_what_an_erased_visitor_had_on_its_way_is_not_pressed_by_the_fresh_one(site: Site) -> None:
    browser = await site.browser()
    await is_visitor(browser, site, VISITOR)
    site.engine.put_erasure(VISITOR)
    await browser.say(type="press", id=1, item="tap:a", n=57)
    await browser.say(type="hello", tab="names no visitor")
    await browser.say(type="press", id=2, item="tap:a", n=58)
    assert (await browser.hear("error"))["erased"] is True
    fresh = (await browser.hear("hello"))["token"]
    for number in (1, 2):
        refusal = await browser.hear("error")
        assert (refusal["code"], refusal["id"]) == ("bad_token", number)
    assert not site.engine.presses
    await browser.say(type="hello", token=fresh, tab="t")
    await browser.say(type="press", id=3, item="tap:a", n=1)
    assert (await browser.hear("pressed"))["count"] == 1


async def test_connections_of_others_hear_nothing_of_an_erasure(site: Site) -> None:
    browser = await site.browser()
    await is_visitor(browser, site, OTHER)
    await erase(site)
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}
    await browser.say(type="press", id=1, item="once:a", n=1)
    await browser.hear("pressed")
    assert site.engine.presses[0].actor == OTHER + bytes(6)


async def test_presses_that_an_erasure_overtakes_are_each_answered_and_are_no_mistakes(site: Site) -> None:
    browser = await site.browser()
    await is_visitor(browser, site, VISITOR)
    site.engine.is_holding = True
    for number in range(1, 31):
        await browser.say(type="press", id=number, item="tap:a", n=number)
    await until(lambda: len(site.engine.presses) == 30)
    site.engine.put_erasure(VISITOR)
    site.engine.commit()
    assert (await browser.hear("error"))["erased"] is True
    await browser.hear("hello")
    refused = [await browser.hear("error") for _ in range(30)]
    assert {refusal["code"] for refusal in refused} == {"bad_token"}
    assert [refusal["id"] for refusal in refused] == list(range(1, 31))
    await browser.say(type="ping")
    await browser.hear("pong")
