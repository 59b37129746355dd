"""Every rule has a scenario in which the cluster is well with it, and not without it."""

import pytest

from tests.simulation import scenarios_of_repair
from tests.simulation.ablations import ABLATIONS, switched_off
from tests.simulation.cluster import ViolationError
from tests.simulation.scenarios import SCENARIOS, play

assert scenarios_of_repair, "its scenarios register themselves"


@pytest.mark.parametrize("rule", SCENARIOS)
def test_with_the_rule_all_is_well(rule: str) -> None:
    play(rule)


@pytest.mark.parametrize("rule", SCENARIOS)
def test_without_the_rule_it_is_not(rule: str) -> None:
    with switched_off(rule), pytest.raises(ViolationError):
        play(rule)


def test_every_ablation_has_a_scenario() -> None:
    assert ABLATIONS.keys() == SCENARIOS.keys()
