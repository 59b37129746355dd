"""What each rule is worth: lives that fail while it is switched off. `make ablations` writes docs/ablations.md.

    python -m tests.simulation.ablate LIVES

Every rule also has a directed scenario, which fails without it (`test_rules.py`); a rule that random lives seldom
miss is one for rare moments, not a superfluous one.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tests.simulation.ablations import ABLATIONS
from tests.simulation.run import Report, commit, run

PAGE: Final = Path(__file__).parents[2] / "docs" / "ablations.md"
HEAD: Final = """\
# What each rule is worth

Written by `make ablations LIVES={lives}` at commit {commit}: the same {lives} random lives of a cluster
(`tests/simulation`), once with every rule kept, and with one rule switched off at a time. The rules are those of
[design.md](design.md). Each has a scenario of its own too, which leads straight to the moment that it is for and
fails without it (`tests/simulation/test_rules.py`); so a rule that few lives miss is one for rare moments.

R2 (one writer), R14 (I/O errors) and R15 (versions) are kept outside of what is simulated or by what it is made of;
their proofs are named in [design.md](design.md). R16 is no act of a node.

| switched off | what is done instead | lives that fail | what breaks |
|---|---|---|---|
"""


def main() -> int:
    lives = range(int(sys.argv[1]))
    lines = [HEAD.format(lives=len(lives), commit=commit()), _row("nothing", "", _last(lives, ""))]
    for rule, switch in ABLATIONS.items():
        print(f"without {rule} …", file=sys.stderr, flush=True)
        lines.append(_row(rule, switch.__name__.replace("_", " "), _last(lives, rule)))
    PAGE.write_text("".join(lines))
    return 0


def _last(lives: range, rule: str) -> Report:
    *_, report = run(lives, rule)
    return report


def _row(rule: str, instead: str, report: Report) -> str:
    kinds = Counter(_short(broken.partition(": ")[2]) for broken in report.failures.values())
    broken = ", ".join(f"{kind} {times}" for kind, times in kinds.most_common(3))
    return f"| {rule} | {instead} | {len(report.failures)} of {report.lives} | {broken} |\n"


def _short(kind: str) -> str:
    """The word for a broken promise, without names and numbers."""
    known = (
        "stalled",
        "diverged",
        "lost",
        "not copied",
        "doubled or lost",
        "not erased",
        "sums",
        "count",
        "buckets",
    )
    found = next((word for word in known if kind.startswith(word)), None)
    return found or ("claimed, not held" if "claimed by a head" in kind else "the node failed")


if __name__ == "__main__":
    sys.exit(main())
