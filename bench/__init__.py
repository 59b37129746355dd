"""How fast it is, beside others and beside what the kernel alone costs: `make bench`, `make bench-quick`.

1. What is measured is processor time of the server per message: the kernel's own count of every thread's run time,
   over exactly the measured time. It is robust to other programs; rates and latencies are not.
2. The server runs on one core, whoever loads and measures on the other.
3. A figure is compared only with others of the same run, taken in turns: the same server costs up to three times as
   much where the hypervisor has moved the two cores apart, and it does so from one minute to the next. `distance`
   says where they were, before and after each measurement, and `branches` whether the processor guessed where
   indirect calls go: all costs two to four times as much where it may not, and that too may be over in a minute.
4. Nothing here is imported by the product, and nothing is asserted about time in its tests.

    __main__    what is asked for, and in which order it is done
    rows        what is measured, with its goal: each row of the table in docs/performance.md
    growth      the same with more and more watchers, items, tallies and nodes
    latency, replication, stack    how rows with several nodes, and with nginx, are measured
    subjects    who is measured: our node, the floor, the peers, and how the load talks to each
    servers     one process under measurement
    clusters    nodes that are linked, and nginx before them
    compiled, installed    the programs in C, and the peers, made and fetched when they are asked for
    machine     cores, and in what state they are
    load        the generator (native/load.c) as a function
    ledgers     ledgers that are full already
    parts       what parts of a node cost by themselves: a commit, a row, a frame
    results     runs as JSON, and what became of a figure since the last one
    report, plots    docs/performance.md, and its pictures
    soak        `make soak`: an hour at half load
    drift       whether what it saw has grown in that time
"""
