"""What the script does with presses that met a freeze, without a node; as in `test_rules.py`."""

import pytest

from tests.browser.person import Run

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_taps_go_on_from_what_the_node_has_after_an_unfreeze(run: Run) -> None:
    """Also of a visitor who has said no hello, whose tab the node knows by another name."""
    lines = """
        const page = await lab("tap:a");
        await page.visitor.open(); await page.hello("fresh");
        for (let n = 0; n < 6; n++) await page.press();
        const asked = page.pressed.at(-1);
        await page.hear({ type: "error", id: page.lastId, code: "frozen", n: 5 });
        await page.hear({ type: "viewers", viewers: { "tap:a": 1 }, frozen: ["tap:a"] });
        await page.press();
        const closed = [page.pressed, page.kept.n, page.waiting];
        await page.hear({ type: "viewers", viewers: { "tap:a": 1 } });
        for (let n = 0; n < 3; n++) await page.press();
        return [asked, closed, page.pressed.at(-1)];
    """
    assert await run(lines) == [[0, 6], [[], 5, 0], [0, 8]]


async def test_a_refusal_of_another_tabs_presses_leaves_the_own_ones_alone(run: Run) -> None:
    lines = """
        const closed = await lab("tap:a"); await closed.press(); await closed.press();
        const page = await lab("tap:a", { token: "somebody" });
        await page.connect(); await page.press();
        const [theirs] = page.sent.filter(({ type, n }) => type === "press" && n === 2);
        page.pressed;
        await page.hear({ type: "error", id: theirs.id, code: "frozen", n: 1 });
        return [page.kept.n, page.pressed];
    """
    assert await run(lines) == [1, []]


async def test_what_a_tab_that_has_not_heard_goes_on_storing_is_not_sent_again(run: Run) -> None:
    lines = """
        const page = await lab("clap:a", { token: "somebody" });
        await page.connect(); await page.press(); page.pressed;
        await page.hear({ type: "error", id: page.lastId, code: "frozen", n: 0 });
        await page.hear({ type: "viewers", viewers: { "clap:a": 2 }, frozen: ["clap:a"] });
        const stored = { gen: 0, n: 6, saved: 0, choice: null };
        for (let n = 0; n < 5; n++) {
            page.presser.hearEntry({ item: "clap:a", tab: "", kept: stored }); await page.wait(3000);
        }
        return [page.pressed, page.kept.n, page.waiting];
    """
    assert await run(lines) == [[], 0, 0]
