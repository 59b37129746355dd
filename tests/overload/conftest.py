"""Real node processes and what is done to them, with nginx where a test wants it."""

from tests.support.fixtures import cluster, nginx, pytest_runtest_makereport, three_nodes

__all__ = ["cluster", "nginx", "pytest_runtest_makereport", "three_nodes"]
