"""Chromium in front of real nodes behind nginx: what a person sees.

`site` is a test's own, for tests that kill, freeze or stop something. `calm_site` is one for all tests that do
not: each of them presses items of its own, named by `name`.
"""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.person import Run
from tests.browser.site import Site
from tests.support.fixtures import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = (Path(__file__).parent / "lab.js").read_text()


def assert_no_trouble(site: Site) -> None:
    trouble = site.cluster.trouble()
    if trouble:
        print(site.cluster.logs())
    assert not trouble, "errors in the nodes' logs:\n" + "\n".join(trouble)


@pytest_asyncio.fixture
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with Site(tmp_path_factory.mktemp("site")) as started:
        yield started
        complaints = await started.say_goodbye()
    assert_no_trouble(started)
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def all_calm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with Site(tmp_path_factory.mktemp("calm")) as started:
        yield started
    assert_no_trouble(started)


@pytest_asyncio.fixture(loop_scope="session")
async def calm_site(all_calm: Site) -> AsyncIterator[Site]:
    yield all_calm
    complaints = await all_calm.say_goodbye()
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(loop_scope="session")
async def run(calm_site: Site) -> Run:
    tab = await (await calm_site.meet(bypass_csp=True)).new_tab()
    await tab.open("tap:lab")
    await tab.page.evaluate(LAB)
    return lambda lines: tab.page.evaluate(f"async () => {{ {lines} }}")


@pytest.fixture(scope="session")
def packages() -> None:
    """What npm brings to the tests."""
    subprocess.run(["make", "--silent", "tests/browser/node_modules/.installed"], cwd=REPOSITORY, check=True)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An item's name that no other test presses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
