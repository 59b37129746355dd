"""One lab for all rows of the matrix, as long as it stays whole: starting three nodes costs seconds."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.faults import report
from tests.faults.form import Form
from tests.faults.lab import Lab
from tests.faults.matrix import MATRIX
from tests.faults.row import Fault, Seen
from tests.support.process import REPOSITORY

FORM: Final = Form.from_environment()
KEPT: Final = REPOSITORY / ".faults"


class Labs:
    """The lab of this run, and a fresh one after a row that went wrong."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self.form = FORM
        self.seen: list[Seen] = []
        self._folders = folders
        self._lab: Lab | None = None
        self._open = AsyncExitStack()

    async def run(self, fault: Fault) -> Seen:
        """The row's outcome. Whatever was wrong with it, or raised, costs the lab."""
        if self._lab is None:
            self._lab = await self._open.enter_async_context(Lab(self._folders.mktemp("lab"), self.form))
        lab = self._lab
        try:
            seen = await lab.run(fault)
        except Exception as error:
            history = await self._give_up(lab, fault)
            self.seen.append(lab.seen_until_it_broke(fault, error, history))
            raise
        if not seen.is_good:
            seen.history = await self._give_up(lab, fault)
        elif not self.form.keeps_histories:
            seen.history.unlink()
        self.seen.append(seen)
        return seen

    async def _give_up(self, lab: Lab, fault: Fault) -> Path:
        """Keep the history, the logs and the ledgers where no later run removes them, and end this lab."""
        kept = KEPT / f"{datetime.now():%m%d-%H%M%S}-{fault.name}"
        kept.mkdir(parents=True)
        for path in (*lab.folder.glob("*.log"), *lab.folder.glob(f"{fault.name}.jsonl")):
            shutil.copy(path, kept)
        for path in lab.folder.glob("node*/ledger.db*"):  # as they are: torn, where their node is writing
            shutil.copy(path, kept / f"{path.parent.name}-{path.name}")
        print(f"history, logs and ledgers: {kept}, seed {self.form.seed}\n{lab.cluster.logs(60)}")
        await self.close()
        return kept / f"{fault.name}.jsonl"

    async def close(self) -> None:
        self._lab = None
        await self._open.aclose()
        self._open = AsyncExitStack()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def labs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Labs]:
    made = Labs(tmp_path_factory)
    yield made
    await made.close()
    if FORM.is_long and made.seen:
        report.write(made.seen, MATRIX, report.LONGER if FORM.is_of_some else report.WHOLE)
