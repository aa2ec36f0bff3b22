"""Where the test error would be after more updates: a power law through the second half of each curve.

The law, error = c updates^-s, is a habit of such curves and no theory of ours. Take it for a rough number.
"""

from collections.abc import Iterable

import numpy as np

from glorot.errors import ResultsError
from glorot.reporting.document import Document, Grid, Records, notes
from glorot.results.stored import StoredRun

LEAST = 8  # evaluations of a curve
COLUMNS = ("method", "dataset", "updates", "test_error", "exponent", "extrapolated")


def power_law(updates: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """(c, s) of error = c updates^-s, by least squares of the logarithms."""
    slope, intercept = np.polyfit(np.log(updates), np.log(errors), 1)
    return float(np.exp(intercept)), float(-slope)


def document(runs: Iterable[StoredRun], goal: int) -> Document:
    """Of the longest of these runs: test error now, and after `goal` updates. Raises ResultsError where no curve is
    long enough."""
    runs = list(runs)
    longest = max((int(run["updates"]) for run in runs), default=0)
    records = []
    for run in runs:
        curve = run.history[run.history["update"] > 0]
        if int(run["updates"]) == longest and len(curve) >= LEAST and (curve["test_error"] > 0).all():
            late = curve[curve["update"] >= longest / 2]
            c, s = power_law(late["update"].to_numpy(float), late["test_error"].to_numpy(float))
            numbers = (longest, float(run["test_error"]), s, c * goal**-s)
            records.append(dict(zip(COLUMNS, (run.method, str(run["dataset"]), *numbers), strict=True)))
    if not records:
        raise ResultsError(
            f"expected finished runs with {LEAST} evaluations or more, found none; finish the runs first, "
            "or make evaluate_every smaller"
        )
    lines = [
        [f"{one['method']}, {one['dataset']}", f"{one['updates']:,}", f"{one['test_error']:.2f}",
         f"{one['exponent']:.3f}", f"{one['extrapolated']:.1f}"] for one in records
    ]  # fmt: skip
    header = ["Test error (%)", "updates", "now", "exponent", f"at {goal:,} updates"]
    how = "error = c updates^-s, fitted to the second half of each curve. It is a habit of such curves and no theory"
    return Document("Extrapolated errors", [Grid(header, lines), notes([how])], Records(COLUMNS, records))
