"""What is printed: lines for people, on a terminal or in a pipe, or with `--json` one object per line.

Results go to standard output; notices and mistakes to standard error, so a pipe carries results only. It decides
how things look, not what is true: every text about saving comes from an `Outcome`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.api import Erased, Flagged, Reset
from cli.nodes import NodeLine
from cli.presses import Outcome

_STYLES: Final = {"saved": "green", "unsaved": "yellow", "refused": "red"}
_STATE_STYLES: Final = {"ready": "green", "unreachable": "red", "read_only": "red"}


def spelled(count: int | None) -> str:
    """A count for people."""
    return "…" if count is None else f"{count:,}"


class Screen:
    """Where one run prints."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self._out = Console(highlight=False)
        self._errors = Console(stderr=True, highlight=False)
        if self.is_lively and self._errors.is_terminal:
            # Only what this console prints appears above a line that it redraws.
            self._errors = self._out

    @property
    def is_lively(self) -> bool:
        """Whether lines may be redrawn: a person looks at a terminal."""
        return self._out.is_terminal and not self.is_json

    def show_press(self, item: str, presses: int, count: int | None, outcome: Outcome, node: str) -> None:
        """What became of so many presses."""
        words = {
            "saved": f"saved ({node or 'a node'} and {outcome.copies} more)",
            "unsaved": f"not yet saved ({outcome.text}); kept, and sent when a node answers, or at the next start",
            "refused": f"refused: {outcome.text}",
        }[outcome.status]
        event = {"event": "pressed", "item": item, "presses": presses, "count": count, "status": outcome.status}
        event |= {"node": node, "copies": outcome.copies, "code": outcome.code, "text": words}
        self._print(_line(item, count, (words, _STYLES[outcome.status])), event)

    def show_count(self, item: str, count: int | None, node: str) -> None:
        self._print(_line(item, count), {"event": "count", "item": item, "count": count, "node": node})

    def show_reset(self, item: str, done: Reset) -> None:
        """An operator's reset, and whether it is safe."""
        words = f"was reset: generation {done.gen} has begun" + _warning(done.copies, done.wanted)
        event = {"event": "reset", "item": item, **msgspec.structs.asdict(done), "text": words}
        self._print(Text(f"{item} {words}"), event)

    def show_frozen(self, item: str, done: Flagged) -> None:
        words = "is frozen: it takes no presses" if done.is_set else "takes presses again"
        words += _warning(done.copies, done.wanted)
        event = {"event": "frozen", "item": item, **msgspec.structs.asdict(done), "text": words}
        self._print(Text(f"{item} {words}"), event)

    def show_erased(self, erased: Erased) -> None:
        words = "erased: this client is nobody's now, and counts fall within seconds"
        words += _warning(erased.copies, erased.wanted)
        self._print(Text(words), {"event": "erased", **msgspec.structs.asdict(erased), "text": words})

    def show_backup(self, file: str, size: int, sha256: str) -> None:
        words = f"{file} is a whole backup of {size:,} bytes"
        self._print(Text(words), {"event": "backup", "file": file, "bytes": size, "sha256": sha256, "text": words})

    def show_restored(self, file: str, ledger: str, aside: str) -> None:
        """`aside`: where the ledger is now that was there before, or nothing."""
        words = f"{ledger} is now what {file} holds: start the node"
        words += f". What was there is {aside}" if aside else ""
        self._print(Text(words), {"event": "restore", "ledger": ledger, "aside": aside, "text": words})

    def show_nodes(self, nodes: Sequence[NodeLine], here: str) -> None:
        """The nodes of the cluster; `here` is the one this client talks to, if it does."""
        if self.is_json:
            for node in nodes:
                self._print(Text(), {"event": "node", **msgspec.structs.asdict(node)})
            return
        table = Table("node", "state", "address", "lag", "watchers", box=SIMPLE_HEAD, pad_edge=False)
        for node in nodes:
            name = f"{node.name} (here)" if node.name == here else node.name
            state = Text(node.state, _STATE_STYLES.get(node.state, "yellow"))
            table.add_row(Text(name), state, Text(node.public_address or "-"), str(node.lag), str(node.watchers))
        self._out.print(table)

    def say(self, text: str) -> None:
        """Something a person asked for that is no result: help, which item is current now."""
        self._print(Text(text), {"event": "text", "text": text})

    def tell(self, kind: str, text: str) -> None:
        """Something nobody asked for. `kind` is for programs, `text` for people."""
        self._tell(Text(f"· {text}", "dim"), {"event": "notice", "kind": kind, "text": text})

    def complain(self, text: str, kind: str) -> None:
        """A command could not be done."""
        self._tell(Text(text, "red"), {"event": "error", "kind": kind, "text": text})

    def live_line(self) -> AbstractContextManager[Live | None]:
        """A line that is redrawn in place; None where lines are printed one by one."""
        return Live(console=self._out, auto_refresh=False) if self.is_lively else nullcontext(None)

    def _tell(self, text: Text, event: dict[str, object]) -> None:
        shown = Text(msgspec.json.encode(event).decode()) if self.is_json else text
        self._errors.print(shown, soft_wrap=not self._errors.is_terminal)

    def _print(self, text: Text, event: dict[str, object]) -> None:
        if self.is_lively:
            self._out.print(text)
        else:
            # As it is, at once: rich would break long lines, and has its own idea of a broken pipe.
            print(msgspec.json.encode(event).decode() if self.is_json else text.plain, flush=True)


def watch_line(item: str, count: int | None, words: str) -> Text:
    """The live count with the state of the connection in words."""
    return _line(item, count, (words, "dim"))


def progress_line(item: str, count: int | None, words: str, *, done: tuple[int, int, int]) -> Table:
    """The same for many presses: how many of them are pressed, saved, and wanted."""
    pressed, saved, presses = done
    line = Table.grid(padding=(0, 2))
    told = f"{pressed:,} of {presses:,} pressed, {saved:,} saved"
    line.add_row(ProgressBar(presses, saved, width=16), told, watch_line(item, count, words))
    return line


def copy_line(address: str, done: int, size: int | None) -> Table:
    """How much of a backup has arrived; without a size, the node makes its copy yet."""
    line = Table.grid(padding=(0, 2))
    told = "the node makes its copy" if size is None else f"{done:,} of {size:,} bytes"
    line.add_row(ProgressBar(size or 1, done, width=16), told, Text(address, "dim"))
    return line


def _warning(copies: int, wanted: int) -> str:
    if copies >= wanted:
        return ""
    return f"; only {copies} of {wanted} other nodes know of it yet: if this one is lost before, so is that"


def _line(item: str, count: int | None, more: tuple[str, str] = ("", "")) -> Text:
    """An item with its count; `more` is a text and its style."""
    line = Text.assemble(f"{item}  ", (spelled(count), "bold"))
    return line.append("  ").append(*more) if more[0] else line
