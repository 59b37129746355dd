"""The button's script is what its sources make of it, small, and all that a page loads for it."""

import gzip
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from playwright.async_api import Request

from app import wire
from app.texts import LANGUAGES
from tests.browser.embedded import embed
from tests.browser.site import Site

REPOSITORY: Final = Path(__file__).resolve().parents[2]
BUTTON: Final = REPOSITORY / "app" / "button"
BUILT: Final = REPOSITORY / "app" / "static" / "like-button.js"
BYTES_MAX: Final = 8 * 1024
# Types of messages by which `answers.js` finds what to do.
HEARD: Final = {"hello", "counts", "mine", "pressed", "error", "moved"}
# What `store.js` keeps, and tells other tabs of.
STORED: Final = {"gen", "n", "saved", "choice", "era", "token"}


def test_the_script_is_built_of_these_sources_and_small(tmp_path: Path) -> None:
    subprocess.run(["make", "--silent", "app/button/node_modules/.installed"], cwd=REPOSITORY, check=True)
    fresh = tmp_path / "like-button.js"
    subprocess.run(["node", "app/button/build.mjs", str(fresh)], cwd=REPOSITORY, check=True)
    assert fresh.read_text() == BUILT.read_text(), "make button"
    sent = BUILT.with_name("like-button.js.gz").read_bytes()
    assert gzip.decompress(sent) == BUILT.read_bytes(), "make button"
    assert len(sent) <= BYTES_MAX
    for language in LANGUAGES.keys() - {"en"}:
        texts = f"like-button.{language}.json"
        assert fresh.with_name(texts).read_text() == BUILT.with_name(texts).read_text(), "make button"


@pytest.mark.asyncio(loop_scope="session")
async def test_its_script_of_eight_kilobytes_is_all_that_a_page_loads_for_it(calm_site: Site, name: str) -> None:
    person = await calm_site.meet()
    loaded: list[Request] = []
    person.context.on("request", lambda request: loaded.append(request))  # noqa: PLW0108 - it takes no builtin
    reader = await embed(calm_site, name, f'<like-button item="once:{name}"></like-button>' * 3, person=person)
    await reader.assert_shows("0")
    await reader.button().click()
    await reader.assert_shows("1")
    await reader.wait_until_live()
    page, script = (request for request in loaded if not request.url.endswith("/favicon.ico"))
    assert page.url == f"{calm_site.blog.address}/{name}"
    assert script.url == f"{calm_site.nginx.address}/static/like-button.js"
    assert (await script.sizes())["responseBodySize"] <= BYTES_MAX


def test_no_name_is_shortened_that_others_know() -> None:
    """What goes over the wire, into storage and to the page, and what texts are found by."""
    lines = (BUTTON / "private_names.txt").read_text().splitlines()
    private = {line for line in lines if line and not line.startswith("#")}
    messages = [each for each in vars(wire).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    fields = {field for message in messages for field in message.__struct_fields__}
    assert not private & (fields | HEARD | STORED | _keys(LANGUAGES["en"]["button"]))


def _keys(entries: Any) -> set[str]:
    parts = [value for value in entries.values() if isinstance(value, dict)]
    return set(entries).union(*map(_keys, parts))
