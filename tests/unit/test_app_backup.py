"""Backups over HTTP: who may have one, that it arrives whole, and that none is left behind."""

import asyncio
import base64
import logging
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientResponse

from app import backup
from app.backup import COPY_NAME, remove_leftovers
from tests.support.waiting import wait_for
from tests.unit.sites import Site, until
from tests.unit.test_app_admin import ADMIN, TOKEN
from tests.unit.test_app_api import problem_of

MakeSite = Callable[..., Awaitable[Site]]
pytestmark = pytest.mark.usefixtures("no_traceback")

BACKUP = "/api/admin/backup"
# More than one piece, more than every buffer on the way, and not the same everywhere.
LARGE = bytes(range(251)) * 200_000


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site(LIKE_ADMIN_TOKEN=TOKEN)


async def ask(site: Site) -> ClientResponse:
    return await site.client.get(BACKUP, headers=ADMIN)


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(f"{COPY_NAME}*")]


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "app.backup"]


@pytest.mark.parametrize("content", [b"a ledger", LARGE])
async def test_a_backup_arrives_whole_with_its_length_and_its_digest(
    site: Site, tmp_path: Path, content: bytes
) -> None:
    site.engine.backup = content
    answer = await ask(site)
    assert await answer.read() == content
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/vnd.sqlite3"
    assert answer.headers["Content-Length"] == str(len(content))
    digest = base64.b64encode(sha256(content).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["Cache-Control"] == "no-store"
    named = r'attachment; filename="node1-\d{8}T\d{6}Z\.db"'
    assert re.fullmatch(named, answer.headers["Content-Disposition"])
    assert left(tmp_path) == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": TOKEN}])
async def test_who_does_not_have_the_admin_token_gets_no_backup(site: Site, headers: dict[str, str]) -> None:
    answer = await site.client.get(BACKUP, headers=headers)
    assert (await problem_of(answer, 401))["code"] == "bad_admin_token"


async def test_without_an_admin_token_there_are_no_backups(make_site: MakeSite) -> None:
    await problem_of(await (await make_site()).client.get(BACKUP, headers=ADMIN), 404)


async def test_one_backup_at_a_time(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "TURN_S", 0.05)
    site.engine.may_end_backup.clear()
    first = asyncio.create_task(ask(site))
    await until(lambda: left(tmp_path))
    assert (await problem_of(await ask(site), 409))["code"] == "backing_up"
    site.engine.may_end_backup.set()
    assert await (await first).read() == site.engine.backup


async def test_backups_may_follow_each_other_closely(site: Site) -> None:
    for _ in range(20):
        assert await (await ask(site)).read() == site.engine.backup


async def test_a_backup_that_cannot_be_made_says_why_to_both(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.engine.backup_problem = "no room: free space on this disk"
    problem = await problem_of(await ask(site), 507)
    assert problem["code"] == "no_backup"
    assert "no room: free space on this disk" in problem["detail"]
    (record,) = (record for record in caplog.records if record.name == "app.backup")
    assert (record.getMessage(), record.levelno) == ("backup.failed", logging.WARNING)
    assert "free space" in record.__dict__["problem"]
    site.engine.backup_problem = ""
    assert (await ask(site)).status == 200


async def test_who_goes_away_leaves_nothing_behind(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.engine.backup = LARGE
    answer = await ask(site)
    await answer.content.readexactly(1000)
    answer.close()
    await wait_for(lambda: events(caplog) == ["backup.broken_off"], 5, "the node to notice")
    assert left(tmp_path) == []
    assert await (await ask(site)).read() == LARGE


async def test_who_takes_nothing_is_cut_off(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STALLED_S", 0.05)
    site.engine.backup = LARGE * 2
    answer = await ask(site)
    await wait_for(lambda: events(caplog) == ["backup.broken_off"], 5, "the node to lose its patience")
    with pytest.raises(ClientError):
        await answer.read()


async def test_a_copy_that_is_sent_has_no_name_any_more(site: Site, tmp_path: Path) -> None:
    site.engine.backup = LARGE
    answer = await ask(site)
    assert left(tmp_path) == []
    assert await answer.read() == LARGE


async def test_what_a_killed_node_left_goes_with_the_next_backup_and_nothing_else(
    site: Site, tmp_path: Path
) -> None:
    for name in (COPY_NAME, f"{COPY_NAME}-journal", "ledger.db"):
        (tmp_path / name).write_text("old")
    assert await (await ask(site)).read() == site.engine.backup
    assert left(tmp_path) == []
    assert (tmp_path / "ledger.db").read_text() == "old"


def test_nothing_left_is_nothing_to_remove(tmp_path: Path) -> None:
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "not there")


async def test_every_backup_is_one_line_of_the_log_without_an_address(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await (await ask(site)).read()
    await wait_for(lambda: events(caplog), 5, "the line")
    (record,) = (record for record in caplog.records if record.name == "app.backup")
    assert (record.getMessage(), record.levelname) == ("backup.sent", "INFO")
    assert record.__dict__["bytes"] == len(site.engine.backup)
    assert record.__dict__["sha256"] == sha256(site.engine.backup).hexdigest()
    assert TOKEN not in caplog.text
    assert "127.0.0.1" not in str(record.__dict__)
