"""Stored runs -> a table, as markdown for people and as CSV for programs.

A cell stands for every run that shares its row and its column. Seeds are averaged, and nothing else is: an
axis that is neither row, column, seed nor selected over joins the row's label. Where the sweep has a
``select``, each cell first chooses the best setting (by validation error, say) and only then shows its value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import glorot
from glorot.errors import GlorotError, ResultsError, nearest
from glorot.models.activations import ACTIVATIONS
from glorot.reporting import markdown, writers
from glorot.reporting.bold import bold_notes
from glorot.reporting.document import Document, Grid, Records, Text, Value, notes, spans
from glorot.reporting.summary import VALUES, Cell, Correct, History, Source, cell_of, decimals, grouped, marked
from glorot.reporting.table_notes import choices, data_notes, facts, kind_mark, legend, seeds, sources, worsened
from glorot.results.store import Store, write_text
from glorot.sweeps import search
from glorot.sweeps.about import label_of
from glorot.sweeps.runs import as_stored, expand, stored_sweep
from glorot.sweeps.values import dataset_text

if TYPE_CHECKING:
    from glorot.sweeps.runs import Run
    from glorot.sweeps.sweep import Sweep

CSV_COLUMNS = (
    "row", "column", "value", "mean", "standard_error", "n", "seeds", "diverged", "failed", "status",
    "chosen", "best", "p", "test",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table that is ready to print. cells: by row, then by column. notes: items of a markdown list. source: of it.

    published: numbers of others beside ours, by row and column.
    """

    title: str
    value: str
    rows: list[str]
    columns: list[str]
    cells: list[list[Cell]]
    notes: list[str]
    source: Source
    published: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def document(self) -> Document:
        """Title, table and notes; the records have one row per cell."""
        header = [VALUES[self.value], *self.columns]
        lines: list[list[Text]] = [
            [row, *(self.parts(row, column, cell) for column, cell in zip(self.columns, cells, strict=True))]
            for row, cells in zip(self.rows, self.cells, strict=True)
        ]
        records = [
            self._record(row, column, cell)
            for row, cells in zip(self.rows, self.cells, strict=True)
            for column, cell in zip(self.columns, cells, strict=True)
        ]
        columns = (*CSV_COLUMNS, "published") if self.published else CSV_COLUMNS
        made = {"sweep": self.source.sweep.name, "glorot": glorot.__version__}
        return Document(self.title, [Grid(header, lines), notes(self.notes)], Records(columns, records), made)

    def parts(self, row: str, column: str, cell: Cell) -> Text:
        """ "1.62 ± 0.03 (published 1.6, +0.02)"."""
        theirs = self.published.get((row, column))
        if theirs is None:
            return cell.parts(self.value)
        difference = "" if cell.mean is None else f", {cell.mean - theirs:+{decimals(self.value, theirs)}}"
        return (*spans(cell.parts(self.value)), f" (published {theirs:g}{difference})")

    def _record(self, row: str, column: str, cell: Cell) -> dict[str, Value]:
        theirs = {"published": self.published.get((row, column))} if self.published else {}
        return theirs | {
            "row": row, "column": column, "value": self.value, "mean": cell.mean,
            "standard_error": cell.standard_error, "n": cell.done, "seeds": cell.runs, "diverged": cell.diverged,
            "failed": cell.failed, "status": cell.status,
            "chosen": ";".join(f"{axis}={label}" for axis, label in cell.chosen.items()),
            "best": cell.mark.best, "p": cell.mark.p, "test": cell.mark.test,
        }  # fmt: skip

    def markdown(self) -> str:
        return markdown.written(self.document())

    def csv(self) -> str:
        return writers.csv_text(self.document())

    def write(self, folder: Path | str) -> None:
        """Write table.md and table.csv. Raises ResultsError."""
        write_text(Path(folder) / "table.md", self.markdown())
        write_text(Path(folder) / "table.csv", self.csv())


def table(
    found: search.Found,
    sweep: "Sweep",
    runs: "Sequence[Run]",
    value: str | None = None,
    correct: Correct = lambda run_id: None,
    history: History | None = None,
) -> Table:
    """The table of a sweep.

    found: runs.csv as Store.records has it. runs: the sweep's runs in grid order, each on one device; rows of `found`
    that belong to none of them are counted in a note and otherwise left out. value: a key of VALUES, by default what
    the sweep's own table shows. correct, history: as Store.read_correct and Store.history. Raises GlorotError.
    """
    value = _known_value(value or sweep.table.value)
    if not runs:
        raise GlorotError(f"sweep {sweep.name}: expected at least one run to make a table of, found none")
    _check_one_device(runs)
    source = Source(sweep, runs, found, value, cache(correct), history)
    over = sweep.select.over if sweep.select else ()
    column_names = (sweep.table.columns,)
    row_names = row_axes(sweep, runs, over)
    by_row, by_column = grouped(runs, row_names), grouped(runs, column_names)
    by_place = [grouped(row, column_names) for row in by_row.values()]
    unmarked = [[cell_of(places.get(column, []), source) for column in by_column] for places in by_place]
    cells = marked(unmarked, sweep.table.test)
    rows, columns = axis_labels(by_row, row_names, sweep), axis_labels(by_column, column_names, sweep)
    columns = [label + mark for label, mark in zip(columns, map(kind_mark, by_column.values()), strict=True)]
    if not any(map(kind_mark, by_column.values())):
        rows = [label + mark for label, mark in zip(rows, map(kind_mark, by_row.values()), strict=True)]
    every = {run.run_id for run in [*search.flat(source.short), *runs]}
    published = _published(sweep, value, (by_row, rows), (by_column, columns))
    told = [
        *sources(sweep, published, value),
        *data_notes(runs),
        *facts(source, [run for line in cells for one in line for run in one.shown], {*row_names, *column_names}),
        *seeds(runs, [*row_names, *column_names, *over], cells),
        *choices(rows, columns, cells, sweep),
        *worsened(rows, columns, cells),
        *bold_notes(dict(zip(columns, zip(*cells, strict=True), strict=True)), value, sweep.table.test, "table.csv"),
        *legend(cells, len(found.keys() - every)),
    ]
    return Table(
        " ".join((sweep.description or sweep.name).split()), value, rows, columns, cells, told, source, published
    )


# Rows and columns ----------------------------------------------------------------------------------


Labelled = tuple[Iterable[tuple[str, ...]], Sequence[str]]  # what rows (or columns) have, and their labels


def _published(sweep: "Sweep", value: str, rows: Labelled, columns: Labelled) -> dict[tuple[str, str], float]:
    """The published numbers that belong beside cells, by the table's labels; none where another value is shown."""
    if not sweep.published or value != sweep.table.value:
        return {}

    def names(labelled: Labelled) -> dict[str, str]:
        keys, labels = labelled
        return {", ".join(key): label for key, label in zip(keys, labels, strict=True)} | {one: one for one in labels}

    of_rows, of_columns = names(rows), names(columns)
    return {
        (of_rows[row], of_columns[column]): number
        for row, numbers in sweep.published.values.items()
        for column, number in numbers.items()
        if row in of_rows and column in of_columns
    }


def stored_table(folder: Path, file: Path | None = None, value: str | None = None) -> Table:
    """The table of a folder's runs that belong to its own sweep.yaml, or to the sweep file given.

    Raises ResultsError where there are none, SweepError where the sweep is not valid.
    """
    if not (folder / "runs.csv").is_file() or not (folder / "sweep.yaml").is_file():
        raise ResultsError(f"expected results in {folder}, found none; run the sweep first: glorot run SWEEP")
    store = Store(folder)
    found = store.records()
    sweep = stored_sweep(folder, file)
    devices = dict.fromkeys(row["device"] for row in found.values())
    by_device = {device: expand(sweep, device) for device in devices or ("cpu",)}

    def stored_of(runs: "list[Run]") -> int:
        return sum(run.run_id in found for run in [*search.flat(search.short_runs(sweep, runs)), *runs])

    most = max(by_device.values(), key=stored_of)
    runs = as_stored(most, [run for of in by_device.values() for run in of], found)
    if file and not stored_of(runs):
        raise ResultsError(
            f"none of the {len(runs)} runs of {file} is in {folder}, which holds {len(found)} of other settings; "
            f"run it, or show those: glorot report {folder}"
        )
    return table(found, sweep, runs, value, store.read_correct, store.history)


def row_axes(sweep: "Sweep", runs: "Sequence[Run]", over: Sequence[str]) -> list[str]:
    """The axes that make a row: those of the sweep's table, and those that would else be averaged over."""
    names = list(sweep.table.rows)
    if {"activation", "initializer"} <= set(names) and "method" not in names:  # "Tanh N" says both
        names[names.index("activation")] = "method"
        names.remove("initializer")
    says_loss = "method" in names and "method" not in sweep.grid and len({run.settings.loss for run in runs}) > 1
    if says_loss and "loss" in names:  # "Tanh, quadratic"
        names.remove("loss")
    for axis in ["method", *sweep.grid]:
        groups = grouped(runs, [*names, sweep.table.columns, *over]).values()
        varies = any(len({run.value(axis) for run in group}) > 1 for group in groups)
        if varies and axis == "method" and "activation" in names:
            names[names.index("activation")] = "method"
        elif varies and axis not in sweep.seed_axes:
            names.append(axis)
    return names


def axis_labels(keys: Iterable[tuple[str, ...]], names: Sequence[str], sweep: "Sweep") -> list[str]:
    """What is printed for each row or column. Plain labels where the short ones would not be unique."""

    def short(name: str, label: str) -> str:
        own = any(label_of(choice.fields.get(name)) != choice.label for choice in sweep.grid.get(name, ()))
        if own or name == "method":
            return label
        if name == "dataset":
            return dataset_text(label)
        if name == "activation" and label:
            return ACTIVATIONS[label].label
        return label if name in ("initializer", "loss") else f"{name.replace('_', ' ')} {label}"

    keys = list(keys)
    labels = [", ".join(map(short, names, key)) for key in keys]
    if len(set(labels)) < len(labels):
        labels = [", ".join(map("{} {}".format, names, key)) for key in keys]
    return labels


# Checks and text -----------------------------------------------------------------------------------


def _known_value(value: str) -> str:
    if value not in VALUES:
        raise GlorotError(f"expected a value of {', '.join(VALUES)}; found {value!r}{nearest(value, VALUES)}")
    return value


def _check_one_device(runs: "Sequence[Run]") -> None:
    """Runs that differ in their device alone would be averaged as if they were seeds."""
    if len({tuple(run.labels.items()) for run in runs}) < len(runs):
        devices = ", ".join(sorted({run.device for run in runs}))
        raise GlorotError(f"a table shows each run of a sweep once: expected one device, found {devices}")
