"""Data sets: what they are, and a training stream that is a function of (seed, index).

To add one: write a module with ``load``, ``files`` and ``fetch`` as in ``mnist.py``, and add a line to ``DATASETS`` in
``catalogue.py``. ``local.py`` describes data sets that are built from a user's own files, and ``loading.py`` finds,
checks and loads any of them. This file imports none of these, so that a change there compiles no kernel again.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from glorot.randomness import generator


@dataclass(frozen=True)
class Examples:
    """Images and their classes.

    pixels: (n, n_inputs) uint8; what the network sees of each byte is in ``inputs.py``. Of a user's own numbers that
        are no bytes, and of standardized columns: float32, what the network sees.
    labels: (n,) uint8.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n: int) -> "Examples":
        """The first n of them (all, if there are fewer)."""
        return Examples(self.pixels[:n], self.labels[:n])


class Dataset(Protocol):
    """What training needs of a data set."""

    name: str
    n_classes: int

    @property
    def n_inputs(self) -> int: ...

    @property
    def valid(self) -> Examples: ...

    @property
    def test(self) -> Examples: ...

    def train(self, seed: int, start: int, count: int) -> Examples:
        """Training examples start .. start+count-1 of the endless stream that belongs to this seed."""
        ...


@dataclass
class FiniteDataset:
    """A data set of fixed size. Its stream runs through all of it, in a new order every epoch."""

    name: str
    n_classes: int
    examples: Examples
    valid: Examples
    test: Examples
    _orders: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """How many training examples there are."""
        return len(self.examples)

    @property
    def n_inputs(self) -> int:
        return int(self.examples.pixels.shape[1])

    def _order(self, seed: int, epoch: int) -> np.ndarray:
        """The order of one epoch, (n,); the last one made is kept."""
        order = self._orders.get((seed, epoch))
        if order is None:
            order = generator(seed, "order", epoch).permutation(len(self.examples))
            self._orders.clear()
            self._orders[seed, epoch] = order
        return order

    def train(self, seed: int, start: int, count: int) -> Examples:
        """Examples start .. start+count-1 of the seed's stream: pixels (count, n_inputs), labels (count,)."""
        index = self.order(seed, start, count)
        return Examples(self.examples.pixels[index], self.examples.labels[index])

    def order(self, seed: int, start: int, count: int) -> np.ndarray:
        """Which of the examples these are: (count,) int64."""
        index = np.empty(count, np.int64)
        filled = 0
        while filled < count:
            epoch, position = divmod(start + filled, len(self.examples))
            part = self._order(seed, epoch)[position : position + count - filled]
            index[filled : filled + len(part)] = part
            filled += len(part)
        return index


def limited(dataset: Dataset, count: int) -> FiniteDataset:
    """The data set with its first `count` training examples only: of an endless one, those of seed 0's stream."""
    finite = isinstance(dataset, FiniteDataset)
    examples = dataset.examples.first(count) if finite else dataset.train(0, 0, count)  # type: ignore[attr-defined]
    return FiniteDataset(dataset.name, dataset.n_classes, examples, dataset.valid, dataset.test)


@dataclass(frozen=True)
class DataFile:
    """One file of a data set: where it is expected and the SHA-256 its publisher's copy has.

    sha256: in hexadecimal; empty for a file that no one publishes, as it is built here.
    """

    path: Path
    sha256: str
