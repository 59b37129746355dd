"""The terminal client (`python -m cli`) and the local launcher (`python -m cli.local`, behind `make run`).

Both speak HTTP and WebSocket only and import nothing of the node. The way of one press:

    errands       what is asked for over HTTP (`api`): resets, erasures
    backup        a node's ledger into a file, over HTTP; `restore` puts it into a folder, without a node
    commands      what a person typed: raises a tally through …
    session       keeps one conversation going with any node of the cluster
    presses       this run's tallies, in memory and, before they are sent, in …
    state         the file that outlives the run
    tally         pure: the presser owns its number (docs/design.md)
    conversation  what to send on this connection, and what an answer means
    connection    the WebSocket itself
    screen, prompt  what the person sees
"""
