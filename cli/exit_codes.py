"""How the program ends, for scripts. Part of its contract: numbers are never given a second meaning."""

from enum import IntEnum


class UsageError(ValueError):
    """What was typed means nothing here; the message says what would. Ends a run of one command with `USAGE`."""


class ExitCode(IntEnum):
    """The first that was not 0 wins where a pipe carried several commands."""

    OK = 0
    NOT_SAVED = 1
    USAGE = 2
    NO_NODE = 3
    NODE_REFUSES = 4
    INTERRUPTED = 130


EXPLAINED = """\
exit codes:
  0    done; every press, reset or erasure was acknowledged by as many nodes as the cluster wants
  1    a press was refused, or not acknowledged in time (--wait); unacknowledged ones are kept and sent at the
       next start. A reset or an erasure was not done, or is not known to enough nodes yet.
       There is no backup or export, nothing was restored, or an import is not known to be whole: import the
       same again
  2    the command was not understood, or does not fit the item or the files that are there
  3    no node was reachable
  4    the node refuses this client for good and says why; an operator's command: it refuses the admin
       token, or has none
  130  interrupted, or nobody reads the output any more"""
