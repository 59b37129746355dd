"""Chromium in front of real nodes behind nginx: what a person sees.

All tests share one site. Those that take `calm_site` press items of their own, named by `name`; those that take
`site` may kill, freeze or stop what they like and press what is on the home page: afterwards it is mended.
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with Site(tmp_path_factory.mktemp("site")) as started:
        yield started
    assert_no_trouble(started)


@pytest_asyncio.fixture(loop_scope="session")
async def calm_site(one_site: Site) -> AsyncIterator[Site]:
    yield one_site
    complaints = await one_site.say_goodbye()
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(loop_scope="session")
async def site(calm_site: Site) -> AsyncIterator[Site]:
    yield calm_site
    complaints = await calm_site.say_goodbye()
    await calm_site.mend()
    assert_no_trouble(calm_site)
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
