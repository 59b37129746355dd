"""What an operator sets: an item that is frozen, an origin that is allowed; and what visitors hear of it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from app import flags
from cluster.surface import ALLOWED, FROZEN
from tests.unit.sites import Browser, Site, until
from tests.unit.test_app_api import problem_of

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
TOKEN: Final = "an-admin-token-of-this-test"
ADMIN: Final = {"Authorization": f"Bearer {TOKEN}"}
FREEZE, UNFREEZE = "/api/admin/items/tap:a/freeze", "/api/admin/items/tap:a/unfreeze"
ORIGINS: Final = "/api/admin/origins"
BLOG: Final = "https://blog.example"


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ADMIN_TOKEN=TOKEN, LIKE_ALLOWED_ORIGINS="https://listed.example")


async def say(site: Site, path: str, body: Any = None) -> dict[str, Any]:
    async with site.client.post(path, json=body, headers=ADMIN) as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def ask(site: Site, path: str) -> dict[str, Any]:
    headers = ADMIN if "/admin/" in path else {}
    async with site.client.get(path, headers=headers) as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def watching(site: Site, *items: str) -> Browser:
    browser = await site.browser()
    await browser.hear("hello")
    await browser.say(type="watch", items=list(items))
    return browser


# -- items


async def test_a_frozen_item_is_pressed_by_nobody_until_it_is_let_go(site: Site) -> None:
    site.engine.wanted = 1
    frozen = await say(site, FREEZE)
    assert frozen == {"type": "flagged", "name": "tap:a", "is_set": True, "copies": 0, "wanted": 1}
    site.engine.wanted = 0
    refused = await problem_of(await site.client.post("/api/items/tap:a/press"), 409)
    assert refused["code"] == "frozen"
    assert (await ask(site, "/api/items/tap:a"))["frozen"] is True
    assert (await ask(site, "/api/items/tap:b"))["frozen"] is False
    frozen = [{"item": "tap:a", "gen": 0, "count": 0, "frozen": True}]
    assert await ask(site, "/api/admin/frozen") == {"items": frozen}
    assert (await say(site, UNFREEZE))["is_set"] is False
    async with site.client.post("/api/items/tap:a/press") as pressed:
        assert pressed.status == 200
    assert await ask(site, "/api/admin/frozen") == {"items": []}


async def test_who_watches_hears_at_once_and_who_comes_later_with_the_count(site: Site) -> None:
    before = await watching(site, "tap:a", "once:b")
    assert "frozen" not in await before.hear("viewers")
    site.engine.put_flag(FROZEN, "tap:a")
    assert await before.hear("viewers") == {"type": "viewers", "viewers": {"tap:a": 1}, "frozen": ["tap:a"]}
    after = await watching(site, "tap:a", "once:b")
    assert (await after.hear("viewers"))["frozen"] == ["tap:a"]
    site.engine.put_flag(FROZEN, "tap:a", is_set=False)
    for browser in (before, after):
        assert await browser.hear("viewers") == {"type": "viewers", "viewers": {"tap:a": 2}}


async def test_who_watches_other_items_hears_nothing(site: Site) -> None:
    browser = await watching(site, "once:b")
    await browser.hear("viewers")
    site.engine.put_flag(FROZEN, "tap:a")
    site.engine.put_flag(ALLOWED, "once:b")
    await browser.say(type="ping")
    assert (await browser.hear())["type"] == "pong"


async def test_a_press_on_the_connection_is_refused_and_is_no_mistake_of_the_client(site: Site) -> None:
    site.engine.put_flag(FROZEN, "tap:a")
    browser = await watching(site, "tap:a")
    for number in range(30):
        await browser.say(type="press", id=number, item="tap:a", gen=0, n=1)
    for number in range(30):
        error = await browser.hear("error")
        assert (error["code"], error["id"]) == ("frozen", number)


async def test_after_a_refusal_the_connection_hears_what_it_has(site: Site) -> None:
    browser = await watching(site, "clap:a")
    await browser.say(type="press", id=1, item="clap:a", n=3)
    await browser.hear("pressed")
    site.engine.put_flag(FROZEN, "clap:a")
    await browser.say(type="press", id=2, item="clap:a", n=5)
    assert (await browser.hear("error"))["n"] == 3


async def test_who_polls_hears_also_of_what_is_not_frozen_any_more(site: Site) -> None:
    for is_set in (True, False):
        site.engine.put_flag(FROZEN, "tap:a", is_set=is_set)
        async with site.client.get("/api/stream?item=tap:a&end=1") as polled:
            text = await polled.text()
        assert '"viewers":{"tap:a":0}' in text or '"viewers":{"tap:a":1}' in text
        assert ('"frozen":["tap:a"]' in text) == is_set


async def test_the_page_says_so_without_a_script(site: Site) -> None:
    site.engine.put_flag(FROZEN, "once:post")
    async with site.client.get("/embed/once%3Apost") as page:
        html = await page.text()
    assert 'aria-disabled="true"' in html
    assert "Closed" in html
    async with site.client.post("/items/once%3Apost/press", allow_redirects=False) as pressed:
        assert (pressed.status, pressed.headers["Location"]) == (303, "/items/once%3Apost?notice=frozen")
    async with site.client.get("/embed/once%3Apost?notice=frozen") as page:
        assert "does not count any more" in await page.text()


# -- origins


async def test_an_origin_is_allowed_and_not_any_more(site: Site) -> None:
    assert await ask(site, ORIGINS) == {"settings": ["https://listed.example"], "allowed": []}
    await problem_of(await site.client.post("/api/items/tap:a/press", headers={"Origin": BLOG}), 403)
    assert (await say(site, ORIGINS, {"origin": BLOG.upper(), "allowed": True}))["name"] == BLOG
    assert await ask(site, ORIGINS) == {"settings": ["https://listed.example"], "allowed": [BLOG]}
    async with site.client.post("/api/items/tap:a/press", headers={"Origin": BLOG}) as pressed:
        assert (pressed.status, pressed.headers["Access-Control-Allow-Origin"]) == (200, BLOG)
    browser = await site.browser(Origin=BLOG)
    await browser.hear("hello")
    async with site.client.get("/embed/tap%3Aa") as framed:
        assert f"frame-ancestors 'self' {BLOG} https://listed.example" in framed.headers["Content-Security-Policy"]
    await say(site, ORIGINS, {"origin": BLOG, "allowed": False})
    await problem_of(await site.client.post("/api/items/tap:a/press", headers={"Origin": BLOG}), 403)
    assert await (await site.browser(Origin=BLOG)).closed_with() == 4502


@pytest.mark.parametrize(
    "body",
    [None, {}, {"origin": BLOG}, {"origin": f"{BLOG}/", "allowed": True}, {"origin": "*", "allowed": True},
     {"origin": "null", "allowed": True}, {"origin": "javascript:alert(1)", "allowed": True},
     {"origin": "https://" + "x" * 250, "allowed": True}, {"origin": BLOG, "allowed": "yes"},
     {"origin": "https://" + "ü" * 200, "allowed": True}, {"origin": f"{BLOG}\n", "allowed": True},
     {"origin": "https://a\r\n.com", "allowed": True}, {"origin": "https://a b *", "allowed": True},
     {"origin": "https://x; script-src *", "allowed": True}, {"origin": "https://*.blog.example", "allowed": True},
     {"origin": f"{BLOG}:443", "allowed": True}, {"origin": "http://a:80", "allowed": True},
     {"origin": "https://a:65536", "allowed": True}, {"origin": "https://a?", "allowed": True},
     {"origin": "https://u@a", "allowed": True}, {"origin": "https://a,b", "allowed": True}],
)  # fmt: skip
async def test_what_is_no_origin_is_refused(site: Site, body: Any) -> None:
    refused = await problem_of(await site.client.post(ORIGINS, json=body, headers=ADMIN), 400)
    assert refused["code"] == "bad_message"
    assert not site.engine.names[ALLOWED]


async def test_all_origins_have_to_fit_into_a_header(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags, "ORIGINS_LENGTH_MAX", len("https://listed.example") + 1 + len(BLOG))
    assert (await say(site, ORIGINS, {"origin": BLOG, "allowed": True}))["is_set"]
    body = {"origin": "http://b", "allowed": True}
    refused = await problem_of(await site.client.post(ORIGINS, json=body, headers=ADMIN), 409)
    assert refused["code"] == "too_many_origins"
    # The same again is nothing more, and to take one back is always possible.
    for allowed in (True, False):
        assert (await say(site, ORIGINS, {"origin": BLOG, "allowed": allowed}))["is_set"] is allowed
    assert (await say(site, ORIGINS, body))["is_set"]


# -- who may


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", FREEZE), ("POST", UNFREEZE), ("GET", "/api/admin/frozen"), ("GET", ORIGINS), ("POST", ORIGINS)],
)
async def test_only_an_operator_may(site: Site, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}):
        refused = await problem_of(await site.client.request(method, path, headers=headers), 401)
        assert refused["code"] == "bad_admin_token"
    assert site.engine.names == {FROZEN: set(), ALLOWED: set()}


@pytest.mark.parametrize("path", [FREEZE, UNFREEZE, ORIGINS])
async def test_no_page_of_another_site_may(site: Site, path: str) -> None:
    headers = ADMIN | {"Sec-Fetch-Site": "cross-site", "Origin": "https://listed.example"}
    body = {"origin": BLOG, "allowed": True}
    await problem_of(await site.client.post(path, json=body, headers=headers), 403)


async def test_each_change_is_one_line_of_the_log_without_an_address(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await say(site, FREEZE)
        await say(site, UNFREEZE)
        await say(site, ORIGINS, {"origin": BLOG, "allowed": True})
        await say(site, ORIGINS, {"origin": BLOG, "allowed": False})
    lines = [vars(record) for record in caplog.records if record.name == "app.flags"]
    for line, event in zip(
        lines, ["item.frozen", "item.unfrozen", "origin.allowed", "origin.disallowed"], strict=True
    ):
        assert line["msg"] == event
        assert line["item" if event.startswith("item") else "origin"] == ("tap:a" if "item" in event else BLOG)
    assert "127.0.0.1" not in str(lines)


async def test_each_look_is_one_line_too(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await ask(site, "/api/admin/frozen")
        await ask(site, ORIGINS)
    lines = [record.msg for record in caplog.records if record.name == "app.flags"]
    assert lines == ["items.frozen_listed", "origins.listed"]


async def test_a_node_that_cannot_save_says_so_and_logs_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.engine.is_read_only = True
    with caplog.at_level(logging.INFO):
        refused = await problem_of(await site.client.post(FREEZE, headers=ADMIN), 503)
    assert refused["code"] == "read_only"
    assert not [record for record in caplog.records if record.name == "app.flags"]
    await until(lambda: not site.engine.names[FROZEN])
