"""All items for an operator: by page, as JSON Lines, as CSV."""

import csv
import io
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import msgspec
import pytest

from app import asking, export
from tests.unit.sites import Site

MakeSite = Callable[..., Awaitable[Site]]
TOKEN: Final = "a" * 16
ADMIN: Final = {"Authorization": f"Bearer {TOKEN}"}
ITEMS: Final = {"clap:a-b": 3, "once:blog/post": 1, "tap:home": 12}


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    site = await make_site(LIKE_ADMIN_TOKEN=TOKEN)
    for number, (item, n) in enumerate(ITEMS.items()):
        site.engine.put(item, bytes([number]) * 16, n)
    return site


async def test_pages_together_have_everything_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "PAGE_ITEMS", 2)
    caplog.set_level(logging.INFO)
    found: list[dict[str, Any]] = []
    place: str | None = "0:"
    while place is not None:
        answer = await site.client.get("/api/admin/items", params={"place": place}, headers=ADMIN)
        page = await answer.json()
        assert len(page["items"]) <= 2
        found += page["items"]
        place = page["next"]
    assert found == [{"item": item, "gen": 0, "count": count, "frozen": False} for item, count in ITEMS.items()]
    audited = [record.items for record in caplog.records if record.msg == "items.listed"]
    assert sum(audited) == len(ITEMS)


async def test_an_export_has_every_item_in_a_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "PAGE_ITEMS", 2)
    caplog.set_level(logging.INFO)
    lines = await (await site.client.get("/api/admin/export", headers=ADMIN)).text()
    assert [msgspec.json.decode(line) for line in lines.splitlines()] == [
        {"item": item, "gen": 0, "count": count} for item, count in ITEMS.items()
    ]
    answer = await site.client.get("/api/admin/export?format=csv", headers=ADMIN)
    assert answer.content_type == "text/csv"
    rows = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
    assert {row["item"]: int(row["count"]) for row in rows} == ITEMS
    audited = [record for record in caplog.records if record.msg == "items.exported"]
    assert [record.items for record in audited] == [3, 3]


@pytest.mark.parametrize("path", ["/api/admin/items", "/api/admin/export"])
async def test_only_who_has_the_admin_token_may(site: Site, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer b"}):
        assert (await site.client.get(path, headers=headers)).status == 401


@pytest.mark.parametrize(
    "path", ["/api/admin/export?format=xml", "/api/admin/items?place=x", "/api/admin/items?place=99999:"]
)
async def test_what_is_asked_wrongly_is_refused(site: Site, path: str) -> None:
    answer = await site.client.get(path, headers=ADMIN)
    assert (answer.status, (await answer.json())["code"]) == (400, "bad_message")


async def test_an_export_that_the_ledger_does_not_answer_breaks_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "COMMIT_WAIT_S", 0.01)
    site.engine.is_hanging = True
    with pytest.raises(aiohttp.ClientError):
        await (await site.client.get("/api/admin/export", headers=ADMIN)).read()
