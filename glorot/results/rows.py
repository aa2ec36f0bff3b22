"""The CSV files of results: their columns, and rows of text that read back as the very same values."""

import csv
import errno
import io
import operator
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.errors import ResultsError
from glorot.sweeps.about import Role
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.runs import STATUSES

if TYPE_CHECKING:
    import pandas as pd

# Columns in the order they are written, with their types. Errors are in percent. A field that is younger than stored
# results has a column only where a run differs from those of before it.
_LAYER_COLUMNS: dict[str, type] = {"depth": int, "width": int, "hidden": str}
SETTINGS_COLUMNS: dict[str, type] = {
    column: kind
    for name, about in ABOUT.items()
    if about.is_old and about.role is not Role.SERVES
    for column, kind in (_LAYER_COLUMNS if name == "hidden" else {name: about.column}).items()
} | {"device": str}
FURTHER_FIELDS = tuple(name for name, about in ABOUT.items() if not about.is_old)
OUTCOME_COLUMNS: dict[str, type] = {
    "status": str, "updates_done": int, "train_loss": float, "valid_loss": float, "valid_error": float,
    "test_loss": float, "test_error": float,
}  # fmt: skip
RUN_COLUMNS: dict[str, type] = {"run_id": str, "method": str, **SETTINGS_COLUMNS, **OUTCOME_COLUMNS}
PROVENANCE_COLUMNS: dict[str, type] = {
    "run_id": str, "started": str, "seconds": float, "threads": int, "hardware": str, "glorot": str,
    "python": str, "numpy": str, "numba": str, "reason": str,
}  # fmt: skip
HISTORY_COLUMNS: dict[str, type] = {
    "update": int, "examples": int, "train_loss": float, "valid_loss": float, "valid_error": float,
    "test_loss": float, "test_error": float,
}  # fmt: skip

PRETRAINING_COLUMNS: dict[str, type] = {"layer": int, "update": int, "cost": float}
PROBE_COLUMNS: dict[str, type] = {
    "update": int, "quantity": str, "layer": int, "mean": float, "std": float, "p2": float, "p98": float,
    "saturation": float, "low": float, "high": float, "counts": str,
}  # fmt: skip

Rows = list[dict[str, str]]  # cells as they stand in a file
MOST_OF_REASON = 1000  # characters that are stored
csv.field_size_limit(2**31 - 1)  # older results have longer ones, and what was written can be read

_KINDS = {str: "text without control characters", int: "a whole number of 64 bits", float: "a number"}
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|inf)")


def _strange(found: Iterable[str], columns: Mapping[str, type]) -> list[str]:
    """The columns that a file may not have beside these. runs.csv has one for each axis that is no setting;
    provenance.csv has two more: the host, where a cluster was at work, and a digest of the deciding sources."""
    if columns.keys() >= RUN_COLUMNS.keys():
        return []
    further = ("host", "sources") if columns.keys() >= PROVENANCE_COLUMNS.keys() else ()
    return [column for column in found if column not in columns and column not in further]


def cells_of(record: Mapping[str, Any], columns: Mapping[str, type]) -> dict[str, str]:
    """A record as text, in the order of its keys."""
    if not record.keys() <= columns.keys() and (unknown := _strange(record, columns)):
        raise ResultsError(f"expected the columns {', '.join(columns)}; found {', '.join(unknown)}")
    return {key: _cell(key, value, columns.get(key, str)) for key, value in record.items()}


def reason_text(reason: str) -> str:
    """Why a run failed, as one line that is not too long: it may come as many lines, or as bytes that are no text."""
    text = " ".join(reason.replace("\0", " ").split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MOST_OF_REASON else f"{text[:MOST_OF_REASON]}..."


def _cell(column: str, value: Any, kind: type) -> str:
    """One value as text that reads back as the same value."""
    if value is None:
        return ""
    if kind is float is type(value):
        return repr(value) if value == value else ""
    if kind is str:
        text = reason_text(str(value)) if column == "reason" else str(value)
        # csv would trip over these on some versions of Python.
        found = None if "\0" in text or "\r" in text else text
    else:
        try:
            if kind is float:
                found = "" if (number := float(value)) != number else repr(number)
            else:
                found = repr(whole) if -(2**63) <= (whole := operator.index(value)) < 2**63 else None
        except (TypeError, ValueError, OverflowError):
            found = None
    if found is None:
        raise ResultsError(f"{column}: expected {_KINDS[kind]}, found {value!r}")
    return found


def csv_text(rows: Sequence[Mapping[str, str]], header: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row.get(column, "") for column in header] for row in rows)
    return buffer.getvalue()


def read_file(path: Path) -> bytes:
    """The content of a file. Raises OSError, also of a pipe or a device, where reading might never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "expected a file, found a folder, a pipe or a device")
    return path.read_bytes()


def read_rows(path: Path, columns: Mapping[str, type]) -> Rows:
    """The rows of one of our files, checked but still text; none if there is no such file."""
    try:
        text = read_file(path).decode("utf-8-sig")  # spreadsheets put a mark of the byte order in front
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if not text.endswith("\n"):  # a number cut short would still look like a number
            raise ValueError(f"expected a line end at the end, found {'none: it is cut off' if text else 'nothing'}")
        return _checked_rows(lines, columns)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        expected = "" if str(error).startswith("expected") else "expected a CSV file in UTF-8, found "
        remedy = "restore it (git checkout), or move it away and run the sweep again"
        raise ResultsError(f"{path}: {expected}{error}; {remedy}") from error


def header_of(path: Path) -> list[str]:
    """The first line of a CSV file; nothing where there is none, which `read_rows` will tell."""
    try:
        text, _, _ = read_file(path).decode("utf-8-sig").partition("\n")
        return next(csv.reader([text]), [])
    except (OSError, ValueError, csv.Error):
        return []


def _checked_rows(lines: Sequence[Sequence[str]], columns: Mapping[str, type]) -> Rows:
    """Lines of cells -> rows by column. Raises ValueError, saying what was expected and found."""
    header, *body = lines
    missing = [column for column in columns if column not in header]
    if missing:
        raise ValueError(f"expected the columns {', '.join(columns)}; found no {', '.join(missing)}")
    if len(set(header)) < len(header) or "" in header or _strange(header, columns):
        raise ValueError(f"expected the columns {', '.join(columns)}; found {', '.join(header)}")
    rows: Rows = []
    run_ids: set[str] = set()
    for number, line in enumerate(body, start=2):
        if len(line) != len(header):
            raise ValueError(f"expected {len(header)} cells in row {number}, found {len(line)}")
        row = dict(zip(header, line, strict=True))
        for column, cell in row.items():
            kind = columns.get(column, str)
            if not _is(cell, kind):
                raise ValueError(f"expected {column} in row {number} to be {_KINDS[kind]}, found {cell!r}")
        if "status" in columns and row["status"] not in STATUSES:
            raise ValueError(f"expected a status of {STATUSES} in row {number}, found {row['status']!r}")
        if "run_id" in columns and (not row["run_id"] or row["run_id"] in run_ids):
            raise ValueError(f"expected a run_id of its own in row {number}, found {row['run_id']!r}")
        run_ids.add(row.get("run_id", ""))
        rows.append(row)
    return rows


def _is(cell: str, kind: type) -> bool:
    """Whether a cell is empty or holds what `_cell` writes for this type."""
    if kind is str or not cell:
        return "\0" not in cell
    if kind is int:
        return _WHOLE.fullmatch(cell) is not None and -(2**63) <= int(cell) < 2**63
    return _NUMBER.fullmatch(cell) is not None


def values_of(rows: Rows, columns: Mapping[str, type]) -> list[dict[str, Any]]:
    """Checked rows as values, without pandas: None for a whole number that is missing, NaN for any other number."""

    def value(cell: str, kind: type) -> Any:
        if kind is int:
            return int(cell) if cell else None
        return float(cell or "nan") if kind is float else cell

    return [{column: value(cell, columns.get(column, str)) for column, cell in row.items()} for row in rows]


def frame_of(rows: Rows, columns: Mapping[str, type]) -> "pd.DataFrame":
    """Checked rows as a DataFrame. pandas reads no number here: its fast parser is off by a bit at times."""
    import pandas as pd

    def series(column: str) -> pd.Series:
        cells = [row[column] for row in rows]
        kind = columns.get(column, str)
        if kind is int:
            return pd.Series([int(cell) if cell else None for cell in cells], dtype="Int64")
        if kind is float:
            return pd.Series([float(cell) if cell else float("nan") for cell in cells], dtype="float64")
        return pd.Series(cells, dtype="object")

    header = rows[0] if rows else columns
    return pd.DataFrame({column: series(column) for column in header})


def records_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A frame's rows as plain Python values; None for what is missing."""
    import pandas as pd

    return [
        {str(column): None if pd.isna(value) else value for column, value in row.items()}
        for row in frame.to_dict("records")
    ]
