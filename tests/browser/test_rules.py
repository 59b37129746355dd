"""The rules the script keeps, one by one, without a node: "What a page does" in docs/protocol.md.

Each test runs a few lines in the browser against `lab.js`, and looks at what they return.
"""

import pytest

from tests.browser.person import Run

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_presses_made_offline_are_one_absolute_target(run: Run) -> None:
    lines = """
        const page = await lab("tap:a");
        for (let n = 0; n < 3; n++) await page.press();
        const before = page.pressed;
        await page.connect();
        return [before, page.pressed, page.shown, page.waiting];
    """
    assert await run(lines) == [[], [[0, 3]], 3, 3]


async def test_everything_is_pressed_again_on_the_next_connection(run: Run) -> None:
    lines = """
        const page = await lab("tap:a");
        await page.connect(); await page.press(); await page.press();
        page.pressed; await page.hear({ type: "pressed", id: page.lastId, n: 2, count: 2 });
        const quiet = page.pressed;
        await page.connect();
        return [quiet, page.pressed, page.isSaved];
    """
    assert await run(lines) == [[], [[0, 2]], True]


async def test_shown_is_the_last_count_and_what_no_answer_has_confirmed(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { count: 10 });
        const seen = [];
        const look = () => seen.push(page.shown);
        await page.connect(); await page.press(); await page.press(); look();
        const [first, second] = page.sent.filter(({ type }) => type === "press").map(({ id }) => id);
        await page.hear({ type: "pressed", id: first, n: 1, count: 11, copies: 0 }); look();
        await page.hear({ type: "counts", counts: { "tap:a": 14 } }); look();
        await page.hear({ type: "pressed", id: second, n: 2, count: 15, copies: 0 }); look();
        await page.hear({ type: "counts", counts: { "tap:a": 17 } }); look();
        await page.hear({ type: "pressed", id: second, n: 2, count: 15 }); look();
        return seen;
    """
    assert await run(lines) == [12, 12, 15, 15, 17, 17]


async def test_saved_is_said_only_when_the_copies_exist(run: Run) -> None:
    lines = """
        const page = await lab("once:a");
        await page.connect(); await page.press();
        page.pressed; const seen = [];
        for (const copies of [0, 1, 2]) {
            await page.hear({ type: "pressed", id: page.lastId, n: 1, count: 1, copies, wanted: 2 });
            seen.push([page.waiting, page.isSaved]);
        }
        return seen;
    """
    assert await run(lines) == [[1, False], [1, False], [0, True]]


async def test_what_was_not_granted_is_asked_again_when_the_node_wishes(run: Run) -> None:
    lines = """
        const page = await lab("tap:a");
        for (let n = 0; n < 9; n++) await page.press();
        await page.connect(); page.pressed;
        await page.hear({ type: "pressed", id: page.lastId, n: 5, count: 5, retry_after: 2 });
        const seen = [page.shown, page.waiting, page.pressed];
        await page.wait(1900); seen.push(page.pressed);
        await page.wait(200); seen.push(page.pressed);
        await page.hear({ type: "error", code: "rate_limited", id: page.lastId, retry_after: 1 });
        await page.wait(1100); seen.push(page.pressed);
        return seen;
    """
    assert await run(lines) == [9, 4, [], [], [[0, 9]], [[0, 9]]]


@pytest.mark.parametrize(("answer", "again", "n"), [(1, [], 1), (2, [[0, 3]], 3), (3, [], 3), (6, [[0, 7]], 7)])
async def test_an_unacknowledged_like_is_restored_over_a_larger_tally(
    run: Run, answer: int, again: list[list[int]], n: int
) -> None:
    lines = f"""
        const page = await lab("once:a");
        await page.connect(); await page.press(); page.pressed;
        await page.hear({{ type: "pressed", id: page.lastId, n: {answer}, count: 1, copies: 0 }});
        return [page.pressed, page.kept.n];
    """
    assert await run(lines) == [again, n]


async def test_an_acknowledged_like_gives_way_to_a_larger_tally(run: Run) -> None:
    lines = """
        const page = await lab("once:a");
        await page.connect(); await page.press(); page.pressed;
        await page.hear({ type: "pressed", id: page.lastId, n: 1, count: 1 });
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 0, n: 2 } } });
        return [page.kept.n, page.kept.choice, page.pressed];
    """
    assert await run(lines) == [2, None, [[0, 2]]]


async def test_mine_never_undoes_an_unacknowledged_choice(run: Run) -> None:
    lines = """
        const page = await lab("once:a");
        await page.press();
        await page.connect(); page.pressed;
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 0, n: 4 } } });
        return [page.pressed, page.kept.choice];
    """
    assert await run(lines) == [[[0, 5]], True]


async def test_a_reset_drops_what_was_pressed_before_it(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { count: 7 });
        await page.press(); await page.press();
        await page.connect(); page.pressed;
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 3, n: 0 } } });
        await page.hear({ type: "error", code: "reset", id: page.lastId });
        await page.hear({ type: "counts", counts: { "tap:a": 0 } });
        const seen = [page.shown, page.waiting, page.pressed];
        await page.press();
        return [...seen, page.pressed, page.shown];
    """
    assert await run(lines) == [0, 0, [], [[3, 1]], 1]


async def test_a_node_that_is_behind_15_times_is_right(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { gen: 2 });
        await page.connect();
        await page.hear({ type: "mine", tallies: { "tap:a": { gen: 1, n: 0 } } });
        await page.press();
        const asked = [];
        for (let n = 0; n < 15; n++) {
            asked.push(...page.pressed);
            await page.hear({ type: "error", code: "behind", id: page.lastId, retry_after: 1 });
            await page.wait(1100);
        }
        await page.press();
        return [asked.length, asked[14], page.pressed];
    """
    assert await run(lines) == [15, [2, 1], [[1, 1]]]


async def test_a_lower_count_is_held_back_for_5_s_after_a_reconnect(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 10 });
        const seen = [];
        const count = async (n) => {
            await page.hear({ type: "counts", counts: { "once:a": n } });
            seen.push(page.shown);
        };
        await page.connect(); await count(12); await count(11);
        await page.connect(); await count(9); await page.wait(4900); seen.push(page.shown);
        await page.wait(200); seen.push(page.shown);
        await page.connect(); await count(8); await count(9); await count(8);
        await page.connect(); await count(2);
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 1, n: 0 } } }); seen.push(page.shown);
        return seen;
    """
    assert await run(lines) == [12, 11, 11, 11, 9, 9, 9, 8, 8, 2]


async def test_own_presses_a_dead_node_took_along_stay_in_the_number(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { count: 10 });
        await page.connect(); await page.press(); page.pressed;
        await page.hear({ type: "pressed", id: page.lastId, n: 1, count: 11, copies: 0 });
        const seen = [page.shown];
        await page.connect(); page.pressed;
        await page.hear({ type: "mine", tallies: { "once:a": { gen: 0, n: 0 } } }); seen.push(page.shown);
        await page.hear({ type: "counts", counts: { "once:a": 10 } }); seen.push(page.shown);
        await page.hear({ type: "pressed", id: page.lastId, n: 1, count: 11 }); seen.push(page.shown);
        return seen;
    """
    assert await run(lines) == [11, 11, 11, 11]


async def test_a_full_tab_goes_on_under_a_new_one(run: Run) -> None:
    lines = """
        const page = await lab("tap:a");
        await page.connect(); await page.press();
        const tab = page.visitor.tab;
        page.presser.current("tap:a").kept.n = 2 ** 20 - 1;
        page.pressed; await page.press(); await page.hello();
        const last = page.pressed; const isNew = page.visitor.tab !== tab;
        await page.press();
        const { n, tab: pressedFor } = page.sent.at(-1);
        return [last, isNew, n, pressedFor === page.visitor.tab];
    """
    assert await run(lines) == [[[0, 2**20]], True, 1, True]


async def test_nothing_is_pressed_before_the_node_knows_the_visitor(run: Run) -> None:
    lines = """
        const page = await lab("tap:a", { token: "mine" });
        await page.press();
        page.visitor.open(); const said = page.sent.map(({ type, token }) => [type, token]);
        await page.hello("fresh");
        const early = page.pressed;
        await page.hello("mine");
        return [said, early, page.pressed];
    """
    assert await run(lines) == [[["hello", "mine"]], [], [[0, 1]]]


async def test_a_refused_token_is_forgotten_with_all_it_pressed(run: Run) -> None:
    lines = """
        const page = await lab("once:a", { token: "old" });
        await page.press();
        const tab = page.visitor.tab;
        page.visitor.open(); await page.hello("fresh");
        await page.refuse();
        const seen = [page.waiting, page.visitor.tab !== tab, page.pressed];
        await page.press();
        return [...seen, page.store.token, page.pressed];
    """
    assert await run(lines) == [0, True, [], "fresh", [[0, 1]]]


@pytest.mark.parametrize(
    ("item", "left", "inherited"),
    [
        ("tap:a", "5, 3, null", [2, 0, None]),
        ("tap:a", "2, 0, null", [2, 0, None]),
        ("clap:a", "5, 3, null", [2, 0, None]),
        ("clap:a", "3, 3, null", [0, 0, None]),
        ("once:a", "1, 0, true", [1, 0, True]),
        ("once:a", "2, 0, false", [2, 0, False]),
        ("once:a", "3, 2, true", [1, 0, True]),
        ("once:a", "1, 1, null", [0, 0, None]),
        ("once:a", "1, 0, null", [0, 0, None]),
        # The lost visitor's like still counts: it cannot be taken back, and is not given twice.
        ("once:a", "2, 1, false", [0, 0, None]),
        ("once:a", "3, 1, true", [0, 0, None]),
    ],
)
async def test_the_next_visitor_inherits_what_the_lost_one_has_not_saved(
    run: Run, item: str, left: str, inherited: list[object]
) -> None:
    lines = f"""
        const [n, saved, choice] = [{left}];
        const kept = tally.inherited("{item}", {{ gen: 4, n, saved, choice }});
        return [kept.gen, kept.n, kept.saved, kept.choice];
    """
    assert await run(lines) == [4, *inherited]


async def test_a_token_of_another_tab_is_said_hello_with(run: Run) -> None:
    lines = """
        const page = await lab("once:a");
        await page.connect(); page.sent = [];
        const isAnother = page.visitor.hearOtherTab("theirs");
        return [isAnother, page.sent.map(({ type, token }) => [type, token]), page.visitor.isReady];
    """
    assert await run(lines) == [False, [["hello", "theirs"]], False]


async def test_a_next_page_sends_what_the_last_one_could_not(run: Run) -> None:
    lines = """
        const closed = await lab("clap:a");
        await closed.press(); await closed.press();
        const page = await lab("clap:a");
        const offline = [page.shown, page.waiting];
        await page.connect();
        return [offline, page.pressed];
    """
    assert await run(lines) == [[2, 2], [[0, 2]]]


async def test_taps_of_another_tab_are_sent_and_shown_by_nobody_but_the_node(run: Run) -> None:
    lines = """
        const other = await lab("tap:a");
        await other.connect(); await other.press(); await other.press();
        const page = await lab("tap:a", { count: 1 });
        const seen = [page.shown];
        await page.connect(); seen.push(page.shown, page.pressed);
        await page.hear({ type: "counts", counts: { "tap:a": 2 } }); seen.push(page.shown);
        await page.press(); seen.push(page.shown);
        await page.hear({ type: "pressed", id: page.lastId, n: 2, count: 2, copies: 0 }); seen.push(page.shown);
        return seen;
    """
    assert await run(lines) == [1, 1, [[0, 2]], 2, 3, 3]
