"""The rows of the matrix, in the order of the table in docs/reliability.md."""

from typing import Final

from tests.faults import disks, files, networks, power, processes, surroundings
from tests.faults.row import Fault

MATRIX: Final[tuple[Fault, ...]] = (
    *processes.ROWS,
    power.ROW,
    *disks.ROWS,
    *files.ROWS,
    *networks.ROWS,
    *surroundings.ROWS,
    surroundings.PEACE,
)
