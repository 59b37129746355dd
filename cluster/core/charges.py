"""How much of a press those who pay for it can pay (docs/decisions/0022-who-pays-for-a-press.md)."""

from collections.abc import Mapping
from typing import Final

from cluster.core.items import kind_of
from cluster.core.press import Payer, Press

_UNLIMITED: Final = 1 << 30


class Charges:
    """Those of one batch. `spent` is what it has taken of each payer so far."""

    def __init__(self, allowances: Mapping[Payer, int], spent: dict[Payer, int]) -> None:
        self._allowances = allowances
        self._spent = spent

    def grant(self, press: Press, wanted: int, *, is_debut: bool) -> int:
        """How much of the wish is taken, and paid for; `once` costs 1 and is never cut."""
        payers, debut = press.payers, press.debut if is_debut else b""
        if not self._allowances or not (payers or debut):
            return wanted
        whole = kind_of(press.item) == "once"
        cost = min([1 if whole else wanted, *map(self._left, payers)])
        if cost <= 0 or (debut and self._left(debut) <= 0):
            return 0
        for payer in payers:
            self._spent[payer] = self._spent.get(payer, 0) + cost
        if debut:
            self._spent[debut] = self._spent.get(debut, 0) + 1
        return wanted if whole else cost

    def _left(self, payer: Payer) -> int:
        """For how many presses this one can pay after those of this batch."""
        return self._allowances.get(payer, _UNLIMITED) - self._spent.get(payer, 0)
