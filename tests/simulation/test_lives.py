"""Random lives of a cluster: whatever happens, in the end every promise is kept.

SEEDS sets how many, FIRST_SEED where to begin. A life that fails prints the command that replays it. Ten thousand
are `make simulate SEEDS=10000`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.simulation.life import Life
from tests.simulation.run import PAGE, RECORDED_LIVES, Report, run

# All lives are one test's fixture.
pytestmark = pytest.mark.timeout(600)

SEEDS = int(os.environ.get("SEEDS", "200"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
SOMETIMES = (
    "a larger tally of ours was there",
    "acknowledged while all could be asked",
    "adopted a pull",
    "answer lost on the way",
    "closed a link: duplicate",
    "closed a link: timeout",
    "commits of the first version",
    "committed, then killed before anyone was told",
    "digest differs",
    "disk full",
    "exit: a spoilt row",
    "exit: fenced",
    "exit: the ledger failed",
    "frozen",
    "gap in a range",
    "gave a lost reset up",
    "header or erasure sent behind a scan",
    "let go",
    "no-op waits for another's row",
    "own row the table did not keep",
    "power cut in a commit",
    "press lost on the way",
    "press repeated through another node",
    "press sent again",
    "pull answered by a scan",
    "pull answered from the ring",
    "push dropped",
    "push repeated late",
    "refused to start: drive",
    "refused to start: structure",
    "refused: behind",
    "refused: erased",
    "refused: frozen",
    "refused: read_only",
    "refused: reset",
    "row above its head",
    "rows put aside",
    "rows removed",
    "upgraded",
    "slow disk",
    "visitor erased",
)


@pytest.fixture(scope="module")
def lived() -> Iterator[Report]:
    """What all lives together came to."""
    *_, total = run(range(FIRST_SEED, FIRST_SEED + SEEDS))
    yield total


def test_every_promise_is_kept(lived: Report) -> None:
    assert lived.lives == SEEDS
    said = [f"SEED {seed}: {broken}" for seed, broken in lived.failures.items()]
    assert not said, "\n".join([*said, "to replay: python -m tests.simulation.life SEED"])


def test_the_lives_came_across_everything(lived: Report) -> None:
    if SEEDS >= 200:
        assert not [what for what in SOMETIMES if not lived.seen[what]]


def test_every_kind_of_fault_was_injected(lived: Report) -> None:
    with Life(0) as life:
        kinds = {fault.__name__ for _, fault in life.faults.all} - {"backup"}
    injected = {what for what in lived.seen if what.startswith("fault: ")}
    assert len(injected) == len(kinds) or SEEDS < 200


def test_the_page_is_of_clean_lives_that_met_every_kind_of_fault() -> None:
    """`make simulate SEEDS=10000` writes it; a fault that came later is not in it until that is done again."""
    text = PAGE.read_text()
    with Life(0) as life:
        kinds = {fault.__name__ for _, fault in life.faults.all} - {"backup"}
    faults = text.partition("\nFaults\n")[2].partition("\n\n")[0]
    assert len(faults.splitlines()) == len(kinds)
    assert int(text.partition(" lives, ")[0].rpartition("\n")[2]) >= RECORDED_LIVES
    assert "\nFailures: 0\n" in text


def test_the_same_seed_gives_the_same_life() -> None:
    def live(seed: int) -> tuple[object, ...]:
        with Life(seed) as life:
            node = life.live().nodes[0]
            return life.world.events, life.world.seen, node.is_up and node.rows()

    assert live(12345) == live(12345)
