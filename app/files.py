"""How many files, and so connections, this process may have open.

Many systems start a process with a soft limit of 1,024, which is far below a hall full of people; the hard limit
is what the operator meant. Some files are kept back for the ledger, peers, requests and logs.
"""

import resource
from typing import Final

KEPT_BACK: Final = 256
# Linux allows a billion in some containers; a million connections need more memory than a node has.
LIMIT_MAX: Final = 1 << 20


def raise_limit() -> None:
    """Up to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, LIMIT_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_max() -> int:
    """How many browsers may be connected at once; at least one, however low the limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return LIMIT_MAX if soft == resource.RLIM_INFINITY else max(1, soft - KEPT_BACK)
