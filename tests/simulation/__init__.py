"""The simulator: the real core and the real ledger, with virtual time, and one seed that decides all.

Pages, cuts and walks are made small here, so that lives with some dozen rows come to where an ordinary cluster
comes with millions. This layer is a process of its own, so nobody else sees these sizes.
"""

import logging

import structlog

from cluster import comparing, ledger, ledger_check, ledger_file, ledger_round, ledger_table, ledger_upgrade
from cluster.core import compare, sums

BUCKETS = 16
SIZES = (
    *((module, "BUCKETS", BUCKETS) for module in (compare, ledger_check, ledger_file, ledger_round)),
    *((module, "BUCKETS", BUCKETS) for module in (ledger_table, ledger_upgrade, sums)),
    (compare, "LOOKS_HOT", 3),
    (compare, "HOT_A_LOOK", 2),
    (ledger, "SCAN_ROWS", 7),
    (ledger_round, "PAGE_ROWS", 9),
    (comparing, "SPANS_MAX", 3),
    (comparing, "LEAF_ROWS", 8),
    (comparing, "CUT_ROWS", 4),
)
for _module, _name, _size in SIZES:
    assert hasattr(_module, _name), f"{_module.__name__}.{_name} has another name by now"
    setattr(_module, _name, _size)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
