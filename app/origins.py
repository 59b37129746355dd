"""Origins whose pages may connect, press and read here: those of the settings, and what operators allow since.

The settings are this node's; what was allowed since is the cluster's, and can be taken back.
"""

from typing import Final

from cluster.surface import ALLOWED, Engine

# Of all in one header of a frame: some 1,000. nginx.conf has room for twice as much, since nodes do not ask each
# other before they allow one.
ORIGINS_LENGTH_MAX: Final = 32_000


class Origins:
    """`listed` are those of the settings, in lower case, as all are."""

    def __init__(self, listed: frozenset[str], engine: Engine) -> None:
        self.listed = listed
        self._engine = engine

    def __contains__(self, origin: str) -> bool:
        return origin in self.listed or origin in self._engine.flags(ALLOWED)

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(self._engine.flags(ALLOWED))

    @property
    def all(self) -> list[str]:
        return sorted(self.listed | self.allowed)
