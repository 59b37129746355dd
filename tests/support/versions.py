"""Earlier versions of the program, kept as test data in `tests/versions`."""

import tarfile
from pathlib import Path
from typing import Final

from tests.support.process import REPOSITORY

FIRST: Final = "0.1.0"


def unpack(version: str, folder: Path) -> Path:
    """Unpack `app/` and `cluster/` of this version into a folder of its own below this one; that folder."""
    place = folder / version
    with tarfile.open(REPOSITORY / "tests" / "versions" / f"{version}.tar.xz") as archive:
        # Of a file of ours; Python 3.11.2, which Debian 12 has, knows no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(place)
    return place
