"""The files that a run has of its own in a folder of results: what is in them, as bytes.

A worker of a cluster makes these bytes, so that the driver need not.
"""

import io
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.errors import ResultsError
from glorot.results.rows import HISTORY_COLUMNS, PRETRAINING_COLUMNS, PROBE_COLUMNS, cells_of, csv_text, read_file

if TYPE_CHECKING:
    import numpy as np

Contents = Mapping[str, bytes | None]  # by the file's folder; None: there is no such file
SUFFIXES = {"history": "csv", "probes": "csv", "pretraining": "csv", "correct": "npy", "predictions": "npy"}
_COLUMNS = {"history": HISTORY_COLUMNS, "probes": PROBE_COLUMNS, "pretraining": PRETRAINING_COLUMNS}


def contents_of(
    history: Iterable[Mapping[str, Any]],
    probes: Iterable[Mapping[str, Any]] = (),
    correct: "np.ndarray | None" = None,
    predictions: "np.ndarray | None" = None,
    pretraining: Iterable[Mapping[str, Any]] = (),
) -> Contents:
    """The content of a run's files from what `store.Stored` has. Raises ResultsError."""
    counted = [{**row, "counts": " ".join(map(str, row["counts"] or ()))} for row in probes]
    contents: dict[str, bytes | None] = {}
    for folder, rows in {"history": history, "probes": counted, "pretraining": pretraining}.items():
        columns = _COLUMNS[folder]
        cells = [cells_of(row, columns) for row in rows]
        contents[folder] = csv_text(cells, list(columns)).encode() if cells or folder == "history" else None
    contents["correct"] = None if correct is None else _npy(correct.astype("u1"))
    contents["predictions"] = None if predictions is None else _npy(predictions)
    return contents


def _npy(array: "np.ndarray") -> bytes:
    """As np.save writes a list of one dimension."""
    return _npy_header(array.dtype, len(array)) + array.tobytes()


@lru_cache(maxsize=16)
def _npy_header(dtype: Any, length: int) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def read_npy(path: Path, expected: str, np_type: Any, most: int | None = None) -> "np.ndarray | None":
    """A list that `contents_of` made, of this type; None if there is no such file. most: its largest value."""
    import numpy as np

    try:
        found: np.ndarray = np.lib.format.read_array(io.BytesIO(read_file(path)), allow_pickle=False)
        if found.ndim != 1 or found.dtype != np_type or (most is not None and found.max(initial=0) > most):
            raise ValueError(f"expected {expected}, found {found.dtype} {found.shape}")
    except FileNotFoundError:
        return None
    except Exception as error:  # damage can raise anything: its header is parsed as Python
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ResultsError(f"cannot read {path}: {reason}; remove it and run the sweep again with --rerun") from error
    return found
