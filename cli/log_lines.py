"""A node's log lines, made readable: nodes write JSON where no terminal is, and the launcher's log files are read
by people. Pure.
"""

from typing import Any, Final

import msgspec

_NOT_FIELDS: Final = ("event", "level", "timestamp", "logger", "exception")
_URGENT: Final = frozenset(("error", "critical"))


def readable(line: str) -> str:
    """`time level event field=value …`; what is no JSON object stays as it is."""
    record = _record(line)
    if "event" not in record:
        return line
    fields = [f"{name}={value}" for name, value in record.items() if name not in _NOT_FIELDS]
    time = str(record.get("timestamp", ""))[11:23]
    told = " ".join([time, f"{record.get('level', ''):7}", str(record["event"]), *fields]).strip()
    return f"{told}\n{record['exception']}" if "exception" in record else told


def is_urgent(line: str) -> bool:
    """Whether a person must act."""
    return _record(line).get("level") in _URGENT


def _record(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
