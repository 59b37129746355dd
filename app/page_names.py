"""The name of a page as an item's name: what its address is without scheme, query and fragment.

The same that `<like-button>` makes of the page that it stands on, where it names no item (`app/button/item.js`).
"""

import re
from typing import Final

from cluster.core.items import NAME_LENGTH_MAX

# What is left of a name that is too long.
_BEGIN, _END = 99, 100
_SCHEME: Final = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")
_REST: Final = re.compile(r"[?#].*", re.DOTALL)
_EMPTY_PARTS: Final = re.compile(r"/+(?=/|\Z)")
_UNSUITABLE: Final = re.compile(r"[^A-Za-z0-9_.~/@%-]")
# What a browser itself has encoded in `location.pathname`, with capitals (WHATWG URL, path percent-encode set).
_BY_BROWSERS: Final = re.compile(r'["<>^`{}]|[^ -~]')


def page_name(address: str) -> str:
    """`https://blog.example/post?from=feed` is `blog.example/post`. It may be no name of an item at all."""
    bare = _EMPTY_PARTS.sub("", _REST.sub("", _SCHEME.sub("", address.strip())))
    name = _UNSUITABLE.sub(_encoded, bare)
    # Letters that are not Latin take nine signs each.
    return name if len(name) <= NAME_LENGTH_MAX else f"{name[:_BEGIN]}~{name[-_END:]}"


def _encoded(sign: re.Match[str]) -> str:
    digits = sign[0].encode().hex("%")
    return "%" + (digits.upper() if _BY_BROWSERS.match(sign[0]) else digits)
