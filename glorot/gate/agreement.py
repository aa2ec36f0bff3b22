"""Whether a stored row can be true: possible in itself, of the run it claims to be, and what its own files say.

A gate that compares what nobody computed is green for nothing. So before anything is compared, a row's numbers are
held against each other, against the settings behind its run_id, and against its history and its list of right answers.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from glorot.errors import ResultsError
from glorot.kernels import DEVICES
from glorot.models.architectures import MODELS
from glorot.results.rows import OUTCOME_COLUMNS, RUN_COLUMNS, SETTINGS_COLUMNS, cells_of
from glorot.results.store import Store, settings_of
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.runs import STATUSES

if TYPE_CHECKING:
    from glorot.sweeps.runs import Run

Cells = Mapping[str, str]  # a row of runs.csv as text
NUMBERS = tuple(column for column, kind in OUTCOME_COLUMNS.items() if kind is float)
COUNTS = ("batch_size", "evaluate_every", "valid_examples", "test_examples")  # at least one of each
SHOWN = 5  # problems that are told


def impossible(row: Cells) -> str | None:
    """What no run can have, as "test_error 880.0"; None where all can be."""
    if row["status"] not in STATUSES:
        return f"status {row['status']!r}"
    if row["device"] not in DEVICES[1:]:
        return f"device {row['device']!r}"
    ignored = without_use(row)
    counts = {column: int(row[column] or column in ignored) for column in (*COUNTS, "updates", "updates_done")}
    wrong = [column for column in COUNTS if counts[column] < 1]
    wrong += ["updates"] * (counts["updates"] < 0 or not (row["updates"] or "updates" in ignored))
    numbers = {column: float(row[column]) for column in NUMBERS if row[column]}
    if row["status"] == "done":
        given = [column for column in NUMBERS if not ("loss" in ignored and column.endswith("_loss"))]
        if not counts["updates"] and not row["train_loss"]:  # it is a mean over updates
            given = [column for column in given if column != "train_loss"]
        wrong += [column for column in given if not _is_possible(column, numbers.get(column, math.nan))]
        wrong += ["updates_done"] * (counts["updates_done"] != counts["updates"])
    elif row["status"] == "diverged":
        wrong += numbers
        wrong += ["updates_done"] * (not 0 <= counts["updates_done"] <= counts["updates"])
    return ", ".join(f"{column} {row[column] or 'empty'}" for column in wrong) or None


def without_use(row: Cells) -> frozenset[str]:
    """The fields that the row's model has no use for; none of a model that there is not."""
    with contextlib.suppress(KeyError):
        return MODELS[row.get("model") or ABOUT["model"].older].ignores
    return frozenset()


def _is_possible(column: str, number: float) -> bool:
    return 0 <= number <= 100 if column.endswith("_error") else math.isfinite(number)


def check_rows(where: str, rows: Iterable[Cells], problem_of: Callable[[Cells], str | None], remedy: str) -> None:
    """Raise a ResultsError that tells the rows with a problem. where: their file."""
    found = ((row["run_id"], row["status"], problem_of(row)) for row in rows)
    problems = [f"run {run_id}, {status}: {problem}" for run_id, status, problem in found if problem]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ResultsError(
            f"{where}: expected results that a run can give, found {'; '.join(problems[:SHOWN])}{more}; {remedy}"
        )


def denied(store: Store, run: "Run", row: Cells) -> str | None:
    """What the settings of a run, its history or its list of right answers say against its row; None: nothing.

    A failed run has no result, and so nothing to agree with. Raises ResultsError where a file cannot be read.
    """
    if row["status"] == "failed":
        return None
    settings = cells_of(settings_of(run), RUN_COLUMNS)
    other = [column for column in SETTINGS_COLUMNS if row[column] != settings[column]]
    if other:
        return ", ".join(f"{column} {row[column]!r} where its settings have {settings[column]!r}" for column in other)
    path = store.history_path(run.run_id)
    history = store.history_rows(run.run_id)
    if not history:  # of a network whose first evaluation was not finite, or that diverged in pre-training
        before_any = path.is_file() and row["status"] == "diverged" and int(row["updates_done"]) == 0
        return None if before_any else f"{path} has no evaluation"
    last = history[-1]
    if row["status"] == "diverged":
        late = int(last["update"] or 0) > int(row["updates_done"])
        return f"{path} goes on to update {last['update']}" if late else None
    if last["update"] != row["updates_done"]:
        return f"{path} ends at update {last['update']}"
    for column in NUMBERS:
        if last[column] != row[column]:
            return f"{column} {row[column]} where {path} ends with {last[column] or 'nothing'}"
    return _denied_by_answers(store, row)


def _denied_by_answers(store: Store, row: Cells) -> str | None:
    correct = store.read_correct(row["run_id"])
    if correct is None:
        return None
    path, n = store.correct_path(row["run_id"]), len(correct)
    if not 0 < n <= int(row["test_examples"]):
        return f"{path} has {n} test examples"
    error = 100 * int((~correct).sum()) / n
    return None if error == float(row["test_error"]) else f"test_error {row['test_error']} where {path} gives {error}"
