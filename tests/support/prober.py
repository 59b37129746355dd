"""Asks a node for `/healthz` again and again, alone in its process: `python -m tests.support.prober HOST:PORT`.

A probe is due every `--every` seconds. Where one takes longer, those that were due meanwhile count too, each from
its own moment: a node that hangs for a second would look like a single slow answer otherwise. With `--kept` all go
over one connection, as nginx's do; else each makes a new one, as a supervisor's do. Prints JSON, a line each half
second. SIGUSR1 lets it begin anew. Runs until it is ended.
"""

import argparse
import contextlib
import json
import signal
import socket
import time
from typing import Any, Final

PATIENCE_S: Final = 10.0
TELL_S: Final = 0.5


class Prober:
    def __init__(self, address: str, path: str, *, is_kept: bool) -> None:
        host, _, port = address.rpartition(":")
        self._where = (host, int(port))
        self._is_kept = is_kept
        keep = "keep-alive" if is_kept else "close"
        self._question = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {keep}\r\n\r\n".encode()
        self._socket: socket.socket | None = None
        self.latencies_s: list[float] = []
        self.failed = 0

    def begin_anew(self, *_signal: object) -> None:
        self.latencies_s.clear()
        self.failed = 0

    def probe(self, every_s: float) -> None:
        asked_at = time.monotonic()
        try:
            self._ask()
        except OSError:
            self.failed += 1
            self._hang_up()
        late_s = time.monotonic() - asked_at
        while late_s > 0:
            self.latencies_s.append(late_s)
            late_s -= every_s

    def report(self) -> dict[str, Any]:
        sorted_s = sorted(self.latencies_s)
        return {
            "probes": len(sorted_s),
            "failed": self.failed,
            **{f"p{share}_ms": _ms(sorted_s, share) for share in (50, 90, 99, 100)},
        }

    def _ask(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._where, timeout=PATIENCE_S)
        self._socket.sendall(self._question)
        answer = self._socket.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not a good answer: {answer[:60]!r}")
        if not self._is_kept:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _ms(sorted_s: list[float], share: int) -> float:
    """The percentile in milliseconds; 100 is the worst."""
    place = min(len(sorted_s) - 1, len(sorted_s) * share // 100)
    return round(sorted_s[place] * 1000, 1) if sorted_s else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.prober")
    parser.add_argument("address")
    parser.add_argument("--path", default="/healthz")
    parser.add_argument("--every", type=float, default=0.02)
    parser.add_argument("--kept", action="store_true")
    given = parser.parse_args()
    prober = Prober(given.address, given.path, is_kept=given.kept)
    signal.signal(signal.SIGUSR1, prober.begin_anew)
    tell_at = time.monotonic()
    with contextlib.suppress(BrokenPipeError):
        while True:
            prober.probe(given.every)
            now = time.monotonic()
            if now >= tell_at:
                print(json.dumps(prober.report()), flush=True)
                tell_at = now + TELL_S
            time.sleep(given.every)


if __name__ == "__main__":
    main()
