"""What a network sees of a pixel: a table of 256 float32, one for each byte. Kernels look it up, or divide to its bits.

    unit            k / 255, in [0, 1]
    symmetric       2 k / 255 - 1, in [-1, 1]
    standardized    (k - mean) / standard deviation of all pixels of the training set, one number each
    ink             -0.1 + 1.275 k / 255, in [-0.1, 1.175]: LeNet-5's; digits then have about mean 0, variance 1
    raw             k

Data that are no bytes are float32 rows. They are seen as they are (raw), or each column (number - mean) / standard
deviation of the training set (standardized): `by_columns` makes such rows, also of bytes that are no images.

The paper does not say which it used. Its author's program for Shapeset asks for [-1, 1]; later scripts of his use
[0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glorot.datasets import Dataset, Examples, FiniteDataset
from glorot.datasets.local import AnyData, info
from glorot.errors import DataError

BYTES = np.arange(256)
CHUNK = 10_000  # examples standardized together
SAMPLE = 10_000  # training examples of an endless data set that standardize it: the first of seed 0's stream


def on_line(a: int, b: int, c: int) -> np.ndarray:
    """(a k + b) / c of each byte k, (256,) float32: whole numbers until the division, so it is rounded once."""
    return (np.float32(a) * BYTES.astype(np.float32) + np.float32(b)) / np.float32(c)


def standardized(dataset: Dataset) -> np.ndarray:
    """Raises DataError where all pixels are equal."""
    finite = isinstance(dataset, FiniteDataset)
    examples = dataset.examples if finite else dataset.train(0, 0, SAMPLE)  # type: ignore[attr-defined]
    counts = np.bincount(examples.pixels.reshape(-1), minlength=256)  # whole numbers: no order of sums to depend on
    mean = float(counts @ BYTES) / int(counts.sum())
    deviation = float(np.sqrt(counts @ (BYTES - mean) ** 2 / counts.sum()))
    if deviation == 0:
        raise DataError(
            f"data set {dataset.name}: expected pixels that differ, found all {len(examples):,} training images filled "
            f"with the value {mean:g}; use inputs: unit, or other images"
        )
    return ((BYTES - mean) / deviation).astype(np.float32)


@dataclass(frozen=True)
class Inputs:
    """formula, text: for people. line: as `on_line` takes it, where what is seen of a byte does not depend on the data;
    of_data: what is seen of each byte, where it does. of_bytes: whether it is of bytes alone.
    """

    formula: str
    text: str
    line: tuple[int, int, int] | None = None
    of_data: Callable[[Dataset], np.ndarray] | None = None
    of_bytes: bool = True

    def levels(self, dataset: Dataset) -> np.ndarray:
        """What the network sees of each byte of a data set, (256,) float32."""
        if self.line:
            return on_line(*self.line)
        assert self.of_data
        return self.of_data(dataset)


INPUTS = {
    "unit": Inputs("pixels / 255, in [0, 1]", "pixels in [0, 1]", (1, 0, 255)),
    "symmetric": Inputs("2 * pixels / 255 - 1, in [-1, 1]", "pixels in [-1, 1]", (2, -255, 255)),
    "standardized": Inputs(
        "(pixels - mean) / standard deviation, of all pixels of the training set; of rows of numbers each column",
        "standardized",
        of_data=standardized,
        of_bytes=False,
    ),
    # LeCun et al. 1998, II.B: the background is -0.1, ink 1.175.
    "ink": Inputs("-0.1 + 1.275 * pixels / 255, in [-0.1, 1.175]", "pixels in [-0.1, 1.175]", (51, -1020, 10200)),
    "raw": Inputs("numbers as they are", "numbers as they are", (1, 0, 1), of_bytes=False),
}
UNIT = on_line(1, 0, 255)


def line_of(levels: np.ndarray) -> tuple[int, int, int] | None:
    """Of INPUTS, the line on which what a network sees of bytes lies. levels: (256,) float32."""
    lines = (one.line for one in INPUTS.values() if one.line)
    return next((line for line in lines if np.array_equal(on_line(*line), levels)), None)


def levels_of(inputs: str, dataset: Dataset) -> np.ndarray:
    """What a network sees of each byte, (256,) float32; any such table where the data set has float32 already."""
    return UNIT if has_floats(dataset) else INPUTS[inputs].levels(dataset)


def inputs_misfit(inputs: str, dataset: AnyData) -> str:
    """Why a data set cannot be seen so, and what to do; empty where it can. inputs: a key of INPUTS."""
    if not (info(dataset).floats and INPUTS[inputs].of_bytes):
        return ""
    others = " or ".join(name for name, one in INPUTS.items() if not one.of_bytes)
    return f"inputs: expected {others}, as the numbers of {dataset} are no bytes; found {inputs}"


def has_floats(dataset: Dataset) -> bool:
    """Whether its examples are float32 rows, which a network sees as they are."""
    return isinstance(dataset, FiniteDataset) and dataset.examples.pixels.dtype == np.float32


def seen(levels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """What a network sees of some pixels, in their shape; float32, or of the type of levels."""
    return pixels.astype(levels.dtype, copy=False) if pixels.dtype == np.float32 else levels[pixels]


def as_seen(dataset: Dataset, inputs: str, columns: bool) -> Dataset:
    """The data set as kernels take it. columns: whether each of its inputs is a number of its own kind."""
    return by_columns(dataset) if columns and inputs == "standardized" else dataset


def by_columns(dataset: Dataset) -> FiniteDataset:
    """The data set with each input standardized by the training examples, float32; an input that is the same in all of
    them is 0 everywhere. Raises DataError where all are."""
    assert isinstance(dataset, FiniteDataset)
    x = dataset.examples.pixels
    mean = x.sum(axis=0, dtype=np.float64) / len(x)  # row after row: the order of the sum is fixed
    square = np.zeros(x.shape[1])
    for start in range(0, len(x), CHUNK):
        square += ((x[start : start + CHUNK] - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(square / len(x))
    constant = (x.min(axis=0) == x.max(axis=0)) | (deviation == 0)
    if constant.all():
        raise DataError(
            f"data set {dataset.name}: expected columns that differ, found the same numbers in all {len(x):,} training "
            "examples; use inputs: raw, or other data"
        )
    factor = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))

    def changed(examples: Examples) -> Examples:
        pixels = np.empty(examples.pixels.shape, np.float32)
        for start in range(0, len(pixels), CHUNK):
            pixels[start : start + CHUNK] = (examples.pixels[start : start + CHUNK] - mean) * factor
        return Examples(pixels, examples.labels)

    parts = [changed(part) for part in (dataset.examples, dataset.valid, dataset.test)]
    return FiniteDataset(dataset.name, dataset.n_classes, parts[0], parts[1], parts[2])
