"""`python -m tests.browser.screenshots`: all pages, on a phone and on a desk, light and dark, into docs/images.

Of nodes behind nginx on which somebody presses meanwhile; no browser but Chromium is needed.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from tests.browser.site import Site

IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZES: Final[dict[str, dict[str, Any]]] = {
    "phone": {"viewport": {"width": 375, "height": 740}, "device_scale_factor": 1.5},
    "desk": {"viewport": {"width": 1100, "height": 740}, "device_scale_factor": 1},
}
PATHS: Final = {
    "home": "/",
    "article": "/items/once%3Ablog%2Fpost-42",
    "event": "/event/tap%3Atalk",
    "overlay": "/overlay/tap%3Atalk",
    "embed": "/embed/once%3Ablog%2Fpost-42",
    "cluster": "/cluster",
    "privacy": "/privacy",
}
# What an overlay lies on.
VIDEO: Final = "linear-gradient(160deg, #2c3e50, #4a6572 60%, #26323d)"
# Whatever moves has come to rest then, but for the hearts.
SETTLED_S: Final = 2.5
QUALITY: Final = 80


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Site(Path(folder)) as site:
            pressing = asyncio.create_task(_press(site))
            for size, shape in SIZES.items():
                for scheme in ("light", "dark"):
                    person = await site.meet(color_scheme=scheme, **shape)
                    page = await person.context.new_page()
                    for name, path in PATHS.items():
                        await _shoot(page, site.nginx.address + path, f"{name}-{size}-{scheme}")
                    await _shoot(page, _blog(site), f"blog-{size}-{scheme}")
                    await page.goto(f"{site.nginx.address}/admin")
                    await _open_desk(page, site.cluster.admin_token)
                    await _save(page, f"admin-{size}-{scheme}")
                    await person.context.close()
            await _two_tabs(site)
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)


async def _shoot(page: Page, address: str, name: str) -> None:
    await page.goto(address)
    if name.startswith("overlay"):
        await page.evaluate(f"document.documentElement.style.background = {VIDEO!r}")
    await asyncio.sleep(SETTLED_S)
    await _save(page, name)


async def _save(page: Page, name: str) -> None:
    await page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=QUALITY)
    print(f"docs/images/{name}.jpg")


async def _open_desk(page: Page, token: str) -> None:
    await page.get_by_label("Admin token").fill(token)
    await page.get_by_role("button", name="Open").click()
    await page.locator("tr[data-item]").first.wait_for()


def _blog(site: Site) -> str:
    body = """
        <main><h1>Why we count once</h1>
        <p>A like says that somebody was here. It should not say so twice, and it should not be forgotten.</p>
        <p><like-button item="once:blog/post-42"></like-button>
        <like-button item="clap:blog/post-42"></like-button></p>
        </main>"""
    scheme = '<meta name="color-scheme" content="light dark">'
    return site.blog.write("/post-42", site.nginx.address, body, head=scheme)


async def _two_tabs(site: Site) -> None:
    """One press in one of two tabs, on two nodes: one number."""
    person = await site.meet(viewport={"width": 560, "height": 620})
    pages = [await person.context.new_page() for _ in range(2)]
    for page in pages:
        await page.goto(site.nginx.address)
    for number, page in enumerate(pages, 1):
        await asyncio.sleep(SETTLED_S / 2)
        await _save(page, f"tab-{number}")
    await person.context.close()


async def _press(site: Site) -> None:
    """What a hall does: some taps a second, some likes and claps."""
    session, address = site.cluster.session, site.nodes[0].address
    number = 0
    while True:
        number += 1
        for item, n in (("tap%3Atalk", 3 + number % 7), ("tap%3Ahome", 1), ("once%3Ablog%2Fpost-42", 1)):
            async with session.post(f"{address}/api/items/{item}/press", json={"n": n}):
                pass
        if number % 4 == 0:
            async with session.post(f"{address}/api/items/clap%3Ablog%2Fpost-42/press", json={"n": 7}):
                pass
        await asyncio.sleep(0.15)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
