"""The fault matrix: real nodes in network namespaces behind nginx, a recorded load of presses, and a checker.

    matrix.py    the rows: what is injected, what is expected
    lab.py       one row from its first press to its verdict
    load.py      many visitors that press; history.py: what they sent and what was acknowledged
    checker.py   lost, doubled, shown, diverged, stalled
    report.py    the table in docs/reliability.md

docs/reliability.md says how to run it. Needs root, nginx, ip, iptables and a C compiler.
"""
