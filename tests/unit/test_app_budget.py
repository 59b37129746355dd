"""The budget: what a visitor may press now, when again, and what is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import budget as budget_module
from app.budget import UNLIMITED, Buckets
from tests.unit.fakes import FakeClock

ANN, BEN = b"ann-------", b"ben-------"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_visitor_starts_with_a_full_bucket(clock: FakeClock) -> None:
    assert Buckets(50, 500, clock).allowance(ANN) == 500


def test_only_what_was_taken_is_spent_and_it_comes_back_with_time(clock: FakeClock) -> None:
    budget = Buckets(50, 500, clock)
    budget.allowance(ANN)
    budget.spend(ANN, 500)
    assert budget.allowance(ANN) == 0
    clock.now += 1
    assert budget.allowance(ANN) == 50
    clock.now += 100
    assert budget.allowance(ANN) == 500


def test_one_visitor_does_not_spend_what_is_anothers(clock: FakeClock) -> None:
    budget = Buckets(50, 500, clock)
    budget.spend(ANN, 500)
    assert budget.allowance(BEN) == 500


def test_retry_after_is_when_so_many_presses_are_there(clock: FakeClock) -> None:
    budget = Buckets(50, 500, clock)
    budget.spend(ANN, 500)
    assert budget.retry_after(ANN, 25) == pytest.approx(0.5, abs=0.002)
    assert budget.retry_after(ANN, 10_000) == pytest.approx(1, abs=0.002), "a second's worth, not a whole bucket"
    assert budget.retry_after(BEN, 1) == 0


@given(
    rate=st.floats(0.01, 1000), burst=st.integers(1, 1000), spent=st.integers(1, 1000), wanted=st.integers(1, 1000)
)
def test_after_retry_after_the_presses_are_there(rate: float, burst: int, spent: int, wanted: int) -> None:
    clock = FakeClock()
    budget = Buckets(rate, burst, clock)
    budget.spend(ANN, min(spent, burst))
    clock.now += budget.retry_after(ANN, wanted)
    assert budget.allowance(ANN) >= min(wanted, burst, max(1, int(rate)))


@pytest.mark.parametrize(("rate", "burst"), [(0, 500), (50, 0), (0, 0)])
def test_zero_means_no_limit(clock: FakeClock, rate: float, burst: int) -> None:
    budget = Buckets(rate, burst, clock)
    budget.spend(ANN, 1_000_000)
    assert budget.allowance(ANN) == UNLIMITED
    assert budget.retry_after(ANN, 5) == 0
    assert len(budget) == 0


def test_full_buckets_are_forgotten(clock: FakeClock) -> None:
    budget = Buckets(50, 500, clock)
    for number in range(1000):
        budget.spend(b"visitor%03d" % number, 10)
    assert len(budget) == 1000
    clock.now += 0.2
    for _ in range(1001):
        budget.spend(ANN, 1)
    assert len(budget) == 1


def test_memory_is_bounded_by_forgetting_who_pressed_longest_ago(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_module, "BUCKETS_MAX", 100)
    budget = Buckets(1, 500, clock)
    for number in range(1000):
        budget.spend(b"visitor%03d" % number, 100)
    assert len(budget) <= 100
    assert budget.allowance(b"visitor999") == 400
    assert budget.allowance(b"visitor000") == 500
