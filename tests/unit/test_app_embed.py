"""The button in a frame on a page of others, as a browser without JavaScript meets it."""

from collections.abc import Awaitable, Callable

import pytest

from app import keys
from tests.unit.sites import Site
from tests.unit.test_app_pages import view

MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")


async def test_the_button_alone_may_stand_in_frames_of_listed_origins(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ALLOWED_ORIGINS="https://blog.example,https://b.example")
    answer = await site.client.get("/embed/once%3Aa")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' https://b.example https://blog.example")
    assert (await site.client.get("/items/once%3Aa")).headers["Content-Security-Policy"].endswith("'none'")


async def test_a_press_in_a_frame_leads_back_to_it(site: Site) -> None:
    text = await (await site.client.get("/embed/once%3Aa")).text()
    assert 'action="/items/once%3Aa/press?page=embed"' in text
    answer = await site.client.post("/items/once%3Aa/press?page=embed", data={"n": "1"}, allow_redirects=False)
    assert answer.headers["Location"] == "/embed/once%3Aa"
    assert answer.cookies["like_token"]["samesite"] == "Lax"


async def test_who_presses_in_frames_is_known_there_and_nowhere_else(site: Site) -> None:
    framed, visitor = b"framed-one", b"visitor-10"
    tokens = site.client.app[keys.DESK].tokens
    site.engine.put("once:a", framed + bytes(6), 1)
    cookies = {"like_frame": tokens.sign(framed), "like_token": tokens.sign(visitor)}
    site.client.session.cookie_jar.update_cookies(cookies)
    frame = await (await site.client.get("/embed/once%3Aa")).text()
    assert 'aria-pressed="true"' in frame
    assert not (await view(site, "/items/once%3Aa"))["liked"]
    # Taken back: by the same.
    body = {"n": "2"}
    await site.client.post("/items/once%3Aa/press?page=embed", data=body, allow_redirects=False)
    assert (await view(site, "/items/once%3Aa"))["count"] == 0


async def test_over_https_a_frames_cookie_is_kept_apart_by_site(site: Site) -> None:
    answer = await site.client.post(
        "/items/once%3Aa/press?page=embed",
        data={"n": "1"},
        headers={"X-Forwarded-Proto": "https"},
        allow_redirects=False,
    )
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("SameSite=None", "Secure", "Partitioned"))
