"""Real nodes, nginx and WebSocket clients for the tests that start processes.

1. Every process is ended by its own pid when the test ends, also when the test fails.
2. Nothing sleeps for luck: `waiting.wait_for` asks until a condition holds or its deadline passes.
3. A node that logs a traceback or an error fails the test, unless the test said that it expects it.

`cluster.Cluster` is the way in; `fixtures` has it as pytest fixtures. Used by tests/cluster, tests/browser,
tests/compose and tests/faults.
"""
