"""The paper's Table 1, and ours beside it: number, difference, and in what ours was made otherwise."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import LocalData
from glorot.errors import ResultsError
from glorot.paper.differences import LAST
from glorot.paper.repeats import DECIDING, mean_curve
from glorot.reporting import markdown, writers
from glorot.reporting.bold import bold_notes
from glorot.reporting.document import Block, Bold, Document, Grid, Records, Text, Value, notes
from glorot.reporting.report import Table
from glorot.reporting.summary import NOT_RUN, Cell, History, Source, marked, with_runs
from glorot.reporting.table_notes import (
    chance_notes,
    chosen_by,
    chosen_text,
    data_notes,
    examples_text,
    kind_mark,
    worsened_notes,
)
from glorot.results.store import write_text
from glorot.sweeps import search
from glorot.sweeps.about import About, Paper, Role, label_of
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.runs import Run
from glorot.sweeps.settings import Settings
from glorot.sweeps.sweep import DEFAULT_TEST

# Glorot & Bengio (2010), table 1: test error in percent with 5 hidden layers, by data set. One run each.
TABLE_1: dict[str, dict[str, float]] = {
    "shapeset": {"Softsign": 16.27, "Softsign N": 16.06, "Tanh": 27.15, "Tanh N": 15.60, "Sigmoid": 82.61},
    "mnist": {"Softsign": 1.64, "Softsign N": 1.72, "Tanh": 1.76, "Tanh N": 1.64, "Sigmoid": 2.21},
    "cifar10": {"Softsign": 55.78, "Softsign N": 53.8, "Tanh": 55.9, "Tanh N": 52.92, "Sigmoid": 57.28},
    "small_imagenet": {"Softsign": 69.14, "Softsign N": 68.13, "Tanh": 70.58, "Tanh N": 68.57, "Sigmoid": 70.66},
}
ROWS = {  # its labels -> activation and initializer
    "Softsign": ("softsign", "standard"),
    "Softsign N": ("softsign", "normalized"),
    "Tanh": ("tanh", "standard"),
    "Tanh N": ("tanh", "normalized"),
    "Sigmoid": ("sigmoid", "standard"),
}
PAPERS_CHOICE = f"the paper: learning rate and depth chosen after {ABOUT['updates'].papers} updates"
HIDDEN, IMAGENET_IMAGES = ABOUT["hidden"].paper, 90_000

PAPER_COLUMNS = (
    "row", "column", "paper", "mean", "difference", "standard_error", "n", "seeds", "diverged", "failed", "status",
    "chosen", "best", "p", "test", "updates", "hidden", "data", "sweep",
)  # fmt: skip


@dataclass(frozen=True)
class Ours:
    """A cell of a sweep's table that the paper has, too. source: of its runs."""

    cell: Cell
    settings: Settings
    source: Source
    sweeps: tuple[str, ...]  # their names: the one of the cell, and those that had further seeds of it


Place = tuple[str, str]  # the paper's label of the method, the data set's name


@dataclass(frozen=True)
class PaperTable:
    """The paper's table as far as ours goes. found: by place, the one that is shown. notes: of a markdown list."""

    rows: list[str]
    datasets: list[str]
    found: dict[Place, Ours]
    notes: list[str]

    def document(self) -> Document:
        """Title, table and notes; the records have one row per cell of the paper's."""
        header = ["Test error (%)", *map(self.column, self.datasets)]
        lines: list[list[Text]] = [[row, *(self.parts(row, name) for name in self.datasets)] for row in self.rows]
        records = [self._record(row, name) for row in self.rows for name in self.datasets]
        blocks: list[Block] = [Grid(header, lines), notes(self.notes)]
        return Document("Table 1 of Glorot & Bengio (2010), and ours", blocks, Records(PAPER_COLUMNS, records))

    def markdown(self) -> str:
        return markdown.written(self.document())

    def csv(self) -> str:
        return writers.csv_text(self.document())

    def _record(self, row: str, dataset: str) -> dict[str, Value]:
        ours, paper = self.found.get((row, dataset)), TABLE_1[dataset][row]
        place: dict[str, Value] = {"row": row, "column": DATASETS[dataset].label, "paper": paper}
        return place | (_record(ours, paper) if ours else {"status": "missing"})

    def column(self, dataset: str) -> str:
        """ "MNIST", "Small-ImageNet (stand-in)"."""
        runs = [run for (_, name), ours in self.found.items() if name == dataset for run in ours.cell.shown]
        return DATASETS[dataset].label + kind_mark(runs)

    def parts(self, row: str, dataset: str) -> tuple[str | Bold, ...]:
        """ "15.91" in bold, " ± 0.12", " (paper 15.60, +0.31)"."""
        ours, paper = self.found.get((row, dataset)), TABLE_1[dataset][row]
        if ours is None:
            return (f"{NOT_RUN} (paper {paper:.2f})",)
        difference = f", {ours.cell.mean - paper:+.2f}" if ours.cell.mean is not None else ""
        counts = "".join(f", {count}" for count in ours.cell.counts())
        return (*ours.cell.number("test_error"), f" (paper {paper:.2f}{difference}{counts})")

    def text(self, row: str, dataset: str) -> str:
        """The same in one string, bold as "**15.91**"."""
        return markdown.inline(self.parts(row, dataset))

    def write(self, folder: Path) -> None:
        """Write paper.md and paper.csv. Raises ResultsError."""
        write_text(folder / "paper.md", self.markdown())
        write_text(folder / "paper.csv", self.csv())


def _record(ours: Ours, paper: float) -> dict[str, Value]:
    one, settings = ours.cell, ours.settings
    return {
        "mean": one.mean, "difference": None if one.mean is None else round(one.mean - paper, 10),
        "standard_error": one.standard_error, "n": one.done, "seeds": one.runs, "diverged": one.diverged,
        "failed": one.failed, "status": one.status,
        "chosen": ";".join(f"{axis}={label}" for axis, label in one.chosen.items()),
        "best": one.mark.best, "p": one.mark.p, "test": one.mark.test, "updates": settings.updates,
        "hidden": label_of(settings.hidden),
        "data": settings.dataset.about if isinstance(settings.dataset, LocalData) else "",
        "sweep": ";".join(ours.sweeps),
    }  # fmt: skip


def paper_table(tables: Sequence[Table]) -> PaperTable:
    """One table of several sweeps' (of test errors).

    Where several have a cell: one with a result, with the paper's protocol, as wide as the paper's, with the most
    updates, as deep as the paper's, with the most seeds, with the lowest validation error, as `select` in a sweep
    chooses; the first of equals. Other seeds of the same settings join it, from whichever sweep, on whichever device.
    Raises ResultsError where no sweep has a cell of the paper's.
    """
    candidates: dict[Place, list[Ours]] = {}
    left_out: dict[str, None] = {}
    for table in tables:
        for row, line in zip(table.rows, table.cells, strict=True):
            for one in line:
                place = _place(one)
                if place:
                    name = table.source.sweep.name
                    candidates.setdefault(place, []).append(Ours(one, one.shown[0].settings, table.source, (name,)))
                elif one.shown:
                    left_out[row] = None
    if not candidates:
        raise ResultsError(
            f"expected results with {', '.join(ROWS)} on {', '.join(TABLE_1)}, found none; glorot run table1 has them"
        )
    candidates = {place: _by_setting(several) for place, several in candidates.items()}
    best = {place: max(several, key=_rank) for place, several in candidates.items()}  # max: the first of equals
    rows = [row for row in ROWS if any(place[0] == row for place in best)]
    datasets = [name for name in TABLE_1 if any(place[1] == name for place in best)]
    found = _marked(best, rows, datasets)
    several = [place for place in found if len(candidates[place]) > 1]
    return PaperTable(rows, datasets, found, _notes(found, datasets, list(left_out), several))


def _place(one: Cell) -> Place | None:
    """Where a cell stands in the paper's table."""
    if not one.shown:
        return None
    settings = one.shown[0].settings
    name = settings.dataset.name if isinstance(settings.dataset, LocalData) else settings.dataset
    row = next((row for row, pair in ROWS.items() if pair == (settings.activation, settings.initializer)), None)
    same = {(run.settings.activation, run.settings.initializer, run.settings.dataset) for run in one.shown}
    return (row, name) if row and name in TABLE_1 and len(same) == 1 else None


def _by_setting(several: Sequence[Ours]) -> list[Ours]:
    """One of each setting: with the runs of all sweeps that have it."""
    groups: dict[tuple, list[Ours]] = {}
    for number, ours in enumerate(several):
        settings = {_setting(run) for run in ours.cell.shown}
        groups.setdefault(settings.pop() if len(settings) == 1 else (number,), []).append(ours)  # else undecided
    return [_together(sorted(group, key=_rank, reverse=True)) for group in groups.values()]  # equals in their order


def _setting(run: Run) -> tuple:
    """All that decides the result but the seed."""
    return (*(getattr(run.settings, name) for name in DECIDING if name != "seed"), run.version)


def _together(group: Sequence[Ours]) -> Ours:
    """The cell that chose its setting, or the first; seeds without an outcome there come from the others."""
    ours = next((one for one in group if one.cell.chosen), group[0])
    runs = {run.settings.seed: (run, ours) for run in ours.cell.shown}
    for other in group:
        for run in other.cell.shown:
            seed = run.settings.seed
            if _has_outcome(run, other) and not (seed in runs and _has_outcome(*runs[seed])):
                runs[seed] = run, other
    further = {run.run_id: other for run, other in runs.values() if other is not ours}
    if not further:
        return ours

    def source_of(run_id: str) -> Source:
        return further.get(run_id, ours).source

    histories = {run_id: other.source.history for run_id, other in further.items()}
    source = replace(
        ours.source,
        found={**ours.source.found, **{run_id: other.source.found[run_id] for run_id, other in further.items()}},
        correct=lambda run_id: source_of(run_id).correct(run_id),
        history=_history_of(histories, ours.source.history),
    )
    cell = with_runs(ours.cell, [runs[seed][0] for seed in sorted(runs)], source)
    names = {name for one in (ours, *further.values()) for name in one.sweeps}
    return Ours(cell, ours.settings, source, tuple(sorted(names)))


def _history_of(others: Mapping[str, History | None], usual: History | None) -> History | None:
    """The evaluations of any of the runs; None where some have none."""
    known = {run_id: history for run_id, history in others.items() if history}
    if usual is None or len(known) < len(others):
        return None
    return lambda run_id: known.get(run_id, usual)(run_id)


def _has_outcome(run: Run, ours: Ours) -> bool:
    return ours.source.found.get(run.run_id, {}).get("status") in ("done", "diverged")


def _rank(ours: Ours) -> tuple:
    settings = ours.settings
    wide = sum(settings.hidden) >= HIDDEN[0] * len(settings.hidden)
    size = wide, settings.updates, settings.hidden == HIDDEN
    return ours.cell.status != "missing", not unusual(settings), *size, ours.cell.done, -_valid_error(ours)


def _valid_error(ours: Ours) -> float:
    """In percent, mean over seeds; infinite where there is none."""
    errors = search.values(ours.cell.shown, ours.source.found, "valid_error")
    return fmean(errors) if errors else math.inf


def unusual(settings: Settings) -> list[str]:
    """The fields in which a run departs from the paper's protocol, other than in its size."""
    return [name for name, about in ABOUT.items() if about.departs(getattr(settings, name))]


def _marked(best: dict[Place, Ours], rows: Sequence[str], datasets: Sequence[str]) -> dict[Place, Ours]:
    """The cells marked within the columns of this table: those of a sweep's own table are of other cells."""
    nothing = Cell(None, None, 0, 0, 0, 0)
    places = [[(row, name) for name in datasets] for row in rows]
    cells = marked([[best[place].cell if place in best else nothing for place in line] for line in places], _test(best))
    return {
        place: replace(best[place], cell=one)
        for line, marks in zip(places, cells, strict=True)
        for place, one in zip(line, marks, strict=True)
        if place in best
    }


def _test(found: dict[Place, Ours]) -> str:
    """The test over seeds that all sweeps here ask for, else the default one."""
    asked = {ours.source.sweep.table.test for ours in found.values()}
    return asked.pop() if len(asked) == 1 else DEFAULT_TEST


# Notes. --------------------------------------------------------------------------------------------


def _notes(
    found: dict[Place, Ours], datasets: Sequence[str], left_out: Sequence[str], several: Iterable[Place]
) -> list[str]:
    """What has to be known to compare: in what ours was made otherwise than the paper's."""
    cells = [ours.cell for ours in found.values()]
    runs = [run for one in cells for run in one.shown]
    facts = [_fact(title, text, papers, found) for title, text, papers in FACTS]
    choices = [f"{_title(place)}: {_choice(ours)}{_late(ours)}" for place, ours in found.items()]
    told = [
        "In parentheses: the paper's error, and ours minus the paper's",
        *data_notes(runs, f"the paper's own, of {IMAGENET_IMAGES:,} training images, was never published"),
        *_field_facts(found),
        *filter(None, facts),
        "\n  - ".join(
            [f"Settings (the paper: learning rate and depth chosen after {ABOUT['updates'].papers} updates):", *choices]
        ),
        *chance_notes(cells),
        *worsened_notes({_title(place): ours.cell for place, ours in found.items()}),
        *bold_notes(_by_column(found, datasets), "test_error", _test(found), "paper.csv"),
    ]
    if any(one.diverged for one in cells):
        told.append("diverged: the loss became infinite or not a number; such runs do not count in the mean")
    if len(found) < len({row for row, _ in found}) * len(datasets) or any(one.status == "missing" for one in cells):
        told.append(f"{NOT_RUN}: not run")
    if several := list(several):
        told.append(
            "In several places, of which the one as wide as the paper's, then with the most updates, then with "
            "the most seeds, then with the lowest validation error, is shown: "
            f"{', '.join(map(_title, several))}"
        )
    if left_out:
        told.append(f"Left out, because the paper does not have them: {', '.join(left_out)}")
    return told


def _by_column(found: dict[Place, Ours], datasets: Sequence[str]) -> dict[str, list[Cell]]:
    return {DATASETS[name].label: [ours.cell for place, ours in found.items() if place[1] == name] for name in datasets}


def _title(place: Place) -> str:
    return f"{place[0]} on {DATASETS[place[1]].label}"


def _choice(ours: Ours) -> str:
    """ "learning_rate 0.03, chosen by validation error after 50,000 updates, one seed"."""
    sweep = ours.source.sweep
    if ours.cell.chosen:
        return f"{chosen_text(sweep, ours.cell)}, chosen by {chosen_by(sweep)}"
    return "nothing chosen" if sweep.select else f"learning rate {ours.settings.learning_rate}, set in the sweep"


def _late(ours: Ours) -> str:
    """ "; last 5 evaluations: mean 38.39, from 37.67 to 39.03": the end is one moment. Nothing without a curve."""
    source, runs = ours.source, ours.cell.shown
    done = [run for run in runs if source.found.get(run.run_id, {}).get("status") == "done"]
    if not (source.history and done and ours.cell.mean is not None):
        return ""
    late = list(mean_curve([source.history(run.run_id) for run in done]).values())[-LAST:]
    if len(late) < 2:
        return ""
    return f"; last {len(late)} evaluations: mean {fmean(late):.2f}, from {min(late):.2f} to {max(late):.2f}"


def _fact(title: str, text: Callable[[Ours], str], papers: str, found: dict[Place, Ours]) -> str:
    """ "Updates: 600,000 (Shapeset), 50,000 (Tanh on MNIST) - the paper: 5,000,000"."""
    columns: dict[str, dict[str, list[Place]]] = {}
    for place, ours in found.items():
        columns.setdefault(place[1], {}).setdefault(text(ours), []).append(place)
    by_text: dict[str, list[str]] = {}
    for name, texts in columns.items():
        for one, places in texts.items():
            by_text.setdefault(one, []).extend([DATASETS[name].label] if len(texts) == 1 else map(_title, places))
    if [*by_text] == [papers]:
        return f"{title}: {papers}, as in the paper"
    several = len(by_text) > 1
    text_of_ours = ", ".join(one + (f" ({', '.join(where)})" if several else "") for one, where in by_text.items())
    return f"{title}: {text_of_ours}" + (f" - the paper: {papers}" if papers else "")


def _field_facts(found: dict[Place, Ours]) -> list[str]:
    """A note for each field that the paper states or that it is silent about, unless ours is as every run was.

    "Training examples: the first 20 (Tanh on MNIST), all (Tanh N on MNIST) - the paper: all".
    """
    return [_field_fact(name, found) for name, about in ABOUT.items() if _is_told(name, about, found)]


def _is_told(name: str, about: About, found: dict[Place, Ours]) -> bool:
    values = {getattr(ours.settings, name) for ours in found.values()}
    if about.role is not Role.DECIDES or about.paper is Paper.VARIES:
        return False
    return about.is_old or about.paper is Paper.SILENT or values != {about.paper}


def _field_fact(name: str, found: dict[Place, Ours]) -> str:
    about = ABOUT[name]
    return _fact(about.title, lambda ours: about.text(getattr(ours.settings, name)), about.papers, found)


# What else our cells have -> (title, how it is written, what the paper has; empty where it does not say).
FACTS: tuple[tuple[str, Callable[[Ours], str], str], ...] = (
    ("Runs per cell", lambda ours: str(ours.cell.runs), "1"),
    ("Examples tested", lambda ours: examples_text(ours.source, ours.cell.shown, "test"), ""),
    ("Device", lambda ours: " and ".join(sorted({run.device for run in ours.cell.shown})), ""),
    ("Sweep", lambda ours: " and ".join(ours.sweeps), ""),
)
