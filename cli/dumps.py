"""Counts in files that others have made: of which item or page, and how many. Pure.

| file | what it is |
|---|---|
| JSON Lines with `item` and `count` | this program's own export |
| JSON with `Items`, or lines with `Item`, of `url` and `claps` | applause-button's table in DynamoDB |
| CSV with a header | a column `item`, `page` or `url`, and one of `count`, `claps`, `likes`, `presses` |
| CSV without one | a page, or an item, and its claps |

A page's count is of claps where the column says `claps` or nothing, of likes where it says `likes`, of taps where
`presses`. What begins with `once:`, `tap:` or `clap:` is an item wherever it stands, and must be one of legal form.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from cli.exit_codes import UsageError
from cli.items import check_item

_KINDS: Final = {"claps": "clap", "likes": "once", "presses": "tap", "count": "clap"}
_PLACES: Final = ("item", "page", "url")
_BEGINS_OF_ITEMS: Final = ("once:", "tap:", "clap:")
_COLUMNS: Final = "a CSV has columns separated by commas, such as item,count or page,claps"
_FIELDS: Final = "a record has such fields as item and count, or url and claps"


class DumpError(Exception):
    """What this file has is no count; the message says where."""


class Count(msgspec.Struct, frozen=True):
    """Of an item, or, where that is empty, of a page and a kind."""

    number: int
    item: str = ""
    page: str = ""
    kind: str = "clap"


def counts_in(text: str) -> list[Count]:
    """All of them, in their order. Raises `DumpError`; nothing of a file is used that has a mistake."""
    bare = text.lstrip("\ufeff \t\r\n")
    found = list(_in_json(bare) if bare[:1] in ("{", "[") else _in_csv(bare))
    if not found:
        raise DumpError("the file has no counts")
    return found


def _in_json(text: str) -> Iterator[Count]:
    try:
        whole = msgspec.json.decode(text)
    except msgspec.DecodeError:
        whole = None
    if whole is not None:
        records = whole.get("Items", [whole]) if isinstance(whole, dict) else whole
        if not isinstance(records, list):
            raise DumpError("`Items` is no list of records")
        yield from (_of_record(record, f"record {number}") for number, record in enumerate(records, 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                record = msgspec.json.decode(line)
            except msgspec.DecodeError as wrong:
                raise DumpError(f"line {number} is no JSON: {wrong}") from wrong
            yield _of_record(record, f"line {number}")


def _of_record(record: Any, where: str) -> Count:
    if isinstance(record, dict):
        record = record.get("Item", record)
    if not isinstance(record, dict):
        raise DumpError(f"{where} is no record")
    # DynamoDB says of each value what it is: {"S": "a text"}, {"N": "12"}.
    plain = {
        name: next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value
        for name, value in record.items()
    }
    return _count(plain, where, _FIELDS)


def _in_csv(text: str) -> Iterator[Count]:
    try:
        rows = [(at, row) for at, row in enumerate(csv.reader(io.StringIO(text, newline="")), 1) if any(row)]
    except csv.Error as wrong:
        raise DumpError(f"the file is no CSV: {wrong}") from wrong
    names = [name.strip().lower() for name in rows[0][1]] if rows else []
    has_header = any(name in _PLACES for name in names)
    for at, row in rows[has_header:]:
        fields = dict(zip(names if has_header else ("page", "claps"), map(str.strip, row), strict=False))
        yield _count(fields, f"row {at}", _COLUMNS)


def _count(fields: dict[str, Any], where: str, expected: str) -> Count:
    place = next((name for name in _PLACES if fields.get(name)), None)
    column = next((name for name in _KINDS if fields.get(name) not in (None, "")), None)
    if place is None or column is None:
        raise DumpError(f"{where} does not say of what, or how many: {expected}")
    text = str(fields[column])
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise DumpError(f"{where}: a count is a whole number, not {text!r}")
    name = str(fields[place])
    if name.lower().startswith(_BEGINS_OF_ITEMS) or (place == "item" and ":" in name):
        try:
            # An export tells also of items of a kind that only a later version knows: what is 0 is not brought in.
            return Count(int(text), item=check_item(name) if int(text) else name)
        except UsageError as wrong:
            raise DumpError(f"{where}: {wrong}") from wrong
    return Count(int(text), page=name, kind=_KINDS[column])
