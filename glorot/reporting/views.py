"""A sweep's table and stored runs -> what figures show, as plain numbers.

Whatever the sweep is, figures have its own labels in its own order: one panel per column of the table, one line per
row. They show the runs that the table shows; of a setting that was chosen, these alone. Only a figure over the axis
that was chosen from shows all settings.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from glorot.datasets.local import info
from glorot.reporting.report import Table, axis_labels, row_axes
from glorot.reporting.summary import VALUES, Cell, grouped
from glorot.results.store import Store
from glorot.sweeps import search
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    import pandas as pd

    from glorot.sweeps.runs import Run

MOST_NAMED = 5  # cells in a note

# Data ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Line:
    """number: of its row in the table. y: (n,), mean over seeds. spread: (n,), standard error of that mean; None of one
    seed. thin: (n,), the same of the validation set. lost: where runs diverged, on the x axis."""

    label: str
    number: int
    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None
    thin: np.ndarray | None = None
    lost: tuple[float, ...] = ()
    seeds: int = 1


@dataclass(frozen=True, eq=False)
class Panel:
    """chance: error in percent of always answering the commonest class; None where that is not one number."""

    title: str
    lines: list[Line]
    chance: float | None = None


@dataclass(frozen=True, eq=False)
class HeatMap:
    """values: (rows, columns), mean over seeds; NaN where there is none. marks: what stands there instead."""

    title: str
    rows: list[str]
    columns: list[str]
    values: np.ndarray
    marks: list[list[str]]


@dataclass(frozen=True, eq=False)
class Layers:
    """A quantity of each layer over time, in one network. updates: (t,). values: column of the probes -> (layers, t).
    first: the number of the first layer."""

    title: str
    updates: np.ndarray
    values: dict[str, np.ndarray]
    first: int = 1


@dataclass(frozen=True, eq=False)
class Histogram:
    """A quantity of each layer at one moment. edges: (layers, bins + 1). densities: (layers, bins), area 1."""

    title: str
    edges: np.ndarray
    densities: np.ndarray


@dataclass(frozen=True, eq=False)
class Confusion:
    """counts: (classes, classes), of test examples of a class (row) that were taken for one (column), of all seeds."""

    title: str
    counts: np.ndarray


@dataclass(frozen=True)
class Place:
    """A cell of the table: what its row and column are called, and its runs."""

    row: str
    column: str
    cell: Cell

    @property
    def title(self) -> str:
        return ", ".join(filter(None, (self.row, self.column)))


@dataclass(frozen=True, eq=False)
class Study:
    """A sweep's table with the folder of its results."""

    table: Table
    store: Store
    places: list[list[Place]] = field(init=False)

    def __post_init__(self) -> None:
        one = len(self.table.columns) == 1
        places = [
            [Place(row, "" if one else column, cell) for column, cell in zip(self.table.columns, cells, strict=True)]
            for row, cells in zip(self.table.rows, self.table.cells, strict=True)
        ]
        object.__setattr__(self, "places", places)

    def status(self, run: "Run") -> str:
        return str(self.table.source.found.get(run.run_id, {}).get("status", "missing"))

    def finished(self, cell: Cell) -> "list[Run]":
        """The runs to draw of a cell: those that are done; where there is none, those that diverged."""
        by_status = {name: [run for run in cell.shown if self.status(run) == name] for name in ("done", "diverged")}
        return by_status["done"] or by_status["diverged"]

    @property
    def name(self) -> str:
        return self.table.source.sweep.name

    @property
    def caption(self) -> str:
        """What all that is drawn has in common: the notes of the table that tell fields."""
        told = {about.title for about in ABOUT.values()} | {"Method", "Device", "Seeds"}
        about = "" if self.table.title == self.name else f"{self.table.title}\n"
        return about + "; ".join(note for note in self.table.notes if note.partition(":")[0] in told)


# Over updates --------------------------------------------------------------------------------------


def curves(study: Study, what: str) -> list[Panel]:
    """Error or loss over updates: a panel per column, a line per row. what: "error" or "loss"."""
    panels = []
    for number, column in enumerate(study.table.columns):
        line = [row[number] for row in study.places]
        lines = [curve(study, place, position, what) for position, place in enumerate(line)]
        runs = [run for place in line for run in place.cell.shown]
        panels.append(
            Panel(column, [one for one in lines if one is not None], chance(runs) if what == "error" else None)
        )
    return panels


def curve(study: Study, place: Place, number: int, what: str) -> Line | None:
    """The mean over seeds at the evaluations that all of them have; None where there is no history."""
    runs = study.finished(place.cell)
    histories = [one for one in (study.store.read_history(run.run_id) for run in runs) if len(one)]
    if not histories:
        return None
    updates, mean, spread = averaged(histories, f"test_{what}")
    _, thin, _ = averaged(histories, f"valid_{what}")
    lost = [float(one["update"].iloc[-1]) for one in histories] if study.status(runs[0]) == "diverged" else []
    return Line(place.row, number, updates, mean, spread, thin, tuple(lost), len(histories))


def without_history(study: Study) -> str:
    """ "Tanh, depth 2 (1 of 3 runs)": what curves leave out; empty where every run to draw has a history."""
    found = []
    for place in itertools.chain(*study.places):
        runs = study.finished(place.cell)
        lacking = sum(not study.store.history_rows(run.run_id) for run in runs)
        found += [f"{place.title} ({lacking} of {len(runs)} runs)"] if lacking else []
    return ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if found[MOST_NAMED:] else "")


def averaged(histories: "Sequence[pd.DataFrame]", column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Updates that all have, the mean there, and its standard error."""
    series = [one.set_index("update")[column] for one in histories]
    common = sorted(set.intersection(*(set(map(int, one.index)) for one in series)))
    values = np.array([[float(one[update]) for update in common] for one in series])
    several = len(values) > 1
    spread = values.std(axis=0, ddof=1) / math.sqrt(len(values)) if several else None
    return np.array(common, np.float64), values.mean(axis=0), spread


def chance(runs: "Iterable[Run]") -> float | None:
    """Of the one data set that runs are on, if that is known."""
    known = {info(run.settings.dataset).chance for run in runs}
    return known.pop() if len(known) == 1 else None


# Over axes -----------------------------------------------------------------------------------------


def numeric_axes(study: Study) -> dict[str, dict[str, float]]:
    """The axes of the grid whose values are numbers, two or more: label -> value."""
    sweep = study.table.source.sweep
    found = {}
    for axis, choices in sweep.grid.items():
        values = {choice.label: _number(choice.fields, choice.label) for choice in choices}
        numbers = {label: value for label, value in values.items() if value is not None}
        if axis not in sweep.seed_axes and 1 < len(set(numbers.values())) == len(values):
            found[axis] = numbers
    return found


def _number(fields: "dict[str, object]", label: str) -> float | None:
    """What an axis has there: the value of the one field it sets, or its label, if that is a number."""
    values = list(fields.values())
    if len(values) == 1 and isinstance(values[0], int | float) and not isinstance(values[0], bool):
        return float(values[0])
    try:
        return float(label)
    except ValueError:
        return None


@dataclass(frozen=True, eq=False)
class OverAxes:
    """The runs that a figure over some axes shows. value: what of them. names: the axes that tell them apart besides
    these and seeds. note: which runs they are."""

    runs: "Sequence[Run]"
    value: str
    names: list[str]
    note: str = ""


def over_axes(study: Study, axes: Sequence[str]) -> OverAxes:
    """Over an axis that settings are chosen from: all runs, and what they are chosen by. Else the runs in the table."""
    source = study.table.source
    sweep = source.sweep
    over = sweep.select.over if sweep.select else ()
    by_row = row_axes(sweep, source.runs, over)
    names = [name for name in dict.fromkeys([*by_row, sweep.table.columns]) if name not in axes]
    if not set(axes) & set(over):
        runs = [run for row in study.places for place in row for run in place.cell.shown]
        return OverAxes(runs, source.value, names, "the settings chosen" if over else "")
    names += [name for name in over if name not in axes]
    runs = search.flat(source.short) if source.short else list(source.runs)
    note = f"after {sweep.search.updates:,} updates, before the choice" if sweep.search else "all settings"
    return OverAxes(runs, source.by, names, note)


def values_over(study: Study, axis: str) -> tuple[list[Panel], OverAxes]:
    """A value over a numeric axis: panels by the table's columns (if these are another axis), lines by the rest."""
    numbers, shown = numeric_axes(study)[axis], over_axes(study, [axis])
    columns = study.table.source.sweep.table.columns
    panel_names = [name for name in shown.names if name == columns]
    line_names = [name for name in shown.names if name != columns]
    sweep = study.table.source.sweep
    by_panel = grouped(shown.runs, panel_names)
    every = list(grouped(shown.runs, line_names))
    texts = axis_labels(every, line_names, sweep) if line_names else [""]
    line_labels = dict(zip(every, texts, strict=True))
    panels = []
    for title, runs in zip(axis_labels(by_panel, panel_names, sweep), by_panel.values(), strict=True):
        lines = []
        for key, group in grouped(runs, line_names).items():
            line = _over(study, group, axis, numbers, shown.value)
            lines.append(Line(line_labels[key], every.index(key), *line))
        share = chance(runs) if shown.value.endswith("error") else None
        panels.append(Panel(title, lines, share))
    return panels, shown


def _over(
    study: Study, runs: "Sequence[Run]", axis: str, numbers: dict[str, float], value: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, None, tuple[float, ...], int]:
    """x, mean and standard error of a line, and where all its runs diverged."""
    x, means, errors, lost, seeds = [], [], [], [], 1
    for label, group in sorted(grouped(runs, [axis]).items(), key=lambda item: numbers[item[0][0]]):
        found = search.values(group, study.table.source.found, value)
        if any(study.status(run) == "diverged" for run in group):
            lost.append(numbers[label[0]])
        if found:
            x.append(numbers[label[0]])
            means.append(statistics.fmean(found))
            errors.append(statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan)
            seeds = max(seeds, len(found))
    spread = np.array(errors) if seeds > 1 else None
    return np.array(x), np.array(means), spread, None, tuple(lost), seeds


def heat_maps(study: Study, first: str, second: str) -> tuple[list[HeatMap], OverAxes]:
    """A value over two numeric axes, first from bottom to top: a map for each of the rest."""
    rows, columns = (_ordered(numeric_axes(study)[axis]) for axis in (first, second))
    shown = over_axes(study, [first, second])
    groups = grouped(shown.runs, shown.names)
    maps = []
    for title, runs in zip(axis_labels(groups, shown.names, study.table.source.sweep), groups.values(), strict=True):
        by_place = grouped(runs, [first, second])
        values = np.full((len(rows), len(columns)), np.nan)
        marks = [["" for _ in columns] for _ in rows]
        for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
            group = by_place.get((row, column), [])
            found = search.values(group, study.table.source.found, shown.value)
            if found:
                values[i, j] = statistics.fmean(found)
            elif any(study.status(run) == "diverged" for run in group):
                marks[i][j] = "diverged"
            else:
                marks[i][j] = "\N{EN DASH}"
        maps.append(HeatMap(title, rows, columns, values, marks))
    return maps, shown


def _ordered(numbers: dict[str, float]) -> list[str]:
    return sorted(numbers, key=lambda label: numbers[label])


# Inside networks -----------------------------------------------------------------------------------


@cache
def _probes(store: Store, run_id: str) -> "pd.DataFrame":
    return store.read_probes(run_id)


def probed(study: Study) -> list[list[Place]]:
    """The cells in whose networks was looked, by row; a row or column without any is left out."""
    looked = [[bool(len(probes_of(study, place))) for place in row] for row in study.places]
    keep = [j for j in range(len(study.table.columns)) if any(row[j] for row in looked)]
    return [[row[j] for j in keep] for row, seen in zip(study.places, looked, strict=True) if any(seen)]


def probes_of(study: Study, place: Place) -> "pd.DataFrame":
    """What was seen in the network of a cell's first seed; empty if nothing was."""
    import pandas as pd

    runs = study.finished(place.cell)
    return _probes(study.store, runs[0].run_id) if runs else pd.DataFrame()


def layers(study: Study, place: Place, quantity: str) -> Layers | None:
    """One quantity of a cell's first seed over time; None where it was not seen."""
    probes = probes_of(study, place)
    seen = probes[probes["quantity"] == quantity] if len(probes) else probes
    if not len(seen):
        return None
    numbers = sorted(map(int, seen["layer"].unique()))
    updates = np.sort(seen["update"].unique()).astype(np.int64)
    values = {}
    for column in ("mean", "std", "p2", "p98", "saturation"):
        table = seen.pivot(index="layer", columns="update", values=column)
        values[column] = table.reindex(numbers).to_numpy(np.float64)
    return Layers(place.title, updates, values, numbers[0])


def histograms(study: Study, place: Place, quantity: str, update: int) -> Histogram | None:
    """The densities of one quantity at one moment; None where there is none, as of a network that diverged.

    What lies outside of a histogram counts in its end bins, and in the sum that makes the area 1.
    """
    probes = probes_of(study, place)
    seen = probes[(probes["quantity"] == quantity) & (probes["update"] == update)].sort_values("layer")
    if not len(seen) or not all(seen["counts"].map(len)):
        return None
    edges = np.array(
        [np.linspace(low, high, len(c) + 1) for low, high, c in seen[["low", "high", "counts"]].to_numpy()]
    )
    counts = np.array([np.array(one) for one in seen["counts"]], np.float64)
    return Histogram(f"update {update:,}", edges, counts / counts.sum(axis=1, keepdims=True) / np.diff(edges, axis=1))


def moments(study: Study, place: Place) -> list[int]:
    """The first moment, the one in the middle and the last one."""
    updates = sorted(map(int, probes_of(study, place)["update"].unique()))
    return list(dict.fromkeys([updates[0], updates[len(updates) // 2], updates[-1]]))


# Predictions ---------------------------------------------------------------------------------------


def confusion(study: Study, place: Place) -> Confusion | None:
    """Of all seeds together; None of results without predictions."""
    found = [study.store.read_predictions(run.run_id) for run in study.finished(place.cell)]
    known = [one for one in found if one is not None]
    if not known:
        return None
    classes = 1 + max(int(max(one["label"].max(), one["prediction"].max())) for one in known)
    counts = np.zeros((classes, classes), np.int64)
    for one in known:
        np.add.at(counts, (one["label"], one["prediction"]), 1)
    return Confusion(place.title, counts)


def mistakes(study: Study, place: Place, most: int) -> np.ndarray | None:
    """Which test examples the network of a cell's first seed was wrong about, those with the highest loss first: that
    gave the right class the least probability. (up to most,) int64; None of results without predictions."""
    runs = study.finished(place.cell)
    found = study.store.read_predictions(runs[0].run_id) if runs else None
    if found is None:
        return None
    wrong = np.flatnonzero(found["label"] != found["prediction"])
    return wrong[np.argsort(-found["loss"][wrong].astype(np.float64), kind="stable")][:most]


def value_label(value: str) -> str:
    return VALUES[value].lower()
