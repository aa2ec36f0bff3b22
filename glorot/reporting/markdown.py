"""Documents as markdown (GitHub's). What a user wrote is text there: no markup, no HTML, no emoji."""

import re

from glorot.reporting import matrices
from glorot.reporting.document import (
    Bold,
    Document,
    Grid,
    Heading,
    Matrices,
    Note,
    Notes,
    Paragraph,
    Picture,
    Text,
    spans,
)

# A backslash before punctuation, HTML and entities, code, emphasis, links, formulas: what begins markup in a line.
_MARKUP = re.compile(r"\\(?=[!-/:-@\[-`{-~])|[*`$]|<(?=[\w/!?])|&(?=#?\w+;)|(?<!\w)_|_(?!\w)|~(?=~)|\[(?=[^\[\]]*\]\()")
WIDTH = 100  # of what stands as it is
_EMOJI = re.compile(r":(?=[\w+-]+:)")


def written(document: Document) -> str:
    """The whole document. Ends with a line end."""
    parts = [f"## {escaped(document.title)}", *map(_block, document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that is shown as it stands, on one line."""
    return _EMOJI.sub(":<!-- -->", _MARKUP.sub(lambda one: "\\" + one[0], text))


def cell(text: Text) -> str:
    """A text in a table, where a pipe would end its cell and a line end the table."""
    return inline(text).replace("|", r"\|").replace("\n", " ")


def inline(text: Text) -> str:
    return "".join(f"**{escaped(part.text)}**" if isinstance(part, Bold) else escaped(part) for part in spans(text))


def _block(block: object) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {escaped(text)}"
        case Paragraph(text):
            return escaped(text)
        case Grid():
            return _grid(block)
        case Notes(notes):
            return "\n".join(map(_note, notes))
        case Picture(title, _, description, file):
            return f"![{escaped(description or title)}]({file})" if file else ""
        case Matrices(title):
            return "\n".join([f"{escaped(title)}\n", "```text", *matrices.lines(block, WIDTH), "```"])
    raise TypeError(f"expected a block of a document, found {type(block).__name__}")


def _note(note: Note) -> str:
    return "\n  - ".join([f"- {escaped(note.text)}", *map(escaped, note.items)])


def _grid(grid: Grid) -> str:
    from tabulate import tabulate

    rows, header = [list(map(cell, row)) for row in grid.rows], list(map(cell, grid.header))
    alignment = ["left", *["right" if grid.right else "left"] * (len(grid.header) - 1)]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=alignment)
