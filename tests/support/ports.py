"""Free ports on the loopback interface."""

import os
import random
import socket
from typing import Final

# Below the range from which the kernel takes the ports of outgoing connections: a node that is restarted on its
# port must not find it taken by somebody's connection.
# Of pytest-xdist's processes each has ports of its own: a port that one of them gave may still be free.
_WORKERS: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS: Final = range(15_000 + _WORKER, 32_000, _WORKERS)
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now and that this test run was not given before."""
    # The system's randomness, so that two runs at the same time, both seeded alike, do not meet.
    choose = random.SystemRandom()
    while True:
        port = choose.choice(_PORTS)
        if port not in _given and is_free(port):
            _given.add(port)
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen there; what a last test's connections left behind does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
