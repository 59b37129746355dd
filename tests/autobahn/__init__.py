"""Autobahn's suite of WebSocket conversations against a node's connection and frames, with aiohttp's beside them.

    echo.py   the three servers that are asked: each sends back what it is sent
    run.py    one run of the suite, and docs/autobahn.md: python -m tests.autobahn.run

The suite needs Python 2.7 with pip, which few machines still have. So no layer of `make test` runs it, and what its
cases ask is asked in `tests/unit/test_app_frames.py` too.
"""
