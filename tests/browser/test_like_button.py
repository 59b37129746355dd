"""`<like-button>` on somebody else's page."""

import json
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.embedded import Embedded, embed, embed_on_strings
from tests.browser.person import BACK_WITHIN_S
from tests.browser.shifts import SHIFTS
from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Of one visitor (LIKE_PRESS_BURST).
BURST: Final = 500


async def test_a_press_on_a_blog_shows_everywhere_and_a_second_takes_it_back(calm_site: Site, name: str) -> None:
    item = f"once:{name}"
    reader = await embed(calm_site, name, f'<like-button item="{item}"></like-button>')
    other = await (await calm_site.meet()).open(item)
    await reader.assert_shows("0")
    await reader.assert_liked(False)
    await reader.button().click()
    await reader.assert_liked(True)
    await reader.assert_shows("1")
    await other.assert_shows(item, 1)
    await other.press(item)
    await reader.assert_shows("2")
    await reader.button().click()
    await reader.assert_shows("1")
    await other.assert_shows(item, 1)


async def test_the_button_has_one_name_and_says_its_state_and_its_count(calm_site: Site, name: str) -> None:
    body = f'<like-button item="once:{name}" label="Useful"></like-button>'
    reader = await embed(calm_site, name, body)
    button = reader.page.get_by_role("button", name="Useful", exact=True)
    await reader.assert_shows("0")
    await expect(button).to_have_accessible_description("0 likes")
    await button.focus()
    await reader.page.keyboard.press("Enter")
    await reader.assert_liked(True)
    await expect(button).to_have_accessible_description("1 like")
    await reader.page.keyboard.press("Space")
    await reader.assert_liked(False)


async def test_kinds_labels_and_names_without_a_kind(calm_site: Site, name: str) -> None:
    body = f"""
        <like-button item="{name}" kind="clap"></like-button>
        <like-button item="{name}"></like-button>
        <like-button item="tap:{name}"></like-button>
        <like-button></like-button>"""
    reader = await embed(calm_site, name, body)
    for number, presses in enumerate((3, 1, 2, 1)):
        await reader.assert_shows("0", number)
        for _ in range(presses):
            await reader.button(number).click()
    page = f"once:localhost%3a{calm_site.blog.address.rpartition(':')[2]}/{name}"
    for item, count in {f"clap:{name}": 3, f"once:{name}": 1, f"tap:{name}": 2, page: 1}.items():
        await calm_site.cluster.assert_converged(item, count)
    await expect(reader.button(0)).to_have_accessible_name("Clap")
    await expect(reader.button(1)).to_have_accessible_name("Like")


async def test_thirty_buttons_share_one_socket_and_watch_what_is_on_screen(calm_site: Site, name: str) -> None:
    # Its policy forbids styles in attributes: the room between the buttons is made of lines.
    buttons = [f'<p>{"<br>" * 20}<like-button item="once:{name}-{n}"></like-button>' for n in range(30)]
    person = await calm_site.meet()
    page = await person.context.new_page()
    sockets: list[Any] = []
    watched: set[str] = set()

    def opened(socket: Any) -> None:
        sockets.append(socket)
        socket.on("framesent", lambda frame: _note(watched, frame))

    page.on("websocket", opened)
    await page.goto(calm_site.blog.write(f"/{name}", calm_site.nginx.address, "".join(buttons)))
    reader = Embedded(page)
    await reader.assert_shows("0")
    assert len(watched) < 10
    await page.locator("like-button").nth(29).scroll_into_view_if_needed()
    await reader.assert_shows("0", 29)
    await wait_for(lambda: f"once:{name}-0" not in watched, 5, lambda: f"it to unwatch the first: {watched}")
    assert f"once:{name}-29" in watched
    assert len(watched) < 10
    assert len(sockets) == 1


def _note(watched: set[str], frame: str | bytes) -> None:
    message = json.loads(frame)
    if message["type"] == "watch":
        watched.update(message["items"])
    elif message["type"] == "unwatch":
        watched.difference_update(message["items"])


async def test_the_page_hears_of_changes_and_finds_nothing_new_in_its_window(calm_site: Site, name: str) -> None:
    script = """
        window.heard = [];
        document.addEventListener("like-change", ({ detail }) => heard.push(detail));
        window.before = [];
        window.before = Object.keys(window);
    """
    reader = await embed(calm_site, name, f'<like-button item="clap:{name}"></like-button>', script=script)
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_shows("1")
    heard = await reader.page.evaluate("heard")
    item = f"clap:{name}"
    assert heard == [{"item": item, "count": 0, "mine": 0}, {"item": item, "count": 1, "mine": 1}]
    assert await reader.page.evaluate("Object.keys(window).filter((name) => !before.includes(name))") == []


async def test_of_a_like_the_page_hears_whether_it_is_theirs_once_a_change(calm_site: Site, name: str) -> None:
    script = """
        window.heard = [];
        document.addEventListener("like-change", ({ detail }) => heard.push([detail.count, detail.mine]));
    """
    reader = await embed(calm_site, name, f'<like-button item="once:{name}"></like-button>', script=script)
    await reader.assert_shows("0")
    for likes in ("1", "0", "1"):
        await reader.button().click()
        await reader.assert_shows(likes)
        await calm_site.cluster.assert_converged(f"once:{name}", int(likes))
    await reader.page.reload()
    await reader.assert_liked(True)
    # What is theirs is kept by the browser and shown before the number is there.
    await reader.assert_shows("1")
    assert await reader.page.evaluate("heard") == [[1, 1]]
    await reader.button().click()
    await calm_site.cluster.assert_converged(f"once:{name}", 0)
    assert await reader.page.evaluate("heard") == [[1, 1], [0, 0]]


async def test_two_tabs_of_a_blogs_reader_are_one_visitor(calm_site: Site, name: str) -> None:
    person, body = await calm_site.meet(), f'<like-button item="once:{name}"></like-button>'
    first = await embed(calm_site, name, body, person=person)
    second = await embed(calm_site, name, body, person=person)
    await first.assert_shows("0")
    await first.button().click()
    await second.assert_liked(True)
    await second.assert_shows("1")
    assert not await person.tokens(), "no cookie is set from a page of others"
    await first.page.reload()
    await first.assert_liked(True)


async def test_nothing_moves_when_its_number_grows(calm_site: Site, name: str) -> None:
    body = f'<p>before <like-button item="tap:{name}"></like-button> after</p><p>below</p>'
    reader = await embed(calm_site, name, body, script=SHIFTS)
    await reader.assert_shows("0")
    await reader.page.evaluate("shifts.length = 0")
    place = await reader.page.locator("p").nth(1).bounding_box()
    width = (await reader.button().bounding_box() or {})["width"]
    shown = 0
    for number in (9, 10, 1000, 12_345):
        await _press(calm_site, f"tap:{name}", number - shown)
        shown = number
        await reader.assert_shows({12_345: "12.3K"}.get(number, f"{number:,}"))
    assert await reader.page.locator("p").nth(1).bounding_box() == place
    assert (await reader.button().bounding_box() or {})["width"] == width
    assert await reader.page.evaluate("shifts") == []


async def _press(site: Site, item: str, presses: int) -> None:
    """By as many visitors as their budgets ask for."""
    for n in [BURST] * (presses // BURST) + [presses % BURST] * (presses % BURST > 0):
        url = f"{site.nodes[0].address}/api/items/{quote(item, safe='')}/press"
        async with site.cluster.session.post(url, json={"n": n}) as answer:
            assert answer.status == 200, await answer.text()


async def test_who_is_forgotten_is_forgotten_in_all_tabs(calm_site: Site, name: str) -> None:
    item, person = f"once:{name}", await calm_site.meet()
    body = f'<like-button item="{item}"></like-button>'
    tabs = [await embed(calm_site, name, body, person=person) for _ in range(2)]
    await tabs[0].assert_shows("0")
    await tabs[0].button().click()
    for tab in tabs:
        await tab.assert_liked(True)
    await calm_site.cluster.assert_converged(item, 1)
    assert await tabs[1].page.evaluate("document.querySelector('like-button').forget()") is True
    for tab in tabs:
        await tab.assert_liked(False)
        await tab.assert_shows("0")
        # Of a number of times that this happened alone.
        assert await tab.page.evaluate("Object.entries(localStorage).filter(([, value]) => isNaN(value))") == []
    await calm_site.cluster.assert_converged(item, 0)


@pytest.mark.parametrize("code", ["rate_limited", "read_only"])
async def test_a_press_that_no_node_takes_yet_is_said_to_be_unsaved(calm_site: Site, name: str, code: str) -> None:
    item = f"once:{name}"
    reader, puppet = await embed_on_strings(calm_site, name, item)
    problem = reader.page.locator("like-button [part=problem]")
    await reader.button().click()
    press = await puppet.pressed(item)
    await expect(problem).to_be_empty()
    puppet.say(type="error", id=press["id"], code=code, message="later", retry_after=0.1)
    await expect(problem).to_have_text("Not saved yet")
    await reader.assert_liked(True)
    again = await puppet.pressed(item)
    puppet.say(type="pressed", id=again["id"], item=item, gen=0, n=again["n"], copies=1, wanted=1, count=1)
    await expect(problem).to_be_empty()


async def test_a_press_made_offline_is_said_to_be_unsaved_until_it_is(site: Site) -> None:
    reader = await embed(site, "offline", '<like-button item="once:offline"></like-button>')
    problem = reader.page.locator("like-button [part=problem]")
    await reader.wait_until_live()
    await site.nginx.stop()
    await expect(reader.page.locator("like-button")).to_have_attribute("state", "offline")
    await expect(problem).to_be_empty()
    await reader.button().click()
    await reader.assert_liked(True)
    await expect(problem).to_have_text("Not saved yet")

    await site.nginx.start()
    await reader.wait_until_live(BACK_WITHIN_S)
    await expect(problem).to_be_empty()
    await site.cluster.assert_converged("once:offline", 1)


async def test_two_hundred_pushes_a_second_are_ten_writes_here_too(calm_site: Site, name: str) -> None:
    reader, puppet = await embed_on_strings(calm_site, name, f"tap:{name}")
    page = reader.page
    puppet.say(type="counts", counts={f"tap:{name}": 2})
    await reader.assert_shows("2")
    await page.evaluate(
        """() => {
            window.written = 0;
            const everything = { attributes: true, childList: true, characterData: true, subtree: true };
            const note = new MutationObserver((list) => (written += list.length));
            const button = document.querySelector("like-button");
            for (const place of [button, button.shadowRoot]) note.observe(place, everything);
        }"""
    )
    seconds = await puppet.rush(f"tap:{name}", range(3, 203), 1.0)
    assert seconds < 1.5, "they came as fast as that"
    await reader.assert_shows("202")
    # The number, and the words that say it to a screen reader.
    assert 2 * 3 <= await page.evaluate("written") <= 2 * (10 * seconds + 1)
