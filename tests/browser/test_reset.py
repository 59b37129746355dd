"""A reset, and the erasure of a visitor, as people with open pages see them."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.person import BACK_WITHIN_S, UNLOCKED, Person, Tab
from tests.browser.site import Site
from tests.support.operator import RUNBOOK
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORED = "Object.keys(localStorage).filter((key) => /^like@\\S+ /.test(key))"


async def token_of(person: Person) -> str:
    (token,) = await person.tokens()
    return token


async def until_forgotten(person: Person) -> None:
    async def is_forgotten() -> bool:
        return not await person.tokens()

    await wait_for(is_forgotten, 5, "the page to forget its token")


async def until_nothing_is_stored(tab: Tab) -> None:
    async def is_empty() -> bool:
        return not await tab.page.evaluate(STORED)

    await wait_for(is_empty, 5, "what was stored of an old generation to be cleared away")


async def test_every_open_page_follows_a_reset_at_once(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    one, other = [await (await calm_site.meet()).open(item) for _ in range(2)]
    for count, tab in enumerate((one, other), start=1):
        await tab.press(item)
        await tab.assert_shows(item, count)
        await tab.assert_saved()
    await other.assert_shows(item, 2)

    await calm_site.cluster.reset(item)

    for tab in (one, other):
        await tab.assert_shows(item, 0, within_s=2)
        await tab.assert_liked(item, False)
        await tab.assert_says_of_mine(item, "")
    await one.press(item)
    await one.assert_saved()
    for tab in (one, other):
        await tab.assert_shows(item, 1)
    await calm_site.cluster.assert_converged(item, 1)


async def test_taps_and_claps_begin_anew_after_a_reset(calm_site: Site, name: str) -> None:
    person = await calm_site.meet()
    for item in (f"tap:{name}", f"clap:{name}"):
        tab = await person.open(item)
        await tab.press_fast(item, 50)
        await tab.assert_saved()
        await calm_site.cluster.reset(item)
        await tab.assert_shows(item, 0, within_s=2)
        await expect(tab.button(item)).to_have_attribute("aria-disabled", "false")
        await tab.press(item, 2)
        await tab.assert_saved()
        await calm_site.cluster.assert_converged(item, 2)


async def test_who_was_offline_during_a_reset_sees_the_new_count_when_back_and_presses_nothing_old(
    calm_site: Site, name: str
) -> None:
    item = f"clap:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press_fast(item, 3)
    await tab.assert_saved()
    await person.context.set_offline(True)
    await tab.wait_until_offline()
    await tab.press(item, 2)
    await tab.assert_waiting(2)
    await tab.assert_shows(item, 5)
    await calm_site.cluster.reset(item)
    await tab.record_counts(item)
    await person.context.set_offline(False)

    await tab.wait_until_live(BACK_WITHIN_S)
    await tab.assert_shows(item, 0, within_s=2)  # A lower count would be held back for 5 s.
    await calm_site.cluster.assert_converged(item, 0)
    counts = await tab.recorded_counts()
    assert counts == sorted(counts, reverse=True), "the old number never comes back"
    assert not await tab.page.evaluate(STORED)
    await tab.press(item)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 1)


async def test_what_a_closed_tab_could_not_send_before_a_reset_is_never_counted(calm_site: Site, name: str) -> None:
    tap, clap, like = (f"{kind}:{name}" for kind in ("tap", "clap", "once"))
    person = await calm_site.meet()
    tabs = {item: await person.open(item) for item in (tap, clap, like)}
    await person.context.set_offline(True)
    for item, tab in tabs.items():
        await tab.wait_until_offline()
        await tab.press(item)
        await tab.page.evaluate(UNLOCKED)  # It is stored.
    for item, tab in tabs.items():
        await calm_site.cluster.reset(item)
        await tab.close()
    await person.context.set_offline(False)

    for elsewhere in ("tap:elsewhere", tap, clap, like):
        tab = await person.open(elsewhere)
        if elsewhere == "tap:elsewhere":
            await tab.press(elsewhere)  # As a visitor with a token: what is stored goes out.
        await until_nothing_is_stored(tab)
    for item in (tap, clap, like):
        await calm_site.cluster.assert_converged(item, 0)


async def test_a_form_rendered_before_a_reset_says_so_and_works_afterwards(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    tab = await (await calm_site.meet(java_script_enabled=False)).open(item, is_live=False)
    await calm_site.cluster.reset(item)
    await tab.press(item)
    await expect(tab.page.get_by_role("alert")).to_contain_text("started afresh")
    await tab.assert_shows(item, 0)
    await tab.press(item)
    await tab.assert_shows(item, 1)


async def test_what_the_runbook_says_for_a_browsers_console_erases_its_visitor(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press(item)
    await tab.assert_saved()
    (words,) = re.findall(r"^    (fetch\(.+\))$", RUNBOOK.section("Erase a visitor"), re.MULTILINE)

    status = await tab.page.evaluate(f"(token) => {words}.then((answer) => answer.status)", await token_of(person))

    assert status == 200
    await calm_site.cluster.assert_converged(item, 0)
    await tab.assert_liked(item, False)


async def test_an_erased_visitors_open_tabs_forget_and_go_on_as_one_fresh_visitor(
    calm_site: Site, name: str
) -> None:
    item = f"once:{name}"
    person = await calm_site.meet()
    tabs = [await person.open(item) for _ in range(3)]
    await tabs[0].press(item)
    for tab in tabs:
        await tab.assert_liked(item, True)
    await tabs[0].assert_saved()
    erased = await token_of(person)

    await calm_site.cluster.erase(erased)

    for tab in tabs:
        await tab.assert_liked(item, False)
        await tab.assert_shows(item, 0)
    await until_forgotten(person)
    assert not await tabs[0].page.evaluate(STORED)
    for presser, liked in ((tabs[1], True), (tabs[2], False), (tabs[0], True)):
        await presser.press(item)
        for tab in tabs:
            await tab.assert_liked(item, liked)
            await tab.assert_shows(item, int(liked))
    await calm_site.cluster.assert_converged(item, 1)
    assert await token_of(person) != erased


@pytest.mark.parametrize("kept", ["all", "storage only"])
async def test_the_form_forgets_who_pressed_in_this_browser(calm_site: Site, name: str, kept: str) -> None:
    """Also where the browser has dropped the cookie, as some do after a week."""
    item = f"clap:forget-{kept[:3]}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press(item, 3)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 3)
    if kept == "storage only":
        await person.context.clear_cookies()
    form = (await person.new_tab()).page
    await form.goto(f"{calm_site.nginx.address}/privacy")
    await wait_for(person.tokens, 5, "the page to give the cookie back")
    await form.get_by_role("button", name="Forget me").click()
    await expect(form.get_by_role("alert")).to_contain_text("You are forgotten.")
    assert not await person.tokens()
    await calm_site.cluster.assert_converged(item, 0)
    await tab.assert_shows(item, 0)
    await tab.assert_says_of_mine(item, "")
    assert not await tab.page.evaluate(STORED)


async def test_who_was_offline_during_their_erasure_presses_nothing_of_it_again(calm_site: Site, name: str) -> None:
    like, tap = f"once:{name}", f"tap:{name}"
    person = await calm_site.meet()
    tabs = {item: await person.open(item) for item in (like, tap)}
    for item, tab in tabs.items():
        await tab.press(item)
        await tab.assert_saved()
    erased = await token_of(person)
    await person.context.set_offline(True)
    for item, tab in tabs.items():
        await tab.wait_until_offline()
        await tab.press_fast(item, 2)
    await calm_site.cluster.erase(erased)
    for item in tabs:
        await calm_site.cluster.assert_converged(item, 0, within_s=5)
    await person.context.set_offline(False)

    for item, tab in tabs.items():
        await tab.wait_until_live(BACK_WITHIN_S)
        await until_forgotten(person)
        await tab.assert_shows(item, 0, within_s=8)
        await expect(tab.saved).to_have_text("")
    assert not await tab.page.evaluate(STORED)
    for item, tab in tabs.items():
        await tab.press(item)
        await tab.assert_saved()
        await calm_site.cluster.assert_converged(item, 1)


async def test_a_page_opened_with_an_erased_visitors_cookie_is_a_fresh_visitors(calm_site: Site, name: str) -> None:
    item = f"clap:{name}"
    person = await calm_site.meet()
    tab = await person.open(item)
    await tab.press_fast(item, 3)
    await tab.assert_saved()
    erased = await token_of(person)
    await tab.close()
    await calm_site.cluster.erase(erased)
    await calm_site.cluster.assert_converged(item, 0, within_s=5)

    tab = await person.open(item)
    await until_forgotten(person)
    await tab.assert_says_of_mine(item, "")
    await tab.press(item)
    await tab.assert_saved()
    await tab.assert_says_of_mine(item, "1 of 50 from you")
    await calm_site.cluster.assert_converged(item, 1)
    assert await token_of(person) != erased


async def test_without_a_script_an_erased_visitor_presses_as_a_fresh_one(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    person = await calm_site.meet(java_script_enabled=False)
    tab = await person.open(item, is_live=False)
    await tab.press(item)
    await tab.assert_liked(item, True)
    erased = await token_of(person)
    await calm_site.cluster.erase(erased)
    await calm_site.cluster.assert_converged(item, 0, within_s=5)
    await tab.open(item, is_live=False)
    await tab.assert_liked(item, False)
    await tab.press(item)
    await tab.assert_liked(item, True)
    assert await token_of(person) != erased
    await calm_site.cluster.assert_converged(item, 1)
