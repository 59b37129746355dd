"""Every way to refuse a visitor: the protocol's error codes, what they say, and their HTTP status.

1. A code means the same over a WebSocket, the API and the form.
   Only HTTP has `unanswered` (its requests wait) and `forbidden` (it has forms).
2. A code with `retry_after_s` heals by itself: the same press may be sent again.
"""

from typing import Final

import msgspec

from app import wire


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
    "bad_token": Refusal("This token was not made by this cluster: forget it.", 401, is_fault=True),
    "too_many_items": Refusal("At most 100 items at once.", 400, is_fault=True),
    "rate_limited": Refusal("Too many presses at once: slow down.", 429, retry_after_s=1.0),
    "read_only": Refusal("This node cannot save presses now: it will try again.", 503, retry_after_s=2.0),
    "reset": Refusal("The item was reset: this press is of an older generation.", 409),
    "behind": Refusal("This node does not know of the item's reset yet: send again.", 503, retry_after_s=1.0),
    "unanswered": Refusal("Not answered in time: a press with n may be sent again.", 503, retry_after_s=1.0),
    "forbidden": Refusal("Forms of other sites may not press here.", 403),
}


def error(
    code: str, *, detail: str | None = None, message_id: int | None = None, retry_after_s: float | None = None
) -> wire.Error:
    """The protocol's error message for this code."""
    refusal = REFUSALS[code]
    return wire.Error(
        code=code,
        message=detail or refusal.message,
        id=message_id,
        retry_after=refusal.retry_after_s if retry_after_s is None else retry_after_s,
    )
