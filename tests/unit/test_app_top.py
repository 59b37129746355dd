"""The largest counts among what was pressed lately."""

import pytest
from yarl import URL

from app import top
from app.top import FRESH_S, LATELY_S, Top
from cluster.surface import FROZEN, Changed, ItemState
from tests.unit.fakes import FakeClock
from tests.unit.sites import Site


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def change(found: Top, **counts: int) -> None:
    found.on_changed(Changed({f"tap:{name}": ItemState(0, count) for name, count in counts.items()}, {}))


def test_the_largest_come_first_and_a_few_only(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "TOP_ITEMS", 2)
    found = Top(clock, set)
    change(found, a=5, b=9, c=7)
    change(found, a=6)
    assert found.items() == [("tap:b", 9), ("tap:c", 7)]


def test_what_is_told_is_of_the_last_second(clock: FakeClock) -> None:
    """To look through all costs milliseconds, and anybody may ask."""
    found = Top(clock, set)
    change(found, a=1)
    assert found.items() == [("tap:a", 1)]
    change(found, a=2)
    assert found.items() == [("tap:a", 1)]
    clock.now += FRESH_S
    assert found.items() == [("tap:a", 2)]


def test_what_was_pressed_long_ago_or_has_no_presses_any_more_is_left_out(clock: FakeClock) -> None:
    found = Top(clock, set)
    change(found, old=100, reset=50)
    clock.now += LATELY_S / 2
    change(found, new=1, reset=0)
    clock.now += LATELY_S / 2 + 1
    assert found.items() == [("tap:new", 1)]


def test_memory_is_bounded_by_forgetting_what_changed_longest_ago(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top, "ITEMS_MAX", 2)
    found = Top(clock, set)
    for name, count in (("a", 1), ("b", 1), ("a", 2), ("c", 1)):
        change(found, **{name: count})
    assert {item for item, _ in found.items()} == {"tap:a", "tap:c"}


def test_what_is_taken_back_is_not_pressed_lately(clock: FakeClock) -> None:
    found = Top(clock, set)
    change(found, a=5, b=1)
    clock.now += LATELY_S - 1
    change(found, a=4, b=2)
    assert found.items() == [("tap:a", 4), ("tap:b", 2)]
    clock.now += 2
    assert found.items() == [("tap:b", 2)]


def test_what_is_frozen_is_told_no_more(clock: FakeClock) -> None:
    frozen: set[str] = set()
    found = Top(clock, lambda: frozen)
    change(found, rude=9, a=1)
    assert found.items() == [("tap:rude", 9), ("tap:a", 1)]
    frozen.add("tap:rude")
    clock.now += FRESH_S
    assert found.items() == [("tap:a", 1)]


async def test_a_node_tells_those_that_are_named_and_no_others(site: Site) -> None:
    for name, n in (("a", 3), ("b", 5), ("c", 4), ("rude", 9)):
        await site.client.post(f"/api/items/tap%3A{name}/press", json={"n": n})
    # Also one that is frozen: an operator may have closed what is shown.
    site.engine.put_flag(FROZEN, "tap:b")
    query = "?item=tap%3Aa&item=tap%3Ab&item=tap%3Anobody"
    answer = await (await site.client.get(f"/api/top{query}")).json()
    # A candidate without a vote is one of the candidates.
    counts = {"tap:b": 5, "tap:a": 3, "tap:nobody": 0}
    assert answer == {"items": [{"item": item, "count": count} for item, count in counts.items()]}
    page = await (await site.client.get(f"/event/tap%3Ac{query}")).text()
    await site.client.post("/api/items/once%3Ablog%2Fpost/press", json={"n": 1})
    other = await (await site.client.get("/event/tap%3Ac?item=once%3Ablog%2Fpost")).text()
    assert 'href="/event/once%3Ablog%2Fpost?item=' in other, "a name is one segment of a path"
    assert page.index('href="/event/tap%3Ab?item=') < page.index('href="/event/tap%3Aa?item=')
    assert "rude" not in page
    assert '<h2 id="top">Standing</h2>' in page


async def test_without_a_script_a_press_leads_back_to_what_was_named(site: Site) -> None:
    page = {"page": "event", "item": ["tap:a", "once:b"]}
    url = URL("/items/tap%3Ac/press", encoded=True).with_query(page)
    for n, notice in ((1, ""), (0, "&notice=bad_tally")):
        async with site.client.post(url, data={"n": n}, allow_redirects=False) as pressed:
            assert pressed.headers["Location"] == f"/event/tap%3Ac?item=tap%3Aa&item=once%3Ab{notice}"
    async with site.client.post(url.extend_query(item="evil"), data={"n": 1}, allow_redirects=False) as refused:
        assert refused.status == 400


async def test_a_node_tells_them(site: Site) -> None:
    for name, n in (("a", 3), ("b", 5)):
        await site.client.post(f"/api/items/tap%3A{name}/press", json={"n": n})
    answer = await (await site.client.get("/api/top")).json()
    assert answer == {"items": [{"item": "tap:b", "count": 5}, {"item": "tap:a", "count": 3}]}
    page = await (await site.client.get("/event/tap%3Ac")).text()
    assert page.index('href="/event/tap%3Ab"') < page.index('href="/event/tap%3Aa"')
