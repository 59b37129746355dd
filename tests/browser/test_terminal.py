"""The terminal client and the page, side by side: one number."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Site
from tests.support.process import REPOSITORY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def client(site: Site, state: Path, *arguments: str) -> list[dict[str, Any]]:
    """What it says, one event a line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "--address", site.nginx.address, "--json", *arguments),
        cwd=REPOSITORY,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


async def test_it_shows_the_pages_number_and_the_page_its(calm_site: Site, name: str, tmp_path: Path) -> None:
    item = f"tap:{name}"
    tab = await (await calm_site.meet()).open(item)
    await tab.press(item, 3)
    await tab.assert_saved()
    await calm_site.cluster.assert_converged(item, 3)
    (seen,) = await client(calm_site, tmp_path, "watch", item, "--count", "1")
    assert seen["count"] == await tab.count(item) == 3
    (pressed,) = await client(calm_site, tmp_path, "like", item)
    assert pressed["count"] == 4
    await tab.assert_shows(item, 4)
