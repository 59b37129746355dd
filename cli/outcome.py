"""What became of a press."""

from typing import Literal

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """`saved`: acknowledged, with so many `copies`. `unsaved`: kept, and sent again. `refused`: void, `code` says
    why. `text` is for people.
    """

    status: Literal["saved", "unsaved", "refused"]
    code: str = ""
    text: str = ""
    copies: int = 0
