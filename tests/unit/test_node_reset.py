"""Resets and erasures among engines: everyone follows, also who was away (R12)."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from cluster.core.items import erasure_key
from cluster.core.press import ItemState, Tally
from cluster.node import Node
from cluster.surface import Answer, Changed
from tests.support.waiting import wait_for
from tests.unit.engines import Presser, Site, converged, engines, erase, hurry, linked, read, reset, tallies_of
from tests.unit.tables import HOME, POST, actor, visitor


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    hurry(monkeypatch)
    async with engines(tmp_path) as made:
        yield made


async def presses_by_two(nodes: tuple[Node, Node, Node]) -> None:
    """Visitors 1 and 2 have pressed 5 and 3, and all nodes know."""
    for node, who, n in ((nodes[0], 1, 5), (nodes[1], 2, 3)):
        presser = Presser(node, who)
        presser.press(n)
        await presser.last()
    await converged(HOME, 8, *nodes)


async def stands_at(item: str, state: ItemState, *nodes: Node) -> None:
    seen: list[ItemState] = []

    async def equal() -> bool:
        seen[:] = [(await read(node, [item])).items[item] for node in nodes]
        return seen == [state] * len(nodes)

    await wait_for(equal, 5, lambda: f"{state} everywhere, not {seen}")


def heard_by(nodes: tuple[Node, ...]) -> list[list[Changed]]:
    heard: list[list[Changed]] = [[] for _ in nodes]
    for node, changes in zip(nodes, heard, strict=True):
        node.subscribe(changes.append)
    return heard


async def refused(node: Node, n: int, who: int, gen: int | None = None) -> Answer:
    presser = Presser(node, who)
    presser.press(n, gen=gen)
    return await presser.last()


# -- resets


async def test_everyone_follows_a_reset_and_hears_of_it(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    heard = heard_by(nodes)
    answer = await reset(nodes[1])
    assert (answer.item, answer.gen, answer.n, answer.count, answer.refusal) == (HOME, 1, 0, 0, None)
    assert (answer.copies >= 1, answer.wanted) == (True, 1)
    await stands_at(HOME, ItemState(1, 0), *nodes)
    for changes in heard:
        assert changes[0].items == {HOME: ItemState(1, 0)}
        assert tallies_of(changes[0]) == {(HOME, b""): (1, 0)}


async def test_presses_of_the_old_generation_are_refused_everywhere_and_new_ones_count(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    await reset(nodes[0])
    await stands_at(HOME, ItemState(1, 0), *nodes)
    for who, node in enumerate(nodes):
        answer = await refused(node, 9, who, gen=0)
        assert (answer.refusal, answer.gen, answer.n) == ("reset", 1, 0)
        presser = Presser(node, who)
        presser.press(2, gen=1)
        assert (await presser.last()).n == 2
    await stands_at(HOME, ItemState(1, 6), *nodes)


async def test_resets_on_two_nodes_at_once_are_one_generation_or_two_and_all_agree(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    answers = await asyncio.gather(reset(nodes[0]), reset(nodes[2]))
    await stands_at(HOME, ItemState(max(answer.gen for answer in answers), 0), *nodes)


async def test_what_was_reset_is_removed_and_nobody_hears_of_that(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    await reset(nodes[0])
    await wait_for(lambda: all(node.counters()["rows_removed_total"] == 2 for node in nodes), 5, "the sweep")
    heard = heard_by(nodes)
    await swept(*nodes)
    assert heard == [[], [], []]


async def swept(*nodes: Node) -> None:
    """Nothing waits to be removed, and a whole pass was made since."""
    ends = [node.counters()["rounds_total"] + 2 for node in nodes]
    await wait_for(
        lambda: all(node.counters()["rounds_total"] >= end for node, end in zip(nodes, ends, strict=True)),
        5,
        "a round",
    )
    assert not any(node._ledger.round.is_wanted for node in nodes)


# -- erasures


async def test_everyone_follows_an_erasure_and_hears_of_it(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    heard = heard_by(nodes)
    answer = await erase(nodes[2], 1)
    assert (answer.item, answer.n, answer.refusal, answer.copies >= 1) == ("", 1, None, True)
    await wait_for(lambda: all(node.is_erased(visitor(1)) for node in nodes), 5, "all to know")
    assert not any(node.is_erased(visitor(2)) for node in nodes)
    await stands_at(HOME, ItemState(0, 3), *nodes)
    for changes in heard:
        assert changes[0].erased == {erasure_key(visitor(1))}
        (fallen,) = [changed for changed in changes if HOME in changed.items]
        assert (fallen.items, fallen.tallies, fallen.erased) == ({HOME: ItemState(0, 3)}, {}, frozenset())
    assert [node.counters()["rows_removed_total"] for node in nodes] == [1, 1, 1]


async def test_an_erased_visitor_is_refused_by_all_and_erased_once(site: Site) -> None:
    nodes = await site.cluster()
    await presses_by_two(nodes)
    first = await erase(nodes[0], 1)
    await wait_for(lambda: all(node.is_erased(visitor(1)) for node in nodes), 5, "all to know")
    for node in nodes:
        assert (await refused(node, 6, 1)).refusal == "erased"
        again = await erase(node, 1)
        assert (again.gen, again.n, again.refusal) == (first.gen, first.n, None)
    # In the ledger's own thread, which may be in the middle of a batch.
    kept = [await node._batches.run(partial(node._ledger.sums, "")) for node in nodes]
    assert [sums.rows for sums in kept] == [1, 1, 1]


async def test_an_erasure_is_known_from_the_start_on(site: Site) -> None:
    one = await site.start("n1")
    await erase(one, 1)
    await site.stop("n1")
    one = await site.start("n1")
    assert one.is_erased(visitor(1))
    assert not one.is_erased(visitor(2))
    assert (await refused(one, 1, 1)).refusal == "erased"


# -- who was away


async def test_a_node_that_was_down_learns_of_both_and_brings_nothing_back(site: Site) -> None:
    one, two, three = await site.cluster()
    await presses_by_two((one, two, three))
    song = Presser(three, 2)
    song.press(1, POST)
    await song.last()
    await converged(POST, 1, one, two, three)
    await site.stop("n3")
    await reset(one)
    await erase(two, 2)
    await wait_for(lambda: one.is_erased(visitor(2)), 5, "the erasure")
    await swept(one, two)
    three = await site.start("n3", site.address("n2"))
    await linked(one, two, three)
    await stands_at(HOME, ItemState(1, 0), one, two, three)
    await stands_at(POST, ItemState(0, 0), one, two, three)
    assert three.is_erased(visitor(2))
    await swept(one, two, three)
    held = [(await read(node, [], [(POST, actor(2)), (HOME, actor(1))])).tallies for node in (one, two, three)]
    assert held == [{(POST, actor(2)): Tally(0, 0), (HOME, actor(1)): Tally(1, 0)}] * 3
    assert [node.counters()["repairs_total"] for node in (one, two, three)] == [0, 0, 0]
