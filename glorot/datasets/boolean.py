"""All 2^bits rows of a Boolean function (``truth_tables.py``) as a data set of two classes.

Inputs are the bytes 0 and 255, which ``inputs.py`` makes into 0 and 1 (unit) or -1 and 1 (symmetric). Training,
validation and test set are the same: what is asked is what can be expressed and learned, not what is generalized. The
rows of a long table are scattered, so that the first so many are a fair sample of it.
"""

from pathlib import Path

import numpy as np

from glorot.datasets import DataFile, Examples, FiniteDataset
from glorot.datasets.truth_tables import CHUNK, all_rows, title, values_of

CLASSES = 2
SCATTER = 2654435761  # odd, so that row r -> SCATTER * r mod 2^bits has every row once (Knuth's constant)


def load(folder: Path, function: str, bits: int, table: str) -> FiniteDataset:
    """All rows of a function, or of a table where it is not empty. folder: not needed."""
    values = values_of(function, bits, table)
    n = (len(values) - 1).bit_length()
    numbers = np.arange(len(values), dtype=np.uint64)
    order = numbers * np.uint64(SCATTER) % np.uint64(len(values)) if len(values) > CHUNK else numbers
    rows = Examples(255 * all_rows(n)[order], values[order])
    return FiniteDataset(title(function, bits, table), CLASSES, rows, rows, rows)


def files(folder: Path) -> list[DataFile]:
    return []


def fetch(folder: Path) -> None:
    """Nothing to fetch: it is made on the fly."""
