"""What the person wrote: options of the program, and commands, typed or piped or as arguments. Pure."""

import argparse
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import msgspec

from cli.addresses import AddressError, check_address
from cli.exit_codes import EXPLAINED
from cli.items import TALLY_MAX, ItemError, check_item

ADDRESS_DEFAULT: Final = "http://localhost:8080"
ITEM_DEFAULT: Final = "tap:home"
WAIT_DEFAULT_S: Final = 10.0
PER_SECOND_MAX: Final = 10_000.0

HELP: Final = """\
like [item]             press; on a once: item, like it
like many [N [RATE]]    press N times, RATE times a second; asks for what you leave out
unlike [item]           take a like back (once: items only)
watch [item]            show every change of the count until Ctrl-C (--count N: N of them)
nodes                   the nodes of the cluster
item kind:name          go to another item; tap: counts every press, clap: 50 of each
                        visitor, once: a like that can be taken back
help, exit"""
NAMES: Final = "like, like many, unlike, watch, nodes, item kind:name, help, exit"


class UsageError(Exception):
    """The command was not understood; the message says what would be."""


class Command(msgspec.Struct, frozen=True):
    """One command. `item` None: the current one. `presses` and `per_second` None: to be asked for."""

    name: str
    item: str | None = None
    presses: int | None = None
    per_second: float | None = None
    count: int | None = None


class Options(msgspec.Struct, frozen=True):
    """What the program was started with; `command` None: read commands from standard input."""

    address: str
    item: str
    is_json: bool
    wait_s: float
    command: Command | None


def parse_line(line: str) -> Command | None:
    """One typed or piped line; None if there is nothing in it, or only a comment."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{line.strip()!r}: {error}") from error
    return parse_command(words) if words else None


def parse_command(words: Sequence[str]) -> Command:
    """Raises `UsageError`."""
    try:
        return _parse(words)
    except ItemError as error:
        raise UsageError(str(error)) from error


def _parse(words: Sequence[str]) -> Command:
    match [words[0].lower(), *words[1:]]:
        case ["like", "many", *numbers] if len(numbers) <= 2:
            presses = whole_number(numbers[0], "how many", TALLY_MAX) if numbers else None
            return Command("like many", presses=presses, per_second=rate(numbers[1]) if len(numbers) > 1 else None)
        case ["like" | "unlike" | "watch" as name]:
            return Command(name)
        case ["like" | "unlike" | "watch" | "item" as name, item]:
            return Command(name, item=check_item(item))
        case ["watch", *item, "--count", number] if len(item) <= 1:
            count = whole_number(number, "--count", TALLY_MAX)
            return Command("watch", item=check_item(item[0]) if item else None, count=count)
        case ["nodes" | "help" | "exit" | "quit" | "?" as name]:
            return Command({"quit": "exit", "?": "help"}.get(name, name))
    raise UsageError(f"{' '.join(words)!r} is no command: {NAMES}")


def whole_number(text: str, what: str, most: int) -> int:
    """A number from 1 to `most`, or `UsageError`."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= most:
        raise UsageError(f"{what}: a whole number from 1 to {most:,}, not {text!r}")
    return number


def rate(text: str) -> float:
    """Presses a second, or `UsageError`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= PER_SECOND_MAX:
        raise UsageError(f"how fast: presses a second, above 0 and up to {PER_SECOND_MAX:,.0f}, not {text!r}")
    return number


def parse_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The program's arguments. Raises `UsageError`; `--help` prints and exits."""
    parser = _Parser(
        prog="python -m cli",
        description="The terminal client of the live like button.",
        epilog=f"commands:\n{HELP}\n\nWithout a command they are read from standard input.\n\n{EXPLAINED}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = environment.get("LIKE_ADDRESS") or ADDRESS_DEFAULT
    parser.add_argument("--address", default=default, help="of any node, or what stands before them (%(default)s)")
    parser.add_argument("--item", default=ITEM_DEFAULT, help="what to press (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object per line; notices on stderr")
    wait_help = "give up on an acknowledgement after so long without progress (%(default)s)"
    parser.add_argument("--wait", type=float, default=WAIT_DEFAULT_S, metavar="SECONDS", help=wait_help)
    parser.add_argument("--count", metavar="N", help="watch: end after N counts")
    parser.add_argument("command", nargs="*", help="see below")
    given = parser.parse_intermixed_args(arguments)
    words = given.command + (["--count", given.count] if given.count is not None else [])
    if not 0 < given.wait <= 3600:
        raise UsageError("--wait: seconds, above 0 and up to 3600")
    try:
        address, item = check_address(given.address), check_item(given.item)
    except (AddressError, ItemError) as error:
        raise UsageError(str(error)) from error
    return Options(address, item, given.json, given.wait, parse_command(words) if words else None)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")
