"""Where the test error would be after more updates: a power law through the second half of each curve.

The law, error = c updates^-s, is a habit of such curves and no theory of ours. Take it for a rough number.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from glorot.errors import ResultsError
from glorot.reporting.document import Document, Grid, Records, notes
from glorot.results.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

LEAST, LATE = 8, 3  # evaluations of a curve, and of its second half
COLUMNS = ("method", "dataset", "updates", "test_error", "exponent", "extrapolated")


def power_law(updates: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """(c, s) of error = c updates^-s, by least squares of the logarithms."""
    slope, intercept = np.polyfit(np.log(updates), np.log(errors), 1)
    return float(np.exp(intercept)), float(-slope)


def document(runs: Iterable[StoredRun], goal: int) -> Document:
    """Of the longest of these runs: test error now, and after `goal` updates. Notes say which runs were left out and
    why. Raises ResultsError where no curve is long enough, or `goal` is not beyond them."""
    runs = list(runs)
    longest = max((int(run["updates"]) for run in runs if run["status"] == "done"), default=0)
    if goal <= longest:
        raise ResultsError(f"--extrapolate: expected more than the {longest:,} updates that were made, found {goal:,}")
    records = []
    left_out: dict[str, Counter[str]] = {}
    for run in runs:
        curve = run.history[run.history["update"] > 0]
        late = curve[curve["update"] >= longest / 2]
        reason = _reason(run, longest, curve["test_error"], len(late))
        if reason:
            left_out.setdefault(reason, Counter())[_label(run.method, run["dataset"])] += 1
            continue
        c, s = power_law(late["update"].to_numpy(float), late["test_error"].to_numpy(float))
        numbers = (longest, float(run["test_error"]), s, c * goal**-s)
        records.append(dict(zip(COLUMNS, (run.method, str(run["dataset"]), *numbers), strict=True)))
    told = [f"Left out ({reason}): {_counted(labels)}" for reason, labels in left_out.items()]
    if not records:
        raise ResultsError(
            f"expected finished runs with {LEAST} evaluations or more, found none; finish the runs first, "
            f"or make evaluate_every smaller{''.join(f'. {one}' for one in told)}"
        )
    lines = [
        [_label(one["method"], one["dataset"]), f"{one['updates']:,}", f"{one['test_error']:.2f}",
         f"{one['exponent']:.3f}", f"{one['extrapolated']:.1f}"] for one in records
    ]  # fmt: skip
    header = ["Test error (%)", "updates", "now", "exponent", f"at {goal:,} updates"]
    how = "error = c updates^-s, fitted to the second half of each curve. It is a habit of such curves and no theory"
    return Document("Extrapolated errors", [Grid(header, lines), notes([how, *told])], Records(COLUMNS, records))


def _reason(run: StoredRun, longest: int, errors: "pd.Series", late: int) -> str:
    """Why a run is left out; empty if it is not. late: evaluations in the second half."""
    if run["status"] != "done":
        return str(run["status"])
    if int(run["updates"]) != longest:
        return f"other than {longest:,} updates"
    if len(errors) < LEAST or late < LATE:
        return "too few evaluations"
    return "" if (errors > 0).all() else "an error of 0, which no power law has"


def _label(method: str, dataset: object) -> str:
    return f"{method}, {dataset}"


def _counted(labels: Counter[str]) -> str:
    """ "Tanh, mnist (3 runs); Tanh N, mnist"."""
    return "; ".join(f"{label} ({count} runs)" if count > 1 else label for label, count in labels.items())
