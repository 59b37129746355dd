"""Every refusal of `/live`, provoked over a real socket: each error code, and each close code for a frame."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from app import keys
from tests.unit.sites import Site

MakeSite = Callable[..., Awaitable[Site]]


pytestmark = pytest.mark.usefixtures("no_traceback")


BAD_MESSAGES = [
    "",
    "like",
    "[1, 2",
    "null",
    "3",
    '"press"',
    "[]",
    "{}",
    '{"type":"steal"}',
    '{"type":7}',
    '{"type":"press"}',
    '{"type":"press","item":5}',
    '{"type":"press","item":"tap:home","n":"1"}',
    '{"type":"press","item":"tap:home","n":1.5}',
    '{"type":"press","item":"tap:home","n":true}',
    '{"type":"press","item":"tap:home","n":1e999}',
    '{"type":"press","item":"tap:home","gen":-1}',
    '{"type":"press","item":"tap:home","gen":9007199254740992}',
    '{"type":"press","item":"tap:home","tab":["x"]}',
    '{"type":"press","item":"tap:home","tab":"' + "x" * 65 + '"}',
    '{"type":"watch"}',
    '{"type":"watch","items":"tap:home"}',
    '{"type":"watch","items":[null]}',
    '{"type":"hello","token":{}}',
    '{"type":"press","item":' + "[" * 2000 + "]" * 2000 + "}",
    '{"type":"hello","tab":"\\ud800"}',
    '{"type":"ping"}{"type":"ping"}',
    '{"type":"ping",}',
    "\x00",
]


async def test_depth_in_a_field_that_nobody_reads_harms_nobody(site: Site) -> None:
    """Python 3.12 and later nest deeper than 3.11 before they refuse."""
    browser = await site.browser()
    await browser.hear("hello")
    await browser.socket.send_str('{"type":"ping","deep":' + "[" * 2000 + "]" * 2000 + "}")
    answer = await browser.hear()
    assert answer["type"] == "pong" or answer["code"] == "bad_message"
    await browser.say(type="ping")
    await browser.hear("pong")


@pytest.mark.parametrize("text", BAD_MESSAGES)
async def test_bad_message(site: Site, text: str) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    await browser.socket.send_str(text)
    error = await browser.hear()
    assert (error["type"], error["code"]) == ("error", "bad_message")
    await browser.say(type="ping")
    assert await browser.hear() == {"type": "pong"}


async def test_an_error_names_the_message_that_it_answers(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="press", id=41, item="tap:home", n="many")
    assert (await browser.hear("error"))["id"] == 41


async def test_unknown_fields_are_ignored(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="press", id=1, item="tap:home", n=1, colour="red", deep=[{}])
    assert (await browser.hear("pressed"))["n"] == 1


BAD_ITEMS = [
    "tap:{x}",
    "",
    "home",
    "tap:",
    "tap: ",
    'tap:"',
    "tap:<b>",
    "tap:..",
    "tap:a/../b",
    "tap:a//b",
    "tap:/a",
    "tap:a/",
    "tap:\n",
    "tap:a\x00",
    "tap:é",
    "tap:" + "x" * 201,
    "poke:home",
    "TAP:home",
]


@pytest.mark.parametrize("item", BAD_ITEMS)
async def test_bad_item(site: Site, item: str) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=["tap:home", item])
    error = await browser.hear("error")
    assert error["code"] == "bad_item"
    assert "kind:name" in error["message"]
    await browser.say(type="press", id=3, item=item, n=1)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("bad_item", 3)
    assert not site.engine.presses


@pytest.mark.parametrize(
    ("item", "n"),
    [("tap:a", 0), ("tap:a", -1), ("tap:a", 2**20 + 1), ("once:a", 2**70), ("clap:a", 51)],
)
async def test_bad_tally(site: Site, item: str, n: int) -> None:
    browser = await site.browser()
    await browser.say(type="press", id=3, item=item, n=n)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("bad_tally", 3)


async def test_bad_token_leaves_the_connection_its_fresh_visitor(site: Site) -> None:
    browser = await site.browser()
    fresh = site.client.app[keys.DESK].tokens.verify((await browser.hear("hello"))["token"])
    await browser.say(type="hello", token="stolen.token", tab="t")
    assert (await browser.hear())["code"] == "bad_token"
    await browser.say(type="press", id=1, item="once:a", n=1)
    await browser.hear("pressed")
    assert site.engine.presses[0].actor == fresh + bytes(6)


async def test_too_many_items(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=[f"tap:{number}" for number in range(100)])
    await browser.hear("mine")
    await browser.say(type="watch", items=["tap:0"])
    await browser.hear("mine")
    await browser.say(type="watch", items=["tap:100"])
    assert (await browser.hear("error"))["code"] == "too_many_items"
    await browser.say(type="unwatch", items=["tap:0", "tap:never"])
    await browser.say(type="watch", items=["tap:100"])
    assert (await browser.hear("counts"))["counts"] == {"tap:100": 0}


async def test_of_too_many_items_the_first_are_watched(site: Site) -> None:
    browser = await site.browser()
    items = [f"tap:{number}" for number in range(150)]
    await browser.say(type="watch", items=[*items[:2], *items])
    assert (await browser.hear("error"))["code"] == "too_many_items"
    assert list((await browser.hear("counts"))["counts"]) == items[:100]
    # One that is watched already takes no room.
    await browser.say(type="watch", items=["tap:149", "tap:7"])
    assert (await browser.hear("error"))["code"] == "too_many_items"
    assert (await browser.hear("counts"))["counts"] == {"tap:7": 0}


async def test_rate_limited_and_partial_grants_say_when_to_send_again(make_site: MakeSite) -> None:
    site = await make_site(LIKE_PRESS_RATE="0.1", LIKE_PRESS_BURST="10")
    browser = await site.browser()
    await browser.say(type="press", id=1, item="tap:home", n=25)
    partly = await browser.hear("pressed")
    assert partly["n"] == 10
    assert partly["retry_after"] == pytest.approx(10, abs=2), "the next one; the rest later"
    await browser.say(type="press", id=2, item="tap:home", n=25)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("rate_limited", 2)
    assert error["retry_after"] == pytest.approx(10, abs=2)


async def test_read_only(site: Site) -> None:
    site.engine.is_read_only = True
    browser = await site.browser()
    await browser.say(type="press", id=2, item="tap:home", n=1)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("read_only", 2)
    assert error["retry_after"] > 0


async def test_reset_is_told_after_the_new_generation(site: Site) -> None:
    browser = await site.browser()
    site.engine.put_reset("tap:home")
    await browser.hear("hello")
    await browser.say(type="press", id=2, item="tap:home", gen=0, n=7)
    assert await browser.hear() == {"type": "mine", "tallies": {"tap:home": {"gen": 1, "n": 0}}}
    error = await browser.hear()
    assert (error["code"], error["id"]) == ("reset", 2)


async def test_behind(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="press", id=2, item="tap:home", gen=1, n=7)
    error = await browser.hear("error")
    assert (error["code"], error["id"]) == ("behind", 2)
    assert error["retry_after"] > 0


async def test_one_who_keeps_talking_nonsense_is_sent_away(site: Site) -> None:
    browser = await site.browser()
    for _ in range(21):
        await browser.socket.send_str("nonsense")
    assert await browser.closed_with() == 4500


def ping_of(length: int) -> str:
    start, end = '{"type":"ping","padding":"', '"}'
    return start + "x" * (length - len(start) - len(end)) + end


async def test_a_frame_of_4_kib_passes(site: Site) -> None:
    browser = await site.browser()
    await browser.socket.send_str(ping_of(4096))
    await browser.hear("pong")


async def test_a_larger_frame_closes_with_1009(site: Site) -> None:
    browser = await site.browser()
    await browser.socket.send_str(ping_of(4097))
    assert await browser.closed_with() == 1009


async def test_a_binary_frame_closes_with_1003(site: Site) -> None:
    browser = await site.browser()
    await browser.socket.send_bytes(b'{"type":"ping"}')
    assert await browser.closed_with() == 1003


async def test_a_frame_that_is_not_utf8_closes_with_1007(site: Site) -> None:
    browser = await site.browser()
    await browser.socket.send_frame(b'{"type":"\xff"}', aiohttp.WSMsgType.TEXT)
    assert await browser.closed_with() == 1007
