"""One run of Autobahn's suite against a node's connection, its frames, and aiohttp's; writes docs/autobahn.md.

    python -m tests.autobahn.run

1. The suite runs on Python 2.7: what it needs is installed once into `.autobahn/`, by that Python's own pip.
2. All subjects are asked the same cases in the same run, on loopback; but for binary messages, which a node does
   not take: those its frames alone are asked.
3. Whatever was started has ended when this returns, at the latest after `INSTALL_S` and `SUITE_S`.

Exits with 0 if ours pass every case strictly, with 1 if not, with 2 if the suite cannot run here.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Final

import uvloop

from tests.autobahn import echo

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PLACE: Final = REPOSITORY / ".autobahn"
PAGE: Final = REPOSITORY / "docs" / "autobahn.md"
SUITE: Final = "autobahntestsuite"
SUITE_VERSION: Final = "25.10.1"
INSTALL_S: Final = 600.0
SUITE_S: Final = 300.0

CONNECTION: Final = "app.connection"
FRAMES: Final = "app.frames"
OURS: Final = (CONNECTION, FRAMES)
AIOHTTP: Final = "aiohttp"
BINARY_CASES: Final = "1.2.*"
# 8 is empty and 11 does not exist; 9 measures; 12 and 13 are about compression, which is never negotiated.
GROUPS: Final = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    10: "a message in many frames",
}
OK: Final = "OK"
INFORMATIONAL: Final = "INFORMATIONAL"
FAILED: Final = "FAILED"
VERDICTS: Final = (OK, "NON-STRICT", INFORMATIONAL, FAILED)

_NEEDED: Final = f"""\
Autobahn's suite runs on Python 2.7 with pip, and none was found: neither python2.7 on PATH nor a 2.7 of pyenv.
With pyenv: pyenv install 2.7.18. Then again: python -m tests.autobahn.run installs {SUITE} {SUITE_VERSION}."""
# `site`, because a folder of packages is no place where Python 2.7 looks for what they add to its path.
_START: Final = "import site, sys; site.addsitedir(sys.argv.pop(1)); from {}.wstest import run; run()"

HEAD: Final = """\
# What Autobahn's suite says of the node's WebSocket

Written by `python -m tests.autobahn.run`: {suite} {suite_version}, its cases
{groups}, against servers that send back what they are sent
(`tests/autobahn/echo.py`). `app.connection` is a node's whole connection, from the handshake to the close, but for
what is said on it; it takes no binary messages, so it is not asked {binary}. `app.frames` is what reads its frames,
alone. `aiohttp` is `WebSocketResponse` of aiohttp {aiohttp}, without compression. All on Python
{python} and uvloop {uvloop}.

OK: the right answer, and the right end. NON-STRICT: right, but later than it could be known. INFORMATIONAL: the
standard leaves it open, and the suite only notes what was done. FAILED: wrong, in the answer or in the end.
"""


class UnavailableError(Exception):
    """The suite cannot run here; in words for who wants it to."""


@dataclass(frozen=True)
class Case:
    """What came of one case: the worse of the verdicts on the answer and on the end, and what it asks."""

    id: str
    verdict: str
    answer: str
    end: str
    expectation: str

    @property
    def group(self) -> int:
        return _place(self)[0]


def find_python() -> Path:
    """A Python 2.7 with pip: of PATH, or of pyenv, whose command of that name works only where it is chosen."""
    roots = [os.environ.get("PYENV_ROOT"), _output("pyenv", "root"), str(Path.home() / ".pyenv")]
    pythons = [shutil.which("python2.7"), shutil.which("python2")]
    pythons += [str(python) for root in roots if root for python in Path(root).glob("versions/2.7*/bin/python2.7")]
    for python in filter(None, pythons):
        if "(python 2.7)" in _output(python, "-m", "pip", "--version"):
            return Path(python)
    raise UnavailableError(_NEEDED)


def _output(*command: str) -> str:
    """Nothing, if it cannot be started or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


async def install(python: Path) -> Path:
    """The folder with the suite. Its own packages are pinned by it; some are compiled."""
    packages = PLACE / f"{SUITE}-{SUITE_VERSION}"
    if not packages.exists():
        print(f"installing {SUITE} {SUITE_VERSION} …", flush=True)
        PLACE.mkdir(exist_ok=True)
        # It keeps itself out of version control.
        (PLACE / ".gitignore").write_text("*\n")
        unfinished = PLACE / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--target", str(unfinished))
        await _finish("install.log", INSTALL_S, *pip, f"{SUITE}=={SUITE_VERSION}")
        unfinished.rename(packages)
    return packages


async def _finish(log: str, limit_s: float, *command: str) -> None:
    """Runs it to its end, or ends it and all that it started."""
    with (PLACE / log).open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=PLACE, start_new_session=True
        )
        try:
            code = await asyncio.wait_for(process.wait(), limit_s)
        except TimeoutError:
            raise UnavailableError(f"not done after {limit_s:.0f} s, see {PLACE / log}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if code:
        raise UnavailableError(f"failed with exit code {code}, see {PLACE / log}")


async def ask(python: Path, packages: Path) -> dict[str, list[Case]]:
    """The cases of each subject, in their order."""
    reports = PLACE / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    frames, connection, aiohttp = (
        await echo.serve_frames(), await echo.serve_connection(), await echo.serve_aiohttp()
    )  # fmt: skip
    try:
        ports = {
            CONNECTION: connection.addresses[0][1],
            FRAMES: frames.sockets[0].getsockname()[1],
            AIOHTTP: aiohttp.addresses[0][1],
        }
        spec = {
            "outdir": str(reports),
            "servers": [{"agent": name, "url": f"ws://{echo.HOST}:{port}"} for name, port in ports.items()],
            "cases": [f"{group}.*" for group in GROUPS],
            "exclude-agent-cases": {CONNECTION: [BINARY_CASES]},
        }
        (PLACE / "spec.json").write_text(json.dumps(spec))
        print("asking …", flush=True)
        start = (str(python), "-c", _START.format(SUITE), str(packages), "--mode", "fuzzingclient")
        await _finish("suite.log", SUITE_S, *start, "--spec", str(PLACE / "spec.json"))
    finally:
        frames.close()
        await connection.cleanup()
        await aiohttp.cleanup()
    index = json.loads((reports / "index.json").read_text())
    if index.keys() != ports.keys():
        raise UnavailableError(f"the suite did not ask everybody, see {PLACE / 'suite.log'}")
    return {
        name: sorted((_case(reports / one["reportfile"]) for one in index[name].values()), key=_place)
        for name in ports
    }


def _case(report: Path) -> Case:
    found = json.loads(report.read_text())
    answer, end = found["behavior"], found["behaviorClose"]
    # The suite has more words for a wrong end: WRONG CODE, UNCLEAN and others.
    verdict = max((word if word in VERDICTS else FAILED for word in (answer, end)), key=VERDICTS.index)
    return Case(found["id"], verdict, answer, end, " ".join(found["expectation"].split()))


def _place(case: Case) -> list[int]:
    return [int(number) for number in case.id.split(".")]


def page(found: dict[str, list[Case]]) -> str:
    groups = ", ".join(map(str, GROUPS))
    head = HEAD.format(
        suite=SUITE, suite_version=SUITE_VERSION, groups=groups, binary=BINARY_CASES,
        aiohttp=version("aiohttp"), python=python_version(), uvloop=version("uvloop"),
    )  # fmt: skip
    rest = [line for name, cases in found.items() for line in ("", *_rest(name, cases))]
    return "\n".join([head, *table(found), *rest, ""])


def table(found: dict[str, list[Case]]) -> list[str]:
    lines = [f"| group | subject | cases | {' | '.join(VERDICTS)} |", f"|---|---|{'---|' * (len(VERDICTS) + 1)}"]
    for group, words in GROUPS.items():
        for name, cases in found.items():
            lines.append(_row(f"{group} {words}", name, [case for case in cases if case.group == group]))
    return lines + [_row("**all**", name, cases) for name, cases in found.items()]


def _row(group: str, name: str, cases: list[Case]) -> str:
    counts = Counter(case.verdict for case in cases)
    return f"| {group} | {name} | {len(cases)} | {' | '.join(str(counts[verdict]) for verdict in VERDICTS)} |"


def _rest(name: str, cases: list[Case]) -> list[str]:
    lines = [f"## Not OK: {name}", "", "| case | answer | end | what the suite expects |", "|---|---|---|---|"]
    return lines + [
        f"| {case.id} | {case.answer} | {case.end} | {case.expectation} |" for case in cases if case.verdict != OK
    ]


async def run() -> int:
    try:
        python = find_python()
        found = await ask(python, await install(python))
    except UnavailableError as unavailable:
        print(unavailable, file=sys.stderr)
        return 2
    print("\n".join(table(found)))
    PAGE.write_text(page(found))
    asked = {name: {case.id for case in cases} for name, cases in found.items()}
    binary = {name for name in asked[AIOHTTP] if name.startswith(BINARY_CASES.rstrip("*"))}
    is_complete = asked[FRAMES] == asked[AIOHTTP] and asked[CONNECTION] == asked[AIOHTTP] - binary
    verdicts = {case.verdict for name in OURS for case in found[name]}
    return 0 if is_complete and verdicts <= {OK, INFORMATIONAL} else 1


if __name__ == "__main__":
    sys.exit(uvloop.run(run()))
