"""The schema that stands in the ledger's file: a text like any other, which the disk may change (R13)."""

from pathlib import Path

import pytest

from cluster.surface import StartError
from tests.unit.ledgers import Open, change_behind_its_back


@pytest.mark.parametrize(
    ("written", "spoilt"), [("seq_max INTEGER", "seq_mbx INTEGER"), ("\n    seq_max", " seq_max")]
)
def test_a_schema_that_the_disk_has_changed_is_refused(
    reopen: Open, tmp_path: Path, written: str, spoilt: str
) -> None:
    """With a line's end gone, a column had become part of the comment before it (seed 11022)."""
    reopen().close()
    change_behind_its_back(
        tmp_path,
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET sql = replace(sql, '{written}', '{spoilt}') WHERE name = 'origins'",
    )
    with pytest.raises(StartError, match="backup"):
        reopen()


def test_a_schema_that_is_no_text_any_more_is_refused_too(reopen: Open, tmp_path: Path) -> None:
    """A bit of a letter in a comment: SQLite reads over it (seed 5081 of the simulator)."""
    reopen().close()
    change_behind_its_back(
        tmp_path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'merged', CAST(x'6d6572e76564' AS TEXT))",
    )
    with pytest.raises(StartError, match="backup"):
        reopen()
