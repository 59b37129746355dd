"""What is printed: lines for people, on a terminal or in a pipe, or with `--json` one object per line.

Results go to standard output; notices and mistakes to standard error, so a pipe carries results only. It decides
how things look, not what is true: every text about saving comes from an `Outcome`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

from cli.nodes import NodeLine
from cli.notices import Notice, Outcome

_STYLES: Final = {"saved": "green", "unsaved": "yellow", "refused": "red"}
_STATE_STYLES: Final = {"ready": "green", "unreachable": "red", "read_only": "red"}


class Where(msgspec.Struct, frozen=True):
    """The node that answered, and how many other nodes have a copy."""

    node: str
    copies: int


def spelled(count: int | None) -> str:
    """A count for people."""
    return "…" if count is None else f"{count:,}"


class Screen:
    """Where one run prints."""

    def __init__(self, *, is_json: bool, out: Console | None = None, errors: Console | None = None) -> None:
        self.is_json = is_json
        self._out = out or Console(highlight=False)
        self._errors = errors or Console(stderr=True, highlight=False)
        if self.is_lively and self._errors.is_terminal:
            # Only what this console prints appears above a line that it redraws.
            self._errors = self._out

    @property
    def is_lively(self) -> bool:
        """Whether lines may be redrawn: a person looks at a terminal."""
        return self._out.is_terminal and not self.is_json

    def show_press(self, item: str, presses: int, count: int | None, outcome: Outcome, where: Where) -> None:
        """What became of so many presses."""
        words = {
            "saved": f"saved ({where.node or 'a node'} and {where.copies} more)",
            "unsaved": f"not yet saved ({outcome.text}); kept, and sent when a node answers, or at the next start",
            "refused": f"refused: {outcome.text}",
        }[outcome.status]
        line = Text.assemble(f"{item}  ", (spelled(count), "bold"), "  ", (words, _STYLES[outcome.status]))
        event = {"event": "pressed", "item": item, "presses": presses, "count": count, "status": outcome.status}
        event |= {"node": where.node, "copies": where.copies}
        if outcome.status == "refused":
            event["code"] = outcome.code
        self._print(line, {**event, "text": words})

    def show_count(self, item: str, count: int, node: str) -> None:
        line = Text.assemble(f"{item}  ", (spelled(count), "bold"))
        self._print(line, {"event": "count", "item": item, "count": count, "node": node})

    def show_nodes(self, nodes: Sequence[NodeLine], here: str) -> None:
        """The nodes of the cluster; `here` is the one this client talks to, if it does."""
        if not self.is_lively:
            for node in nodes:
                told = (node.name, node.state, node.public_address or "-", f"{node.lag}", f"{node.watchers}")
                self._print(Text("\t".join(told)), {"event": "node", **msgspec.structs.asdict(node)})
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in ("node", "state", "address"):
            table.add_column(title, no_wrap=True)
        table.add_column("lag", justify="right")
        table.add_column("watchers", justify="right")
        for node in nodes:
            name = Text(f"{node.name} (here)" if node.name == here else node.name)
            state = Text(node.state, _STATE_STYLES.get(node.state, "yellow"))
            table.add_row(name, state, Text(node.public_address or "-"), str(node.lag), str(node.watchers))
        self._out.print(table)

    def say(self, text: str) -> None:
        """Something a person asked for that is no result: help, which item is current now."""
        self._print(Text(text), {"event": "text", "text": text})

    def tell(self, notice: Notice) -> None:
        """Something nobody asked for."""
        if self.is_json:
            event = {"event": "notice", "kind": notice.kind, "text": notice.text}
            self._errors.out(msgspec.json.encode(event).decode(), highlight=False)
        else:
            self._errors.print(Text(f"· {notice.text}", "dim"), soft_wrap=not self._errors.is_terminal)

    def complain(self, text: str, kind: str) -> None:
        """A command could not be done."""
        if self.is_json:
            self._write_json({"event": "error", "kind": kind, "text": text})
        else:
            self._errors.print(Text(text, "red"), soft_wrap=not self._errors.is_terminal)

    def progress(self, item: str, presses: int) -> "PressProgress | None":
        """A bar for many presses; None where nothing is to be redrawn."""
        return PressProgress(self._out, item, presses) if self.is_lively else None

    def live_line(self) -> AbstractContextManager[Live | None]:
        """A line that is redrawn in place; None where lines are printed one by one."""
        return Live(console=self._out, auto_refresh=False, transient=False) if self.is_lively else nullcontext(None)

    def _print(self, text: Text, event: dict[str, object]) -> None:
        if self.is_json:
            self._write_json(event)
        elif self.is_lively:
            self._out.print(text)
        else:
            self._write(text.plain)

    def _write_json(self, event: dict[str, object]) -> None:
        self._write(msgspec.json.encode(event).decode())

    def _write(self, line: str) -> None:
        """As it is, at once: rich would turn tabs into spaces."""
        print(line, file=self._out.file, flush=True)


class PressProgress:
    """A bar: how many were pressed, how many of them are saved, and the live count."""

    def __init__(self, console: Console, item: str, presses: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[pressed]:,} of {task.total:,} pressed, [green]{task.fields[saved]:,} saved"),
            TextColumn("[bold]{task.fields[count]}"),
            TextColumn("[dim]{task.fields[words]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task(item, total=presses, pressed=0, saved=0, count="", words="")

    def __enter__(self) -> "PressProgress":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def draw(self, pressed: int, saved: int, count: int | None, words: str) -> None:
        fields: dict[str, Any] = {"pressed": pressed, "saved": saved, "count": spelled(count), "words": words}
        self._progress.update(self._task, completed=saved, refresh=True, **fields)


def count_line(item: str, count: int | None, words: str) -> Text:
    """The live count with the state of the connection in words."""
    return Text.assemble(f"{item}  ", (spelled(count), "bold"), (f"  {words}", "dim"))
