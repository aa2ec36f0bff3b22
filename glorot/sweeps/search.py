"""The two stages of a sweep with a ``search``: short runs choose the setting of each cell, long ones give its result.

A cell is what the runs have in common that differ only in their seed and on the axes selected over; a setting is a
point on these axes. A short run is a run like any other: it has the id of an ordinary run of so few updates, lies in
the same runs.csv, and the long run with its seed goes on from its saved state.
"""

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glorot.sweeps.about import label_of
from glorot.sweeps.runs import STATUSES, Run, describe, run_id
from glorot.sweeps.settings import Settings
from glorot.sweeps.sweep import Sweep

Key = tuple[str, ...]  # labels
Found = Mapping[str, Mapping[Any, Any]]  # run_id -> its row of runs.csv
Short = dict[Key, dict[Key, list[Run]]]  # by cell, then by setting


def cell_of(sweep: Sweep, run: Run) -> Key:
    over = sweep.select.over if sweep.select else ()
    return tuple(label for axis, label in run.labels.items() if axis not in over and axis not in sweep.seed_axes)


def setting_of(sweep: Sweep, run: Run) -> Key:
    return tuple(run.labels[axis] for axis in sweep.select.over) if sweep.select else ()


def short_runs(sweep: Sweep, runs: Iterable[Run]) -> Short:
    """The short runs that choose among these runs of the sweep; none if it has no search.

    Their seeds are the first of the grid's; where the grid has none, the run's own and those that follow it.
    """
    if not sweep.search:
        return {}
    over = sweep.select.over if sweep.select else ()
    first = {
        axis: {choice.label for choice in sweep.grid[axis][: sweep.search.seeds]}
        for axis in sweep.seed_axes
        if axis not in over
    }
    following = range(1 if first else sweep.search.seeds)
    found: Short = {}
    for run in runs:
        if all(run.labels[axis] in labels for axis, labels in first.items()):
            settings = found.setdefault(cell_of(sweep, run), {})
            short = settings.setdefault(setting_of(sweep, run), [])
            short += [_short(run, sweep.search.updates, run.settings.seed + more) for more in following]
    return found


def flat(short: Short) -> list[Run]:
    """Each short run once: cells that differ in their updates alone share them."""
    return list({run.run_id: run for settings in short.values() for runs in settings.values() for run in runs}.values())


def _short(run: Run, updates: int, seed: int) -> Run:
    fields: dict[str, Any] = {"updates": updates, "seed": seed}
    if "probes" in Settings.model_fields:  # they choose nothing
        fields["probes"] = None
    settings = run.settings.model_copy(update=fields)
    labels = {axis: label_of(updates) if axis == "updates" else label for axis, label in run.labels.items()}
    return replace(run, run_id=run_id(settings, run.device, run.version), labels=labels, settings=settings)


# Choosing. -----------------------------------------------------------------------------------------


def values(runs: Iterable[Run], found: Found, value: str) -> list[float]:
    """What the finished ones among these runs have of a value."""
    rows = [found[run.run_id] for run in runs if run.run_id in found]
    numbers = [float(row[value]) for row in rows if row["status"] == "done" and row[value] != ""]
    return [number for number in numbers if not math.isnan(number)]


def best(settings: Mapping[Key, Sequence[Run]], found: Found, by: str) -> Key | None:
    """The setting whose mean over seeds is lowest; None where none has a number.

    One in which some seed diverged is the last resort. Ties: the first in grid order.
    """
    ranks = {}
    for key, runs in settings.items():
        diverged = any(found[run.run_id]["status"] == "diverged" for run in runs if run.run_id in found)
        numbers = values(runs, found, by)
        if numbers:
            ranks[key] = (diverged, statistics.fmean(numbers))
    return min(ranks, key=ranks.__getitem__, default=None)


def decided(sweep: Sweep, short: Short, found: Found) -> dict[Key, Key | None]:
    """The setting chosen for each cell of which every short run has ended; None where all diverged or failed.

    A cell that is searched in part has no choice yet: a long run of a wrong one would be hours lost.
    """
    assert sweep.select
    return {
        cell: best(settings, found, sweep.select.by)
        for cell, settings in short.items()
        if all(run.run_id in found and found[run.run_id]["status"] in STATUSES for run in flat({cell: settings}))
    }


def chosen(sweep: Sweep, runs: Iterable[Run], choices: Mapping[Key, Key | None]) -> list[Run]:
    """The long runs of the settings chosen."""
    return [run for run in runs if choices.get(cell_of(sweep, run)) == setting_of(sweep, run)]


def stand_ins(sweep: Sweep, runs: Iterable[Run]) -> list[Run]:
    """One run for each cell and seed among these: as many, and as long, as those that will be chosen."""
    over = sweep.select.over if sweep.select else ()
    return list({tuple(run.value(axis) for axis in run.labels if axis not in over): run for run in runs}.values())


@dataclass(frozen=True)
class Stages:
    """chosen: the long runs of the settings chosen so far. later: stand-ins for those that can be chosen once the
    waiting short runs have ended. held_up: how many take short runs that neither ended nor wait."""

    chosen: list[Run]
    later: list[Run]
    held_up: int


def stages(sweep: Sweep, short: Short, selected: Sequence[Run], found: Found, waiting: Collection[str]) -> Stages:
    """What is to follow. selected: long runs. waiting: run_ids of the short runs that are to be done, perhaps again."""
    choices = decided(sweep, short, {run_id: row for run_id, row in found.items() if run_id not in waiting})
    open_runs = [run for run in stand_ins(sweep, selected) if cell_of(sweep, run) not in choices]
    known = found.keys() | set(waiting)
    later = [run for run in open_runs if all(one.run_id in known for one in flat({(): short[cell_of(sweep, run)]}))]
    return Stages(chosen(sweep, selected, choices), later, len(open_runs) - len(later))


def of_settings(short: Short, sweep: Sweep, runs: Iterable[Run]) -> Short:
    """The short runs of the cells and settings that these long runs have, whatever their seed."""
    wanted = {(cell_of(sweep, run), setting_of(sweep, run)) for run in runs}
    return {
        cell: {setting: short[cell][setting] for setting in settings if (cell, setting) in wanted}
        for cell, settings in short.items()
    }


def all_runs(sweep: Sweep, runs: Sequence[Run], found: Found) -> list[Run]:
    """What a sweep's results consist of: its runs, or else its short runs and the long ones chosen so far."""
    if not sweep.search:
        return list(runs)
    short = short_runs(sweep, runs)
    return [*flat(short), *chosen(sweep, runs, decided(sweep, short, found))]


# Counting. -----------------------------------------------------------------------------------------


def describe_stages(sweep: Sweep, short: Sequence[Run], runs: Sequence[Run]) -> str:
    """As sweep.describe, but of both stages: "25 short runs of 50,000 updates to choose, then 5 runs = 5 method"."""
    if not sweep.search or not sweep.select:
        return describe(sweep, runs)
    grid = {axis: choices for axis, choices in sweep.grid.items() if axis not in sweep.select.over}
    first = f"{len(short)} short run{'s' if len(short) != 1 else ''} of {sweep.search.updates:,} updates to choose"
    return f"{first}, then {describe(replace(sweep, grid=grid), stand_ins(sweep, runs))}"
