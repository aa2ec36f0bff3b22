"""Baseline files of ``glorot check``: CSV files whose rows say how many there are, so that none goes missing unseen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from glorot.errors import ResultsError
from glorot.results.rows import Rows, csv_text, header_of, read_rows
from glorot.results.store import write_text

COUNT = "rows in all"  # no axis can be called so
NOT_COUNTED = "not in the baseline, which does not say how many rows it has: --update makes one that does"


def read(path: Path, columns: Mapping[str, type], command: str) -> tuple[Rows, bool]:
    """The rows of a baseline, and whether it says how many it has: an older one, or a copied runs.csv, does not.

    command: that which makes it. Raises ResultsError: not there, torn, foreign, empty, or a row is gone.
    """
    if not path.is_file():
        raise ResultsError(
            f"there is no baseline: expected the file {path}; name it with --baseline, or make it with "
            f"`{command} --update`"
        )
    counted = COUNT in header_of(path)
    rows = read_rows(path, {**columns, COUNT: int} if counted else columns)
    if not rows:
        raise ResultsError(f"{path}: expected a baseline of at least one row, found none; make a new one with --update")
    counts = [row.pop(COUNT) for row in rows] if counted else []
    if any(count != str(len(rows)) for count in counts):
        raise ResultsError(
            f"{path}: expected {' or '.join(dict.fromkeys(counts))} rows, found {len(rows)}; restore it (git "
            "checkout), or make a new one with --update"
        )
    return rows, counted


def write(path: Path, rows: Rows, header: Sequence[str]) -> None:
    counted = [{**row, COUNT: str(len(rows))} for row in rows]
    write_text(path, csv_text(counted, [*header, COUNT]))
