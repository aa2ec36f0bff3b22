"""Data sets: what they are, where they lie, and a training stream that is a function of (seed, index).

To add one: write a module with ``load``, ``files`` and ``fetch`` as in ``mnist.py`` and add a line to
``DATASETS`` below. This module stays light: the data sets' own modules are imported when used.
"""

import importlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from glorot.errors import DataError
from glorot.randomness import generator


@dataclass(frozen=True)
class Examples:
    """Images and their classes.

    pixels: (n, n_inputs) uint8; the network sees pixels / 255.
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
    n_inputs: int
    n_classes: int

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
        index = np.empty(count, np.int64)
        filled = 0
        while filled < count:
            epoch, position = divmod(start + filled, len(self.examples))
            part = self._order(seed, epoch)[position : position + count - filled]
            index[filled : filled + len(part)] = part
            filled += len(part)
        return Examples(self.examples.pixels[index], self.examples.labels[index])


@dataclass(frozen=True)
class DatasetInfo:
    """A line of the registry.

    module: submodule of glorot.datasets; has load(folder) -> Dataset, files(folder) -> list of DataFile,
        fetch(folder) -> None. A module whose data needs no file (Shapeset) ignores the folder.
    version: rises when the same name yields other examples; part of every run_id.
    built_in: whether it needs no file. Then its module, and Numba with it, is imported only by who loads it.
    """

    name: str
    label: str
    module: str
    summary: str
    image_shape: tuple[int, ...]
    n_classes: int
    version: int = 1
    built_in: bool = False

    def implementation(self) -> ModuleType:
        return importlib.import_module(f"glorot.datasets.{self.module}")

    def files(self, folder: Path) -> "list[DataFile]":
        return [] if self.built_in else self.implementation().files(folder)


@dataclass(frozen=True)
class DataFile:
    """One file of a data set: where it is expected and the SHA-256 its publisher's copy has.

    sha256: in hexadecimal; empty for a file that no one publishes, as it is built here.
    """

    path: Path
    sha256: str


def data_folder(chosen: Path | str | None = None) -> Path:
    """The folder data sets lie in: the one given, else $GLOROT_DATA, else the user's cache."""
    if chosen:
        return Path(chosen).expanduser()
    if os.environ.get("GLOROT_DATA"):
        return Path(os.environ["GLOROT_DATA"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("glorot")) / "data"


def missing_files(name: str, folder: Path) -> list[Path]:
    """The files of this data set that are not in the folder."""
    return [file.path for file in DATASETS[name].files(folder) if not file.path.is_file()]


def verify(name: str, folder: Path) -> list[tuple[DataFile, str]]:
    """Each file of a data set with its status; an empty list for one that needs no file.

    The status is "verified" or "missing", or begins with "wrong checksum" (then the one found),
    "no checksum" (there, but nothing to hold it against) or "unreadable" (then why).
    """
    from glorot.datasets.download import sha256_of

    def status(file: DataFile) -> str:
        if not file.path.is_file():
            return "missing"
        if not file.sha256:
            return "no checksum"
        try:
            found = sha256_of(file.path)
        except OSError as error:
            return f"unreadable: {error.strerror}"
        return "verified" if found == file.sha256 else f"wrong checksum: found {found}"

    return [(file, status(file)) for file in DATASETS[name].files(folder)]


def load(name: str, folder: Path) -> Dataset:
    """Load a data set. Raises DataError where it is missing or not what it should be."""
    missing = missing_files(name, folder)
    if missing:
        raise DataError(not_there(name, folder, missing))
    return DATASETS[name].implementation().load(folder)


def not_there(name: str, folder: Path, missing: list[Path]) -> str:
    """The message for a data set that is not there: what was expected where, and what to do."""
    implementation = DATASETS[name].implementation()
    remedy = getattr(
        implementation,
        "HOW_TO_GET",
        f"get it with `glorot data fetch {name}`, or name the folder that holds it with --data or GLOROT_DATA",
    )
    others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"data set {name} is not there: expected {missing[0]}{others}; {remedy}"


DATASETS = {
    info.name: info
    for info in [
        DatasetInfo("shapeset", "Shapeset", "shapeset",
                    "Shapeset-3x2: one or two triangles, parallelograms, ellipses; made on the fly",
                    (32, 32), 9, built_in=True),
        DatasetInfo("mnist", "MNIST", "mnist",
                    "handwritten digits: 50,000 / 10,000 / 10,000", (28, 28), 10),
        DatasetInfo("cifar10", "CIFAR-10", "cifar10",
                    "small colour photographs: 40,000 / 10,000 / 10,000", (3, 32, 32), 10),
        DatasetInfo("small_imagenet", "ImageNet", "small_imagenet",
                    "Small-ImageNet: grey photographs in ten WordNet classes, rebuilt", (37, 37), 10),
    ]
}  # fmt: skip
