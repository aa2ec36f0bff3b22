"""A report as data: headings, tables, notes and figures, and the same numbers as records for programs.

Tables of sweeps, the paper's table, the scorecard and comparisons are built once as a ``Document``; the functions of
``writers`` make markdown, CSV, JSON, LaTeX, HTML or terminal text of it. Text is plain here: only a writer escapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = str | int | float | bool | None  # of a record; None: there is none


@dataclass(frozen=True)
class Bold:
    """A part of a text that stands out."""

    text: str


Text = str | tuple[str | Bold, ...]


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 3  # 2 is the document's own title


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Grid:
    """A table. header: one text per column. rows: of one text per column. right: whether the columns from the second
    on stand right, as numbers do."""

    header: Sequence[str]
    rows: Sequence[Sequence[Text]]
    right: bool = True


@dataclass(frozen=True)
class Note:
    """An item of a list, with items of its own."""

    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notes:
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Picture:
    """A figure. svg: a whole SVG file. description: what it shows, for who cannot see it. file: where it is stored."""

    title: str
    svg: str
    description: str
    file: str = ""


@dataclass(frozen=True)
class Matrices:
    """Matrices beside each other. parts: the name of each, and its rows of numbers as text."""

    title: str
    parts: Sequence[tuple[str, Sequence[Sequence[str]]]]


Block = Heading | Paragraph | Grid | Notes | Picture | Matrices


@dataclass(frozen=True)
class Records:
    """The same for programs, numbers exact. A row without a column has no value there."""

    columns: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Value]] = ()


@dataclass(frozen=True)
class Document:
    """provenance: what it was made from, by name: sweep, commands, versions."""

    title: str
    blocks: Sequence[Block]
    records: Records = Records()
    provenance: Mapping[str, str] = field(default_factory=dict)


def notes(texts: Sequence[str]) -> Notes:
    """Notes as a table keeps them: a text, and below it lines that begin with "  - "."""
    split = [text.split("\n  - ") for text in texts]
    return Notes(tuple(Note(first, tuple(rest)) for first, *rest in split))


def spans(text: Text) -> tuple[str | Bold, ...]:
    return (text,) if isinstance(text, str) else text


def plain(text: Text) -> str:
    """A text without what stands out."""
    return "".join(part.text if isinstance(part, Bold) else part for part in spans(text))
