"""Stored runs -> a table, as markdown for people and as CSV for programs.

A cell stands for every run that shares its row and its column. Seeds are averaged, and nothing else is: an
axis that is neither row, column, seed nor selected over joins the row's label. Where the sweep has a
``select``, each cell first chooses the best setting (by validation error, say) and only then shows its value.
"""

import csv
import io
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot import search
from glorot.activations import ACTIVATIONS
from glorot.datasets import DATASETS, LocalData
from glorot.errors import GlorotError, ResultsError
from glorot.results import Store, settings_of, write_text
from glorot.settings import label_of, nearest
from glorot.sweep import expand, stored_sweep

if TYPE_CHECKING:
    import pandas as pd

    from glorot.config import Sweep
    from glorot.sweep import Run

NOT_RUN = "\N{EN DASH}"

CSV_COLUMNS = (
    "row", "column", "value", "mean", "standard_error", "n", "seeds", "diverged", "failed", "status",
    "chosen",
)  # fmt: skip

Found = search.Found


@dataclass(frozen=True)
class Cell:
    """The runs of one cell, which differ in nothing but their seed.

    mean, standard_error (of the mean): in the value's own unit; None where there are too few finished runs.
    done, diverged, failed, missing: how many runs each. chosen: axis -> label of the setting selected.
    unmeasured, settings: of the settings to select from, how many gave no result, and how many there are.
    """

    mean: float | None
    standard_error: float | None
    done: int
    diverged: int
    failed: int
    missing: int
    chosen: dict[str, str] = field(default_factory=dict)
    unmeasured: int = 0
    settings: int = 1

    @property
    def runs(self) -> int:
        return self.done + self.diverged + self.failed + self.missing

    @property
    def status(self) -> str:
        """What the cell shows: done (a number), diverged, failed, or missing."""
        return next((name for name in ("done", "diverged", "failed") if getattr(self, name)), "missing")

    def text(self, value: str) -> str:
        """As in the table: "15.60 ± 0.12", "15.60 (1 of 3 diverged)", "diverged", "–"."""
        texts = {"done": _number(value, self.mean, self.standard_error), "missing": NOT_RUN}
        marks = [
            f"{count} of {self.runs} {name}"
            for name, count in [("diverged", self.diverged), ("failed", self.failed)]
            if 0 < count < self.runs and name != self.status
        ]
        if 0 < self.missing < self.runs:
            unit = "seeds" if self.chosen or self.settings == 1 else "runs"
            marks.append(f"{self.runs - self.missing} of {self.runs} {unit}")
        return texts.get(self.status, self.status) + (f" ({', '.join(marks)})" if marks else "")


@dataclass(frozen=True)
class Table:
    """A table that is ready to print. cells: by row, then by column. notes: items of a markdown list."""

    title: str
    value: str
    rows: list[str]
    columns: list[str]
    cells: list[list[Cell]]
    notes: list[str]

    def markdown(self) -> str:
        """Title, table and notes. Ends with a line end."""
        import pandas as pd

        frame = pd.DataFrame(
            [
                [_escaped(row), *(cell.text(self.value) for cell in cells)]
                for row, cells in zip(self.rows, self.cells, strict=True)
            ],
            columns=[VALUES[self.value], *map(_escaped, self.columns)],
        )
        alignment = ("left", *["right"] * len(self.columns))
        body = frame.to_markdown(index=False, disable_numparse=True, colalign=alignment)
        return f"## {self.title}\n\n{body}\n\n" + "".join(f"- {note}\n" for note in self.notes)

    def csv(self) -> str:
        """One line a cell, numbers exact.

        Long rather than wide: a cell has a mean, an error, counts and a choice, which a wide table would have
        to squeeze into text; and the header is the same for every sweep, so tables can be stacked.
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for row, cells in zip(self.rows, self.cells, strict=True):
            for column, cell in zip(self.columns, cells, strict=True):
                numbers = ["" if x is None else repr(x) for x in (cell.mean, cell.standard_error)]
                counts = [cell.done, cell.runs, cell.diverged, cell.failed]
                chosen = ";".join(f"{axis}={label}" for axis, label in cell.chosen.items())
                writer.writerow([row, column, self.value, *numbers, *counts, cell.status, chosen])
        return buffer.getvalue()

    def write(self, folder: Path | str) -> None:
        """Write table.md and table.csv. Raises ResultsError."""
        write_text(Path(folder) / "table.md", self.markdown())
        write_text(Path(folder) / "table.csv", self.csv())


def table(stored: "pd.DataFrame", sweep: "Sweep", runs: "Sequence[Run]", value: str | None = None) -> Table:
    """The table of a sweep.

    stored: runs.csv as results.Store reads it. runs: the sweep's runs in grid order, on one device; rows of
    `stored` that belong to none of them are counted in a note and otherwise left out. value: a key of VALUES,
    by default what the sweep's own table shows. Raises GlorotError.
    """
    value = _known_value(value or sweep.table.value)
    if not runs:
        raise GlorotError(f"sweep {sweep.name}: expected at least one run to make a table of, found none")
    _check_one_device(runs)
    found = {str(row["run_id"]): row for row in stored.to_dict("records")}
    over = sweep.select.over if sweep.select else ()
    short = search.short_runs(sweep, runs)
    source = _Source(sweep, found, value, short, search.decided(sweep, short, found) if short else {})
    column_names = (sweep.table.columns,)
    row_names = _row_names(sweep, runs, over)
    by_row, by_column = _grouped(runs, row_names), _grouped(runs, column_names)
    cells: list[list[Cell]] = []
    shown: list[Run] = []
    for row in by_row.values():
        by_place = _grouped(row, column_names)
        places = [_cell(by_place.get(column, []), source) for column in by_column]
        cells.append([cell for cell, _ in places])
        shown += [run for _, chosen in places for run in chosen]
    rows, columns = _labels(by_row, row_names, sweep), _labels(by_column, column_names, sweep)
    columns = [label + mark for label, mark in zip(columns, map(_mark, by_column.values()), strict=True)]
    if not any(map(_mark, by_column.values())):
        rows = [label + mark for label, mark in zip(rows, map(_mark, by_row.values()), strict=True)]
    notes = [
        *_local_data(runs),
        *_facts(sweep, shown, found, value, {*row_names, *column_names}),
        *_seeds(runs, [*row_names, *column_names, *over], cells),
        *_choices(rows, columns, cells, sweep),
        *_legend(cells, len(found.keys() - {run.run_id for run in [*search.flat(short), *runs]})),
    ]
    return Table(" ".join((sweep.description or sweep.name).split()), value, rows, columns, cells, notes)


# Rows and columns ----------------------------------------------------------------------------------


def stored_table(folder: Path, file: Path | None = None, value: str | None = None) -> Table:
    """The table of a folder's runs that belong to its own sweep.yaml, or to the sweep file given.

    Raises ResultsError where there are none, SweepError where the sweep is not valid.
    """
    if not (folder / "runs.csv").is_file() or not (folder / "sweep.yaml").is_file():
        raise ResultsError(f"expected results in {folder}, found none; run the sweep first: glorot run SWEEP")
    stored = Store(folder).read_runs()
    sweep = stored_sweep(folder, file)
    by_device = {device: expand(sweep, device) for device in dict.fromkeys(stored["device"])} or {"cpu": expand(sweep)}
    found = set(stored["run_id"])

    def stored_of(runs: "list[Run]") -> int:
        return sum(run.run_id in found for run in [*search.flat(search.short_runs(sweep, runs)), *runs])

    runs = max(by_device.values(), key=stored_of)
    if file and not stored_of(runs):
        raise ResultsError(
            f"none of the {len(runs)} runs of {file} is in {folder}, which holds {len(stored)} of other settings; "
            f"run it, or show those: glorot report {folder}"
        )
    return table(stored, sweep, runs, value)


def _grouped(runs: "Iterable[Run]", names: Sequence[str]) -> "dict[tuple[str, ...], list[Run]]":
    """Runs by what they have on the axes named (or as their method, or in a field), all in grid order."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run.value(name) for name in names), []).append(run)
    return groups


def _row_names(sweep: "Sweep", runs: "Sequence[Run]", over: Sequence[str]) -> list[str]:
    """The axes that make a row: those of the sweep's table, and those that would else be averaged over."""
    names = list(sweep.table.rows)
    if {"activation", "initializer"} <= set(names) and "method" not in names:  # "Tanh N" says both
        names[names.index("activation")] = "method"
        names.remove("initializer")
    for axis in ["method", *sweep.grid]:
        groups = _grouped(runs, [*names, sweep.table.columns, *over]).values()
        varies = any(len({run.value(axis) for run in group}) > 1 for group in groups)
        if varies and axis == "method" and "activation" in names:
            names[names.index("activation")] = "method"
        elif varies and axis not in sweep.seed_axes:
            names.append(axis)
    return names


def _labels(keys: Iterable[tuple[str, ...]], names: Sequence[str], sweep: "Sweep") -> list[str]:
    """What is printed for each row or column. Plain labels where the short ones would not be unique."""

    def short(name: str, label: str) -> str:
        own = any(label_of(choice.fields.get(name)) != choice.label for choice in sweep.grid.get(name, ()))
        if own or name == "method":
            return label
        if name == "dataset":
            return _dataset_label(label)
        if name == "activation":
            return ACTIVATIONS[label].label
        return label if name in ("initializer", "loss") else f"{name.replace('_', ' ')} {label}"

    keys = list(keys)
    labels = [", ".join(map(short, names, key)) for key in keys]
    if len(set(labels)) < len(labels):
        labels = [", ".join(map("{} {}".format, names, key)) for key in keys]
    return labels


# Cells ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """What cells are made of. short, decided: of a search (see there), else empty."""

    sweep: "Sweep"
    found: Found
    value: str
    short: search.Short
    decided: Mapping[search.Key, search.Key | None]

    @property
    def by(self) -> str:
        return self.sweep.select.by if self.sweep.select else self.value


def _cell(runs: "Sequence[Run]", source: _Source) -> "tuple[Cell, Sequence[Run]]":
    """A cell, and the runs it shows. Where no setting can be chosen these are all, and there is no number."""
    found, value, select = source.found, source.value, source.sweep.select
    if not select or not runs:
        return _summary(runs, found, value), runs
    settings = _grouped(runs, select.over)
    if source.short:
        key = search.cell_of(source.sweep, runs[0])
        candidates, best = source.short[key], source.decided.get(key)
        # Never a number of a short run: only what became of them, once all have ended.
        ended = search.flat({key: candidates}) if key in source.decided else []
        undecided = _summary(ended or runs, found if ended else {}, value)
    else:
        candidates, best = settings, search.best(settings, found, source.by)
        undecided = _summary(runs, found, value)
    if best is None:
        return replace(undecided, settings=len(candidates)), runs
    kept = settings.get(best, [])
    scores = [_summary(group, found, source.by) for group in candidates.values()]
    return replace(
        _summary(kept, found, value),
        chosen=dict(zip(select.over, best, strict=True)),
        unmeasured=sum(score.mean is None and not score.diverged for score in scores),
        settings=len(candidates),
    ), kept


def _summary(runs: "Sequence[Run]", found: Found, value: str) -> Cell:
    """Mean and standard error over the finished runs. A finished run without this value counts as missing."""
    statuses = [found[run.run_id]["status"] if run.run_id in found else "missing" for run in runs]
    values = search.values(runs, found, value)
    several = len(values) > 1 and all(map(math.isfinite, values))
    diverged, failed = statuses.count("diverged"), statuses.count("failed")
    return Cell(
        mean=statistics.fmean(values) if values else None,
        standard_error=statistics.stdev(values) / math.sqrt(len(values)) if several else None,
        done=len(values),
        diverged=diverged,
        failed=failed,
        missing=len(runs) - len(values) - diverged - failed,
    )


def _number(value: str, mean: float | None, standard_error: float | None) -> str:
    """Errors with 2 decimals, losses with 4 significant digits; the standard error with as many decimals."""
    if mean is None:
        return NOT_RUN
    exponent = int(f"{mean:.3e}".partition("e")[2]) if math.isfinite(mean) else 0
    of_loss = f".{max(0, 3 - exponent)}f" if -5 < exponent < 7 else ".3e"
    shape = ".2f" if value.endswith("_error") else of_loss
    return f"{mean:{shape}}" + ("" if standard_error is None else f" ± {standard_error:{shape}}")


# Notes ---------------------------------------------------------------------------------------------


def _facts(sweep: "Sweep", shown: "Sequence[Run]", found: Found, value: str, displayed: set[str]) -> list[str]:
    """What the runs shown have in common, or else the values they take. displayed: what the labels say."""
    measured = [run for run in shown if run.run_id in found and found[run.run_id]["status"] != "failed"]
    records = [settings_of(run) for run in measured or shown]
    names = [name for name in FACTS if name not in displayed]
    used = [value, sweep.select.by] if sweep.select else [value]
    for examples in ("valid", "test"):
        if not any(name.startswith(examples) for name in used):
            names.remove(f"{examples}_examples")
    selected = {
        field
        for axis in (sweep.select.over if sweep.select else ())
        for choice in sweep.grid[axis]
        for field in choice.fields
    }
    facts = []
    for name in names:
        title, shape = FACTS[name]
        values = list(dict.fromkeys(record[name] for record in records))
        if name == "method" and len(values) > 1:
            continue  # then the labels say it in the sweep's own words
        numeric = all(isinstance(x, int | float) for x in values)
        texts = list(map(shape, sorted(values) if numeric else values))
        many = numeric and len(texts) > 4
        text = f"{texts[0]} to {texts[-1]} ({len(texts)} values)" if many else ", ".join(texts)
        if name.endswith("_examples") and any(isinstance(run.settings.dataset, LocalData) for run in shown):
            text = f"up to {text}"  # there may be fewer
        fields = {"hidden", "depth", "width"} if name == "hidden" else {name}
        facts.append(f"{title}: {text}" + (", chosen for each cell" if fields & selected else ""))
    return facts


def _mark(runs: "Iterable[Run]") -> str:
    """What a label adds about its runs' data: " (stand-in)" or " (rebuilt)" where all have such data, else nothing."""
    kinds = {run.settings.dataset.kind if isinstance(run.settings.dataset, LocalData) else "" for run in runs}
    return f" ({kinds.pop()})" if len(kinds) == 1 and "" not in kinds else ""


def _local_data(runs: "Iterable[Run]") -> list[str]:
    """What the data sets that are built here were made from."""
    notes = []
    for one in dict.fromkeys(run.settings.dataset for run in runs):
        if isinstance(one, LocalData) and one.about:
            label, about = _dataset_label(str(one)), one.about.removeprefix(f"{one.kind}: ")
            why = "; the paper's own data set was never published" if one.kind else ""
            notes.append(f"{label}{f' ({one.kind})' if one.kind else ''}: {about}{why}")
    return notes


def _dataset_label(name: str) -> str:
    return DATASETS[name].label if name in DATASETS else name


def _seeds(runs: "Sequence[Run]", names: Sequence[str], cells: Sequence[Sequence[Cell]]) -> list[str]:
    """How many runs a cell has, or should have."""
    counts = sorted({len(group) for group in _grouped(runs, names).values()})
    meaning = any(cell.standard_error is not None for line in cells for cell in line)
    note = f"Seeds: {' to '.join(map(str, dict.fromkeys([counts[0], counts[-1]])))}"
    return [note + (", mean ± standard error of the mean" if meaning else "")]


def _choices(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]], sweep: "Sweep") -> list[str]:
    """What was chosen, a line a cell."""
    lines = []
    for row, line in zip(rows, cells, strict=True):
        for column, cell in zip(columns, line, strict=True):
            if cell.chosen:
                chosen = ", ".join(_chosen(sweep, axis, label) for axis, label in cell.chosen.items())
                without = f"{cell.unmeasured} of {cell.settings} settings without a result"
                lines.append(f"{row} on {column}: {chosen}" + (f" ({without})" if cell.unmeasured else ""))
    return ["\n  - ".join([f"Chosen by {chosen_by(sweep)}:", *lines])] if lines else []


def chosen_by(sweep: "Sweep") -> str:
    """By what settings are chosen: "validation error after 50,000 updates, one seed"."""
    assert sweep.select
    what = VALUES[sweep.select.by].partition(" (")[0].lower()
    if not sweep.search:
        return f"{what}, the lowest mean over seeds"
    seeds = "one seed" if sweep.search.seeds == 1 else f"the lowest mean over {sweep.search.seeds} seeds"
    return f"{what} after {sweep.search.updates:,} updates, {seeds}"


def _chosen(sweep: "Sweep", axis: str, label: str) -> str:
    """ "learning_rate 0.1", and whether the grid ends there, so that a better one may lie beyond."""
    values = {one.label: next(iter(one.fields.values())) if len(one.fields) == 1 else None for one in sweep.grid[axis]}
    numbers = [value for value in values.values() if isinstance(value, int | float)]
    at_end = 1 < len(values) == len(numbers) and values[label] in (min(numbers), max(numbers))
    return f"{axis} {label}" + (" at the end of the grid" if at_end else "")


def _legend(cells: Sequence[Sequence[Cell]], left_out: int) -> list[str]:
    """What the marks in the cells mean, and how much of runs.csv is not in the table."""
    every = [cell for line in cells for cell in line]
    legend = []
    if any(cell.diverged for cell in every):
        legend.append("diverged: the loss became infinite or not a number; such runs are in no mean")
    if any(cell.status == "missing" for cell in every):
        legend.append(f"{NOT_RUN}: not run")
    if left_out:
        rows = "1 row of runs.csv belongs" if left_out == 1 else f"{left_out} rows of runs.csv belong"
        legend.append(f"Left out: {rows} to other settings")
    return legend


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


def _escaped(text: str) -> str:
    """Text in which a pipe ends no cell of a markdown table."""
    return text.replace("|", r"\|")


def _hidden(sizes: str) -> str:
    """ "300-300" -> "2 x 300"; "300-200" as it is."""
    layers = sizes.split("-")
    return f"{len(layers)} x {layers[0]}" if len(set(layers)) == 1 else sizes


def _count(number: int) -> str:
    return f"{number:,}"


# Tables of what can be shown -----------------------------------------------------------------------

VALUES = {
    "test_error": "Test error (%)",
    "valid_error": "Validation error (%)",
    "test_loss": "Test loss",
    "valid_loss": "Validation loss",
    "train_loss": "Training loss",
}

# Columns of runs.csv -> how a note calls and writes them, in the order of the notes.
FACTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "method": ("Method", str),
    "dataset": ("Data set", lambda name: _dataset_label(name)),
    "updates": ("Updates", _count),
    "hidden": ("Hidden layers", _hidden),
    "batch_size": ("Minibatch", _count),
    "learning_rate": ("Learning rate", label_of),
    "loss": ("Loss", str),
    "valid_examples": ("Examples validated", _count),
    "test_examples": ("Examples tested", _count),
    "device": ("Device", str),
}
