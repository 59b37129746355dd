"""The two forms of the matrix: the short one of `make test`, and the long one of `make faults`.

FAULTS_FORM=long    longer faults and more presses; the table of docs/reliability.md is written
FAULTS_KILLS=1000   so many rounds of SIGKILL (20; long 60)
FAULTS_BITS=200     so many cases of each spoilt file (2; long 10)
FAULTS_SEED=7       what a row does at random, again
"""

import os
import random
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """How much of everything."""

    is_long: bool
    kills: int
    bits: int
    seed: int
    keeps_histories: bool = False
    # Much more of some rows than a whole run has.
    is_of_some: bool = False

    @classmethod
    def from_environment(cls) -> Self:
        is_long = os.environ.get("FAULTS_FORM") == "long"
        return cls(
            is_long=is_long,
            kills=_number("FAULTS_KILLS", 60 if is_long else 20),
            bits=_number("FAULTS_BITS", 10 if is_long else 2),
            seed=_number("FAULTS_SEED", random.SystemRandom().randrange(10_000)),
            keeps_histories=bool(_number("FAULTS_KEEP", 0)),
            is_of_some=bool(_number("FAULTS_KILLS", 0) or _number("FAULTS_BITS", 0)),
        )

    def pick(self, short: T, long: T) -> T:
        return long if self.is_long else short


def _number(variable: str, otherwise: int) -> int:
    return int(os.environ.get(variable) or otherwise)
