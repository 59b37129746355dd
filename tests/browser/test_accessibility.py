"""What axe finds wrong: nothing, on any page, in any of its looks."""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPOSITORY: Final = Path(__file__).resolve().parents[2]
AXE: Final = REPOSITORY / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
}
PAGES: Final = (
    "/",
    "/items/once%3Aa",
    "/items/clap%3Aa",
    "/privacy",
    "/privacy?notice=nobody",
    "/cluster",
    "/embed/once%3Aa",
)


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    subprocess.run(["make", "--silent", "tests/browser/node_modules/.installed"], cwd=REPOSITORY, check=True)


async def violations(site: Site, address: str, look: str, **context: Any) -> list[str]:
    person = await site.meet(bypass_csp=True, reduced_motion="reduce", **LOOKS[look], **context)
    page = await person.context.new_page()
    await page.goto(address)
    for summary in await page.locator("summary").all():
        await summary.click()
    await page.wait_for_load_state("networkidle") if "/cluster" not in address else await page.wait_for_selector(
        "circle"
    )
    await page.add_script_tag(path=AXE)
    found = await page.evaluate("axe.run().then(({ violations }) => violations)")
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", PAGES)
async def test_axe_finds_nothing(calm_site: Site, path: str, look: str) -> None:
    assert await violations(calm_site, calm_site.nginx.address + path, look) == []


@pytest.mark.parametrize("locale", ["fi", "ar"])
async def test_axe_finds_nothing_in_other_languages(calm_site: Site, locale: str) -> None:
    for path in ("/", "/privacy", "/cluster"):
        assert await violations(calm_site, calm_site.nginx.address + path, "light", locale=locale) == []


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing_wrong_with_a_button_on_a_blog(calm_site: Site, name: str, look: str) -> None:
    kinds = ("once", "clap", "tap")
    name = name.partition("[")[0]
    body = "".join(f'<p>Text <like-button item="{kind}:{name}"></like-button></p>' for kind in kinds)
    address = calm_site.blog.write(f"/{name}", calm_site.nginx.address, f"<main><h1>A post</h1>{body}</main>")
    assert await violations(calm_site, address, look) == []
