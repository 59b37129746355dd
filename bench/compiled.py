"""The programs in C (`native/`): the load, the floor, and the distance of two cores; compiled when needed."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).with_name("native")
PLACE: Final = Path(__file__).resolve().parents[1] / ".bench"
_FLAGS: Final = ("-O2", "-march=native", "-Wall", "-Wextra", "-pthread")


@cache
def program(name: str) -> Path:
    """The compiled program."""
    source, made = SOURCES / f"{name}.c", PLACE / name
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("No C compiler is installed. On Debian: apt install gcc libc6-dev")
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        PLACE.mkdir(exist_ok=True)
        subprocess.run([compiler, *_FLAGS, "-o", str(made), str(source)], check=True)
    return made
