"""The runbook's steps for containers, as written."""

from functools import partial
from pathlib import Path

import pytest

from tests.compose.project import Project
from tests.compose.test_compose import NODES, assert_everywhere
from tests.support.browser import Browser
from tests.support.documents import Document
from tests.support.waiting import wait_for

ITEM = "tap:backup"
pytestmark = pytest.mark.timeout(200)


async def test_a_backup_of_a_container_is_restored(project: Project, tmp_path: Path) -> None:
    prepare, back_up, restore = Document("docs/runbook.md").commands("Backup and restore with compose")
    for service in NODES:
        await wait_for(partial(project.is_ready, service), 40, f"{service} to be ready")
    # The containers' user has to come through to the folder.
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    async with await Browser.connect(project.address) as tab:
        await tab.press(ITEM, 3)
        await assert_everywhere(project, ITEM, 3)
        project.type(prepare, tmp_path)
        project.type(back_up, tmp_path)
        assert [file.name for file in (tmp_path / "backups").iterdir()] == ["node1.db"]
    async with await Browser.connect(project.address) as tab:
        await tab.press(ITEM, 2)

    assert "ledger.db.replaced-" in project.type(restore, tmp_path)
    await wait_for(partial(project.is_ready, "node1"), 40, "node1 to be ready again")
    await assert_everywhere(project, ITEM, 5)
