"""Whoever comes to a problem by an address or a form gets a page of it, and programs get a document."""

from collections.abc import Awaitable, Callable

import pytest

from app.texts import LANGUAGES
from tests.unit.sites import Site

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/nothing", 404, "No page has this address."),
        ("/items/foo", 400, "An item is written kind:name"),
        ("/overlay/once%3A%3Cscript%3E", 400, "An item is written kind:name"),
        ("/privacy/", 404, "No page has this address."),
    ],
)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_a_browser_gets_a_page_in_its_language(
    site: Site, path: str, status: int, detail: str, language: str
) -> None:
    async with site.client.get(path, headers={"Accept": BROWSER, "Accept-Language": language}) as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (status, "text/html")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert f'<html lang="{language}"' in text
    assert LANGUAGES[language]["problem"][str(status)] in text
    assert detail in text
    assert "<script" not in text


async def test_a_frame_on_a_listed_page_shows_what_is_wrong(make_site: Callable[..., Awaitable[Site]]) -> None:
    site = await make_site(LIKE_ALLOWED_ORIGINS="https://blog.example")
    async with site.client.get("/embed/foo", headers={"Accept": BROWSER}) as answer:
        assert (answer.status, answer.content_type) == (400, "text/html")
        assert "frame-ancestors 'self' https://blog.example" in answer.headers["Content-Security-Policy"]


async def test_a_form_that_is_refused_says_so_on_a_page(site: Site) -> None:
    headers = {"Accept": BROWSER, "Sec-Fetch-Site": "cross-site"}
    async with site.client.post("/items/tap%3Aa/press", headers=headers) as refused:
        assert (refused.status, refused.content_type) == (403, "text/html")
        assert "Forms of other sites may not press here." in await refused.text()
    async with site.client.post("/privacy", headers={"Accept": BROWSER}) as wrong:
        assert (wrong.status, wrong.content_type, wrong.headers["Allow"]) == (405, "text/html", "GET,HEAD")


async def test_what_nobody_expected_is_a_page_without_a_reason(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(site.engine, "status", fail)
    async with site.client.get("/cluster", headers={"Accept": BROWSER}) as failed:
        assert (failed.status, failed.content_type) == (500, "text/html")
        assert "secret" not in await failed.text()
    caplog.clear()


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/items/foo", "*/*"), ("/items/foo", ""), ("/api/items/foo", BROWSER)],
)
async def test_programs_and_scripts_get_problem_details(site: Site, path: str, accept: str) -> None:
    async with site.client.get(path, headers={"Accept": accept}) as answer:
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["status"] == answer.status
