"""What a network sees of a pixel: a table of 256 float32, one for each byte, which every kernel looks up.

    unit            k / 255, in [0, 1]
    symmetric       2 k / 255 - 1, in [-1, 1]
    standardized    (k - mean) / standard deviation of all pixels of the training set, one number each
    ink             -0.1 + 1.275 k / 255, in [-0.1, 1.175]: LeNet-5's; digits then have about mean 0, variance 1

The paper does not say which it used. Its author's program for Shapeset asks for [-1, 1]; later scripts of his use
[0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glorot.datasets import Dataset, FiniteDataset
from glorot.errors import DataError

BYTES = np.arange(256)
UNIT = BYTES.astype(np.float32) / np.float32(255)
SAMPLE = 10_000  # training examples of an endless data set that standardize it: the first of seed 0's stream


def unit(dataset: Dataset) -> np.ndarray:
    return UNIT


def symmetric(dataset: Dataset) -> np.ndarray:
    return ((2 * BYTES - 255) / 255).astype(np.float32)


def ink(dataset: Dataset) -> np.ndarray:
    """LeCun et al. 1998, II.B: the background is -0.1, ink 1.175."""
    return (-0.1 + 1.275 * BYTES / 255).astype(np.float32)


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
    """levels: what the network sees of each byte of a data set, (256,) float32. formula, text: for people."""

    levels: Callable[[Dataset], np.ndarray]
    formula: str
    text: str


INPUTS = {
    "unit": Inputs(unit, "pixels / 255, in [0, 1]", "pixels in [0, 1]"),
    "symmetric": Inputs(symmetric, "2 * pixels / 255 - 1, in [-1, 1]", "pixels in [-1, 1]"),
    "standardized": Inputs(
        standardized,
        "(pixels - mean) / standard deviation, of all pixels of the training set",
        "pixels standardized",
    ),
    "ink": Inputs(ink, "-0.1 + 1.275 * pixels / 255, in [-0.1, 1.175]", "pixels in [-0.1, 1.175]"),
}
