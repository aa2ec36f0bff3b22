"""The data sets that have a name: published ones, and generated ones.

This module stays light: the data sets' own modules are imported when used.
"""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from glorot.datasets import DataFile, truth_tables
from glorot.registry import Family, Registry


@dataclass(frozen=True)
class DatasetInfo:
    """A line of the registry.

    module: submodule of glorot.datasets; has load(folder) -> Dataset, files(folder) -> list of DataFile,
        fetch(folder) -> None. A module whose data needs no file (Shapeset) ignores the folder.
    version: rises when the same name yields other examples; part of every run_id.
    inputs: what a network sees of its pixels where a sweep does not say, a key of ``inputs.INPUTS``.
    chance: error in percent of always answering the commonest class of its test set; None where that is not known.
    held_out: how many examples its validation set has, and its test set; None where that is not known.
    background: the byte around its images; None: none, so that the pixels of an image's edge go on.
    built_in: whether it needs no file. Then its module, and Numba with it, is imported only by who loads it.
    parameters: of a choice with some: arguments of the module's load, by name.
    floats: whether its examples are float32. columns: whether each input is a number of its own kind, standardized by
        itself.
    """

    name: str
    label: str
    module: str
    summary: str
    image_shape: tuple[int, ...]
    n_classes: int
    version: int = 1
    inputs: str = "unit"
    chance: float | None = None
    held_out: int | None = None
    background: int | None = None
    built_in: bool = False
    floats: bool = False
    columns: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)

    def implementation(self) -> ModuleType:
        return importlib.import_module(f"glorot.datasets.{self.module}")

    def files(self, folder: Path) -> list[DataFile]:
        return [] if self.built_in else self.implementation().files(folder)


def _boolean(function: str, bits: int, table: str) -> DatasetInfo:
    bits = len(table).bit_length() - 1 if table else bits
    return DatasetInfo(
        "boolean",
        truth_tables.title(function, bits, table),
        "boolean",
        f"all rows of a Boolean function: {{function: {' | '.join(truth_tables.FUNCTIONS)}, bits: 8}}, "
        'or {table: "0110"}',
        (bits,),
        2,
        chance=truth_tables.chance(function, bits, table),
        held_out=2**bits,
        built_in=True,
        parameters={"function": function, "bits": bits, "table": table},
    )


_PLAIN = [
    DatasetInfo("shapeset", "Shapeset", "shapeset",
                "Shapeset-3x2: one or two triangles, parallelograms, ellipses; made on the fly",
                (32, 32), 9, version=2, inputs="symmetric", chance=100 * 5 / 6, held_out=10_000, built_in=True),
    DatasetInfo("mnist", "MNIST", "mnist",
                "handwritten digits: 50,000 / 10,000 / 10,000", (28, 28), 10, chance=88.65, held_out=10_000,
                background=0),
    DatasetInfo("fashion_mnist", "Fashion-MNIST", "fashion_mnist",
                "pictures of clothes, in MNIST's format: 50,000 / 10,000 / 10,000", (28, 28), 10, chance=90.0,
                held_out=10_000, background=0),
    DatasetInfo("cifar10", "CIFAR-10", "cifar10",
                "small colour photographs: 40,000 / 10,000 / 10,000", (3, 32, 32), 10, chance=90.0,
                held_out=10_000),
    DatasetInfo("small_imagenet", "ImageNet", "small_imagenet",
                "Small-ImageNet: grey photographs in ten WordNet classes, rebuilt", (37, 37), 10, chance=90.0),
]  # fmt: skip
DATASETS: Registry[DatasetInfo] = Registry(
    "data set",
    {
        **{one.name: one for one in _PLAIN},
        "boolean": Family(_boolean, truth_tables.PARAMETERS, truth_tables.checked),
    },
)
