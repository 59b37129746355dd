"""The page that says what is stored, and the form that forgets a visitor."""

import pytest

from app import keys
from app.pages import COOKIE, FRAME_COOKIE
from app.texts import LANGUAGES
from tests.unit.sites import Site

pytestmark = pytest.mark.usefixtures("no_traceback")

VISITOR = b"0123456789"


def come_as(site: Site, visitor: bytes) -> None:
    token = site.client.app[keys.DESK].tokens.sign(visitor)
    site.client.session.cookie_jar.update_cookies({"like_token": token})


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_the_page_says_everything_in_the_readers_language(site: Site, language: str) -> None:
    answer = await site.client.get("/privacy", headers={"Accept-Language": language})
    text = await answer.text()
    assert f'lang="{language}"' in text
    for part in ("browser", "servers", "memory", "never", "forget", "forget_more"):
        assert LANGUAGES[language]["privacy"][part] in text
    for cookie in (COOKIE, FRAME_COOKIE):
        assert cookie in text


async def test_who_is_forgotten_is_erased_and_has_no_cookie_any_more(site: Site) -> None:
    site.engine.put("once:a", VISITOR + bytes(6), 1)
    come_as(site, VISITOR)
    answer = await site.client.post("/forget", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/privacy?notice=forgotten")
    assert answer.cookies["like_token"]["max-age"] == "0"
    assert site.engine.is_erased(VISITOR)
    shown = await (await site.client.get(answer.headers["Location"])).text()
    assert LANGUAGES["en"]["privacy"]["forgotten"] in shown


async def test_where_nobody_is_there_is_nothing_to_forget(site: Site) -> None:
    answer = await site.client.post("/forget", allow_redirects=False)
    assert answer.headers["Location"] == "/privacy?notice=nobody"
    assert not site.engine.erased


async def test_a_node_that_cannot_save_says_so_and_keeps_the_cookie(site: Site) -> None:
    site.engine.is_read_only = True
    come_as(site, VISITOR)
    answer = await site.client.post("/forget", allow_redirects=False)
    assert answer.headers["Location"] == "/privacy?notice=read_only"
    assert "like_token" not in answer.cookies


async def test_no_page_of_others_forgets_anybody(site: Site) -> None:
    come_as(site, VISITOR)
    answer = await site.client.post("/forget", headers={"Sec-Fetch-Site": "cross-site"}, allow_redirects=False)
    assert answer.status == 403
    assert not site.engine.is_erased(VISITOR)


async def test_a_notice_is_never_text_of_the_request(site: Site) -> None:
    for code in ("<b>", "forget", "title"):
        assert 'role="alert"' not in await (await site.client.get("/privacy", params={"notice": code})).text()
