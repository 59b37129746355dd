"""The name of a page as an item's name: what its address is without scheme, query and fragment.

The same that `<like-button>` makes of the page that it stands on, where it names no item
(`app/static/item_name.js`).
"""

import re
from typing import Final

from cluster.core.items import NAME_LENGTH_MAX

_SCHEME: Final = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")
_REST: Final = re.compile(r"[?#].*", re.DOTALL)
_EMPTY_PARTS: Final = re.compile(r"/+(?=/|\Z)")
_UNSUITABLE: Final = re.compile(r"[^A-Za-z0-9_.~/@%-]")
# What a browser itself has encoded in `location.pathname`, with capitals (WHATWG URL, path percent-encode set).
_BY_BROWSERS: Final = re.compile(r'["<>^`{}]|[^ -~]')


def page_name(address: str, most: int = NAME_LENGTH_MAX) -> str:
    """`https://blog.example/post?from=feed` is `blog.example/post`. It may be no name of an item at all.

    Of what has more signs than `most` both ends are left.
    """
    bare = _EMPTY_PARTS.sub("", _REST.sub("", _SCHEME.sub("", address.strip())))
    name = _UNSUITABLE.sub(_encoded, bare)
    # Letters that are not Latin take nine signs each.
    begin = (most - 1) // 2
    return name if len(name) <= most else f"{name[:begin]}~{name[begin + 1 - most :]}"


def _encoded(sign: re.Match[str]) -> str:
    digits = sign[0].encode().hex("%")
    return "%" + (digits.upper() if _BY_BROWSERS.match(sign[0]) else digits)
