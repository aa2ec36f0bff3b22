r"""Documents as LaTeX: tables of the package booktabs, to be taken into a paper with \input.

Letters that pdfLaTeX does not know stay as they are: LuaLaTeX and XeLaTeX have them. A comment says so.
"""

# ruff: noqa: RUF001  (the letters that are replaced)

import re
from collections.abc import Sequence

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
    plain,
    spans,
)

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": "'", "`": r"\textasciigrave{}", "±": r"$\pm$", "–": "--",
    "—": "---", "×": r"$\times$", "−": r"$-$", "\N{NO-BREAK SPACE}": "~", "-": "-", "…": r"\dots{}",
    "[": "{[}", "≥": r"$\geq$", "≤": r"$\leq$", "σ": r"$\sigma$", "π": r"$\pi$", "η": r"$\eta$", "α": r"$\alpha$",
    "β": r"$\beta$", "λ": r"$\lambda$", "μ": r"$\mu$", "·": r"$\cdot$", "°": r"\textdegree{}",
}  # fmt: skip
_KNOWN = re.compile("[\t\n -~\N{NO-BREAK SPACE}-\N{LATIN SMALL LETTER Z WITH CARON}]")  # to pdfLaTeX with T1


def written(document: Document) -> str:
    """A table environment per table, titled; its notes in small print below it. Needs the package booktabs."""
    lines = ["% needs in the preamble: \\usepackage[T1]{fontenc} \\usepackage{textcomp} \\usepackage{booktabs}"]
    if _unknown(document):
        lines.append("% has letters that pdfLaTeX does not know: use LuaLaTeX or XeLaTeX, and a font with them")
    lines += [f"% {name}: {' '.join(made.split())}" for name, made in document.provenance.items()]
    title, label = document.title, 0
    for block in document.blocks:
        match block:
            case Heading(text):
                title = text
            case Paragraph(text):
                lines += [escaped(text), ""]
            case Grid():
                label += 1
                lines += _table(block, title, label)
            case Notes(notes):
                lines += _notes(notes)
            case Matrices():
                lines += _matrices(block, title)
            case Picture(title, _, description, file) if file:
                lines += [rf"% {title}: {description}".replace("\n", " "), rf"% \includegraphics{{{file}}}"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text without commands."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def inline(text: Text) -> str:
    return "".join(
        rf"\textbf{{{escaped(part.text)}}}" if isinstance(part, Bold) else escaped(part) for part in spans(text)
    )


def _table(grid: Grid, title: str, number: int) -> list[str]:
    columns = "l" + ("r" if grid.right else "l") * (len(grid.header) - 1)
    return [
        r"\begin{table}[htbp]",
        r"  \centering",
        rf"  \caption{{{escaped(title)}}}",
        rf"  \label{{tab:glorot-{number}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {_row(grid.header)}",
        r"    \midrule",
        *(f"    {_row(row)}" for row in grid.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]


def _matrices(block: Matrices, title: str) -> list[str]:
    """Each matrix under its name, as many in a line as it holds."""
    parts = []
    for name, rows in block.parts:
        body = r" \\ ".join(" & ".join(map(escaped, row)) for row in rows)
        array = rf"\left[\begin{{array}}{{{'r' * len(rows[0])}}} {body} \end{{array}}\right]"
        parts.append(rf"  $\displaystyle\stackrel{{\mbox{{{escaped(name)}}}}}{{{array}}}$\quad")
    return [rf"\noindent {escaped(title)}, {escaped(block.title)}:", "", r"\noindent", *parts, ""]


def _row(cells: Sequence[Text]) -> str:
    return " & ".join(map(inline, cells)) + r" \\"


def _notes(notes: Sequence[Note]) -> list[str]:
    lines = [r"\begingroup\footnotesize", r"\begin{itemize}"]
    for note in notes:
        lines.append(rf"  \item {escaped(note.text)}")
        if note.items:
            lines += [r"    \begin{itemize}", *(rf"      \item {escaped(item)}" for item in note.items)]
            lines.append(r"    \end{itemize}")
    return [*lines, r"\end{itemize}", r"\endgroup", ""]


def _unknown(document: Document) -> bool:
    texts = [document.title]
    for block in document.blocks:
        match block:
            case Heading(text) | Paragraph(text):
                texts.append(text)
            case Grid(header, rows):
                texts += [*header, *(plain(cell) for row in rows for cell in row)]
            case Matrices(title, parts):
                texts += [title, *(name for name, _ in parts)]
            case Notes(notes):
                texts += [text for note in notes for text in (note.text, *note.items)]
    return any(letter not in _SPECIAL and not _KNOWN.fullmatch(letter) for text in texts for letter in text)
