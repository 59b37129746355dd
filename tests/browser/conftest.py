"""Chromium in front of real nodes behind nginx: what a person sees.

All tests share one site. Those that take `calm_site` press items of their own, named by `name`; those that take
`site` may kill, freeze or stop what they like and find 0 on the home page: it is mended before and after.
"""

import fcntl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.firefox import Firefox, FirefoxPerson
from tests.browser.person import Run
from tests.browser.site import Site
from tests.support.fixtures import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# Evaluates an expression in a page.
Bench = Callable[[str], Awaitable[Any]]

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
    await calm_site.mend()  # Calm tests, too, may have pressed what is on the home page.
    yield calm_site
    complaints = await calm_site.say_goodbye()
    await calm_site.mend()
    assert_no_trouble(calm_site)
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox(packages: None) -> AsyncIterator[Firefox]:
    async with Firefox() as started:
        yield started
        complaints = await started.ask("complaints")
    assert not complaints, "pages complained:\n" + "\n".join(complaints)


@pytest_asyncio.fixture(loop_scope="session")
async def person(firefox: Firefox) -> AsyncIterator[FirefoxPerson]:
    """Somebody with Firefox."""
    someone = await firefox.meet()
    yield someone
    await someone.leave()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def benches(one_site: Site, firefox: Firefox) -> AsyncIterator[dict[str, Bench]]:
    """A page of the site in each browser that runs none of its scripts, for those of a test."""
    address = f"{one_site.nginx.address}/privacy"
    chromium = await one_site.lodge(bypass_csp=True)
    page = await chromium.context.new_page()
    await page.goto(address)
    other = await (await firefox.meet()).open(address)
    yield {"chromium": page.evaluate, "firefox": other.evaluate}
    assert not chromium.complaints
    await chromium.context.close()


@pytest_asyncio.fixture(params=["chromium", "firefox"], loop_scope="session")
async def run(request: pytest.FixtureRequest, benches: dict[str, Bench]) -> Run:
    evaluate = benches[request.param]
    # Each time anew: nothing is stored yet.
    await evaluate(LAB)
    return lambda lines: evaluate(f"(async () => {{ {lines} }})()")


@pytest.fixture(scope="session")
def packages() -> None:
    """What npm brings to the tests; one process installs, and another that shares the layer waits for it."""
    with (REPOSITORY / "tests" / "browser" / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "--silent", "tests/browser/node_modules/.installed"], cwd=REPOSITORY, check=True)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An item's name that no other test presses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
