"""The runbook knows every alarm that the program can give, and none that it cannot."""

import re

import pytest

from app.metrics import Metrics
from cluster.node import COUNTERS
from tests.support.documents import Document
from tests.support.process import REPOSITORY

RUNBOOK = Document("docs/runbook.md")
SOURCES = [path.read_text() for name in ("app", "cluster") for path in (REPOSITORY / name).rglob("*.py")]
# `exception` writes at the level ERROR.
LEVELS = {"error": "ERROR", "exception": "ERROR", "critical": "ERROR", "warning": "WARNING"}


def alarms_of_the_source() -> dict[str, str]:
    """Event → level of everything that is logged above INFO."""
    called = [call for source in SOURCES for call in re.findall(r"\blog\.(\w+)\(", source.replace("_log", "log"))]
    named = [
        call
        for source in SOURCES
        for call in re.findall(r'\blog\.(\w+)\(\s*"([\w.]+)"', source.replace("_log", "log"))
    ]
    assert len(named) == len(called), "an event whose name does not stand at its call cannot be looked up"
    return {event: LEVELS[level] for level, event in named if level in LEVELS}


def test_every_alarm_of_the_source_is_explained() -> None:
    explained = dict(
        re.fullmatch(r"`([\w.]+)` \((ERROR|WARNING)\)", row[0]).groups()  # type: ignore[union-attr]
        for row in RUNBOOK.rows("Alarms in the log")
    )
    assert explained == alarms_of_the_source()
    for row in RUNBOOK.rows("Alarms in the log"):
        assert len(row) == 5
        assert all(row), f"{row[0]}: what it means, what visitors see, what to do, when it is over"


def test_every_metric_of_an_alert_exists() -> None:
    page = Metrics().page().decode()
    written_down = Document("docs/operations.md").section("Metrics")
    alerts = [row[0] for row in RUNBOOK.rows("Alarms of the metrics")]
    metrics = {name for alert in alerts for name in re.findall(r"\b(?:like|process)_\w+", alert)}
    assert len(metrics) > 8
    for name in metrics:
        assert f"\n# TYPE {name} " in page or name.removeprefix("like_") in COUNTERS or f"`{name}`" in written_down


def test_every_refusal_to_start_is_quoted() -> None:
    rows = RUNBOOK.rows("How a node ends, and what keeps it from starting")
    refusals = [row[0].strip("`") for row in rows if row[0].startswith("`")]
    raised = sum(len(re.findall(r"\bStartError\(\s*f?\"", source)) for source in SOURCES)
    assert len(refusals) == raised
    for words in refusals:
        assert any(words in re.sub(r'"\s*\n\s*f?"', "", source) for source in SOURCES), words


def test_every_variable_of_a_command_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z]+)` \|", RUNBOOK.text, re.MULTILINE))
    commands = [command for heading in RUNBOOK.headings() for command in RUNBOOK.commands(heading)]
    assert len(commands) > 8
    assert {name for command in commands for name in re.findall(r"\$([A-Z]+)", command)} == explained | {"PWD"}


@pytest.mark.parametrize("document", ["docs/runbook.md", "docs/operations.md", "docs/architecture.md"])
def test_every_link_into_a_document_meets_a_heading(document: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", Document(document).text):
        headings = Document(f"docs/{file}" if file else document).headings()
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor
