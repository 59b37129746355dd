"""Every way to refuse a visitor: the protocol's error codes, what they say, and their HTTP status.

1. A code means the same over a WebSocket, the API and the form.
   Only HTTP has `unanswered` (its requests wait), `forbidden` (it has forms), `forbidden_origin` and `overloaded`
   (a WebSocket is closed with a code), and those of an operator.
2. A code with `retry_after_s` heals by itself: the same press may be sent again.
"""

from typing import Final

import msgspec

from app import wire
from app.origins import ORIGINS_LENGTH_MAX
from cluster.surface import Refusal as EngineRefusal


class Refusal(msgspec.Struct, frozen=True):
    """is_fault: the client's mistake; one who keeps making them is sent away."""

    message: str
    status: int
    is_fault: bool = False
    retry_after_s: float | None = None


REFUSALS: Final = {
    "bad_message": Refusal("This is not a message of the protocol.", 400, is_fault=True),
    "bad_item": Refusal(
        "An item is written kind:name: kind is tap, once or clap; name is 1 to 200 characters of "
        "A-Z a-z 0-9 . _ ~ / @ % -, and no part between slashes is empty, '.' or '..'.",
        400,
        is_fault=True,
    ),
    "bad_tally": Refusal("n is 1 to 50 for clap items and 1 to 1048576 for others.", 400, is_fault=True),
    "bad_token": Refusal("No visitor of this cluster has this token (any more): forget it.", 401, is_fault=True),
    "too_many_items": Refusal("At most 100 items at once.", 400, is_fault=True),
    "rate_limited": Refusal("Too many presses at once: slow down.", 429, retry_after_s=1.0),
    "read_only": Refusal("This node cannot save presses now: it will try again.", 503, retry_after_s=2.0),
    "reset": Refusal("The item was reset: this press is of an older generation.", 409),
    "behind": Refusal("This node does not know of the item's reset yet: send again.", 503, retry_after_s=1.0),
    "frozen": Refusal("The item is closed: its count stays as it is.", 409),
    "unanswered": Refusal("Not answered in time: a press with n may be sent again.", 503, retry_after_s=1.0),
    "forbidden": Refusal("Forms of other sites may not press here.", 403),
    "forbidden_origin": Refusal("This node does not serve pages of that origin: /admin allows more.", 403),
    "overloaded": Refusal(
        "This node can take nobody more, or is about to stop: another one can.", 503, retry_after_s=1.0
    ),
    "bad_admin_token": Refusal("This is not the admin token of this node.", 401),
    "too_many_origins": Refusal(
        f"All allowed origins together may have {ORIGINS_LENGTH_MAX:,} characters: take back one no longer needed.",
        409,
    ),
    "backing_up": Refusal("A backup of this node is being made or sent already.", 409),
    "no_backup": Refusal("No backup was made.", 507),
    "other_gen": Refusal("The item has another generation than the one to end: nothing was reset.", 409),
}
ERASED: Final = wire.Error(code="bad_token", message="This visitor was erased: a fresh one begins.", erased=True)


def code_of(refusal: EngineRefusal) -> str:
    """What a visitor is told of the engine's refusal; one that was erased has a token that is good for nothing."""
    return "bad_token" if refusal == "erased" else refusal


def error(
    code: str,
    *,
    detail: str | None = None,
    message_id: int | None = None,
    retry_after_s: float | None = None,
    n: int | None = None,
) -> wire.Error:
    """The protocol's error message for this code; `n` is what the actor has."""
    refusal = REFUSALS[code]
    return wire.Error(
        code=code,
        message=detail or refusal.message,
        id=message_id,
        n=n,
        retry_after=refusal.retry_after_s if retry_after_s is None else retry_after_s,
    )
