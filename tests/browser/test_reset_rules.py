"""What the script makes of a reset, and of a node that is behind it: rule by rule (`lab.js`)."""

import pytest

from tests.browser.person import Run

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("item", ["tap:a", "once:a", "clap:a"])
async def test_what_was_pressed_offline_before_a_reset_is_never_pressed_again(run: Run, item: str) -> None:
    lines = f"""
        const closed = await lab("{item}", {{ count: 7 }});
        await closed.press();
        const page = await lab("{item}", {{ count: 7, gen: 0 }});
        await page.press();
        page.visitor.open(); await page.hello("fresh");
        await page.hear({{ type: "mine", tallies: {{ "{item}": {{ gen: 1, n: 0 }} }} }});
        await page.hear({{ type: "error", code: "reset", id: 1 }});
        await page.hear({{ type: "error", code: "reset", id: 2 }});
        const old = page.pressed.filter(([gen]) => gen === 0).length;
        await page.connect();
        const next = await lab("{item}", {{ gen: 1 }});
        await next.connect();
        const later = [...page.pressed, ...next.pressed].filter(([gen]) => gen === 0).length;
        return [old <= 2, later, page.waiting, next.waiting, next.shown];
    """
    assert await run(lines) == [True, 0, 0, 0, 0]


async def test_taps_of_a_closed_tab_end_with_the_generation_they_were_made_in(run: Run) -> None:
    lines = """
        const closed = await lab("tap:a");
        await closed.press(); await closed.press();
        const page = await lab("tap:a");
        page.visitor.open();
        await page.hello("fresh");
        page.sent = [];
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 1, n: 0 } } });
        const waiting = page.waiting;
        await page.connect();
        return [waiting, page.pressed];
    """
    assert await run(lines) == [0, []]


async def test_what_is_stored_of_an_ended_generation_is_cleared_away(run: Run) -> None:
    lines = """
        const closed = await lab("tap:a");
        await closed.press();
        const page = await lab("tap:a", { gen: 1 });
        return [page.waiting, page.store.stored().length];
    """
    assert await run(lines) == [0, 0]


async def test_a_press_right_after_a_reset_counts_in_the_new_generation(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 3, n: 1 });
        await page.connect();
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 1, n: 0 } } });
        await page.hear({ type: "counts", counts: { "once:a": 0 } });
        page.pressed;
        const before = [page.shown, page.kept.n];
        await page.press(true);
        return [...before, page.pressed, page.shown];
    """
    assert await run(lines) == [0, 0, [[1, 1]], 1]


async def test_a_count_falls_at_once_after_a_reset_that_was_made_while_it_was_away(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 10 });
        await page.connect();
        await page.hear({ type: "counts", counts: { "once:a": 12 } });
        await page.connect();
        await page.hear({ type: "counts", counts: { "once:a": 1 } });
        const held = page.shown;
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 1, n: 0 } } });
        return [held, page.shown];
    """
    assert await run(lines) == [12, 1]


async def test_a_node_that_is_behind_is_asked_again_and_nothing_is_dropped(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { gen: 2 });
        await page.connect();
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 1, n: 0 } } });
        await page.press();
        const seen = [page.pressed];
        for (let n = 0; n < 14; n++) {
            await page.hear({ type: "error", code: "behind", id: page.lastId, retry_after: 1 });
            await page.wait(900); seen.push(page.pressed.length);
            await page.wait(200); seen.push(page.pressed.length);
        }
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 2, n: 0 } } });
        await page.hear({ type: "pressed", id: page.lastId, gen: 2, n: 1, count: 1 });
        return [seen, page.waiting, page.isSaved];
    """
    assert await run(lines) == [[[[2, 1]], *[0, 1] * 14], 0, True]


async def test_once_a_node_that_is_behind_is_believed_a_new_tab_begins_in_its_generation(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { gen: 2, count: 4 });
        await page.connect();
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 1, n: 0 } } });
        await page.hear({ type: "counts", counts: { "tap:a": 3 } });
        await page.press(); page.pressed;
        for (let n = 0; n < 15; n++) {
            await page.hear({ type: "error", code: "behind", id: page.lastId, retry_after: 1 });
            await page.wait(1100); page.pressed;
        }
        const shown = page.shown;
        page.visitor.tab = "another";
        await page.press();
        return [shown, page.pressed];
    """
    assert await run(lines) == [3, [[1, 1]]]


async def test_two_tabs_do_not_give_each_other_back_a_generation_that_was_never_made(run: Run) -> None:
    lines = """
        const tabs = await Promise.all([1, 2].map(() => lab("once:a", { gen: 2, token: "mine" })));
        const entry = () => {
            const [stored] = tabs[0].store.stored();
            return { item: "once:a", tab: "", kept: stored?.kept ?? null };
        };
        for (const page of tabs) {
            await page.connect();
            await page.hear({ type: "mine", tallies: { "once:a": { gen: 1, n: 0 } } });
        }
        await tabs[0].press();
        tabs[1].presser.hearEntry(entry()); await tabs[1].wait(0);
        const early = tabs.map((page) => page.waiting);
        for (const [mine, other] of [tabs, [...tabs].reverse()]) {
            mine.presser.flush(); mine.pressed;
            for (let n = 0; n < 15; n++) {
                await mine.hear({ type: "error", code: "behind", id: mine.lastId, retry_after: 1 });
                await mine.wait(1100); mine.pressed;
            }
            other.presser.hearEntry(entry()); await other.wait(0);
            mine.presser.hearEntry(entry()); await mine.wait(0);
        }
        const late = tabs.map((page) => page.waiting);
        await tabs[0].press();
        return [early, late, tabs[0].pressed];
    """
    assert await run(lines) == [[1, 1], [0, 0], [[1, 1]]]


async def test_what_was_pressed_before_a_node_told_the_generation_is_of_that_one(run: Run) -> None:
    """A button on a blog knows nothing of its item at first, and its item may have been reset long ago."""
    lines = """
        const page = await lab("once:a", { count: null });
        await page.press();
        await page.connect();
        const early = page.pressed;
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 3, n: 0 } } });
        return [early, page.pressed, page.kept.n];
    """
    assert await run(lines) == [[], [[3, 1]], 1]


async def test_what_another_page_had_saved_is_not_pressed_into_a_generation_that_this_one_learns(run: Run) -> None:
    lines = """
        const before = await lab("once:a");
        await before.connect(); await before.press();
        before.pressed;
        await before.hear({ type: "pressed", id: before.lastId, n: 1, count: 1 });
        const page = await lab("once:a", { count: null });
        await page.connect();
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 1, n: 0 } } });
        return [page.pressed, page.kept.n];
    """
    assert await run(lines) == [[], 0]
