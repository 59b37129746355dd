"""How much memory this process may use, and how many browsers fit into half of it.

The rest is for the ledger, for links, and for the kernel's side of the connections. Where a container or a service
has a limit of its own, that is what counts, not what the machine has.
"""

import os
from pathlib import Path
from typing import Final

# 3 KiB for the session of an idle browser, some for the kernel, the most for what a slow one has not taken.
BYTES_PER_BROWSER: Final = 64 * 1024
# cgroup v2 and v1, as a process in a container sees them.
LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def connections_max() -> int:
    """How many browsers may be connected at once; at least one."""
    return max(1, memory_bytes() // 2 // BYTES_PER_BROWSER)


def memory_bytes() -> int:
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [int(text) for text in map(_text_of, LIMITS) if text.isdecimal()]
    return min([installed, *limits])


def _text_of(limit: Path) -> str:
    """Empty where there is no such limit; `max` is none either."""
    return limit.read_text().strip() if limit.exists() else ""
