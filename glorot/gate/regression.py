"""Results against a baseline -> verdicts: does glorot still compute what it did, as well and as fast?

A baseline is a file of the form of runs.csv, made from finished runs by ``glorot check SWEEP --update`` and committed.
Runs are matched by their settings and their data, and compared in one of two ways:

- exactly, where the same bits are promised: the run_id is the baseline's (it stands for the settings, the device
  and the versions of kernels and data set) and the device is the CPU. Any number that differs is ``changed``.
- statistically, elsewhere. A test error is ``worse`` or ``better`` only beyond a relative factor *and* significantly:
  with tens of thousands of examples a difference too small to matter is significant, and with few examples a large
  one is chance. One run against one: two-proportion z-test on the test examples. That test knows nothing of how
  much a run depends on its seed, so where both sides have several seeds, Welch's t-test over them takes its place.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.datasets.catalogue import DATASETS
from glorot.errors import ResultsError
from glorot.gate import baselines
from glorot.gate.agreement import check_rows, denied, impossible, without_use
from glorot.gate.verdicts import NONE, Verdict, beyond, checked_factor
from glorot.reporting.significance import MOST_EXAMPLES, SIGNIFICANT, two_proportions, welch
from glorot.results.rows import (
    FURTHER_FIELDS,
    OUTCOME_COLUMNS,
    RUN_COLUMNS,
    SETTINGS_COLUMNS,
    cells_of,
    frame_of,
    records_of,
)
from glorot.results.store import Store
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    import pandas as pd

FACTOR = 1.05  # of a test error

Row = dict[str, Any]


# Fresh results, and baselines. ---------------------------------------------------------------------


@dataclass(frozen=True)
class Fresh:
    """The stored runs of a sweep on one device, in grid order.

    not_run: run_ids of the sweep that have no row. left_out: how many rows belong to other settings or versions.
    tested: how many examples each test set really has (see `_test_set`), where that is stored. origins: run_id -> its
    row of provenance.csv.
    """

    sweep: str
    device: str
    runs: "pd.DataFrame"
    not_run: list[str]
    left_out: int
    tested: dict[tuple, int] = field(default_factory=dict)
    origins: dict[str, Row] = field(default_factory=dict)


def fresh_results(folder: Path, file: Path | None = None, device: str | None = None) -> Fresh:
    """The runs in a sweep's folder that belong to the sweep as it is now: its sweep.yaml, or the file given.

    A run that failed when it was made again has failed, though its earlier result is kept. device: its kind, needed
    only where there are runs of two. Raises SweepError, and ResultsError where nothing is there, or a row is impossible
    or denied by its own files (agreement.py).
    """
    from glorot.kernels import DEVICES
    from glorot.sweeps.runs import expand, stored_sweep
    from glorot.sweeps.search import all_runs

    if not (folder / "runs.csv").is_file() or not (file or folder / "sweep.yaml").is_file():
        raise ResultsError(
            f"nothing was measured: expected results in {folder}, found none; run the sweep first: glorot run SWEEP"
        )
    sweep = stored_sweep(folder, file)
    store = Store(folder)
    stored = store.read_runs()
    rows = stored.set_index("run_id", drop=False)
    known = store.rows()
    expected = {
        kind: {run.run_id: run for run in all_runs(sweep, expand(sweep, kind), known)}
        for kind in ([device] if device else DEVICES[1:])
    }
    found = [kind for kind, run_ids in expected.items() if run_ids.keys() & known.keys()]
    if not found:
        raise ResultsError(
            f"nothing was measured: none of the runs of sweep {sweep.name} is in {folder}, which holds {len(stored)} "
            "of other settings or versions; run the sweep first: glorot run SWEEP"
        )
    if len(found) > 1:
        raise ResultsError(f"{folder}: expected runs on one device, found {', '.join(found)}; choose with --device")
    there = {run_id: run for run_id, run in expected[found[0]].items() if run_id in known}
    check_rows(
        str(folder / "runs.csv"),
        [known[run_id] for run_id in there],
        lambda row: impossible(row) or denied(store, there[row["run_id"]], row),
        "restore it (git checkout), or run the sweep again: glorot run SWEEP --rerun",
    )
    runs = rows.loc[list(there)].reset_index(drop=True)
    runs.loc[runs["run_id"].isin(store.failed_again()), "status"] = "failed"
    not_run = [run_id for run_id in expected[found[0]] if run_id not in known]
    origins = {row["run_id"]: row for row in records_of(store.read_provenance())}
    return Fresh(sweep.name, found[0], runs, not_run, len(rows) - len(runs), _tested(store, runs), origins)


def _tested(store: Store, runs: "pd.DataFrame") -> dict[tuple, int]:
    read = store.read_correct
    found = {_test_set(row): read(row["run_id"]) for row in records_of(runs) if row["status"] == "done"}
    return {key: len(correct) for key, correct in found.items() if correct is not None}


def _test_set(row: Row) -> tuple:
    """What says which test examples a run was measured on; a stand-in's "data" has its content."""
    return row["dataset"], row.get("data"), row["test_examples"]


@dataclass(frozen=True)
class Baseline:
    """runs: as results.Store.read_runs gives runs.csv. counted: whether the file says how many runs it has."""

    runs: "pd.DataFrame"
    counted: bool = True


def read_baseline(path: Path) -> Baseline:
    """Raises ResultsError: not there, torn, empty, foreign, without all its rows, or with values that cannot be."""
    rows, counted = baselines.read(path, RUN_COLUMNS, "glorot check SWEEP")
    check_rows(
        str(path),
        rows,
        lambda row: "no result" if row["status"] == "failed" else impossible(row),
        "restore it (git checkout), or make a new one with --update",
    )
    return Baseline(frame_of(rows, RUN_COLUMNS), counted)


def write_baseline(path: Path, fresh: Fresh) -> None:
    """Make the fresh results the baseline. Raises ResultsError where a run has none; the old one is then intact."""
    rows = records_of(fresh.runs)
    without = [f"{row['run_id']} ({row['method']}, {row['dataset']}) failed" for row in rows if not _measured(row)]
    without += [f"{run_id} was not run" for run_id in fresh.not_run]
    if without:
        shown = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        raise ResultsError(
            f"{path} is left as it is: expected a result of every run of sweep {fresh.sweep}; {shown}; finish the "
            "sweep first: glorot run SWEEP"
        )
    cells = [cells_of(row, RUN_COLUMNS) for row in rows]
    baselines.write(path, cells, [str(column) for column in fresh.runs.columns])


def _measured(row: Row) -> bool:
    """Whether a run has a result to compare: it diverged, or has a test error that can be."""
    error = row["test_error"]
    return row["status"] == "diverged" or (row["status"] == "done" and error is not None and 0 <= error <= 100)


# Verdicts on results. ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """One run of the baseline and of the results; None where it is not there.

    of_other_data: the run of the results that differs from that of the baseline in its data alone. counted: whether
        the baseline says how many runs it has.
    """

    old: Row | None
    new: Row | None
    of_other_data: Row | None = None
    counted: bool = True

    @property
    def row(self) -> Row:
        row = self.new or self.old
        assert row is not None
        return row

    @property
    def is_statistical(self) -> bool:
        """Whether both have a result and the same bits are not promised."""
        if not self.old or not self.new or not _measured(self.new):
            return False
        return self.old["run_id"] != self.new["run_id"] or self.new["device"] != "cpu"


def compare(
    runs: "pd.DataFrame",
    baseline: "pd.DataFrame",
    factor: float | None = None,
    tested: Mapping[tuple, int] | None = None,
    counted: bool = True,
    origins: Mapping[str, Row] | None = None,
) -> list[Verdict]:
    """A verdict for each cell, in the baseline's order; what is not in the baseline comes last.

    runs, origins: as Fresh has them. baseline, counted: as Baseline has them. factor: how many times as large a test
    error has to be to be worse (or, divided by it, better); at least 1, FACTOR by default.

    A cell is one run; but where runs are compared statistically, those that differ in their seed alone are one.
    """
    factor = checked_factor(factor, FACTOR)
    old, new = _by_settings(baseline, "the baseline"), _by_settings(runs, "the results")
    of_other_data = {_without(key, "data"): row for key, row in new.items() if key not in old}
    cells: dict[tuple, list[_Pair]] = {}
    for key in dict.fromkeys([*old, *new]):
        pair = _Pair(old.get(key), new.get(key), of_other_data.get(_without(key, "data")), counted)
        cells.setdefault(_without(key, "seed") if pair.is_statistical else key, []).append(pair)
    columns = _telling_columns([pair.row for pairs in cells.values() for pair in pairs])
    return [
        replace(_verdict(pairs, columns, factor, tested or {}), seconds=_seconds(pairs, origins or {}))
        for pairs in cells.values()
    ]


def _seconds(pairs: Sequence[_Pair], origins: Mapping[str, Row]) -> float | None:
    """How long the runs of a cell took together, where that is known."""
    known = [origins.get(pair.new["run_id"], {}).get("seconds") for pair in pairs if pair.new]
    return sum(known) if known and None not in known else None  # type: ignore[arg-type]


def _without(key: tuple, column: str) -> tuple:
    return tuple(item for item in key if item[0] != column)


def _by_settings(frame: "pd.DataFrame", what: str) -> dict[tuple, Row]:
    """Rows by all settings that decide, and by what their data was made from, but not by device or version."""
    rows: dict[tuple, Row] = {}
    for row in records_of(frame):
        columns = [column for column in (*SETTINGS_COLUMNS, *FURTHER_FIELDS, "data") if column != "device"]
        key = tuple((column, None if row.get(column) == "" else row.get(column)) for column in columns)
        if key in rows:
            raise ResultsError(
                f"{what}: expected each run once, found {rows[key]['run_id']} and {row['run_id']} with equal settings; "
                "keep one of them"
            )
        rows[key] = row
    return rows


def _telling_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that tell the runs apart: method, data set, and as few as possible of the others."""
    columns = ["method", "dataset"]
    axes = [column for column in dict.fromkeys(column for row in rows for column in row) if column not in RUN_COLUMNS]
    for column in [*axes, *(column for column in SETTINGS_COLUMNS if column not in ("dataset", "device"))]:
        known, more = ({tuple(row.get(c) for c in cs) for row in rows} for cs in (columns, [*columns, column]))
        if len(more) > len(known):
            columns.append(column)
    return columns


def cell_names(rows: Sequence[Row]) -> list[str]:
    """A name for each run, of what tells it from the others."""
    columns = _telling_columns(rows)
    return [_name(row, columns) for row in rows]


def hint(runs: "pd.DataFrame", baseline: "pd.DataFrame") -> str:
    """Which settings have no value in common, as a reason why everything is missing and new; empty if there is none."""
    old, new = records_of(baseline), records_of(runs)
    columns = [column for column in (*SETTINGS_COLUMNS, *FURTHER_FIELDS, "data") if column != "device"]
    differ = []
    for column in columns:
        before, now = ({_exact(row.get(column) or None) for row in rows} for rows in (old, new))
        if not before & now:
            differ.append(f"{column} {', '.join(sorted(before))} in the baseline, {', '.join(sorted(now))} now")
    return "; ".join(differ)


def _name(row: Row, columns: Iterable[str]) -> str:
    bare = ("method", "dataset", "activation", "initializer", "loss")
    texts = [(column, row.get(column)) for column in columns]
    younger = {one for one, about in ABOUT.items() if not about.is_old} - without_use(row)
    texts = [(one, ABOUT[one].shown("") if value == "" and one in younger else value) for one, value in texts]
    return ", ".join(
        str(value) if column in bare else f"{column.replace('_', ' ')} {value}"
        for column, value in texts
        if value is not None
    )


def _verdict(pairs: Sequence[_Pair], columns: Sequence[str], factor: float, tested: Mapping[tuple, int]) -> Verdict:
    pair = pairs[0]
    if pair.is_statistical:
        return _statistical_verdict(pairs, columns, factor, tested)
    name, old, new = _name(pair.row, columns), pair.old, pair.new
    if new is None:
        return Verdict("missing", name, _shown([old]), NONE, _why_missing(pair))
    if not _measured(new):
        why = f"a test error of {new['test_error']} %" if new["status"] == "done" else "the run failed"
        return Verdict("missing", name, _shown([old]), "failed", why + ("" if old else "; new"))
    if old is None and not pair.counted:
        return Verdict("missing", name, NONE, _shown([new]), baselines.NOT_COUNTED)
    if old is None:
        return Verdict("new", name, NONE, _shown([new]), "not in the baseline")
    different = [f"{c} {_exact(old[c])} -> {_exact(new[c])}" for c in OUTCOME_COLUMNS if old[c] != new[c]]
    kind, why = ("changed", ", ".join(different)) if different else ("same", "bit for bit")
    return Verdict(kind, name, _shown([old]), _shown([new]), why)


def _why_missing(pair: _Pair) -> str:
    if not pair.of_other_data or not pair.old:
        return "not in the results"
    old, new = (row.get("data") or "as first published" for row in (pair.old, pair.of_other_data))
    return f"the results are of other data: {old} -> {new}"


def _exact(value: Any) -> str:
    return NONE if value is None else str(value)


def _shown(rows: Sequence[Row | None]) -> str:
    """The mean test error of the runs that are done; diverged, where there is none."""
    there = [row for row in rows if row]
    errors = [row["test_error"] for row in there if row["status"] == "done"]
    if not errors:
        return "diverged" if there else NONE
    diverged = f" ({len(there) - len(errors)} of {len(there)} diverged)" if len(errors) < len(there) else ""
    return f"{statistics.fmean(errors):.2f} %{diverged}"


def _statistical_verdict(
    pairs: Sequence[_Pair], columns: Sequence[str], factor: float, tested: Mapping[tuple, int]
) -> Verdict:
    """Of runs that differ in their seed alone, each with a result on both sides."""
    old, new = [pair.old for pair in pairs if pair.old], [pair.new for pair in pairs if pair.new]
    name = _name(new[0], columns)
    if len(pairs) > 1:
        name = f"{_name(new[0], [c for c in columns if c != 'seed'])}, {len(pairs)} seeds"
    kind, why = _statistical(old, new, factor, tested)
    return Verdict(kind, name, _shown(old), _shown(new), why)


def _statistical(
    olds: Sequence[Row], news: Sequence[Row], factor: float, tested: Mapping[tuple, int]
) -> tuple[str, str]:
    """Kind and reason."""
    diverged = [sum(row["status"] == "diverged" for row in rows) for rows in (olds, news)]
    old, new = ([row for row in rows if row["status"] == "done"] for rows in (olds, news))
    if diverged[1] > diverged[0]:  # no number to test, and no matter of degree
        return "worse", f"{diverged[1]} of {len(news)} diverged, {diverged[0]} before"
    fewer = "better" if diverged[1] < diverged[0] else "same"
    if not old:
        return fewer, f"{diverged[1]} of {len(news)} diverged, {diverged[0]} before"
    means = [statistics.fmean(row["test_error"] for row in rows) for rows in (old, new)]
    if len(old) > 1 and len(new) > 1:
        p = float(welch([row["test_error"] for row in old], [row["test_error"] for row in new]).p)
        how = "Welch's t-test over seeds"
    else:
        p = two_proportions(*_mistakes(old, tested), *_mistakes(new, tested))
        how = "two-proportion test"
    if not 0 <= p <= 1:  # NaN would be no difference
        return "missing", f"{how} gives p = {p}: nothing was compared"
    far = beyond(means[0], means[1], factor)
    if p < SIGNIFICANT:
        return far or fewer, f"{how}, p = {p:.2g}" + ("" if far else f", within the factor {factor:g}")
    return fewer, f"{how}, p = {p:.2g}" + (f": beyond the factor {factor:g}, not significant" if far else "")


def _mistakes(rows: Sequence[Row], tested: Mapping[tuple, int]) -> tuple[int, int]:
    """(how many test examples were wrong, of how many)."""
    counts = [tested.get(_test_set(row)) or _asked(row) for row in rows]
    wrong = [round(row["test_error"] * n / 100) for row, n in zip(rows, counts, strict=True)]
    return sum(wrong), sum(counts)


def _asked(row: Row) -> int:
    """On how many test examples it was measured, as far as its data set tells."""
    there = DATASETS[row["dataset"]].held_out if row["dataset"] in DATASETS else None
    return int(min(row["test_examples"], there or MOST_EXAMPLES))
