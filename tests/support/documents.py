"""The project's documents as tests read them: their headings, and the commands that stand below each.

A command is a fenced block of `sh`. What is indented instead is shown, and run by nobody.
"""

import re
import sys
from pathlib import Path

from tests.support.process import REPOSITORY


class Document:
    """A Markdown file of this repository."""

    def __init__(self, name: str) -> None:
        self.text = (REPOSITORY / name).read_text()

    def section(self, heading: str) -> str:
        """What stands below this heading of the second level."""
        parts = f"\n{self.text}".split(f"\n## {heading}\n")
        assert len(parts) == 2, f"one heading {heading!r}, not {len(parts) - 1}"
        return parts[1].split("\n## ")[0]

    def headings(self) -> list[str]:
        return re.findall(r"^## (.+)$", self.text, re.MULTILINE)

    def commands(self, heading: str) -> list[str]:
        """The shell blocks below this heading, in order."""
        return re.findall(r"```sh\n(.*?)\n```", self.section(heading), re.DOTALL)

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of its tables' rows, without their heads."""
        lines = [line for line in self.section(heading).splitlines() if line.startswith("| ")]
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        return cells[1:]


def make_workplace(folder: Path) -> Path:
    """A place like the repository, where commands may write, with the tests' own `.venv`."""
    folder.mkdir(exist_ok=True)
    for name in ("app", "cluster", "cli"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder
