"""What a client has to know of an item, `kind:name`: its legal form, and how its kind counts (section 3).

The nodes check again and have the last word; this is here to answer a typing error at once.
"""

import re
from typing import Final

from cli.exit_codes import UsageError

TALLY_MAX: Final = 1 << 20
CLAP_MAX: Final = 50

_FORM: Final = re.compile(r"(tap|once|clap):([A-Za-z0-9._~/@%-]{1,200})\Z", re.ASCII)


def check_item(item: str) -> str:
    """The item itself, or `UsageError`."""
    form = _FORM.match(item)
    if form is None or any(part in ("", ".", "..") for part in form[2].split("/")):
        raise UsageError(
            f"{item!r} is no item: write kind:name, kind one of tap, once, clap, name up to 200 of "
            "A-Z a-z 0-9 . _ ~ / @ % -; what stands between slashes is not empty, '.' or '..'"
        )
    return item


def kind_of(item: str) -> str:
    """The kind of an item of legal form."""
    return item.partition(":")[0]


def tally_max(item: str) -> int:
    """The largest tally one actor may have on the item."""
    return CLAP_MAX if kind_of(item) == "clap" else TALLY_MAX


def counted(item: str, n: int) -> int:
    """What a tally of n adds to the count of its item."""
    return n & 1 if kind_of(item) == "once" else n
