"""What an hour's soak says of its figures."""

import math
import random

import pytest

from bench import drift, soak


def test_a_drift_has_the_error_of_its_slope() -> None:
    at_s = [10.0 * number for number in range(1, 361)]
    noise = random.Random(7)
    steady = drift.drift(at_s, [100 + noise.gauss(0, 1) for _ in at_s])
    assert steady.verdict == "flat"
    # What theory says for noise of 1 over an hour of 360 samples: sqrt(12 / n).
    assert steady.error == pytest.approx(math.sqrt(12 / 360), rel=0.15)
    leak = drift.drift(at_s, [100 + 5 * at / 3600 + noise.gauss(0, 1) for at in at_s])
    assert leak.per_hour == pytest.approx(5, abs=0.6)
    assert leak.verdict == "**grows**"
    slow = drift.drift(at_s, [100 + 2 * at / 3600 + noise.gauss(0, 1) for at in at_s])
    assert slow.verdict == "flat, though it drifts"
    faster = drift.drift(at_s, [100 - 8 * at / 3600 + noise.gauss(0, 1) for at in at_s])
    assert faster.verdict == "falls"
    loud = drift.drift(at_s, [100 + noise.gauss(0, 60) for _ in at_s])
    assert loud.verdict == "not known"


def test_the_soaks_loads_are_no_longer_than_the_load_can_be() -> None:
    assert max(soak.CHUNK_S, soak.WARM_UP_S + 1, soak.TURN_S + 1) <= 60


def test_the_soaks_page_says_what_drifts() -> None:
    moments = [drift.Moment(10.0 * n, 100 + n, 50, 0.5, 30, 60) for n in range(1, 361)]
    turns = [drift.Turn((4 + 0.1 * n, 20 + n % 2), (4 + 0.1 * n, 10 + n % 3)) for n in range(12)]
    under = drift.Conditions("a machine", 12_345.0, 500, 10.0, 20.0, 16)
    text = drift.page(moments, turns, under)
    assert "| memory of the node, MB | 307.5 | +3.6e+02 | 0 | **grows** |" in text.replace("4.1e-14", "0")
    assert text.count("| flat |") == 4
    assert "60 minutes" in text
    assert "12,345 times" in text
    assert "p50 | 4.55 | 4.55 | 1.00 | 0.00 | no slower |" in text
    assert "| **slower** |" in text


def test_old_nodes_are_compared_with_new_ones_beyond_noise_only() -> None:
    def found(times: float, spread: float) -> drift.Ratio:
        turns = [drift.Turn((times * math.exp(spread * (-1) ** n), 1), (1, 1)) for n in range(12)]
        return drift.ratio(turns, 0)

    assert found(1.0, 0.05).verdict == "no slower"
    assert found(1.0, 0.05).error == pytest.approx(0.05 / math.sqrt(12), rel=0.05)
    assert found(1.5, 0.05).verdict == "**slower**"
    assert found(1.0, 1.0).verdict == "not known"
