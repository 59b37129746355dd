"""`export FILE` and `import FILE`: counts of all items to a file, and counts of others from one, by an operator.

1. A file of an export is whole or not there; with the name `….csv` it is CSV, else JSON Lines.
2. An import may be broken off and begun again, or done twice: the same counts under the same label are the same
   presses. A count that has grown meanwhile adds what is missing; one that is smaller takes nothing away.
3. The whole file is read, and found right, before the first count of it goes out.
4. What is said to be added is what the nodes say. Where an answer was lost, the share may have been new or not:
   both bounds are said.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from cli import api
from cli.api import NotDoneError
from cli.arguments import Command, Options
from cli.backup import check_free, complain
from cli.dumps import Count, DumpError, counts_in
from cli.errands import until_answered
from cli.exit_codes import ExitCode, UsageError
from cli.items import CLAP_MAX, TALLY_MAX, kind_of
from cli.screen import Screen
from cli.whole_file import FileError, whole_file

VISITORS_MAX: Final = 1000
_MOST: Final = {"once": 1, "clap": CLAP_MAX, "tap": TALLY_MAX}
_OTHER_SOURCE: Final = "another source needs a label of its own: --label NAME"
_ON_TOP: Final = (
    "items had other presses already, and an import adds to them: if this file is an export of this very cluster, "
    "it now counts twice; an export belongs into another or an empty cluster"
)


async def exchange(options: Options, screen: Screen, admin_token: Callable[[], str]) -> ExitCode:
    """Do it and say so; `admin_token` may raise `UsageError`."""
    assert options.command is not None, "only a command is run"
    file, run = Path(options.command.paths[0]), options.command.name
    try:
        token = admin_token()
        if run == "export":
            check_free(file, replaces=options.command.replaces)
            return await _export(options, screen, token, file)
        return await _import(options, screen, token, _counts_of(file))
    except UsageError as error:
        return complain(screen, str(error), "usage", ExitCode.USAGE)
    except FileError as error:
        return complain(screen, f"no {run}: {error}", run, ExitCode.NOT_SAVED)
    except NotDoneError as error:
        return complain(screen, f"no {run}: {error}", run, error.exit_code)


async def _export(options: Options, screen: Screen, token: str, file: Path) -> ExitCode:
    form = "csv" if file.suffix.lower() == ".csv" else "jsonl"
    with whole_file(file) as part:
        async with aiohttp.ClientSession() as http:
            async for piece in api.export(http, options.address, token, form):
                part.write(piece)
    screen.say(f"{file} has the counts of all items")
    return ExitCode.OK


def _counts_of(file: Path) -> list[Count]:
    try:
        return counts_in(file.read_text("utf-8"))
    except (OSError, UnicodeError, DumpError) as error:
        raise UsageError(f"cannot import {file}: {error}") from error


class _Added(msgspec.Struct, frozen=True):
    """By how much an import raised counts: two bounds, which differ where an answer was lost."""

    least: int = 0
    most: int = 0

    def __add__(self, other: "_Added") -> "_Added":
        return _Added(self.least + other.least, self.most + other.most)

    def __str__(self) -> str:
        return f"+{self.least:,}" if self.least == self.most else f"+{self.least:,} to +{self.most:,}"


async def _import(options: Options, screen: Screen, token: str, counts: list[Count]) -> ExitCode:
    assert options.command is not None, "only a command is run"
    is_copied, is_on_top, total = True, False, _Added()
    async with aiohttp.ClientSession() as http:
        for number, count in enumerate(counts, 1):
            added = _Added()
            for share in _shares(count):
                done, new = await _bring(http, options, token, count, share)
                is_copied, added = is_copied and done.copies >= done.wanted, added + new
            if count.number:
                told = f"{added}, now" if added.most else "nothing new,"
                screen.say(f"{number:,} of {len(counts):,}: {done.item}  {told} {done.count:,}")
                is_on_top = is_on_top or bool(count.item and added.most and done.count > count.number)
            total += added
    screen.say(_summary(total, sum(count.number for count in counts), options.command))
    if is_on_top:
        screen.say(_ON_TOP)
    return ExitCode.OK if is_copied else ExitCode.NOT_SAVED


def _summary(added: _Added, wanted: int, command: Command) -> str:
    label = f"under the label {command.label!r}"
    if not wanted:
        return f"{command.paths[0]} counts nothing: all of it is 0"
    if not added.most:
        return f"nothing was new: what came before {label} counts only once; {_OTHER_SOURCE}"
    if added.least < added.most:
        return f"{added} in all: an answer was lost, or does not say how much came before {label}"
    if added.least < wanted:
        rest = wanted - added.least
        return f"{added} in all; the other {rest:,} came before {label} and count only once; {_OTHER_SOURCE}"
    return f"{added} in all, {label}"


async def _bring(
    http: aiohttp.ClientSession, options: Options, token: str, count: Count, share: tuple[int, int, int]
) -> tuple[api.Imported, _Added]:
    assert options.command is not None, "only a command is run"
    first, visitors, n = share
    may_be_done = False

    async def ask() -> api.Imported:
        nonlocal may_be_done
        try:
            return await api.bring_in(http, options.address, token, wish)
        except NotDoneError as error:
            may_be_done = may_be_done or error.may_be_done
            raise

    wish = {
        "label": options.command.label, "item": count.item, "page": count.page, "kind": count.kind,
        "first": first, "visitors": visitors, "n": n,
    }  # fmt: skip
    done = await until_answered(ask, options.wait_s)
    # Of a share that an earlier try may have brought, the answer tells only what was new in the last one.
    is_known = done.added is not None and not may_be_done
    least = done.added or 0
    return done, _Added(least, least if is_known else visitors * n)


def _shares(count: Count) -> Iterator[tuple[int, int, int]]:
    """As whose presses it comes in: (first visitor, how many, presses of each), each for one request."""
    most = _MOST.get(kind_of(count.item) if count.item else count.kind, 1)
    full, rest = divmod(count.number, most)
    for first in range(0, full, VISITORS_MAX):
        yield first, min(VISITORS_MAX, full - first), most
    if rest:
        yield full, 1, rest
