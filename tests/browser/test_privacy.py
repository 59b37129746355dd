"""What a browser keeps of a visitor is what `/privacy` says, and nothing else."""

import json
from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.browser.site import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Wherever a page may keep something.
_KEPT: Final = """async () => ({
    local: Object.fromEntries(Object.entries(localStorage)),
    session: sessionStorage.length,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""
_NOTHING: Final = {"session": 0, "databases": 0, "caches": 0, "workers": 0}


async def test_a_browser_keeps_a_token_and_what_was_pressed_and_then_how_often_it_was_forgotten(
    calm_site: Site, name: str
) -> None:
    person = await calm_site.meet()
    origin = person.address
    tap, *others = items = [f"{kind}:{name[:30]}" for kind in ("tap", "once", "clap")]
    for item in others:
        tab = await person.open(item)
        await tab.press(item)
        await tab.assert_saved()
    tab = await person.open(tap)
    # Caches and workers exist on secure origins only, and loopback is one.
    assert await tab.page.evaluate("isSecureContext")
    await tab.press(tap, 2)
    await tab.assert_saved()
    await person.context.set_offline(True)
    await tab.press(tap)

    kept = await tab.page.evaluate(_KEPT)
    local = kept.pop("local")
    assert kept == _NOTHING
    token = local.pop(f"like@{origin}-token")
    tallies = {key.split(" ")[1]: json.loads(value) for key, value in local.items()}
    assert {key.split(" ")[0] for key in local} == {f"like@{origin}"}
    assert sorted(tallies) == sorted(items)
    # Which generation, how often, how much of it is known to be saved, liked or not, after how many forgettings.
    assert all(sorted(tally) == ["choice", "era", "gen", "n", "saved"] for tally in tallies.values())
    assert tallies[tap] == {"gen": 0, "n": 3, "saved": 2, "choice": None, "era": 0}
    cookies: list[dict[str, Any]] = [dict(cookie) for cookie in await person.context.cookies()]
    assert [(cookie["name"], cookie["value"]) for cookie in cookies] == [("like_token", token)]

    await person.context.set_offline(False)
    await tab.assert_saved()
    await tab.page.goto(f"{origin}/privacy")
    await tab.page.get_by_role("button", name="Forget me").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("You are forgotten")

    async def is_empty() -> bool:
        kept = await tab.page.evaluate(_KEPT)
        return bool(kept == _NOTHING | {"local": {f"like@{origin}-era": "1"}})

    await wait_for(is_empty, 5, "nothing to be kept but how often")
    assert await person.context.cookies() == []
