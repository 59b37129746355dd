"""Metrics: what is counted, and that every metric is documented."""

import re
from pathlib import Path

import pytest

from app.metrics import Metrics
from cluster import node
from cluster.surface import Answer
from tests.unit.sites import Site

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
DOCUMENTED = set(re.findall(r"^\| `(like_[a-z_]+)", OPERATIONS, re.MULTILINE))


def own_names() -> set[str]:
    names = set()
    for family in Metrics().registry.collect():
        if family.name.startswith("like_"):
            names.add(family.name + "_total" * (family.type == "counter"))
    return names


def engine_names() -> set[str]:
    """The engine's figures by the names in its source: they exist before any engine does."""
    source = Path(node.__file__).read_text()
    return {f"like_{name}" for name in re.findall(r'"(\w+_total|links|\w+_rows|buckets_\w+)"', source)}


@pytest.mark.parametrize("name", sorted(own_names() | engine_names()))
def test_every_metric_is_documented(name: str) -> None:
    assert name in DOCUMENTED


def test_every_documented_metric_exists() -> None:
    assert own_names() | engine_names() >= DOCUMENTED


@pytest.mark.parametrize(
    ("answer", "asked", "outcome"),
    [
        (Answer("tap:a", 0, 5, 5, 0, 0), 5, "taken"),
        (Answer("tap:a", 0, 5, 5, 0, 0), None, "taken"),
        (Answer("tap:a", 0, 5, 5, 0, 0), 9, "partial"),
        (Answer("tap:a", 0, 5, 5, 0, 0, "rate_limited"), 9, "rate_limited"),
    ],
)
def test_a_press_is_counted_by_its_outcome(answer: Answer, asked: int | None, outcome: str) -> None:
    metrics = Metrics()
    metrics.count_press("live", answer, asked)
    labels = {"way": "live", "outcome": outcome}
    assert metrics.registry.get_sample_value("like_presses_total", labels) == 1


async def test_a_press_is_counted_once_though_answered_twice(site: Site) -> None:
    site.engine.wanted = 1
    browser = await site.browser()
    await browser.say(type="press", id=1, item="tap:a", n=1)
    await browser.hear("pressed")
    site.engine.make_copies()
    await browser.hear("pressed")
    assert site.metric("like_presses_total", way="live", outcome="taken") == 1


async def test_the_page_shows_own_and_the_engines_figures(site: Site) -> None:
    await site.browser()
    await (await site.browser()).socket.close()
    async with site.client.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        page = await answer.text()
    assert "\nlike_commits_total 3.0\n" in page
    assert "\nlike_links 2.0\n" in page
    assert "\n# TYPE like_commits_total counter\n" in page
    assert "\nlike_loop_lag_seconds" in page


async def test_refused_messages_are_counted_by_code(site: Site) -> None:
    browser = await site.browser()
    await browser.say(type="watch", items=["nonsense"])
    await browser.hear("error")
    assert site.metric("like_messages_refused_total", code="bad_item") == 1
