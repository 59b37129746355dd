"""The live badge, as an image of another site meets it."""

from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from cluster.core.items import counted
from tests.unit.sites import Site
from tests.unit.test_app_live_refusals import BAD_ITEMS

ONE, OTHER = b"0123456789" + bytes(6), b"9876543210" + bytes(6)
pytestmark = pytest.mark.usefixtures("no_traceback")


async def texts(site: Site, path: str) -> list[str]:
    """What the image says, in its order."""
    async with site.client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "image/svg+xml"
        return [text.strip() for text in ElementTree.fromstring(await answer.text()).itertext() if text.strip()]


@pytest.mark.parametrize(("item", "label"), [("once:a", "likes"), ("clap:a", "claps"), ("tap:a", "presses")])
async def test_a_badge_shows_the_count_of_its_item(site: Site, item: str, label: str) -> None:
    site.engine.put(item, ONE, 3)
    count = counted(item, 3)
    assert await texts(site, f"/badge/{item}.svg") == [f"{label}: {count}", label, f"{count}"]


async def test_an_item_of_several_segments_is_one_of_the_path(site: Site) -> None:
    site.engine.put("tap:blog/post.svg", ONE, 1234)
    assert (await texts(site, f"/badge/{quote('tap:blog/post.svg', safe='')}.svg"))[-1] == "1,234"


async def test_a_label_is_a_text_and_nothing_else(site: Site) -> None:
    label = "<script>&\"' ♥"
    assert (await texts(site, f"/badge/tap:a.svg?label={quote(label)}"))[1] == label


@pytest.mark.parametrize("label", ["x" * 61, "a\nb"])
async def test_a_label_that_no_badge_has_is_refused(site: Site, label: str) -> None:
    async with site.client.get("/badge/tap:a.svg", params={"label": label}) as answer:
        assert answer.status == 400
        assert (await answer.json())["code"] == "bad_message"


@pytest.mark.parametrize("item", BAD_ITEMS)
async def test_what_is_no_item_has_no_badge(site: Site, item: str) -> None:
    async with site.client.get(f"/badge/{quote(item, safe='')}.svg") as answer:
        assert answer.status in (400, 404)


async def test_a_badge_is_asked_for_every_time_and_sent_when_it_has_changed(site: Site) -> None:
    site.engine.put("once:a", ONE, 1)
    async with site.client.get("/badge/once:a.svg") as first:
        assert first.headers["Cache-Control"] == "no-cache"
        assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        tag = first.headers["ETag"]
    for tags in (tag, f'"other", W/{tag}', "*"):
        async with site.client.get("/badge/once:a.svg", headers={"If-None-Match": tags}) as again:
            assert (again.status, await again.read()) == (304, b"")
            assert again.headers["ETag"] == tag
    site.engine.put("once:a", OTHER, 1)
    async with site.client.get("/badge/once:a.svg", headers={"If-None-Match": tag}) as changed:
        assert changed.status == 200
        assert changed.headers["ETag"] != tag
        assert "2" in await changed.text()


async def test_the_texts_of_a_badge_fit_into_it(site: Site) -> None:
    async with site.client.get("/badge/tap:a.svg", params={"label": "W" * 60}) as answer:
        image = ElementTree.fromstring(await answer.text())
    ends = [float(text.get("x", 0)) + float(text.get("textLength", 0)) for text in image.findall(".//{*}text")]
    assert max(ends) < float(image.get("width", 0))
