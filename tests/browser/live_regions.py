"""What of a page a screen reader tells by itself when it changes: live regions, also those in shadow trees."""

from typing import Final

from playwright.async_api import Locator, Page

# WAI-ARIA 1.2, section 5.3.3, and `output`, which HTML makes a status.
_PARTS: Final = """
    const LIVE = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log], [role=timer], output";
    const all = (root) => [...root.querySelectorAll("*")].flatMap((each) => [each, ...within(each)]);
    const within = ({ shadowRoot }) => (shadowRoot ? all(shadowRoot) : []);
    const around = (each) => each.parentElement ?? each.getRootNode().host;
    const isTold = (each) => Boolean(each) && (each.matches(LIVE) || isTold(around(each)));
"""
_REGIONS: Final = f"""() => {{ {_PARTS}
    return all(document).filter((each) => each.matches(LIVE)).map((each) => each.id || each.className);
}}"""
_COUNTS: Final = f"""() => {{ {_PARTS}
    return all(document).filter((each) => each.matches(".count, .rolling, [part=count]")).map(isTold);
}}"""
# A frame is drawn between two looks at most; two seconds are never needed.
_PRESS_AND_HEAR: Final = """async (button, region) => {
    const [before, began] = [region.textContent, performance.now()];
    const since = () => performance.now() - began;
    button.click();
    while (region.textContent === before && since() < 2000) await new Promise(requestAnimationFrame);
    return [region.textContent, since()];
}"""


async def regions_of(page: Page) -> list[str]:
    """Each by its id, or else by its class."""
    regions: list[str] = await page.evaluate(_REGIONS)
    return regions


async def counts_told_by_themselves(page: Page) -> list[bool]:
    """Of each number on it, whether it lies in a live region: every change of it would be told."""
    told: list[bool] = await page.evaluate(_COUNTS)
    return told


async def press_and_hear(button: Locator, region: Locator) -> tuple[str, float]:
    """What is told next in this region, and how many milliseconds after the press, by the page's own clock."""
    told, ms = await button.evaluate(_PRESS_AND_HEAR, await region.element_handle())
    return told, ms
