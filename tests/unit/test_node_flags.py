"""Flags among engines: what one operator sets, every node goes by, also after its next start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.surface import ALLOWED, FROZEN, Changed, Flag
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, freeze, hurry, linked
from tests.unit.tables import HOME

ORIGIN = "https://blog.example"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    hurry(monkeypatch)
    async with engines(tmp_path) as made:
        yield made


async def test_an_item_is_frozen_everywhere_and_let_go_everywhere(site: Site) -> None:
    nodes = await site.cluster()
    presser = Presser(nodes[1])
    presser.press(2)
    await presser.last()
    await converged(HOME, 2, *nodes)
    heard: list[Changed] = []
    nodes[2].subscribe(heard.append)
    answer = await freeze(nodes[0])
    assert (answer.item, answer.n, answer.refusal, answer.copies >= 1) == (FROZEN, 1, None, True)
    await wait_for(lambda: all(HOME in node.flags(FROZEN) for node in nodes), 5, "all to know")
    assert heard[0].flags == {(FROZEN, HOME): True}
    for node in nodes:
        refused = Presser(node)
        refused.press(3)
        assert (await refused.last()).refusal == "frozen"
    await freeze(nodes[2], is_set=False)
    await wait_for(lambda: not any(node.flags(FROZEN) for node in nodes), 5, "all to know again")
    presser.press(3)
    await presser.last()
    await converged(HOME, 3, *nodes)


async def test_flags_outlive_the_process_and_reach_who_was_away(site: Site) -> None:
    one = await site.start("n1")
    await freeze(one)
    answers: list[object] = []
    one.wish(Flag(ALLOWED, ORIGIN, True), answers.append, "operator")
    await wait_for(lambda: answers, 5, "an answer")
    await site.stop("n1")
    one = await site.start("n1")
    assert (one.flags(FROZEN), one.flags(ALLOWED)) == ({HOME}, {ORIGIN})
    two = await site.start("n2", site.address("n1"))
    await linked(one, two)
    await wait_for(lambda: (two.flags(FROZEN), two.flags(ALLOWED)) == ({HOME}, {ORIGIN}), 5, "the other to know")


async def test_flags_are_no_items_of_a_list(site: Site) -> None:
    one = await site.start("n1")
    await freeze(one)
    presser = Presser(one)
    presser.press(1, item="once:other")
    await presser.last()
    listed: list[list[str]] = []
    one.list_items((0, ""), 10, lambda found: listed.append([item for item, _ in found.items]))
    await wait_for(lambda: listed, 5, "a list")
    assert listed == [["once:other"]]
