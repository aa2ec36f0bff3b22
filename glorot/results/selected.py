"""Which stored runs of a sweep count: those of the settings that its ``select`` chose, as in its table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glorot.errors import GlorotError
from glorot.results.store import Store
from glorot.results.stored import StoredRun, gather
from glorot.sweeps import search
from glorot.sweeps.runs import Run, expand, stored_sweep
from glorot.sweeps.sweep import Sweep

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Tried:
    """Of how many settings with a result `select` chose, and their learning rates; 0 and () where it was not asked."""

    settings: int = 0
    rates: tuple[float, ...] = ()


def gather_selected(folders: Iterable[Path]) -> list[StoredRun]:
    """As stored.gather, but only the runs that count. Raises ResultsError, and SweepError: see `selected`."""
    runs: dict[str, StoredRun] = {}
    for folder in map(Path, folders):
        gathered = gather([folder])
        kept = selected(folder, Store(folder).read_runs().to_dict("records"))
        for run in gathered:
            if (tried := kept.get(run.run_id)) is not None:
                runs.setdefault(run.run_id, replace(run, rates=tried.rates, tried=tried.settings))
    return list(runs.values())


def gather_readable(folders: Iterable[Path]) -> tuple[list[StoredRun], list[str]]:
    """As `gather_selected`, and a message for each folder that cannot be read; the others count."""
    runs: dict[str, StoredRun] = {}
    problems = []
    for folder in folders:
        try:
            gathered = gather_selected([folder])
        except GlorotError as error:
            problems.append(str(error))
            continue
        for run in gathered:
            runs.setdefault(run.run_id, run)
    return list(runs.values()), problems


def selected(folder: Path, rows: Sequence[Row]) -> dict[str, Tried]:
    """run_id -> what was tried, of the stored runs that count.

    rows: of runs.csv. A sweep without `select` tried nothing, and all its runs count. A search's short runs and the
    settings that were not chosen do not, nor do rows of other settings than the sweep has now. Raises SweepError where
    sweep.yaml cannot be read.
    """
    sweep = stored_sweep(folder)
    if not sweep.select:
        return {str(row["run_id"]): Tried() for row in rows}
    kept: dict[str, Tried] = {}
    for device in dict.fromkeys(row["device"] for row in rows):
        kept |= _selected(sweep, expand(sweep, device), rows)
    return kept


def _selected(sweep: Sweep, runs: Sequence[Run], rows: Sequence[Row]) -> dict[str, Tried]:
    assert sweep.select
    short = search.short_runs(sweep, runs)
    found = {str(row["run_id"]): row for row in rows}
    cells: search.Short = {}
    for run in runs:
        cells.setdefault(search.cell_of(sweep, run), {}).setdefault(search.setting_of(sweep, run), []).append(run)
    if short:
        choices = search.decided(sweep, short, found)
    else:
        choices = {cell: search.best(settings, found, sweep.select.by) for cell, settings in cells.items()}
    kept = {}
    for cell, choice in choices.items():
        tried = _tried(short[cell] if short else cells[cell], found)
        for run in cells[cell].get(choice, ()) if choice is not None else ():
            if run.run_id in found:
                kept[run.run_id] = tried
    return kept


def _tried(settings: Mapping[search.Key, Sequence[Run]], found: Mapping[str, Row]) -> Tried:
    """The settings with a result."""
    with_result = [runs for runs in settings.values() if any(run.run_id in found for run in runs)]
    rates = {
        run.settings.learning_rate for runs in with_result for run in runs
        if run.run_id in found and "learning_rate" not in run.settings.ignored
    }  # fmt: skip
    return Tried(len(with_result), tuple(sorted(rates)))
