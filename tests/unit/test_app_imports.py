"""Counts that were made elsewhere: pressed once, however often they are brought in."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from tests.unit.sites import Site

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
TOKEN: Final = "a" * 16


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ADMIN_TOKEN=TOKEN)


async def bring(site: Site, token: str = TOKEN, **body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await site.client.post("/api/admin/import", json={"label": "old", **body}, headers=headers)
    return answer.status, await answer.json()


async def test_the_same_import_again_changes_nothing_and_a_larger_one_adds_what_is_missing(site: Site) -> None:
    for _ in range(2):
        status, said = await bring(site, item="once:a", visitors=120, n=1)
        assert (status, said["count"]) == (200, 120)
    assert (await bring(site, item="once:a", first=120, visitors=5, n=1))[1]["count"] == 125
    assert (await bring(site, item="once:a", first=100, visitors=20, n=1))[1]["count"] == 125


async def test_it_is_answered_by_how_much_the_count_was_raised(site: Site) -> None:
    for body, added in (
        ({"item": "once:a", "visitors": 120, "n": 1}, 120),
        ({"item": "once:a", "visitors": 120, "n": 1}, 0),
        ({"item": "once:a", "first": 100, "visitors": 25, "n": 1}, 5),
        ({"item": "once:a", "label": "other", "visitors": 3, "n": 1}, 3),
        ({"item": "clap:a", "visitors": 2, "n": 30}, 60),
        ({"item": "clap:a", "visitors": 3, "n": 50}, 90),
        ({"item": "clap:a", "visitors": 3, "n": 20}, 0),
    ):
        assert (await bring(site, **body))[1]["added"] == added
    await site.client.post("/api/items/clap%3Aa/press", json={"n": 7})
    assert (await bring(site, item="clap:a", visitors=3, n=50))[1]["added"] == 0, "others' presses are not its own"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    await site.client.post("/api/admin/items/clap%3Aa/reset", headers=headers)
    assert (await bring(site, item="clap:a", visitors=2, n=30))[1]["added"] == 60, "all of it was reset"


async def test_an_import_is_one_line_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await bring(site, item="once:a", first=7, visitors=120, n=1)
    (line,) = (vars(record) for record in caplog.records if record.msg == "item.imported")
    told = {name: line[name] for name in ("item", "label", "first", "visitors")}
    assert told == {"item": "once:a", "label": "old", "first": 7, "visitors": 120}


async def test_labels_and_items_have_visitors_of_their_own(site: Site) -> None:
    await bring(site, item="once:a", visitors=3, n=1)
    assert (await bring(site, label="other", item="once:a", visitors=3, n=1))[1]["count"] == 6
    assert (await bring(site, item="once:b", visitors=3, n=1))[1]["count"] == 3


async def test_a_page_is_named_as_a_button_on_it_would(site: Site) -> None:
    status, said = await bring(site, page="https://blog.example/post/?a=b", visitors=2, n=50)
    assert (status, said["item"], said["count"]) == (200, "clap:blog.example/post", 100)


async def test_two_spellings_of_a_page_add_up_and_the_same_one_does_not(site: Site) -> None:
    for page in ("blog.example/post", "https://blog.example/post/", "blog.example/post"):
        _, said = await bring(site, page=page, visitors=2, n=50)
    assert (said["item"], said["count"]) == ("clap:blog.example/post", 200)


async def test_an_import_is_charged_to_nobody(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ADMIN_TOKEN=TOKEN, LIKE_PRESS_BURST="1", LIKE_ITEM_RATE="1", LIKE_ITEM_BURST="1")
    assert (await bring(site, item="tap:a", visitors=3, n=1000))[1]["count"] == 3000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"item": "once:a", "visitors": 1001, "n": 1}, "bad_tally"),
        ({"item": "clap:a", "visitors": 1, "n": 51}, "bad_tally"),
        ({"item": "once:a", "visitors": 0, "n": 1}, "bad_message"),
        ({"item": "once:a", "visitors": 1}, "bad_message"),
        ({"item": "nonsense", "visitors": 1, "n": 1}, "bad_item"),
        ({"page": "", "visitors": 1, "n": 1}, "bad_item"),
        ({"label": "", "item": "once:a", "visitors": 1, "n": 1}, "bad_message"),
    ],
)
async def test_what_makes_no_sense_is_refused_whole(site: Site, body: dict[str, Any], code: str) -> None:
    status, said = await bring(site, **body)
    assert (status, said["code"]) == (400, code)
    assert not site.engine.presses


async def test_only_who_has_the_admin_token_may(site: Site) -> None:
    assert (await bring(site, token="b", item="once:a", visitors=1, n=1))[0] == 401
