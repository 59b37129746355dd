"""Makes a node's process hang at a signal; Python imports this by itself where PYTHONPATH names its folder.

SIGUSR1 stalls the event loop in the way that STALL names; SIGUSR2 makes the ledger hang, and go on at the next one.
LOOK_S shortens the watchdog's looks.
"""

import os
import re
import signal
import sys
import threading
import time
from typing import Any

sys.path.insert(0, os.getcwd())  # noqa: PTH109 - `-m app` does so a moment later

from app import watchdog
from cluster.ledger import Ledger

_goes_on = threading.Event()
_goes_on.set()
_commit, _read = Ledger.commit, Ledger.read


def endless_loop() -> None:
    while True:
        pass


def blocking_call() -> None:
    time.sleep(3600)


def endless_expression() -> None:
    """Never gives the interpreter back: no other thread of Python runs."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def _stall(*_signal: object) -> None:
    {stall.__name__: stall for stall in (endless_loop, blocking_call, endless_expression)}[os.environ["STALL"]]()


def _hang_or_go_on(*_signal: object) -> None:
    if _goes_on.is_set():
        _goes_on.clear()
    else:
        _goes_on.set()


def _hanging(work: Any) -> Any:
    def wait_and_work(*given: Any) -> Any:
        _goes_on.wait()
        return work(*given)

    return wait_and_work


_look_s = float(os.environ.get("LOOK_S", watchdog.LOOK_S))
for _owner, _name, _value in (
    (watchdog, "LOOK_S", _look_s),
    (watchdog, "CPU_S_MAX", watchdog.CPU_S_MAX * _look_s),
    (Ledger, "commit", _hanging(_commit)),
    (Ledger, "read", _hanging(_read)),
):
    setattr(_owner, _name, _value)
signal.signal(signal.SIGUSR1, _stall)
signal.signal(signal.SIGUSR2, _hang_or_go_on)
