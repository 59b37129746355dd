"""What the person wrote: options of the program, and commands, typed or piped or as arguments."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from cli.addresses import check_address
from cli.exit_codes import EXPLAINED, UsageError
from cli.items import TALLY_MAX, check_item

ADDRESS_DEFAULT: Final = "http://localhost:8080"
ITEM_DEFAULT: Final = "tap:home"
WAIT_DEFAULT_S: Final = 10.0
LABEL_MAX: Final = 100
LABEL_DEFAULT: Final = "import"
PER_SECOND_MAX: Final = 10_000
TOKEN_VARIABLE: Final = "LIKE_ADMIN_TOKEN"  # noqa: S105 - its name
REPLACE: Final = "--replace"
# How many files and folders they name.
_PATHS: Final = {"backup": 1, "restore": 2, "export": 1}
_HEADER_TEXT: Final = re.compile(r"[!-~]+\Z")

HELP: Final = """\
like [item]             press; on a once: item, like it
like many [N [RATE]]    press N times, RATE times a second; asks for what you leave out
unlike [item]           take a like back (once: items only)
watch [item]            show every change of the count until Ctrl-C (--count N: N of them)
nodes                   the nodes of the cluster
reset item              for operators: count the item from 0 again, for everybody; needs the
                        admin token (--admin-token-file)
freeze item             for operators: the item takes no presses any more, and its count stays as
unfreeze item           it is; or takes them again; the same token
backup FILE             for operators: a copy of one node's ledger while it goes on; --address is
                        the node's own, not nginx's; needs the admin token too
restore FILE FOLDER     for operators: put a backup into the data folder of a node that does not
                        run (--replace: where there is a ledger, move it aside)
export FILE             for operators: the counts of all items, as JSON Lines, or CSV if FILE
                        ends in .csv; needs the admin token
import FILE             for operators: adds the counts of FILE to those that are there; FILE is an
                        export, applause-button's table or a CSV of pages or items and counts.
                        The same again changes nothing; another source needs a --label of its own.
                        An export belongs into another or an empty cluster: in its own everything
                        counts twice. Needs the admin token; nginx lets other machines have one
                        request a second, so a long FILE goes faster to a node's own address
forget [--yes]          erase all that this client ever pressed, on every node, for good
item kind:name          go to another item; tap: counts every press, clap: 50 of each
                        visitor, once: a like that can be taken back
help, exit"""
NAMES: Final = (
    "like, like many, unlike, watch, nodes, item kind:name, reset item, freeze item, unfreeze item, backup FILE, "
    "restore FILE FOLDER, export FILE, import FILE, forget, help, exit"
)


class Command(msgspec.Struct, frozen=True):
    """One command. `item` None: the current one. `presses` and `per_second` None: to be asked for.

    `is_sure`: no confirmation has to be asked for. `paths`: of `backup` and `restore`; `replaces`: what is there
    already may be taken the place of. `label`: of an import.
    """

    name: str
    item: str | None = None
    presses: int | None = None
    per_second: int | None = None
    count: int | None = None
    is_sure: bool = False
    paths: tuple[str, ...] = ()
    replaces: bool = False
    label: str = LABEL_DEFAULT


class Options(msgspec.Struct, frozen=True):
    """What the program was started with; `command` None: read commands from standard input.

    `admin_token_file` is empty where none was named.
    """

    address: str
    item: str
    is_json: bool
    wait_s: float
    admin_token_file: str
    command: Command | None


def parse_command(words: Sequence[str]) -> Command:
    """The words of one command, at least one. Raises `UsageError`."""
    match [words[0].lower(), *words[1:]]:
        case ["like", "many", *numbers] if len(numbers) <= 2:
            presses = how_many(numbers[0]) if numbers else None
            return Command("like many", presses=presses, per_second=how_fast(numbers[1]) if numbers[1:] else None)
        case ["like", *numbers] if 1 <= len(numbers) <= 2 and all(map(str.isdecimal, numbers)):
            raise UsageError(f"{numbers[0]!r} is no item; to press more than once: like many {' '.join(numbers)}")
        case ["like" | "unlike" | "watch" | "nodes" | "help" | "exit" as name]:
            return Command(name)
        case ["like" | "unlike" | "watch" | "item" | "reset" | "freeze" | "unfreeze" as name, item]:
            return Command(name, item=check_item(item))
        case ["watch", *item, "--count", number] if len(item) <= 1:
            count = _whole_number(number, "--count", TALLY_MAX)
            return Command("watch", item=check_item(item[0]) if item else None, count=count)
        case ["forget", *sure] if sure in ([], ["--yes"]):
            return Command("forget", is_sure=bool(sure))
        case ["backup" | "restore" | "export" | "import" as name, *rest] if (
            command := _with_files(name, rest)
        ) is not None:
            return command
    raise UsageError(f"{' '.join(words)!r} is no command: {NAMES}")


def _with_files(name: str, words: Sequence[str]) -> Command | None:
    """A command that names files; None where it is none."""
    match name, [*words]:
        case "import", [file]:
            return Command(name, paths=(file,))
        case "import", [file, "--label", label] if 1 <= len(label) <= LABEL_MAX:
            return Command(name, paths=(file,), label=label)
    paths = _without(REPLACE, words)
    if name == "import" or len(paths) != _PATHS[name]:
        return None
    return Command(name, paths=paths, replaces=paths != tuple(words))


def _without(option: str, words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word != option)


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
        # `--admin-token TOKEN` would be taken for the name of a file, and shown as one that is not there.
        allow_abbrev=False,
    )
    default = environment.get("LIKE_ADDRESS") or ADDRESS_DEFAULT
    parser.add_argument("--address", default=default, help="of any node, or what stands before them (%(default)s)")
    parser.add_argument("--item", default=ITEM_DEFAULT, help="what to press (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object per line; notices on stderr")
    wait_help = "give up on an acknowledgement after so long without progress (%(default)s)"
    parser.add_argument("--wait", type=float, default=WAIT_DEFAULT_S, metavar="SECONDS", help=wait_help)
    parser.add_argument("--count", metavar="N", help="watch: end after N counts")
    parser.add_argument("--label", metavar="NAME", help="import: whose counts these are, where there are several")
    parser.add_argument("--yes", action="store_true", help="forget: do not ask")
    replace_help = "backup, export: write over FILE; restore: move FOLDER's ledger aside"
    parser.add_argument(REPLACE, action="store_true", help=replace_help)
    token_help = f"without it, {TOKEN_VARIABLE} says it or {TOKEN_VARIABLE}_FILE where"
    token_help = f"reset, freeze, unfreeze, backup, export, import: where the admin token stands; {token_help}"
    parser.add_argument("--admin-token-file", metavar="FILE", default="", help=token_help)
    parser.add_argument("command", nargs="*", help="see below")
    given = parser.parse_intermixed_args(arguments)
    return Options(
        address=check_address(given.address),
        item=check_item(given.item),
        is_json=given.json,
        wait_s=given.wait,
        admin_token_file=given.admin_token_file,
        command=_command_of(given),
    )


def _command_of(given: argparse.Namespace) -> Command | None:
    """The command among the arguments, with its own options, wherever these stood."""
    words = [*given.command]
    if given.count is not None:
        words += ["--count", given.count]
    if given.label is not None:
        words += ["--label", given.label]
    words += ["--yes"] * given.yes + [REPLACE] * given.replace
    return parse_command(words) if words else None


def read_admin_token(file: str, environment: Mapping[str, str]) -> str:
    """The admin token from the file that was named, else from the environment. Raises `UsageError`."""
    token = "" if file else environment.get(TOKEN_VARIABLE, "").strip()
    path = file or environment.get(f"{TOKEN_VARIABLE}_FILE", "")
    if not token and path:
        try:
            token = Path(path).read_text().strip()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"cannot read the admin token: {error}") from error
    if not _HEADER_TEXT.match(token):
        raise UsageError(
            f"this needs the nodes' admin token: --admin-token-file FILE, or {TOKEN_VARIABLE} in the "
            "environment; it has no spaces, and never stands on the command line, where others could read it"
        )
    return token


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")
