"""What is stored of a sweep, and how: small CSV files, written whole or not at all, that read back exactly.

A sweep's folder DIR/NAME/ holds

    sweep.yaml            the sweep as resolved
    runs.csv              one row a run: what decided the result and what came out, nothing else
    provenance.csv        one row a run: when, where, how long, with what
    history/RUN_ID.csv    one row an evaluation
    correct/RUN_ID.npy    whether each test example was classified correctly at the end: 0 or 1, uint8
    predictions/RUN_ID.npy  of the same examples: class, class predicted and loss, loop.PREDICTION
    pretraining/RUN_ID.csv  one row per layer and 20,000 updates (evaluate_every), of runs that were pre-trained
    probes/RUN_ID.csv     one row a moment, quantity and layer, of runs that were probed
    table.md, table.csv   made from the above by report.py
    .journal              while a large sweep runs: rows that are not in runs.csv and provenance.csv yet
    .contents             while many runs end: what is in their files, should the machine crash

Equal runs give equal bytes in all but provenance.csv, so results can be committed and a rerun leaves git
clean. One process writes (``execution/execute.py``); any number may read meanwhile.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from glorot import files
from glorot.datasets.local import LocalData
from glorot.errors import ResultsError
from glorot.results.contents import SUFFIXES, Contents, contents_of, read_npy
from glorot.results.journal import TABLES, Journal
from glorot.results.pending import Pending
from glorot.results.rows import (
    FURTHER_FIELDS,
    HISTORY_COLUMNS,
    OUTCOME_COLUMNS,
    PROBE_COLUMNS,
    PROVENANCE_COLUMNS,
    RUN_COLUMNS,
    SETTINGS_COLUMNS,
    Rows,
    cells_of,
    csv_text,
    frame_of,
    read_rows,
    values_of,
)
from glorot.sweeps.about import label_of
from glorot.sweeps.fields import ABOUT, FIELDS
from glorot.sweeps.runs import STATUSES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {"runs.csv": RUN_COLUMNS, "provenance.csv": PROVENANCE_COLUMNS}
SMALL = 100  # runs up to which the tables are written anew for each


class Stored(NamedTuple):
    """What is stored of a run.

    record: `settings_of(run)` and the columns OUTCOME_COLUMNS; provenance, history, probes, pretraining: the columns
    of their files, run_id taken from the record. correct: (n,) bool, whether each test example was classified
    correctly. predictions: (n,) of type loop.PREDICTION. What is None, NaN or not there is stored as an empty cell.
    contents: all that but the record and provenance, where it is bytes already.
    """

    record: Mapping[str, Any]
    provenance: Mapping[str, Any]
    history: Iterable[Mapping[str, Any]]
    probes: Iterable[Mapping[str, Any]] = ()
    correct: "np.ndarray | None" = None
    predictions: "np.ndarray | None" = None
    pretraining: Iterable[Mapping[str, Any]] = ()
    contents: Contents | None = None


class Store:
    """One sweep's folder. Nothing is created before the first write.

    order: the run_ids of the sweep as it is now, in grid order. Rows of other runs stay in the files, behind
        these, sorted by run_id: a sweep that is changed and changed back finds its results again.
    """

    def __init__(self, folder: Path | str, order: Iterable[str] = ()):
        self.folder = Path(folder)
        self.order = {run_id: position for position, run_id in enumerate(order)}
        self._journal, self._pending = Journal(self.folder), Pending(self.folder)
        self._stored: int | None = None  # how many runs there are, once it is known

    def read_runs(self) -> "pd.DataFrame":
        """runs.csv: the columns RUN_COLUMNS and one for each further axis; no rows if there is no file.

        Text is of dtype object, integers Int64 (missing: NA), the rest float64 (missing: NaN). Raises
        ResultsError where the file is torn or not ours.
        """
        return frame_of(self._rows("runs.csv"), RUN_COLUMNS)

    def statuses(self) -> dict[str, str]:
        """Status of each stored run by run_id, without pandas. Raises ResultsError as read_runs does."""
        return {row["run_id"]: row["status"] for row in self._rows("runs.csv")}

    def rows(self) -> dict[str, dict[str, str]]:
        """The rows of runs.csv as text by run_id, without pandas. Raises ResultsError as read_runs does."""
        return {row["run_id"]: row for row in self._rows("runs.csv")}

    def records(self) -> dict[str, dict[str, Any]]:
        """The rows of runs.csv as `rows.values_of` has them, by run_id. Raises ResultsError as read_runs does."""
        return {row["run_id"]: row for row in values_of(self._rows("runs.csv"), RUN_COLUMNS)}

    def reasons(self) -> dict[str, str]:
        """Why runs failed, by run_id, without pandas; empty text of others."""
        return {row["run_id"]: row["reason"] for row in self._rows("provenance.csv")}

    def failed_again(self) -> set[str]:
        """The run_ids of runs that failed when they were made again, and kept their earlier result. A file says why."""
        try:
            names = os.listdir(self.folder / "failures")
        except OSError:
            return set()
        statuses = self.statuses()
        return {
            name for name in (one.removesuffix(".txt") for one in names) if statuses.get(name, "failed") != "failed"
        }

    def read_provenance(self) -> "pd.DataFrame":
        """provenance.csv, as read_runs reads runs.csv."""
        return frame_of(self._rows("provenance.csv"), PROVENANCE_COLUMNS)

    def read_history(self, run_id: str) -> "pd.DataFrame":
        """The evaluations of one run in order, with the columns HISTORY_COLUMNS; empty if there are none."""
        return frame_of(self.history_rows(run_id), HISTORY_COLUMNS)

    def history_rows(self, run_id: str) -> Rows:
        """As `read_history`, as text and without pandas."""
        return read_rows(self.history_path(run_id), HISTORY_COLUMNS)

    def history(self, run_id: str) -> dict[str, list[Any]]:
        """As `read_history`, each column as a list and without pandas."""
        rows = values_of(self.history_rows(run_id), HISTORY_COLUMNS)
        return {column: [row[column] for row in rows] for column in HISTORY_COLUMNS}

    def read_probes(self, run_id: str) -> "pd.DataFrame":
        """What was seen inside one run's network: `probes.ProbeRow`s, counts as tuples; empty if it was not probed."""
        rows = read_rows(self._path("probes", run_id), PROBE_COLUMNS)
        frame = frame_of(rows, PROBE_COLUMNS)
        try:
            frame["counts"] = [tuple(map(int, counts.split())) for counts in frame["counts"]]
        except ValueError as error:
            raise ResultsError(f"{self._path('probes', run_id)}: counts: {error}") from error
        return frame

    def read_correct(self, run_id: str) -> "np.ndarray | None":
        """Whether each test example was classified correctly at a run's end, (n,) bool; None if that is not stored.

        Raises ResultsError where the file is not what `write_run` writes.
        """
        found = read_npy(self.correct_path(run_id), "a list of 0 and 1 of type uint8", np_type="|u1", most=1)
        return None if found is None else found.astype(bool)

    def read_predictions(self, run_id: str) -> "np.ndarray | None":
        """Class, class predicted and loss of each test example at a run's end, (n,) of type loop.PREDICTION; None of
        results that are older, and of runs that diverged. Raises ResultsError as `read_correct` does."""
        from glorot.training.loop import PREDICTION

        return read_npy(self._path("predictions", run_id), "a list of predictions", PREDICTION)

    def write_sweep(self, text: str, runs: Iterable[Mapping[str, Any]] = ()) -> None:
        """Begin a sweep: check that what is stored can be read, write sweep.yaml, bring the rows in order.

        runs: the sweep's runs as `settings_of` describes them. Finished ones take their labels from here, so
        that renaming a row of the table renames it in runs.csv as well. Raises ResultsError before anything
        is written where a stored file is torn or foreign: better now than when a run has finished.
        """
        rows = self._rows("runs.csv")
        provenance = self._rows("provenance.csv")
        self._of_pending(self._pending.restore)
        current = {record["run_id"]: cells_of(record, RUN_COLUMNS) for record in runs}
        for position, row in enumerate(rows):
            if row["run_id"] in current:
                outcome = {column: row[column] for column in OUTCOME_COLUMNS}
                rows[position] = {**current[row["run_id"]], **outcome}
        write_text(self.folder / "sweep.yaml", text)
        for folder in (self.folder, *(self.folder / name for name in ("history", "correct", "probes"))):
            files.sweep(folder)
        if rows:
            self._write_rows("runs.csv", rows, next(iter(current.values()), {}))
        if provenance:
            self._write_rows("provenance.csv", provenance)
        self._clear_journal()
        self._stored = len(rows)

    def write_run(self, record: Mapping[str, Any], provenance: Mapping[str, Any], *rest: Any, **further: Any) -> None:
        """Add one run, or replace it: what `Stored` has."""
        self.write_runs([Stored(record, provenance, *rest, **further)])

    def write_runs(self, runs: Sequence["Stored"]) -> None:
        """Add runs, or replace them. The disk is waited for a few times, however many they are.

        Raises ResultsError, with the rows as they were, where a file cannot be written.
        """
        if not runs:
            return
        files_of_runs: dict[str, bytes | None] = {}
        rows = []
        for run in runs:
            run_id = run.record["run_id"]
            if run.record.get("status") not in STATUSES:
                raise ResultsError(f"run {run_id}: expected a status of {STATUSES}, found {run.record.get('status')!r}")
            rows.append({
                "provenance.csv": cells_of({**run.provenance, "run_id": run_id}, PROVENANCE_COLUMNS),
                "runs.csv": cells_of(run.record, RUN_COLUMNS),
            })  # fmt: skip
            contents = run.contents or contents_of(
                run.history, run.probes, run.correct, run.predictions, run.pretraining
            )
            files_of_runs |= {path: contents[folder] for folder, path in self._names(run_id).items()}
        # runs.csv comes last: a run counts as finished only once everything about it is stored.
        self._of_pending(self._pending.forget, files_of_runs)
        write_all({path: data for path, data in files_of_runs.items() if data is not None}, self._pending.write)
        _remove([path for path, data in files_of_runs.items() if data is None])  # of an earlier run
        self._add(rows)

    def fold(self) -> None:
        """Write the tables anew with what the journal has. Raises ResultsError; nothing is lost then."""
        self._of_pending(self._pending.settle)
        if not self._journal.path.exists():
            return
        for name in TABLES:
            rows = self._rows(name)
            self._write_rows(name, rows, rows[-1] if rows else ())
        self._clear_journal()

    def history_path(self, run_id: str) -> Path:
        return self._path("history", run_id)

    def correct_path(self, run_id: str) -> Path:
        return self._path("correct", run_id)

    def _path(self, folder: str, run_id: str) -> Path:
        return Path(self._names(run_id)[folder])

    def _names(self, run_id: str) -> dict[str, str]:
        """The files of a run by folder. Text: to make Paths takes longer."""
        if not re.fullmatch(r"\w[\w.-]*", run_id):
            raise ResultsError(f"expected a run_id of letters, digits, '-', '_' and '.', found {run_id!r}")
        beginning = os.path.join(self.folder, "")
        return {folder: f"{beginning}{folder}{os.sep}{run_id}.{suffix}" for folder, suffix in SUFFIXES.items()}

    def _add(self, new: Sequence[dict[str, dict[str, str]]]) -> None:
        """Add rows to each table, or replace them: at once where they are small, else by way of the journal."""
        if self._stored is None:
            self.fold()
            self._stored = len(self.statuses())
        if self._stored < SMALL:
            for name in TABLES:
                rows = [one[name] for one in new]
                replaced = {row["run_id"] for row in rows}
                others = [one for one in self._rows(name) if one["run_id"] not in replaced]
                self._write_rows(name, [*others, *rows], rows[-1])
        else:
            try:
                self._journal.add(new)
            except OSError as error:
                raise _cannot_write(self._journal.path, error) from error
            if self._journal.rows >= max(SMALL, self._stored):  # so that all this is as much for each run
                self.fold()
        self._stored += len(new)

    def _rows(self, name: str) -> Rows:
        """The rows of a table, with what the journal has of later. Raises ResultsError."""
        try:
            added = self._journal.read()[name]  # first: once they are in the table, they may be here no more
        except OSError as error:
            raise ResultsError(f"cannot read {self._journal.path}: {error.strerror or error}") from error
        stored = read_rows(self.folder / name, COLUMNS[name])
        if not added:
            return stored
        rows = [row for row in stored if row["run_id"] not in added] + list(added.values())
        header = dict.fromkeys(column for row in rows for column in row)
        return [{column: row.get(column, "") for column in header} for row in rows]

    def _of_pending(self, do: Callable[..., None], *arguments: Any) -> None:
        try:
            do(*arguments)
        except OSError as error:
            raise _cannot_write(error.filename or self._pending.path, error) from error

    def _clear_journal(self) -> None:
        try:
            self._journal.clear()
        except OSError as error:
            raise _cannot_write(self._journal.path, error) from error

    def _write_rows(self, name: str, rows: Rows, current: Iterable[str] = ()) -> None:
        """current: the columns of a row of the current sweep; its axes come before those of older rows.

        A run has columns that others of its sweep lack (say, "data"), and runs end in any order: these have a place
        of their own.
        """
        columns = COLUMNS[name]
        present = {column for row in rows for column, cell in row.items() if cell and column not in columns}
        known = [column for column in (*FURTHER_FIELDS, "data") if column in present]
        axes = [column for column in current if column in present and column not in known] + known
        axes += sorted(present - set(axes))
        first = 2 if axes else 0  # further axes come behind run_id and method
        header = [*list(columns)[:first], *axes, *list(columns)[first:]]
        last = len(self.order)
        rows = sorted(rows, key=lambda row: (self.order.get(row["run_id"], last), row["run_id"]))
        write_text(self.folder / name, csv_text(rows, header))


def settings_of(run: Any) -> dict[str, Any]:
    """The columns of runs.csv that are known before a run starts.

    run: a runs.Run. Axes that are no column of their own (say, "size") give a column with the run's label. A field
    that is younger than stored results has one where it differs from what they had. What a run's model has no use for
    is empty. A column "data" says what a data set that is built here was made from, or, from the second on, which
    version of a data set it is.
    """
    settings = run.settings
    axes = {axis: label for axis, label in run.labels.items() if axis not in RUN_COLUMNS and axis not in FIELDS}
    columns = {name: getattr(settings, name) for name in SETTINGS_COLUMNS if name not in ("hidden", "device")}
    columns |= {"dataset": str(settings.dataset), "hidden": "-".join(map(str, settings.hidden))}
    idle = settings.ignored | ({"depth", "width"} if "hidden" in settings.ignored else set())
    columns = {name: None if name in idle else value for name, value in columns.items()}
    given = {name: getattr(settings, name) for name in FURTHER_FIELDS if name not in idle}
    axes |= {name: label_of(value) for name, value in given.items() if value != ABOUT[name].older}
    if run.version > 1:
        axes["data"] = f"version {run.version}"
    if isinstance(settings.dataset, LocalData):
        axes["data"] = f"{settings.dataset.about} (SHA-256 {settings.dataset.content[:16]})"
    return {"run_id": run.run_id, "method": run.method, **axes, **columns, "device": run.device}


def write_text(path: Path | str, text: str) -> None:
    """Write a text as `write_bytes` does."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ResultsError(f"cannot write {path}: expected valid Unicode, found {error.object!r}") from error
    write_bytes(path, data)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write a file as a whole: whoever reads it, or pulls the plug, finds the old content or the new one.

    Raises ResultsError where that fails; the old file is then untouched and no temporary one is left.
    """
    write_all({os.fspath(path): data})


def write_all(contents: Mapping[str, bytes], write: Callable[[Mapping[str, bytes]], None] = files.write_all) -> None:
    """Write several files, each as `write_bytes` does."""
    path = ""
    try:
        new = {}
        for path, data in contents.items():
            if not files.has(path, data):  # a run with nothing to do leaves every file alone
                new[path] = data
        write(new)
    except OSError as error:
        raise _cannot_write(error.filename or path, error) from error


def _remove(paths: Iterable[str]) -> None:
    """Remove those files that are there and can be removed. Most folders are not even there: each is asked once."""
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(os.path.dirname(path), []).append(path)
    for folder in filter(os.path.isdir, by_folder):
        for path in by_folder[folder]:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _cannot_write(path: Path | str, error: OSError) -> ResultsError:
    return ResultsError(
        f"cannot write {path}: {error.strerror or error}; earlier results are intact. "
        "Make room or choose another folder with --output"
    )
