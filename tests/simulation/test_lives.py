"""Random lives of a cluster: whatever happens, in the end every promise is kept.

SEEDS sets how many (300), FIRST_SEED where to begin. A life that fails prints the command that replays it.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.life import Life

SEEDS = int(os.environ.get("SEEDS", "300"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
CHUNK = 25
SOMETIMES = (
    "adopted a pull",
    "answer lost on the way",
    "closed a link: duplicate",
    "closed a link: timeout",
    "committed, then killed before anyone was told",
    "fault: bridge",
    "fault: broken link",
    "fault: crash",
    "fault: freeze",
    "fault: old backup put back",
    "fault: one-way partition",
    "fault: partition",
    "fault: wiped disk",
    "gap in a range",
    "no-op waits for another's row",
    "own row the table did not keep",
    "press lost on the way",
    "press repeated through another node",
    "press sent again",
    "pull answered by a scan",
    "pull answered from the ring",
    "push dropped",
    "push repeated late",
    "row above its head",
)


@pytest.fixture(scope="module")
def seen() -> Iterator[Counter[str]]:
    """What all lives together came across."""
    yield Counter()


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, CHUNK))
def test_every_promise_is_kept(first: int, seen: Counter[str]) -> None:
    for seed in range(first, min(first + CHUNK, FIRST_SEED + SEEDS)):
        life = Life(seed)
        try:
            life.live().assert_all_is_well()
        except Exception as error:
            error.add_note(f"SEED {seed}; to replay: python -m tests.simulation.life {seed}")
            raise
        seen.update(life.world.seen)


def test_the_lives_came_across_everything(seen: Counter[str]) -> None:
    if SEEDS >= 100:
        assert not [what for what in SOMETIMES if not seen[what]]


def test_the_same_seed_gives_the_same_life() -> None:
    first, second = Life(12345), Life(12345)
    assert first.live().nodes[0].disk.rows == second.live().nodes[0].disk.rows
    assert first.world.events == second.world.events
    assert first.world.seen == second.world.seen
