"""What a session tells whoever uses it: what nobody asked for (`Notice`), what became of a press (`Outcome`)."""

from typing import Literal

import msgspec


class Notice(msgspec.Struct, frozen=True):
    """Something the person did not ask for and should know. `kind` is for programs, `text` for people."""

    kind: str
    text: str


class Outcome(msgspec.Struct, frozen=True):
    """`saved`: acknowledged by the nodes. `unsaved`: kept, and sent again. `refused`: void, `code` says why."""

    status: Literal["saved", "unsaved", "refused"]
    code: str = ""
    text: str = ""
