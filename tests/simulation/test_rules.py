"""Every rule has a scenario in which the cluster is well with it, and not without it."""

import pytest

from tests.simulation import scenarios_of_repair
from tests.simulation.ablate import PAGE
from tests.simulation.ablations import ABLATIONS, switched_off
from tests.simulation.promises import ViolationError
from tests.simulation.scenarios import SCENARIOS, play

assert scenarios_of_repair, "its scenarios register themselves"


@pytest.mark.parametrize("rule", SCENARIOS)
def test_with_the_rule_all_is_well(rule: str) -> None:
    play(rule)


@pytest.mark.parametrize("rule", SCENARIOS)
def test_without_the_rule_it_is_not(rule: str) -> None:
    with switched_off(rule), pytest.raises(ViolationError):
        play(rule)


def test_the_page_names_every_ablation() -> None:
    """`make ablations` writes it; a rule that came later is not in it until that is done again."""
    rows = [line.split(" | ")[:2] for line in PAGE.read_text().splitlines() if line.startswith("| ")][2:]
    assert rows == [[f"| {rule}", switch.__name__.replace("_", " ")] for rule, switch in ABLATIONS.items()]


def test_every_ablation_has_a_scenario() -> None:
    assert ABLATIONS.keys() == SCENARIOS.keys()
