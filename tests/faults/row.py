"""One row of the matrix: what is to be done, and what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults import checker
from tests.faults.checker import Finding, Presses

if TYPE_CHECKING:
    from tests.faults.lab import Lab

HEALED_WITHIN_S: Final = 10.0
SAVED_WITHIN_S: Final = 10.0
# A visitor whose node is gone is on another one by then (README).
OUTAGE_WITHIN_S: Final = 10.0
# Where nobody answers any more a page waits twice as long after every try, up to 10 s (app/static/timing.js).
ALL_BACK_WITHIN_S: Final = 20.0


@dataclass(frozen=True)
class Fault:
    """One row of the matrix. `inject` returns, when all is healed, what was seen besides the figures."""

    name: str
    injected: str
    expected: str
    inject: Callable[["Lab"], Awaitable[str]]
    # Texts in the ERROR lines and tracebacks that this fault is meant to cause.
    trouble: tuple[str, ...] = ()
    # A disk was corrupted, so rows may have had to be repaired, which takes longer than to pull them.
    may_repair: bool = False
    # All nodes begin afresh, so what earlier rows have acknowledged is gone with them.
    begins_afresh: bool = False
    equal_within_s: float = HEALED_WITHIN_S
    saved_within_s: float = SAVED_WITHIN_S
    outage_within_s: float = OUTAGE_WITHIN_S
    is_long_only: bool = False
    # What the row needs before anybody presses, and what makes the lab as it was.
    prepare: Callable[["Lab"], Awaitable[None]] | None = None
    restore: Callable[["Lab"], Awaitable[None]] | None = None


@dataclass
class Seen:
    """What became of one row."""

    fault: Fault
    presses: Presses
    findings: list[Finding]
    said: str
    converged_s: float
    repairs: int | None
    took_s: float
    history: Path
    trouble: list[str] = field(default_factory=list)
    # What ended the row before its time: a wait that was in vain, an expectation that was not met.
    raised: str = ""

    @property
    def complaints(self) -> list[str]:
        """Everything that must not be; repairs are for disks that were corrupted only."""
        said = checker.named([*self.findings, *self.presses.shown]) + [f"logged: {line}" for line in self.trouble]
        if self.repairs and not self.fault.may_repair:
            said.append(f"repaired: {self.repairs} rows, and no disk was corrupted")
        return said + ([f"raised: {self.raised}"] if self.raised else [])

    @property
    def is_good(self) -> bool:
        return not self.complaints

    def __str__(self) -> str:
        repairs = "" if self.repairs is None else f", {self.repairs} repairs"
        return (
            f"{self.fault.name}: {self.said}; {self.presses.acknowledged:,} presses acknowledged, "
            f"longest outage of a visitor {self.presses.longest_outage_s:.1f} s, "
            f"longest wait for saved {self.presses.longest_wait_s:.1f} s, "
            f"equal after {self.converged_s:.2f} s{repairs}, took {self.took_s:.1f} s"
        )
