"""Pytest fixtures around `Cluster` and `Nginx`. A layer's conftest.py imports those it wants, and the hook.

from tests.support.fixtures import cluster, nginx, pytest_runtest_makereport, three_nodes  # noqa: F401
"""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node

_test_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a fixture's end know whether the test failed, to print the logs."""
    report = yield
    if report.failed:
        item.stash[_test_failed] = True
    return report


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A cluster without nodes yet. At the end its nodes' logs must be free of errors.

    Settings for all its nodes: `@pytest.mark.parametrize("cluster", [{"LIKE_PRESS_RATE": "0"}], indirect=True)`.
    """
    async with Cluster(tmp_path, **getattr(request, "param", {})) as started:
        yield started
    failed = request.node.stash.get(_test_failed, False)
    trouble = started.trouble()
    if failed or trouble:
        print(started.logs())
    assert failed or not trouble, "errors in the nodes' logs:\n" + "\n".join(trouble)


@pytest_asyncio.fixture
async def three_nodes(cluster: Cluster) -> list[Node]:
    """The nodes of a cluster of three, ready and linked."""
    return await cluster.start(3)


@pytest_asyncio.fixture
async def nginx(tmp_path: Path, three_nodes: list[Node]) -> AsyncIterator[Nginx]:
    """nginx in front of the three nodes."""
    async with Nginx(tmp_path, [f"127.0.0.1:{node.port}" for node in three_nodes]) as started:
        yield started
