"""What the script makes of an erasure of its visitor: rule by rule (`lab.js`)."""

import pytest

from tests.browser.person import Run

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_visitor_erased_on_its_first_connection_goes_on_with_the_next_fresh_token(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 5 });
        await page.connect(); await page.press();
        const first = page.store.token; page.pressed;
        await page.hear({ type: "pressed", id: page.lastId, n: 1, count: 6 });
        await page.refuse({ erased: true });
        const forgotten = [page.store.token, page.kept.n, page.store.stored().length];
        await page.hello("fresh2");
        await page.hear({ type: "counts", counts: { "once:a": 5 } });
        const shown = page.shown;
        const again = page.pressed;
        await page.press();
        const early = page.sent.map(({ type, token }) => [type, token]);
        await page.hello("fresh2");
        return [first, forgotten, shown, again, early, page.store.token, page.pressed, page.shown];
    """
    assert await run(lines) == ["fresh", ["", 0, 0], 5, [], [["hello", "fresh2"]], "fresh2", [[0, 1]], 6]


async def test_an_erased_visitor_of_a_stored_token_is_forgotten_with_its_queue(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { token: "old" });
        page.visitor.open(); await page.hello("fresh"); await page.hello("old");
        const tab = page.visitor.tab;
        await page.press(); await page.press(); page.pressed;
        await page.refuse({ erased: true });
        await page.hear({ type: "error", code: "bad_token", id: page.lastId });
        await page.hello("fresh2");
        const gone = [page.waiting, page.pressed, page.visitor.tab !== tab];
        await page.press();
        const said = page.said;
        await page.hello("fresh2");
        return [...gone, page.store.token, said, page.pressed];
    """
    assert await run(lines) == [0, [], True, "fresh2", ["fresh2"], [[0, 1]]]


async def test_the_count_without_an_erased_visitors_presses_is_not_held_back(run: Run) -> None:
    lines = """
        const page = await lab("clap:a", { count: 5, token: "old" });
        page.visitor.open(); await page.hello("fresh"); await page.hello("old");
        for (let n = 0; n < 3; n++) await page.press();
        page.pressed; await page.hear({ type: "pressed", id: page.lastId, n: 3, count: 8 });
        await page.refuse({ erased: true }); await page.hello("fresh2");
        await page.hear({ type: "counts", counts: { "clap:a": 5 } });
        return page.shown;
    """
    assert await run(lines) == 5


async def test_what_was_forgotten_with_another_tab_is_not_held_on_the_next_connection(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 4 });
        page.visitor.open();
        await page.hello("fresh");
        await page.press(true);
        await page.hear({ type: "pressed", id: 1, gen: 0, n: 1, count: 5 });
        page.store.forget();
        const isOnItsOwn = page.visitor.forget();
        page.presser.forget();
        const shown = [page.shown];
        page.visitor.open();
        await page.hello("fresh again");
        shown.push(page.shown);
        await page.hear({ type: "counts", counts: { "once:a": 4 } });
        shown.push(page.shown);
        await page.connect();
        await page.hear({ type: "counts", counts: { "once:a": 3 } });
        return [isOnItsOwn, ...shown, page.shown];
    """
    assert await run(lines) == [False, 5, 5, 4, 4]


async def test_a_press_between_the_erasure_and_the_fresh_token_waits_for_it(run: Run) -> None:
    lines = """
        const page = await lab("once:a");
        await page.connect(); await page.press(); page.pressed;
        await page.refuse({ erased: true });
        await page.press();
        const early = [page.store.token, page.pressed];
        await page.hello("fresh2");
        const said = page.said;
        await page.hello("fresh2");
        return [...early, page.store.token, said, page.pressed];
    """
    assert await run(lines) == ["", [], "fresh2", ["fresh2"], [[0, 1]]]


async def test_an_erasure_is_not_the_answer_to_a_hello_as_somebody_else(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { token: "old" });
        page.visitor.open(); await page.hello("fresh"); await page.hello("old");
        page.store.token = "new";
        page.visitor.hearOtherTab("new") && page.presser.forget();
        await page.refuse({ erased: true });
        await page.hello("fresh2");
        const early = page.visitor.isReady;
        await page.hello("new");
        await page.press();
        return [early, page.store.token, page.pressed];
    """
    assert await run(lines) == [False, "new", [[0, 1]]]


@pytest.mark.parametrize("answer", ["page.hello('old')", "page.refuse()"])
async def test_who_becomes_somebody_else_while_a_hello_is_on_its_way_says_so(run: Run, answer: str) -> None:
    lines = f"""
        const page = await lab("once:a", {{ token: "old" }});
        page.visitor.open();
        page.store.token = "new"; page.visitor.hearOtherTab("new") && page.presser.forget();
        await page.hello("fresh"); await {answer};
        const said = page.said;
        const early = page.visitor.isReady;
        await page.hello("new");
        return [said, early, page.visitor.isReady, page.store.token];
    """
    assert await run(lines) == [["old", "new"], False, True, "new"]


@pytest.mark.parametrize("more", ["{}", "{ erased: true }"])
async def test_what_an_erased_visitor_pressed_is_not_pressed_for_another_tabs_visitor(run: Run, more: str) -> None:
    lines = f"""
        const page = await lab("once:a", {{ token: "old" }});
        page.visitor.open(); await page.hello("fresh"); await page.hello("old");
        await page.press(); page.pressed;
        await page.hear({{ type: "pressed", id: page.lastId, n: 1, count: 1 }});
        if (!({more}).erased) {{ page.visitor.open(); await page.hello("fresh2"); }}
        page.sent = [];
        page.store.forget(); page.store.token = "new"; // Another tab was quicker, and its word is on its way.
        await page.refuse({more});
        if (({more}).erased) await page.hello("fresh2");
        const said = page.said;
        await page.hello("new");
        return [page.store.token, said, page.pressed, page.kept.n];
    """
    assert await run(lines) == ["new", ["new"], [], 0]


@pytest.mark.parametrize(
    ("presses", "expected"), [("true", [["fresh"], "fresh", [[0, 1]]]), ("false", [[], "new", []])]
)
async def test_who_forgot_with_another_tab_forgets_nothing_again_when_its_node_hears(
    run: Run, presses: str, expected: list[object]
) -> None:
    lines = """
        const page = await lab("tap:a", { token: "old" });
        page.visitor.open(); await page.hello("fresh"); await page.hello("old");
        page.store.forget(); page.visitor.forget(); page.presser.forget(); page.sent = [];
        if (presses) await page.press();
        const said = page.said;
        page.store.token ||= "new";
        await page.refuse({ erased: true }); await page.hello("fresh2");
        if (presses) await page.hello("fresh");
        return [said, page.store.token, page.pressed];
    """
    assert await run(f"const presses = {presses};" + lines) == expected
