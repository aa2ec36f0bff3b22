"""The notes below a table: what its runs have in common, what was chosen and how, what the marks mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from glorot.datasets.catalogue import DATASETS
from glorot.datasets.local import LocalData
from glorot.reporting.summary import NOT_RUN, VALUES, Cell, Source, grouped
from glorot.reporting.worsened import ROW
from glorot.sweeps.about import About, Role, count
from glorot.sweeps.fields import ABOUT, LAYERS
from glorot.sweeps.values import dataset_text

if TYPE_CHECKING:
    from glorot.sweeps.runs import Run
    from glorot.sweeps.sweep import Sweep


def sources(sweep: "Sweep", published: Mapping[tuple[str, str], float], value: str) -> list[str]:
    """Where published numbers are from, and those of what is not in the table."""
    if not sweep.published or value != sweep.table.value:
        return []
    every = [(row, column, number) for row, numbers in sweep.published.values.items()
             for column, number in numbers.items()]  # fmt: skip
    told = [f"In parentheses: published, and ours minus that. Source: {sweep.published.source}"] if published else []
    if len(every) > len(published):
        labels = {label for place in published for label in place}
        left = [f"{row} on {column} {number:g}" for row, column, number in every if row not in labels]
        told += [f"Published, but not in this table: {', '.join(left)}"] if left else []
    return told


def facts(source: Source, shown: "Sequence[Run]", displayed: set[str]) -> list[str]:
    """What the runs shown have in common, or else the values they take. displayed: what the labels say."""
    measured = [run for run in shown if run.run_id in source.found and source.found[run.run_id]["status"] != "failed"]
    runs = measured or list(shown)
    told = []
    if not displayed & {"method", *METHOD} and len({run.method for run in runs}) == 1:
        told.append(f"Method: {runs[0].method}")  # else the labels say it in the sweep's own words
    for name, about in ABOUT.items():
        by_method = name in METHOD and (told or not displayed & set(METHOD))
        having = [run for run in runs if name not in run.settings.ignored]
        if name not in displayed and not by_method and name != "seed" and _is_told(source, having, name, about):
            told.append(f"{about.title}: {_values_text(source, having, name, about)}")
    return [*told, f"Device: {', '.join(dict.fromkeys(run.device for run in runs))}"]


METHOD = ("activation", "initializer")  # fields that the name of a method says


def _is_told(source: Source, runs: "Sequence[Run]", name: str, about: About) -> bool:
    """Whether a note tells a field: what decides, but for what is as it always was; of the rest, what was looked at."""
    values = {getattr(run.settings, name) for run in runs}
    if not runs:
        return False
    if name in EXAMPLES:
        return any(one.startswith(EXAMPLES[name]) for one in (source.value, source.by))
    if about.role is Role.DECIDES:
        return about.is_old or values != {about.older}
    return about.role is Role.WATCHES and len(values) > 1


# What values are of -> "test_examples": "test".
EXAMPLES = {name: name.partition("_")[0] for name, about in ABOUT.items() if about.role is Role.MEASURES}


def _values_text(source: Source, runs: "Sequence[Run]", name: str, about: About) -> str:
    """ "60,000"; "60,000, 80,000"; where it is a matter of the data set, "pixels in [-1, 1] (Shapeset), ..."."""
    if name in EXAMPLES:
        return examples_text(source, runs, EXAMPLES[name])
    by_dataset: dict[str, list[str]] = {}
    for run in runs:
        by_dataset.setdefault(dataset_text(run.settings.dataset), []).append(about.text(getattr(run.settings, name)))
    values = list(dict.fromkeys(getattr(run.settings, name) for run in runs))
    numeric = all(isinstance(value, int | float) for value in values)
    texts = list(dict.fromkeys(map(about.text, sorted(values) if numeric else values)))
    if len(texts) > 1 and len(by_dataset) > 1 and all(len(set(of_one)) == 1 for of_one in by_dataset.values()):
        where = {text: [label for label, of_one in by_dataset.items() if text in of_one] for text in texts}
        return ", ".join(f"{text} ({', '.join(labels)})" for text, labels in where.items())
    many = numeric and len(texts) > 4
    text = f"{texts[0]} to {texts[-1]} ({len(texts)} values)" if many else ", ".join(texts)
    fields = set(LAYERS) if name == "hidden" else {name}
    over = source.sweep.select.over if source.sweep.select else ()
    selected = {field for axis in over for choice in source.sweep.grid[axis] for field in choice.fields}
    return text + (", chosen for each cell" if fields & selected else "")


def examples_text(source: Source, runs: "Iterable[Run]", kind: str) -> str:
    """How many "test" or "valid" examples: "10,000", "440, 10,000", "up to 10,000"."""
    runs = list(runs)
    counts = [source.examples(run, kind) for run in runs]
    known = sorted({count for count in counts if count is not None})
    most = max((getattr(run.settings, f"{kind}_examples") for run in runs), default=0)
    return f"up to {most:,}" if None in counts else ", ".join(map(count, known))


def kind_mark(runs: "Iterable[Run]") -> str:
    """What a label adds about its runs' data: " (stand-in)" or " (rebuilt)" where all have such data, else nothing."""
    kinds = {run.settings.dataset.kind if isinstance(run.settings.dataset, LocalData) else "" for run in runs}
    return f" ({kinds.pop()})" if len(kinds) == 1 and "" not in kinds else ""


def data_notes(runs: "Iterable[Run]", papers: str = "the paper's own data set was never published") -> list[str]:
    """What the data sets that are built here were made from, and which are of an older version. papers: of what they
    stand for."""
    notes = []
    for one in dict.fromkeys(run.settings.dataset for run in runs):
        if isinstance(one, LocalData) and one.about:
            label, about = dataset_text(str(one)), one.about.removeprefix(f"{one.kind}: ")
            why = f"; {papers}" if one.kind else ""
            notes.append(f"{label}{f' ({one.kind})' if one.kind else ''}: {about}{why}")
    for name, version in dict.fromkeys((str(run.settings.dataset), run.version) for run in runs):
        if name in DATASETS and version < DATASETS[name].version:
            label, current = DATASETS[name].label, DATASETS[name].version
            notes.append(f"{label}: version {version} of the data set; the current version is {current}")
    return notes


def seeds(runs: "Sequence[Run]", names: Sequence[str], cells: Sequence[Sequence[Cell]]) -> list[str]:
    """How many runs a cell has, or should have."""
    counts = sorted({len(group) for group in grouped(runs, names).values()})
    meaning = any(cell.standard_error is not None for line in cells for cell in line)
    note = f"Seeds: {' to '.join(map(str, dict.fromkeys([counts[0], counts[-1]])))}"
    return [note + (", mean ± standard error of the mean" if meaning else "")]


def choices(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]], sweep: "Sweep") -> list[str]:
    """What was chosen, a line a cell."""
    lines = []
    for row, line in zip(rows, cells, strict=True):
        for column, cell in zip(columns, line, strict=True):
            if cell.chosen:
                without = f" ({cell.unmeasured} of {cell.settings} settings without a result)"
                lines.append(f"{row} on {column}: {chosen_text(sweep, cell)}{without * (cell.unmeasured > 0)}")
    told = ["\n  - ".join([f"Chosen by {chosen_by(sweep)}:", *lines])] if lines else []
    return [*told, *chance_notes([cell for line in cells for cell in line])]


def chance_notes(cells: "Iterable[Cell]") -> list[str]:
    """What it means that the networks to choose from had learned nothing; none where that is not so."""
    if not any(cell.at_chance for cell in cells):
        return []
    return [
        "Where no setting was better than chance, the choice means nothing: no network had learned anything when it "
        "was made. Another setting may be much better after more updates"
    ]


def worsened(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]]) -> list[str]:
    """The runs that were better before than at the end."""
    return worsened_notes(
        {
            row if len(columns) == 1 else f"{row} on {column}": cell
            for row, line in zip(rows, cells, strict=True)
            for column, cell in zip(columns, line, strict=True)
        }
    )


def worsened_notes(cells: "Mapping[str, Cell]") -> list[str]:
    """What became of these runs, a line each, and what may be the reason. cells: by title."""
    lines: dict[str, list[str]] = {WORSENED: [], OVERFITTED: []}
    for title, cell in cells.items():
        for one in cell.worsened:
            name = f"{title}, seed {one.seed}" if cell.runs > 1 else title
            best = f"{one.lowest:.2f} % (updates {one.first:,} to {one.last:,})"
            lines[OVERFITTED if one.overfits else WORSENED].append(f"{name}: {best}, {one.end:.2f} % at the end")
    more = {reason: [f"and {len(told) - MOST} more"] * (len(told) > MOST) for reason, told in lines.items()}
    return ["\n  - ".join([reason, *told[:MOST], *more[reason]]) for reason, told in lines.items() if told]


MOST = 10  # runs named for one reason
WORSENED = (
    f"Worse at the end than before (means of {ROW} evaluations). Often the learning rate is too high by then; a lower "
    "one from some update on (the field schedule) may help"
)
OVERFITTED = (
    f"Worse at the end than before, while the training loss went on falling (means of {ROW} evaluations): the network "
    "overfits; fewer updates or more training examples may help"
)


def chosen_by(sweep: "Sweep") -> str:
    """By what settings are chosen: "validation error after 50,000 updates, one seed"."""
    assert sweep.select
    what = VALUES[sweep.select.by].partition(" (")[0].lower()
    if not sweep.search:
        return f"{what}, the lowest mean over seeds"
    over = "one seed" if sweep.search.seeds == 1 else f"the lowest mean over {sweep.search.seeds} seeds"
    return f"{what} after {sweep.search.updates:,} updates, {over}"


def chosen_text(sweep: "Sweep", cell: Cell) -> str:
    """ "learning_rate 0.1 at the end of the grid (2 other settings gave the same result)": where, and how clear."""
    chosen = ", ".join(_setting(sweep, axis, label) for axis, label in cell.chosen.items())
    others = "1 other setting" if cell.tied == 1 else f"{cell.tied} other settings"
    told = [f"{others} gave the same result"] * (cell.tied > 0) + ["no setting was better than chance"] * cell.at_chance
    return chosen + (f" ({'; '.join(told)})" if told else "")


def _setting(sweep: "Sweep", axis: str, label: str) -> str:
    """ "learning_rate 0.1", and whether the grid ends there."""
    values = {one.label: next(iter(one.fields.values())) if len(one.fields) == 1 else None for one in sweep.grid[axis]}
    numbers = [value for value in values.values() if isinstance(value, int | float)]
    at_end = 1 < len(values) == len(numbers) and values[label] in (min(numbers), max(numbers))
    return f"{axis} {label}" + (" at the end of the grid" if at_end else "")


def legend(cells: Sequence[Sequence[Cell]], left_out: int) -> list[str]:
    """What the marks in the cells mean, and how much of runs.csv is not in the table."""
    every = [cell for line in cells for cell in line]
    told = []
    if any(cell.diverged for cell in every):
        told.append("diverged: the loss became infinite or not a number; such runs do not count in the mean")
    if any(cell.status == "missing" for cell in every):
        told.append(f"{NOT_RUN}: not run")
    if left_out:
        rows = "1 row of runs.csv belongs" if left_out == 1 else f"{left_out} rows of runs.csv belong"
        told.append(f"Left out: {rows} to other settings")
    return told
