"""Real node processes on the loopback interface, with nginx where a test wants it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.echoes import Echoes
from tests.support.fixtures import cluster, nginx, pytest_runtest_makereport, three_nodes
from tests.support.nginx import Nginx

__all__ = ["cluster", "nginx", "pytest_runtest_makereport", "three_nodes"]


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echoes]:
    """The three processes, which most tests leave as they were: starting them costs a second."""
    started = Echoes(tmp_path_factory.mktemp("echoes"))
    yield started
    for process in started.processes.values():
        asyncio.run(process.end())


@pytest_asyncio.fixture
async def echoes(stand_ins: Echoes, tmp_path: Path) -> AsyncIterator[Echoes]:
    await stand_ins.revive()
    async with Nginx(tmp_path, stand_ins.upstreams) as stand_ins.nginx:
        yield stand_ins
