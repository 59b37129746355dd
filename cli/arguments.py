"""What the person wrote: options of the program, and commands, typed or piped or as arguments. Pure."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import msgspec

from cli.addresses import check_address
from cli.exit_codes import EXPLAINED, UsageError
from cli.items import TALLY_MAX, check_item

ADDRESS_DEFAULT: Final = "http://localhost:8080"
ITEM_DEFAULT: Final = "tap:home"
WAIT_DEFAULT_S: Final = 10.0
PER_SECOND_MAX: Final = 10_000

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


class Command(msgspec.Struct, frozen=True):
    """One command. `item` None: the current one. `presses` and `per_second` None: to be asked for."""

    name: str
    item: str | None = None
    presses: int | None = None
    per_second: int | None = None
    count: int | None = None


class Options(msgspec.Struct, frozen=True):
    """What the program was started with; `command` None: read commands from standard input."""

    address: str
    item: str
    is_json: bool
    wait_s: float
    command: Command | None


def parse_command(words: Sequence[str]) -> Command:
    """The words of one command, at least one. Raises `UsageError`."""
    match [words[0].lower(), *words[1:]]:
        case ["like", "many", *numbers] if len(numbers) <= 2:
            presses = how_many(numbers[0]) if numbers else None
            return Command("like many", presses=presses, per_second=how_fast(numbers[1]) if numbers[1:] else None)
        case ["like" | "unlike" | "watch" as name]:
            return Command(name)
        case ["like" | "unlike" | "watch" | "item" as name, item]:
            return Command(name, item=check_item(item))
        case ["watch", *item, "--count", number] if len(item) <= 1:
            count = _whole_number(number, "--count", TALLY_MAX)
            return Command("watch", item=check_item(item[0]) if item else None, count=count)
        case ["nodes" | "help" | "exit" as name]:
            return Command(name)
    raise UsageError(f"{' '.join(words)!r} is no command: {NAMES}")


def how_many(text: str) -> int:
    """Presses, or `UsageError`."""
    return _whole_number(text, "how many", TALLY_MAX)


def how_fast(text: str) -> int:
    """Presses a second, or `UsageError`."""
    return _whole_number(text, "how fast, in presses a second", PER_SECOND_MAX)


def _whole_number(text: str, what: str, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= most:
        raise UsageError(f"{what}: a whole number from 1 to {most:,}, not {text!r}")
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
    command = parse_command(words) if words else None
    return Options(check_address(given.address), check_item(given.item), given.json, given.wait, command)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")
