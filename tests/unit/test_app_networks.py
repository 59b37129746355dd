"""One visitor each and not one address each: what a network's budgets let through, and whom they stop."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from app.budget import ADDRESS, NEWCOMERS, TABS, Budgets, Limit, Limits
from tests.unit.fakes import FakeClock
from tests.unit.sites import Site

pytestmark = pytest.mark.usefixtures("no_traceback")

MakeSite = Callable[..., Awaitable[Site]]
ANN, OFFICE, HOME_NET = b"ann-------", b"\xcb\x00\x71", b"\xc6\x33\x64"
POST: Final = "/api/items/once%3Apost/press"


async def press(site: Site, address: str, path: str = POST, **body: Any) -> tuple[int, dict[str, Any]]:
    """As a visitor that nobody has seen before, from this address, by way of a trusted proxy."""
    answer = await site.client.post(path, json=body, headers={"X-Real-IP": address})
    return answer.status, await answer.json()


async def test_fifty_colleagues_behind_one_address_are_fifty(site: Site) -> None:
    answers = [await press(site, "203.0.113.7") for _ in range(50)]
    assert [status for status, _ in answers] == [200] * 50
    assert answers[-1][1]["count"] == 50


async def test_scripted_visitors_are_not(make_site: MakeSite) -> None:
    """From anywhere in one network, however often they change their token."""
    site = await make_site(LIKE_NEWCOMER_BURST="100", LIKE_NEWCOMER_RATE="0.001")
    answers = [await press(site, f"203.0.113.{number % 256}") for number in range(500)]
    assert [status for status, _ in answers] == [200] * 100 + [429] * 400
    assert answers[-1][1]["code"] == "rate_limited"
    assert answers[-1][1]["retry_after"] > 0
    assert site.metric("like_presses_limited_total", budget="newcomers") == 400
    assert site.metric("like_messages_refused_total", code="rate_limited") == 400
    assert (await press(site, "198.51.100.1"))[0] == 200, "others press on"
    assert (await press(site, "203.0.113.7", POST.replace("once", "tap")))[0] == 200, "taps are no new people"


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("203.0.113.7", "203.0.113.250", True),
        ("203.0.113.7", "203.0.114.7", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.9", True),
    ],
)
async def test_what_one_network_is(make_site: MakeSite, first: str, second: str, is_one: bool) -> None:
    site = await make_site(LIKE_NEWCOMER_BURST="1", LIKE_NEWCOMER_RATE="0.001")
    assert (await press(site, first))[0] == 200
    assert (await press(site, second))[0] == (429 if is_one else 200)


async def test_an_address_is_believed_of_a_trusted_proxy_only(make_site: MakeSite) -> None:
    site = await make_site(LIKE_NEWCOMER_BURST="1", LIKE_NEWCOMER_RATE="0.001", LIKE_TRUSTED_PROXIES="none")
    for address in ("203.0.113.7", "203.0.113.8"):
        assert (await press(site, address))[0] == 200, "it is this machine's, which is not charged"


async def test_those_of_whom_a_proxy_says_nonsense_are_one_network(make_site: MakeSite) -> None:
    site = await make_site(LIKE_NEWCOMER_BURST="1", LIKE_NEWCOMER_RATE="0.001")
    statuses = [(await press(site, address))[0] for address in ("nonsense", "unknown", "", "203.0.113.7:80")]
    assert statuses == [200, 429, 429, 429]


async def test_of_a_proxy_that_sends_no_real_ip_the_last_address_that_it_forwards_counts(
    make_site: MakeSite,
) -> None:
    site = await make_site(LIKE_NEWCOMER_BURST="1", LIKE_NEWCOMER_RATE="0.001")

    async def status(*forwarded: str) -> int:
        headers = [("X-Forwarded-For", each) for each in forwarded]
        return (await site.client.post(POST, json={}, headers=headers)).status

    assert await status("198.51.100.1, 203.0.113.7") == 200
    assert await status("198.51.100.2", "192.0.2.1,203.0.113.7") == 429, "what a browser sends before it is nothing"
    assert await status("203.0.113.7, 198.51.100.1") == 200


async def test_tabs_without_number_fill_no_disk(make_site: MakeSite) -> None:
    """Each leaves a row in every ledger for good, whoever's it is and whatever its item's name."""
    site = await make_site(LIKE_TAB_BURST="3", LIKE_TAB_RATE="0.001")
    paths = [f"/api/items/tap%3A{number}/press" for number in (1, 1, 2, 3, 3)]
    answers = [await press(site, "203.0.113.7", path, tab=f"tab-{place}") for place, path in enumerate(paths)]
    assert [status for status, _ in answers] == [200, 200, 200, 429, 429]
    assert site.metric("like_presses_limited_total", budget="tabs") == 2
    assert (await press(site, "203.0.113.7"))[0] == 200, "people go on counting"
    assert (await press(site, "198.51.100.1", paths[0]))[0] == 200


async def test_a_network_is_stopped_on_a_websocket_too(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ADDRESS_BURST="3", LIKE_ADDRESS_RATE="0.5")
    browser = await site.browser(**{"X-Real-IP": "203.0.113.7"})
    await browser.say(type="press", id=1, item="tap:a", n=5)
    pressed = await browser.hear("pressed")
    assert (pressed["n"], pressed["retry_after"] > 0) == (3, True)
    other = await site.browser(**{"X-Real-IP": "203.0.113.8"})
    await other.say(type="press", id=1, item="tap:a", n=1)
    refused = await other.hear("error")
    assert (refused["code"], refused["retry_after"] > 0) == ("rate_limited", True)
    assert site.metric("like_presses_limited_total", budget="address") == 2


async def test_an_item_may_have_a_limit_for_all(make_site: MakeSite) -> None:
    site = await make_site(LIKE_ITEM_BURST="3", LIKE_ITEM_RATE="0.001")
    assert [(await press(site, f"203.0.{n}.1"))[0] for n in range(5)] == [200] * 3 + [429] * 2
    assert (await press(site, "203.0.113.1", POST.replace("post", "other")))[0] == 200
    assert site.metric("like_presses_limited_total", budget="item") == 2


def test_who_has_no_limit_does_not_pay() -> None:
    budgets = Budgets(Limits(), FakeClock())
    assert not budgets.is_limited
    assert budgets.payers(ANN, "once:a", OFFICE) == ()
    assert budgets.debut("once:a", OFFICE) == b""


def test_each_payer_has_a_bucket_of_its_own_sort() -> None:
    limit = Limit(1, 10)
    budgets = Budgets(Limits(limit, limit, limit, limit, limit), FakeClock())
    payers = budgets.payers(ANN, "once:a", OFFICE)
    assert payers == (ANN, ADDRESS + OFFICE, "once:a")
    debuts = [budgets.debut(item, OFFICE) for item in ("once:a", "tap:a")]
    assert debuts == [NEWCOMERS + OFFICE, TABS + OFFICE]
    for presses, payer in enumerate((*payers, *debuts), 1):
        budgets.spend(payer, presses)
    assert [budgets.allowance(payer) for payer in (*payers, *debuts)] == [9, 8, 7, 6, 5]
    assert budgets.allowance(ADDRESS + HOME_NET) == 10


def test_how_long_to_wait_is_said_by_whoever_fills_last() -> None:
    clock = FakeClock()
    budgets = Budgets(Limits(visitor=Limit(10, 10), newcomers=Limit(0.5, 1)), clock)
    budgets.spend(ANN, 10)
    assert budgets.retry_after(ANN, "once:a", OFFICE, 1, is_debut=True) == (0.1, "visitor")
    budgets.spend(NEWCOMERS + OFFICE, 1)
    assert budgets.retry_after(ANN, "once:a", OFFICE, 1, is_debut=True) == (2.0, "newcomers")
    for item, is_debut in (("once:a", False), ("tap:a", True)):
        assert budgets.retry_after(ANN, item, OFFICE, 1, is_debut=is_debut) == (0.1, "visitor"), "they do not pay"
