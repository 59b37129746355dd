"""Pages of other sites: those that the operator listed may use the API, and nobody else's."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from tests.unit.sites import Site

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
LISTED: Final = "https://blog.example"
OTHER: Final = "https://blog.example.evil.example"
PRESS: Final = "/api/items/tap%3Ahome/press"
ASKS: Final = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ALLOWED_ORIGINS=LISTED.upper(), LIKE_ADMIN_TOKEN="a" * 16)


def from_page_of(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Sec-Fetch-Site": "cross-site"}


async def test_a_page_of_a_listed_origin_reads_and_presses(site: Site) -> None:
    pressed = await site.client.post(PRESS, headers=from_page_of(LISTED))
    assert (pressed.status, pressed.headers["Access-Control-Allow-Origin"]) == (200, LISTED)
    headers = from_page_of(LISTED) | {"Authorization": f"Bearer {(await pressed.json())['token']}"}
    read = await site.client.get("/api/items/tap%3Ahome", headers=headers)
    assert (await read.json())["count"] == 1
    assert (read.headers["Access-Control-Allow-Origin"], read.headers["Vary"]) == (LISTED, "Origin")
    erased = await site.client.delete("/api/visitor", headers=headers)
    assert erased.status == 200


async def test_a_page_of_another_origin_neither_presses_nor_reads(site: Site) -> None:
    for origin in (OTHER, "null", "http://blog.example", f"{LISTED}:8443"):
        pressed = await site.client.post(PRESS, headers=from_page_of(origin))
        assert (pressed.status, (await pressed.json())["code"]) == (403, "forbidden")
        read = await site.client.get("/api/items/tap%3Ahome", headers=from_page_of(origin))
        assert "Access-Control-Allow-Origin" not in {*pressed.headers, *read.headers}
        assert read.headers["Vary"] == "Origin"
    assert not site.engine.presses


async def test_a_listed_origin_is_asked_for_nothing_more_than_the_api(site: Site) -> None:
    """The form goes by a cookie, and an operator by a token that no page should have."""
    form = await site.client.post("/items/tap%3Ahome/press", headers=from_page_of(LISTED), allow_redirects=False)
    assert form.status == 403
    reset = await site.client.post(
        "/api/admin/items/tap%3Ahome/reset",
        headers=from_page_of(LISTED) | {"Authorization": f"Bearer {'a' * 16}"},
    )
    assert (reset.status, "Access-Control-Allow-Origin" in reset.headers) == (403, False)
    assert "Access-Control-Allow-Origin" not in (await site.client.get("/", headers=from_page_of(LISTED))).headers


async def test_a_preflight_is_answered_for_listed_origins_only(site: Site) -> None:
    listed = await site.client.options(PRESS, headers=from_page_of(LISTED) | ASKS)
    assert (listed.status, listed.headers["Access-Control-Allow-Origin"]) == (204, LISTED)
    assert listed.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
    assert listed.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "Access-Control-Allow-Credentials" not in listed.headers
    other = await site.client.options(PRESS, headers=from_page_of(OTHER) | ASKS)
    assert not [name for name in other.headers if name.startswith("Access-Control")]


async def test_what_is_no_preflight_is_asked_of_the_routes(site: Site) -> None:
    assert (await site.client.options(PRESS, headers=from_page_of(LISTED))).status == 405
    assert (await site.client.options("/", headers=from_page_of(LISTED) | ASKS)).status == 405


async def test_the_buttons_script_may_be_loaded_by_every_page(site: Site) -> None:
    answer = await site.client.get("/static/like-button.js", headers=from_page_of(OTHER))
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_the_buttons_script_is_sent_compressed(site: Site) -> None:
    sizes = {}
    for coding in ("gzip", "identity"):
        async with site.client.get("/static/like-button.js", headers={"Accept-Encoding": coding}) as script:
            assert script.headers.get("Content-Encoding", "identity") == coding
            assert script.headers["Access-Control-Allow-Origin"] == "*"
            sizes[coding] = int(script.headers["Content-Length"])
            assert "customElements" in await script.text()
    assert sizes["gzip"] <= 8 * 1024 < sizes["identity"]
