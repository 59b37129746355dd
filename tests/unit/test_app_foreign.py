"""Buttons of other makers: the requests that the published packages send, and what they understand."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from yarl import URL

from app.foreign import EMOJI, _emoji_in
from app.page_names import page_name
from cluster.core.items import is_pressable
from tests.unit.sites import Site

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
BLOG: Final = "https://blog.example"


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ALLOWED_ORIGINS=BLOG)


async def clap(site: Site, body: str, query: str = "?url=blog.example/post", **headers: str) -> tuple[int, str]:
    answer = await site.client.post(f"/update-claps{query}", data=body, headers={"Origin": BLOG, **headers})
    return answer.status, await answer.text()


async def counted(site: Site, item: str) -> int:
    answer = await site.client.get("/api/items", params={"item": item})
    count: int = (await answer.json())["counts"][item]
    return count


def test_long_addresses_keep_both_ends_and_their_length() -> None:
    name = page_name("b.example/" + "x" * 300 + "/end")
    assert (len(name), name[:10], name[-5:]) == (200, "b.example/", "x/end")
    assert len(page_name("b.example/" + "x" * 300, 151)) == 151


@pytest.mark.parametrize("path", ["x" * 183, "x" * 190, "x" * 300, "%D0%B6" * 30, "%E3%81%82" * 20])
async def test_hearts_of_pages_with_long_addresses_are_taken_and_told(site: Site, path: str) -> None:
    for emoji in ("❤️", "👩‍❤️‍💋‍👩"):
        if emoji.replace("\ufe0f", "") in EMOJI:
            answer = await site.client.post(URL(f"/blog.example/{path}", encoded=True), data=emoji)
            assert answer.status == 200, await answer.text()
    answer = await site.client.get(URL(f"/blog.example/{path}", encoded=True))
    assert "❤️" in await answer.json()


# -- applause-button


async def test_claps_add_up_and_are_those_of_the_item_of_the_page(site: Site) -> None:
    assert await clap(site, '"3,3.3.0"') == (200, "3")
    assert await clap(site, '"2,3.3.0"') == (200, "5")
    answer = await site.client.get("/get-claps?url=blog.example/post", headers={"Origin": BLOG})
    assert (await answer.text(), answer.headers["Access-Control-Allow-Origin"]) == ("5", BLOG)
    assert await counted(site, "clap:blog.example/post") == 5


@pytest.mark.parametrize(("body", "claps"), [('"40,3.3.0"', "10"), ('"0,3.3.0"', "1"), ("7", "7"), ("1", "1")])
async def test_a_request_brings_one_to_ten_claps(site: Site, body: str, claps: str) -> None:
    assert await clap(site, body) == (200, claps)


async def test_without_an_address_it_is_the_page_that_asks(site: Site) -> None:
    await clap(site, '"1,3.3.0"', "", Referer=f"{BLOG}/post/?utm=x#top")
    assert await counted(site, "clap:blog.example/post") == 1
    answer = await site.client.get("/get-claps")
    assert (answer.status, (await answer.json())["code"]) == (400, "bad_item")


@pytest.mark.parametrize("body", ["", "many", '"-3,3.3.0"', "\x00"])
async def test_claps_that_are_no_number_are_refused(site: Site, body: str) -> None:
    status, text = await clap(site, body)
    assert (status, "bad_message" in text) == (400, True)


async def test_pages_of_others_do_not_clap(site: Site) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await clap(site, "1", **headers))[0] == 403


# -- OpenHeart


async def heart(site: Site, body: str, path: str = "/blog.example/post") -> tuple[int, Any]:
    answer = await site.client.post(path, data=body.encode(), headers={"Origin": BLOG})
    return answer.status, await answer.text()


async def test_hearts_are_counted_by_emoji_and_page(site: Site) -> None:
    for body in ("❤️", "❤", "🥨=", "🥨 with more behind it", "❤️‍🔥"):
        assert (await heart(site, body))[0] == 200, body
    await heart(site, "❤️", "/blog.example/other")
    answer = await site.client.get("/blog.example/post", headers={"Origin": BLOG})
    assert await answer.json() == {"❤️": 2, "🥨": 2, "❤️‍🔥": 1}
    assert answer.headers["Access-Control-Allow-Origin"] == BLOG
    assert await counted(site, "once:blog.example/post~2764") == 2


async def test_a_page_that_nobody_has_hearted_has_no_counts(site: Site) -> None:
    answer = await site.client.get("/blog.example/")
    assert (answer.status, await answer.json()) == (200, {})


@pytest.mark.parametrize("body", ["", "heart", "x❤️", "=", "🇫🇮"])
async def test_what_does_not_begin_with_an_emoji_that_is_taken_is_refused(site: Site, body: str) -> None:
    status, text = await heart(site, body)
    assert (status, "bad_message" in text, "🥨" in text) == (400, True, True)


async def test_paths_without_a_host_are_no_pages(site: Site) -> None:
    for path in ("/nothing", "/itemsx/a.b", "/a b.c/d", "/favicon.ico", "/robots.txt"):
        assert (await heart(site, "❤️", path))[0] in (404, 405), path


def test_every_emoji_is_told_apart() -> None:
    """Also where one begins with another: a heart on fire is no heart."""
    for bare, emoji in EMOJI.items():
        assert _emoji_in(f"{emoji}=") == _emoji_in(bare) == bare


# -- names of pages


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://blog.example/post?from=feed#top", "blog.example/post"),
        ("http://blog.example", "blog.example"),
        ("blog.example//a///b/", "blog.example/a/b"),
        ("localhost:8080/a", "localhost%3a8080/a"),
        ("blog.example/caf%C3%A9", "blog.example/caf%C3%A9"),
        ("blog.example/café", "blog.example/caf%C3%A9"),
        ("blog.example/{a|b}", "blog.example/%7Ba%7cb%7D"),
        ("blog.example/a+b,c(d)", "blog.example/a%2bb%2cc%28d%29"),
        ("blog.example/" + "a" * 300, "blog.example/" + "a" * 86 + "~" + "a" * 100),
    ],
)
def test_a_page_has_one_name(address: str, name: str) -> None:
    assert page_name(address) == name
    assert is_pressable(f"once:{name}")
