"""What axe finds wrong on a page, in each of its looks."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

AXE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
}


async def violations_on(page: Page) -> list[str]:
    """The page's context takes scripts past the page's policy (`bypass_csp`)."""
    await page.add_script_tag(path=AXE)
    found = []
    for look, media in LOOKS.items():
        await page.emulate_media(**media)
        violated = await page.evaluate("axe.run().then(({ violations }) => violations)")
        found += [f"{look}: {each['id']}: {[node['html'] for node in each['nodes']]}" for each in violated]
    return found
