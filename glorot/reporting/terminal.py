"""Documents for a terminal: bold is bold, and lines fit its width."""

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

from glorot.reporting import matrices
from glorot.reporting.document import Bold, Document, Grid, Heading, Matrices, Notes, Paragraph, Picture, Text, spans

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LEAST, MOST = 40, 160  # columns
INDENT = "  "


def written(document: Document, width: int | None = None, color: bool | None = None) -> str:
    """The whole document, with the terminal's codes where it is one. width: by default the terminal's."""
    from rich.console import Console

    if width is None:
        width = min(MOST, max(LEAST, shutil.get_terminal_size().columns))
    if color is None:
        color = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, no_color=True, markup=False, emoji=False,
        highlight=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    _print(console, _text((Bold(document.title),)))
    for block in document.blocks:
        console.print()
        _print_block(console, block)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _print(console: "Console", what: "RenderableType") -> None:
    console.print(what, soft_wrap=False)


def _print_block(console: "Console", block: object) -> None:
    match block:
        case Heading(text):
            _print(console, _text((Bold(text),)))
        case Paragraph(text):
            _print(console, _text(text))
        case Grid():
            _print(console, _grid(block))
        case Notes(notes):
            for note in notes:
                _item(console, note.text, "- ")
                for item in note.items:
                    _item(console, item, "  - ")
        case Picture(title, _, _, file):
            _print(console, _text(f"{title}: {file}"))
        case Matrices(title):
            _print(console, _text(title))
            for line in matrices.lines(block, console.width - len(INDENT)):
                _print(console, _text(INDENT + line))


def _item(console: "Console", text: str, mark: str) -> None:
    """An item whose further lines stand under its first."""
    from rich.table import Table

    row = Table.grid()
    row.add_column(width=len(mark))
    row.add_column(overflow="fold")
    row.add_row(_text(mark), _text(text))
    _print(console, row)


def _grid(grid: Grid) -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, name in enumerate(grid.header):
        right = grid.right and number > 0
        table.add_column(_text(name), justify="right" if right else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*map(_text, row))
    return table


def _text(text: Text) -> "RenderableType":
    from rich.text import Text as Rich

    return Rich.assemble(*((part.text, "bold") if isinstance(part, Bold) else part for part in spans(text)))
