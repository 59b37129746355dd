"""The replication rules of a like button's cluster, as plain functions over plain values.

Nothing here waits, reads a clock, draws a random number, logs, or stores: messages and a time go in, messages
and events come out (as in sans-I/O protocol libraries), and the table of tallies itself stays with the ledger.
`cluster.node` is one shell around it, the simulator in `tests/simulation` is another.

| module    | rule (see docs/design.md)                                                        |
|-----------|----------------------------------------------------------------------------------|
| `items`   | kinds: what a tally adds to a count                                              |
| `rows`    | R6 total order, R13 bounds                                                       |
| `press`   | R8 what is wished for, and what is answered                                      |
| `flags`   | what operators set for the whole cluster: frozen items, allowed origins          |
| `charges` | how much of a press its payers can pay                                           |
| `offers`  | what goes into a transaction and comes out of it                                 |
| `sums`    | R11 counts and digests of items and buckets                                      |
| `merge`   | R1, R3-R6, R8, R9, R12 inside one transaction: offers in, changes out                |
| `ring`    | R5 the newest committed rows, from which most pulls are answered                 |
| `copies`  | R9 which answers are owed until another ledger has confirmed                     |
| `wire`    | what peers say to each other, as MessagePack                                     |
| `ranges`  | R4 a range of own rows as a push, in the form that a peer understands            |
| `link`    | one link: proof of the secret, versions, heartbeat                               |
| `push`    | R4 the own rows not sent yet, joined into ranges                                 |
| `sessions`| what is known and owed on one link                                               |
| `behind`  | R7 whom to ask for what is missing                                               |
| `compare` | R11 finding out what differs though the heads do not                             |
| `stamps`  | R10 which head of an origin is whose                                             |
| `hashes`  | keyed hashes, for digests, stamps and checksums                                  |
| `viewers` | how many browsers watch each item on all nodes together                          |
| `sweep`   | R12 which rows count no more                                                     |
| `holdings`| R3, R5 what a replica holds as of the last commit                                |
| `hearing` | R5, R10, R11 what a peer's messages mean                                         |
| `events`  | what a replica wants done                                                        |
| `replica` | R4, R5, R7 between links: heads announced, pushes, pulls                         |
"""
