"""What the lines on a page are drawn from: uPlot's own numbers."""

from dataclasses import dataclass
from typing import Final, Self

from playwright.async_api import Page

from tests.support.waiting import wait_for

# Keeps every plot that is made from now on, by its heading.
_KEEP: Final = """() => {
    window.plots = {};
    window.uPlot = new Proxy(window.uPlot, {
        construct(made, [options, data, frame]) {
            return window.plots[frame.querySelector("h2").firstChild.data] = new made(options, data, frame);
        },
    });
}"""
# Every value is how many there were in each second since the one before it.
_WHOLE: Final = """(title) => {
    const [times, values] = window.plots[title].data;
    return values.reduce((sum, value, at) => sum + (at ? value * (times[at] - times[at - 1]) : 0), 0);
}"""
_SECONDS: Final = """(title) => {
    const { data: [times], scales: { x } } = window.plots[title];
    return [times.at(-1) - times[0], x.max - x.min];
}"""
# Of clocks that are read one after the other.
_NEAR: Final = 0.05


@dataclass
class Line:
    """One of a page's lines, by its heading."""

    page: Page
    title: str

    @classmethod
    async def all_of(cls, page: Page, *titles: str, clock: bool = False) -> list[Self]:
        """Of a page that was just opened: each is made with its second value, after a second.

        With a clock that stands where the test moves it, it is moved so far.
        """
        await page.evaluate(_KEEP)
        if clock:
            await page.clock.run_for(3000)
        await page.wait_for_function("(titles) => titles.every((title) => window.plots[title])", arg=list(titles))
        return [cls(page, title) for title in titles]

    async def values(self) -> list[float | None]:
        return [*await self.page.evaluate("(title) => window.plots[title].data[1]", self.title)]

    async def seconds(self) -> tuple[float, float]:
        """How long ago its oldest value was when the newest came, and how long it goes back on paper."""
        points, paper = await self.page.evaluate(_SECONDS, self.title)
        return points, paper

    async def newest(self) -> float | None:
        return (await self.values())[-1]

    async def has_drawn(self, presses: int) -> bool:
        """Whether it was so many in all, no more and no fewer."""
        return abs(await self.page.evaluate(_WHOLE, self.title) - presses) <= _NEAR * presses

    async def wait_until_drawn(self, presses: int) -> None:
        await wait_for(lambda: self.has_drawn(presses), 5, f"{presses} presses to be drawn")
