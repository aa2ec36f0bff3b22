"""`glorot compare A B`: two sweeps or stored results, cell by cell, and in what their settings differ."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glorot.errors import ResultsError
from glorot.reporting.document import Bold, Document, Grid, Heading, Records, Text, Value, notes
from glorot.reporting.report import Table
from glorot.reporting.significance import SIGNIFICANT, compare, p_text
from glorot.reporting.summary import NOT_RUN, VALUES, Cell, decimals
from glorot.sweeps.about import Role
from glorot.sweeps.fields import ABOUT

COLUMNS = (
    "row", "column", "value", "name", "mean", "standard_error", "n", "other", "other_mean", "other_standard_error",
    "other_n", "difference", "p", "test", "verdict",
)  # fmt: skip
SAME_RUNS, NO_TEST, NO_DIFFERENCE = "the same runs", "not tested", "no significant difference"


@dataclass(frozen=True)
class Pair:
    """A cell here and there. difference: there minus here; None where one has no number. p: None without a test."""

    row: str
    column: str
    here: Cell
    there: Cell
    difference: float | None
    p: float | None
    test: str
    verdict: str


def document(named: Sequence[tuple[str, Table]]) -> Document:
    """The first table beside each of the others. named: what each is called. Raises ResultsError: nothing in common."""
    (name, first), *others = named
    compared = [(other, pairs(first, name, table, other)) for other, table in others]
    if not any(found for _, found in compared):
        rows = "; ".join(f"{name}: {', '.join(table.rows)} x {', '.join(table.columns)}" for name, table in named)
        both = "both" if len(others) == 1 else f"{name} and another result"
        raise ResultsError(f"expected a cell with the same row and column in {both}, found none ({rows})")
    differing = differences(named)
    blocks: list = [Heading("Settings that differ")] if differing else []
    if differing:
        blocks.append(Grid(["Setting", *(name for name, _ in named)], differing, right=False))
        blocks.append(Heading("Results"))
    blocks.append(_two(name, *compared[0], first.value) if len(compared) == 1 else _several(name, first, compared))
    blocks.append(notes(_notes(name, first, compared, bool(differing))))
    records = [_record(first.value, name, other, pair) for other, found in compared for pair in found]
    *front, last = (one for one, _ in named)
    return Document(f"{', '.join(front)} and {last}", blocks, Records(COLUMNS, records))


def pairs(here: Table, name: str, there: Table, other: str) -> list[Pair]:
    """The cells whose row and column are called the same, in the order of the first table."""
    found = []
    for row, line in zip(here.rows, here.cells, strict=True):
        for column, cell in zip(here.columns, line, strict=True):
            if row in there.rows and column in there.columns:
                opposite = there.cells[there.rows.index(row)][there.columns.index(column)]
                found.append(_pair(row, column, cell, name, opposite, other, here.source.sweep.table.test))
    return found


def _pair(row: str, column: str, here: Cell, name: str, there: Cell, other: str, test: str) -> Pair:
    def pair(verdict: str, difference: float | None = None, p: float | None = None, test: str = "") -> Pair:
        return Pair(row, column, here, there, difference, p, test, verdict)

    for cell, owner in ((here, name), (there, other)):
        if cell.mean is None or not math.isfinite(cell.mean):
            return pair(f"{cell.status} in {owner}")
    assert here.mean is not None
    assert there.mean is not None
    difference = there.mean - here.mean
    if {run.run_id for run in here.shown} == {run.run_id for run in there.shown} and not difference:
        return pair(SAME_RUNS, difference)
    seen = compare(here.sample, there.sample, test) if here.sample and there.sample else None
    if seen is None:
        return pair("equal" if not difference else NO_TEST, difference)
    by, p = seen
    verdict = NO_DIFFERENCE if p >= SIGNIFICANT else f"lower in {other if difference < 0 else name}"
    return pair(verdict, difference, float(p), by)


def differences(named: Sequence[tuple[str, Table]]) -> list[list[Text]]:
    """The fields that differ between the runs shown, as rows of a table: what each has. Data sets' versions, too."""
    shown = [[run for line in table.cells for cell in line for run in cell.shown] for _, table in named]
    rows: list[list[Text]] = []
    for field, about in ABOUT.items():
        if about.role is Role.SERVES:
            continue
        texts = [_texts(about.text(getattr(run.settings, field)) for run in runs) for runs in shown]
        if len(set(texts)) > 1:
            rows.append([about.title, *texts])
    for title, values in (
        ("Version of the data", [_texts(str(run.version) for run in runs) for runs in shown]),
        ("Device", [_texts(run.device for run in runs) for runs in shown]),
        ("Shown", [VALUES[table.value] for _, table in named]),
    ):
        if len(set(values)) > 1:
            rows.append([title, *values])
    return rows


def _texts(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or NOT_RUN


def _two(name: str, other: str, found: Sequence[Pair], value: str) -> Grid:
    header = [VALUES[value], name, other, "difference", "p", "verdict"]
    return Grid(header, [
        [_place(one), *(_unmarked(cell, value) for cell in (one.here, one.there)), _signed(one, value), _p(one.p),
         _verdict(one)] for one in found
    ])  # fmt: skip


def _several(name: str, first: Table, compared: Sequence[tuple[str, Sequence[Pair]]]) -> Grid:
    """Several results as columns; beside each number its difference from the first, bold where it is significant."""
    by_place = [{(one.row, one.column): one for one in found} for _, found in compared]
    rows: list[list[Text]] = []
    for place in itertools.product(first.rows, first.columns):
        line = [found.get(place) for found in by_place]
        here = next((one for one in line if one is not None), None)
        if here is not None:
            cells = [NOT_RUN if one is None else _beside(one, first.value) for one in line]
            rows.append([_place(here), _unmarked(here.here, first.value), *cells])
    return Grid([VALUES[first.value], name, *(other for other, _ in compared)], rows)


def _beside(one: Pair, value: str) -> Text:
    """A value, and in brackets its difference from the first."""
    if one.difference is None:
        return _unmarked(one.there, value)
    difference = _signed(one, value)
    told = one.p is not None and one.p < SIGNIFICANT
    return (*_unmarked(one.there, value), " (", Bold(difference) if told else difference, ")")


def _unmarked(cell: Cell, value: str) -> tuple[str, ...]:
    return tuple(part.text if isinstance(part, Bold) else part for part in cell.parts(value))


def _place(one: Pair) -> str:
    return f"{one.row}, {one.column}"


def _signed(one: Pair, value: str) -> str:
    if one.difference is None:
        return NOT_RUN
    return f"{one.difference:+{decimals(value, abs(one.difference))}}"


def _p(p: float | None) -> str:
    return NOT_RUN if p is None else p_text(p, 2).removeprefix("p ").removeprefix("= ")


def _verdict(one: Pair) -> Text:
    return (Bold(one.verdict),) if one.verdict.startswith("lower in") else one.verdict


def _notes(name: str, first: Table, compared: Sequence[tuple[str, Sequence[Pair]]], differing: bool) -> list[str]:
    every = [one for _, found in compared for one in found]
    tests = list(dict.fromkeys(one.test for one in every if one.test))
    told = [f"difference: the other minus {name}" if len(compared) == 1 else f"In brackets: the difference from {name}"]
    if tests and len(compared) == 1:
        told.append(f"p: {' or '.join(tests)}; significant below {SIGNIFICANT}, each cell by itself")
    elif tests:
        told.append(f"Bold: a significant difference (p < {SIGNIFICANT}, {' or '.join(tests)}, each cell by itself)")
    if any(one.verdict == NO_TEST for one in every):
        told.append(
            f"{NO_TEST}: a seed diverged, losses are of single runs, or the number of test examples is not known"
        )
    if not differing:
        told.append("All settings of the runs shown are the same")
    for other, found in compared:
        lacking = len(first.rows) * len(first.columns) - len(found)
        if lacking:
            cells = "1 cell" if lacking == 1 else f"{lacking} cells"
            told.append(f"{cells} of {name} without a counterpart of the same row and column in {other}")
    return told


def _record(value: str, name: str, other: str, one: Pair) -> dict[str, Value]:
    return {
        "row": one.row, "column": one.column, "value": value, "name": name, "mean": one.here.mean,
        "standard_error": one.here.standard_error, "n": one.here.done, "other": other, "other_mean": one.there.mean,
        "other_standard_error": one.there.standard_error, "other_n": one.there.done, "difference": one.difference,
        "p": one.p, "test": one.test, "verdict": one.verdict,
    }  # fmt: skip
