"""The scorecard of any sweep with `published`: what those numbers say of each pair of rows, and whether ours agree."""

import itertools
import math
from collections.abc import Iterator, Sequence

from glorot.errors import ResultsError
from glorot.paper.claim_list import Section
from glorot.paper.claims import Claim, Rule, Verdict, decided, not_measured
from glorot.paper.scorecard import FILE, Card, document
from glorot.reporting.document import Document
from glorot.reporting.report import Table
from glorot.reporting.significance import SIGNIFICANT, compare, p_text
from glorot.reporting.summary import NOT_RUN, VALUES, Cell
from glorot.reporting.table_notes import sources

LOWER = Rule(
    f"The row that is lower there is significantly lower here (p < {SIGNIFICANT}, the test of the table). Not held: it "
    "is significantly higher. Not measured: there is no significant difference.",
    "2026-11-27",
)
NOTES = [
    "Each pair of rows of a column is tested by itself, so about one of 200 equal pairs is called different.",
    "A verdict is about runs of this length and size. With few seeds only large differences are significant.",
]


def scorecard(tables: Sequence[Table]) -> Document:
    """Of the published numbers of these sweeps. Raises ResultsError: none has such numbers beside a cell."""
    judged = [_section(table) for table in tables if table.published]
    if not any(pairs for _, pairs in judged):
        raise ResultsError(
            "expected a sweep with published numbers of two rows of its table, found none; e.g. "
            "published: {source: TEXT, values: {ROW: {COLUMN: NUMBER}}}"
        )
    left_out = [note for table in tables for note in sources(table.source.sweep, table.published, table.value)[1:]]
    names = ", ".join(section.title for section, _ in judged)
    return document(judged, Card(f"Scorecard of {names}", FILE, "Column", (), [*NOTES, *left_out]))


def _section(table: Table) -> tuple[Section, list[tuple[Claim, Verdict]]]:
    sweep = table.source.sweep
    assert sweep.published is not None
    pairs = [pair for column in table.columns for pair in _pairs(table, column)]
    return Section(sweep.name, f"Source: {sweep.published.source}", tuple(claim for claim, _ in pairs)), pairs


def _pairs(table: Table, column: str) -> Iterator[tuple[Claim, Verdict]]:
    """Each two rows whose published numbers differ, the lowest number first."""
    place = table.columns.index(column)
    cells = {row: line[place] for row, line in zip(table.rows, table.cells, strict=True)}
    theirs = {row: table.published[row, column] for row in table.rows if (row, column) in table.published}
    what = VALUES[table.value].removesuffix(" (%)").lower()
    for low, high in itertools.combinations(sorted(theirs, key=lambda row: theirs[row]), 2):
        if theirs[low] < theirs[high]:
            verdict = _verdict(table, (low, cells[low]), (high, cells[high]))
            numbers = f"{theirs[low]:g} against {theirs[high]:g}"
            text = f"{low} has a lower {what} than {high}"
            yield Claim(text, column, numbers, LOWER, lambda _, verdict=verdict: verdict), verdict  # type: ignore[misc]


def _verdict(table: Table, low: tuple[str, Cell], high: tuple[str, Cell]) -> Verdict:
    for row, cell in (low, high):
        if cell.mean is None or not math.isfinite(cell.mean):
            return not_measured(f"{row}: {'not run' if cell.status == 'missing' else cell.status}")
    (_, here), (_, there) = low, high
    assert here.mean is not None
    assert there.mean is not None
    numbers = f"{_number(here, table.value)} against {_number(there, table.value)}"
    seen = compare(here.sample, there.sample, table.source.sweep.table.test) if here.sample and there.sample else None
    if seen is None:
        return not_measured("no test of single losses", numbers)
    test, p = seen
    ours = f"{numbers} ({p_text(p, digits=2)}, {test})"
    verdict = not_measured("no significant difference", ours)
    if p < SIGNIFICANT:
        verdict = decided(here.mean < there.mean, ours)
    return Verdict(verdict.kind, verdict.ours, verdict.why, _runs(here, there))


def _number(cell: Cell, value: str) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in cell.number(value)) or NOT_RUN


def _runs(*cells: Cell) -> str:
    """ "3 and 1 runs of 20,000 updates": nothing may pass for the published size."""
    every = [run.settings for cell in cells for run in cell.shown]
    updates = sorted({one.updates for one in every if "updates" not in one.ignored})
    counts = " and ".join(str(count) for count in dict.fromkeys(cell.done for cell in cells))
    size = f" of {' or '.join(f'{one:,}' for one in updates)} updates" if updates else ""
    return f"{counts} run{'s' * (counts != '1')}{size}"
