"""Fixtures of the `app` tests, and what all unit tests have in common."""

import logging
from collections.abc import Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import pytest
import structlog
from hypothesis import settings

from app.main import TEMPLATES, build_app, build_tools
from tests.unit.fakes import FakeEngine
from tests.unit.halls import hall, one_at_a_time
from tests.unit.ledgers import ledger, reopen
from tests.unit.replicas import ann, ben
from tests.unit.sites import Site, make_settings

__all__ = ["ann", "ben", "hall", "ledger", "one_at_a_time", "reopen"]  # fixtures made elsewhere

# A busy machine must not fail a property that holds.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a log has of odd bytes can be told to another process."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def events_are_records() -> None:
    """structlog prints what nobody configured: here its events are records that `caplog` sees."""
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client sends, the node's log stays free of errors."""
    caplog.set_level(logging.INFO)
    yield
    records = caplog.get_records("call")
    assert not [record for record in records if record.levelno >= logging.ERROR or record.exc_info]


@pytest.fixture
async def make_site(aiohttp_client: Any, tmp_path: Path) -> Callable[..., Awaitable[Site]]:
    async def make(**variables: str) -> Site:
        settings = make_settings(tmp_path, **variables)
        tools = build_tools(settings)
        engine = FakeEngine(tools.budget)
        app = build_app(settings, engine, tools)
        # The page's look is another test's subject: here it shows what it was given.
        shown = "{{ dict(item=item, kind=kind, count=count, gen=gen, mine_n=mine_n, liked=liked, node=node,"
        shown += " form=form, press_url=press_url, examples=examples, notice=notice) | tojson }}"
        others = jinja2.FileSystemLoader(TEMPLATES)
        aiohttp_jinja2.setup(app, loader=jinja2.ChoiceLoader([jinja2.DictLoader({"page.html": shown}), others]))
        return Site(await aiohttp_client(app), engine, tools)

    return make


@pytest.fixture
async def site(make_site: Callable[..., Awaitable[Site]]) -> Site:
    return await make_site()
