"""Run the layers of tests one after the other, each as a pytest process of its own.

    python -m tests.layers [--without "compose browser"] unit simulation cluster …

1. A layer that fails does not keep the later ones from running; any failure fails the whole.
2. A layer whose programs are missing fails and names them, unless it was left out by name.
3. Each layer's closing line is printed again at the end, with its time and its budget.
4. A layer that hangs is ended by its own process group, so that its children go with it.

Runs under the environment that requirements-dev.txt made; imports nothing outside the standard library.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
# Twice what the whole may take: only a hanging layer gets there.
HANG_AFTER_S: Final = 900.0

_CHROMIUM: Final = "chromium|chromium-browser|google-chrome"


@dataclass(frozen=True)
class Layer:
    """One layer: the seconds it may take, and the programs it needs (`a|b`: either)."""

    name: str
    budget_s: int
    needs: tuple[str, ...] = ()
    needs_root: bool = False
    # Tests of another layer's folder, with what is asked of them in the environment.
    of: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    only: str = ""
    # Processes that share its files: of layers that mostly wait. Each starts its own nodes and browsers.
    workers: int = 1

    @property
    def folder(self) -> Path:
        return REPOSITORY / "tests" / (self.of or self.name)

    @property
    def hang_after_s(self) -> float:
        return max(HANG_AFTER_S, 2.0 * self.budget_s)

    @property
    def has_tests(self) -> bool:
        return self.name == "lint" or any(self.folder.rglob("test_*.py"))

    @property
    def commands(self) -> list[list[str]]:
        if self.name != "lint":
            only = ["-k", self.only, "-s"] if self.only else []
            shared = ["-n", str(self.workers), "--dist", "loadfile"] if self.workers > 1 else []
            pytest = [sys.executable, "-m", "pytest", str(self.folder), "-q", "-p", "no:cacheprovider"]
            return [[*pytest, *only, *shared]]
        packages = ("app", "cluster", "cli", "bench", "tests.support", "tests.faults", "tests.layers")
        return [
            [_beside("ruff"), "format", "--check", "--quiet", "."],
            [_beside("ruff"), "check", "--quiet", "."],
            [_beside("mypy"), *(word for package in packages for word in ("-p", package))],
            [_beside("lint-imports")],
        ]

    def missing(self) -> list[str]:
        """The programs that are needed and not here, and the right to use them."""
        rights = ["the rights of root"] if self.needs_root and os.geteuid() else []
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        return rights + [
            program
            for program in self.needs
            if not any(shutil.which(each, path=path) for each in program.split("|"))
        ]


_FAULTS_NEED: Final = ("nginx", "ip", "iptables", "cc|gcc")


def _long_faults(name: str, budget_s: int, only: str = "test_", **variables: str) -> Layer:
    """The fault matrix in its long form, or some of its rows very often."""
    asked = tuple({"FAULTS_FORM": "long", **variables}.items())
    return Layer(name, budget_s, _FAULTS_NEED, needs_root=True, of="faults", variables=asked, only=only)


LAYERS: Final = {
    layer.name: layer
    for layer in (
        Layer("lint", 5),
        Layer("unit", 55, workers=2),
        Layer("simulation", 120),
        Layer("cluster", 180, ("nginx",), workers=2),
        Layer("browser", 180, ("nginx", "npm", _CHROMIUM, "firefox-esr|firefox"), workers=2),
        Layer("compose", 180, ("docker",)),
        Layer("overload", 75, ("nginx",)),
        Layer("faults", 180, _FAULTS_NEED, needs_root=True),
        _long_faults("faults-long", 3600),
        _long_faults("faults-kills", 1800, "kill and not nginx and not all", FAULTS_KILLS="1000"),
        _long_faults("faults-bits", 3600, "torn-wal or flipped", FAULTS_BITS="200"),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What became of one layer, in one line."""

    layer: Layer
    is_good: bool
    closing_line: str
    took_s: float

    def __str__(self) -> str:
        verdict = "ok    " if self.is_good else "FAILED"
        late = "  (over its budget)" if self.took_s > self.layer.budget_s else ""
        time_line = f"{self.took_s:5.0f} s of {self.layer.budget_s:4} s"
        return f"{verdict} {self.layer.name:<12} {time_line}  {self.closing_line}{late}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.layers")
    parser.add_argument("--without", default="", help="layers to leave out, separated by spaces")
    parser.add_argument("layers", nargs="+", choices=LAYERS)
    arguments = parser.parse_args()
    left_out = arguments.without.split()
    outcomes = [run(LAYERS[name]) for name in arguments.layers if name not in left_out]
    print("\n=== layers ===")
    for outcome in outcomes:
        print(outcome)
    for name in left_out:
        print(f"LEFT OUT {name}, as asked for")
    print(f"{sum(outcome.took_s for outcome in outcomes):.0f} s in all", flush=True)
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def run(layer: Layer) -> Outcome:
    print(f"\n=== {layer.name} ===", flush=True)
    if not layer.has_tests:
        return Outcome(layer, True, "no tests yet", 0)
    if missing := layer.missing():
        return Outcome(layer, False, f"not run, missing: {', '.join(missing)}", 0)
    started = time.monotonic()
    codes, closing_line = [], ""
    for command in layer.commands:
        code, last_line = _run_one(command, layer)
        codes.append(code)
        closing_line = last_line if layer.name != "lint" else _lint_line(codes)
    return Outcome(layer, not any(codes), closing_line, time.monotonic() - started)


def _run_one(command: list[str], layer: Layer) -> tuple[int, str]:
    """The exit code and the last line that says something; its output passes through as it comes."""
    child = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True, env={**os.environ, **dict(layer.variables)},
    )  # fmt: skip
    watchdog = threading.Timer(layer.hang_after_s, os.killpg, (child.pid, signal.SIGKILL))
    watchdog.start()
    last_line = ""
    try:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            last_line = line.strip() or last_line
        return child.wait(), last_line
    except KeyboardInterrupt:
        os.killpg(child.pid, signal.SIGINT)
        child.wait()
        raise
    finally:
        watchdog.cancel()


def _lint_line(codes: list[int]) -> str:
    names = ("format", "ruff", "mypy", "imports")
    return ", ".join(f"{name} {'FAILED' if code else 'ok'}" for name, code in zip(names, codes, strict=False))


def _beside(program: str) -> str:
    """A program of the environment that runs this."""
    return str(Path(sys.executable).with_name(program))


if __name__ == "__main__":
    sys.exit(main())
