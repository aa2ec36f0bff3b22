"""Documents as HTML: one page without scripts, or the parts of one. Whatever a user wrote is text there."""

from collections.abc import Sequence
from html import escape

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

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } .scroll { overflow-x: auto; margin: 1rem 0; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8885; text-align: left; vertical-align: top; }
thead th { border-bottom-width: 2px; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
li { overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; background: white; }
.matrices { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: flex-start; overflow-x: auto; }
.matrices table { border: solid; border-width: 0 2px; }
.matrices td { border: 0; padding: 0 .5rem; }
""".strip()


def written(document: Document) -> str:
    """A whole page that loads nothing."""
    title = escape(document.title)
    made = "".join(f'<meta name="{escape(name)}" content="{escape(one)}">' for name, one in document.provenance.items())
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>{made}'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}\n<style>{STYLE}</style></head>\n<body>\n{fragment(document)}'
        "</body>\n</html>\n"
    )


def fragment(document: Document) -> str:
    """Title and blocks, to stand in a page (or a notebook)."""
    return "".join([f"<h2>{text(document.title)}</h2>\n", *(f"{block(one)}\n" for one in document.blocks)])


def text(content: Text) -> str:
    """Text that is shown as it stands. What is written from right to left does not turn what stands beside it."""
    parts = [f"<b>{escape(part.text)}</b>" if isinstance(part, Bold) else escape(part) for part in spans(content)]
    return f"<bdi>{''.join(parts)}</bdi>"


def block(one: object) -> str:
    match one:
        case Heading(content, level):
            return f"<h{level}>{text(content)}</h{level}>"
        case Paragraph(content):
            return f"<p>{text(content)}</p>"
        case Grid():
            return _grid(one)
        case Notes(notes):
            return f"<ul>\n{''.join(map(_note, notes))}</ul>"
        case Picture(title, svg, description):
            return (
                f'<figure role="img" aria-label="{escape(description)}">{svg}<figcaption>{text(title)}</figcaption>'
                "</figure>"
            )
        case Matrices(title, parts):
            return f'<p>{text(title)}</p>\n<div class="matrices">{"".join(map(_matrix, parts))}</div>'
    raise TypeError(f"expected a block of a document, found {type(one).__name__}")


def _grid(grid: Grid) -> str:
    def side(number: int) -> str:
        return ' class="number"' if grid.right and number else ""

    head = "".join(f'<th scope="col"{side(number)}>{text(name)}</th>' for number, name in enumerate(grid.header))
    rows = []
    for row in grid.rows:
        first, *rest = row
        cells = "".join(f"<td{side(number)}>{text(cell)}</td>" for number, cell in enumerate(rest, 1))
        rows.append(f'<tr><th scope="row">{text(first)}</th>{cells}</tr>\n')
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>\n{body}\n</table></div>'


def _matrix(part: tuple[str, Sequence[Sequence[str]]]) -> str:
    name, rows = part
    cells = ("".join(f'<td class="number">{text(cell)}</td>' for cell in row) for row in rows)
    return f"<table><caption>{text(name)}</caption>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _note(note: Note) -> str:
    items = "".join(f"<li>{text(item)}</li>" for item in note.items)
    return f"<li>{text(note.text)}{f'<ul>{items}</ul>' if items else ''}</li>\n"
