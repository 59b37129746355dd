"""The table of promises names tests that exist."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_promise_has_tests_that_exist() -> None:
    lines = (REPOSITORY / "docs" / "feel.md").read_text().splitlines()
    promises = [line for line in lines if line.startswith("| ") and not line.startswith("| promise")]
    assert len(promises) >= 36
    for promise in promises:
        named = re.findall(r"`(test_\w+)::(test_\w+)`", promise)
        assert named, promise
        for file, test in named:
            source = (REPOSITORY / "tests" / "browser" / f"{file}.py").read_text()
            assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{file}::{test}"
