"""One engine, one build and one running project for the whole layer: each takes seconds."""

from collections.abc import Iterator

import pytest

from tests.compose.base_images import provide
from tests.compose.engine import Engine, OwnEngine, find_or_start_engine
from tests.compose.project import Project


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    started = find_or_start_engine()
    stand_ins: list[str] = []
    try:
        stand_ins = provide(started)
        yield started
    finally:
        if isinstance(started, OwnEngine):
            started.stop()
        elif stand_ins:
            started.docker("image", "rm", "--force", *stand_ins)


@pytest.fixture(scope="session")
def project(engine: Engine) -> Iterator[Project]:
    """The compose file as it is, up."""
    started = Project(engine)
    try:
        started.up()
        yield started
    finally:
        print(started.logs())
        started.down()
