"""Every row of the matrix: nothing lost, doubled, wrongly shown, stalled, or different 10 s after the healing."""

import pytest

from tests.faults.conftest import Labs
from tests.faults.matrix import MATRIX
from tests.faults.row import Fault

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(7200)]


@pytest.mark.parametrize("fault", MATRIX, ids=lambda fault: fault.name)
async def test_nothing_acknowledged_is_lost(fault: Fault, labs: Labs) -> None:
    if fault.is_long_only and not labs.form.is_long:
        pytest.skip("only in the long form")
    seen = await labs.run(fault)

    print(f"\n{seen}")
    assert seen.is_good, f"{seen}\nhistory: {seen.history}, seed {labs.form.seed}\n" + "\n".join(seen.complaints)


async def test_a_million_presses_were_acknowledged(labs: Labs) -> None:
    """Over all rows of one long run, as the promise says."""
    if not labs.form.is_long or len(labs.seen) < len(MATRIX):
        pytest.skip("only for all rows of the long form")

    assert sum(seen.presses.acknowledged for seen in labs.seen) >= 1_000_000
