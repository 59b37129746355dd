"""`export FILE` and `import FILE`: counts of all items to a file, and counts of others from one, by an operator.

1. A file of an export is whole or not there; with the name `….csv` it is CSV, else JSON Lines.
2. An import may be broken off and begun again, or done twice: the same counts under the same label are the same
   presses. A count that has grown meanwhile adds what is missing; one that is smaller takes nothing away.
3. The whole file is read, and found right, before the first count of it goes out.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aiohttp

from cli import api
from cli.api import NotDoneError
from cli.arguments import Options
from cli.backup import check_free, complain
from cli.dumps import Count, DumpError, counts_in
from cli.errands import until_answered
from cli.exit_codes import ExitCode, UsageError
from cli.items import CLAP_MAX, TALLY_MAX, kind_of
from cli.screen import Screen
from cli.whole_file import FileError, whole_file

VISITORS_MAX: Final = 1000
_MOST: Final = {"once": 1, "clap": CLAP_MAX, "tap": TALLY_MAX}


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


async def _import(options: Options, screen: Screen, token: str, counts: list[Count]) -> ExitCode:
    is_copied = True
    async with aiohttp.ClientSession() as http:
        for number, count in enumerate(counts, 1):
            for share in _shares(count):
                done = await _bring(http, options, token, count, share)
                is_copied = is_copied and done.copies >= done.wanted
            if count.number:
                screen.say(f"{number:,} of {len(counts):,}: {done.item} has {done.count:,}")
    return ExitCode.OK if is_copied else ExitCode.NOT_SAVED


async def _bring(
    http: aiohttp.ClientSession, options: Options, token: str, count: Count, share: tuple[int, int, int]
) -> api.Imported:
    assert options.command is not None, "only a command is run"
    first, visitors, n = share
    wish = {
        "label": options.command.label, "item": count.item, "page": count.page, "kind": count.kind,
        "first": first, "visitors": visitors, "n": n,
    }  # fmt: skip
    return await until_answered(lambda: api.bring_in(http, options.address, token, wish), options.wait_s)


def _shares(count: Count) -> Iterator[tuple[int, int, int]]:
    """As whose presses it comes in: (first visitor, how many, presses of each), each for one request."""
    most = _MOST.get(kind_of(count.item) if count.item else count.kind, 1)
    full, rest = divmod(count.number, most)
    for first in range(0, full, VISITORS_MAX):
        yield first, min(VISITORS_MAX, full - first), most
    if rest:
        yield full, 1, rest
