"""Data sets: what they are, where they lie, and a training stream that is a function of (seed, index).

To add one: write a module with ``load``, ``files`` and ``fetch`` as in ``mnist.py`` and add a line to
``DATASETS`` below. This module stays light: the data sets' own modules are imported when used.

A data set that is published or generated is called by its name. One that is built here, of images the user has, is a
``LocalData``: its content decides the results, and so its SHA-256 goes with it (see ``pinned``).
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from glorot.datasets import truth_tables
from glorot.errors import DataError
from glorot.places import expanded, user_cache
from glorot.randomness import generator
from glorot.registry import Family, Registry


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
class DatasetInfo:
    """A line of the registry.

    module: submodule of glorot.datasets; has load(folder) -> Dataset, files(folder) -> list of DataFile,
        fetch(folder) -> None. A module whose data needs no file (Shapeset) ignores the folder.
    version: rises when the same name yields other examples; part of every run_id.
    inputs: what a network sees of its pixels where a sweep does not say, a key of ``inputs.INPUTS``.
    chance: error in percent of always answering the commonest class of its test set; None where that is not known.
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
    background: int | None = None
    built_in: bool = False
    floats: bool = False
    columns: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)

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
        return expanded(chosen)
    if os.environ.get("GLOROT_DATA"):
        return expanded(os.environ["GLOROT_DATA"])
    return user_cache() / "data"


@dataclass(frozen=True)
class LocalData:
    """A data set that is built on this machine, as the settings of a run have it.

    name: "small_imagenet", or "" for the user's own. form: "folder" of class folders; or "arrays", "idx", "table"
        (``arrays.py``). folder: that folder, or that file, an absolute path. label: of a table, the column of classes.
    size: (height, width) of what its images are made into. color: "grey" or "rgb".
    split: which parts of it are for training, validation and test, where it has no such folders; None: 0.8, 0.1, 0.1.
    balance: whether each class has as many images as the smallest.
    content: SHA-256 of the data file, which alone decides what a run gives; empty while nothing is built.
    about: what it was made from, for tables; "stand-in: ..." where it stands for another.
    chance: error in percent of always answering the commonest class of its test set.
    problem: why it was not built. numbers: "float32" where its examples are no bytes, as it is known once it is built.
    """

    name: str = ""
    folder: str = ""
    size: tuple[int, int] = (32, 32)
    color: str = "grey"
    split: tuple[float, float, float] | None = None
    balance: bool = False
    content: str = ""
    about: str = field(default="", compare=False)
    chance: float | None = field(default=None, compare=False)
    problem: str = field(default="", compare=False)
    form: str = "folder"
    label: str = ""
    numbers: str = ""

    def __str__(self) -> str:
        """As labels and tables have it: the folder's name (with a slash where a data set is called so)."""
        if self.name:
            return self.name
        name = Path(self.folder).name or self.folder
        return f"{name}/" if name in DATASETS else name

    def fields(self) -> dict[str, Any]:
        """As a sweep file has it."""
        place: dict[str, Any] = {"name": self.name} if self.name else {self.form: self.folder}
        if not self.name:
            if self.form == "folder" or self.content:  # else it is known when they are read
                place |= {"size": list(self.size), "color": self.color}
            place |= {"label": self.label} if self.label else {}
            place |= {"numbers": self.numbers} if self.numbers else {}
            place |= {"split": list(self.split)} if self.split else {}
            place |= {"balance": True} if self.balance else {}
        known = {"content": self.content or None, "about": self.about or None, "chance": self.chance}
        return place | {key: value for key, value in known.items() if value is not None}

    @property
    def identity(self) -> dict[str, Any]:
        """What of it decides a run: not where it lies. Without content a dry run shows provisional run_ids."""
        shape = {} if self.form == "folder" else {"size": list(self.size)}  # a table's rows are no images
        return {"content": self.content, **shape} if self.content else self.fields()

    @property
    def kind(self) -> str:
        """ "stand-in" or "rebuilt" for what stands for a data set of someone else; else empty."""
        return self.about.partition(":")[0] if self.name else ""


FORMS = {
    "folder": ("{folder: PATH}", "images, in a folder for each class; also in train/, valid/, test/"),
    "arrays": ("{arrays: FILE.npz}", "x and y; or x_train, y_train, x_valid, ...; images or rows of numbers"),
    "table": ("{table: FILE.csv, label: COLUMN}", "a column for each input; also FILE.parquet"),
    "svmlight": ("{svmlight: FILE}", "lines of LABEL INDEX:VALUE ..., as LIBSVM's data are distributed"),
    "idx": ("{idx: FOLDER}", "train-images-idx3-ubyte.gz and its kin, as MNIST, KMNIST and EMNIST are distributed"),
}  # of a user's own data: as a sweep has it, and what it is


def form_of(path: str) -> str:
    """ "; did you mean {arrays: digits.npz}?" of what looks like a path; else empty."""
    forms = {".npz": "arrays", ".csv": "table", ".parquet": "table", ".svm": "svmlight", ".libsvm": "svmlight",
             ".svmlight": "svmlight"}  # fmt: skip
    form = forms.get(Path(path).suffix.lower(), "folder" if "/" in path else "")
    if not form:
        return ""
    return f"; did you mean {{{form}: {path}{', label: COLUMN' if form == 'table' else ''}}}?"


def exact(share: float) -> Fraction:
    """A number as it is written: 0.1 is a tenth."""
    return Fraction(str(share))


AnyData = str | LocalData  # what ``Settings.dataset`` holds


def info(dataset: AnyData) -> DatasetInfo:
    """The registry's line of a data set; a folder gets one of its own (its classes are known once it is built)."""
    name = dataset if isinstance(dataset, str) else dataset.name
    if name or isinstance(dataset, str):
        return DATASETS[name]
    shape: tuple[int, ...] = (3, *dataset.size) if dataset.color == "rgb" else dataset.size
    if dataset.form != "folder" and shape[0] == 1:
        shape = shape[1:]  # rows of numbers
    return DatasetInfo(
        str(dataset), str(dataset), "folder", FORMS[dataset.form][1], shape, 10, chance=dataset.chance,
        inputs="raw" if dataset.numbers else "unit", floats=bool(dataset.numbers),
        columns=bool(dataset.numbers) or len(shape) == 1,
    )  # fmt: skip


def pinned(
    dataset: AnyData,
    folder: Path,
    build: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str, bool], None] = lambda line, went_wrong: None,
    allow_skipped: bool = False,
) -> AnyData:
    """The data set with its content, where it is one that is built here; as it was, where it is not there.

    folder: the data folder. build: whether a folder of images may be built for it, if it was not yet. tell: is told in
    lines, when it is built, what was used and (as gone wrong) what was skipped. allow_skipped: whether a large part of
    the files may be skipped. A dataset with content keeps it: what is found to be other is refused when it is loaded.
    """
    if isinstance(dataset, str) and dataset != "small_imagenet":
        return dataset
    local = LocalData(name=dataset) if isinstance(dataset, str) else dataset
    if local.content and not missing_files(local, folder):
        return dataset
    from glorot.datasets import arrays, disk, small_imagenet
    from glorot.datasets import folder as class_folders

    try:
        if not local.name and disk.is_converted(local.folder):
            return _of_disk(local, disk.manifest_of(local.folder))
        if local.name:
            manifest = small_imagenet.manifest(folder)
        elif local.form != "folder":
            manifest = arrays.build_into(local, folder, tell) if build else arrays.found(local, folder)
        elif build:
            manifest = class_folders.build_into(local, folder, progress, tell, allow_skipped)
        else:
            manifest = class_folders.found(local, folder, allow_skipped)
    except DataError as error:
        return replace(local, problem=str(error))
    if manifest is None:
        return dataset
    content, chance = local.content or manifest["sha256"], None if local.name else manifest["chance"]
    if local.form != "folder":
        local = replace(
            local, size=tuple(manifest["size"]), color=manifest["color"], numbers=manifest.get("numbers", "")
        )
    return replace(local, content=content, about=manifest["about"], chance=chance)


def _of_disk(local: LocalData, manifest: dict[str, Any]) -> LocalData:
    """A folder that is a converted data set: its images are as its manifest says."""
    *channels, height, width = manifest["shape"]
    return replace(
        local, content=local.content or manifest["sha256"], about=manifest["about"], chance=manifest["chance"],
        size=(height, width), color="rgb" if channels == [3] else "grey",
    )  # fmt: skip


def unpinned(dataset: AnyData) -> AnyData:
    """The data set as the user's sweep file has it, whatever its content."""
    from glorot.datasets import disk

    if isinstance(dataset, str):
        return dataset
    if not dataset.name and disk.is_converted(dataset.folder):
        return LocalData(folder=dataset.folder)
    if dataset.form != "folder":
        dataset = replace(dataset, size=LocalData.size, color=LocalData.color, numbers="")
    return dataset.name or replace(dataset, content="", about="", chance=None, problem="")


def data_files(dataset: AnyData, folder: Path) -> list[DataFile]:
    """The files of a data set; none for one that needs no file, or for a folder of images that is not built yet."""
    if isinstance(dataset, str):
        return DATASETS[dataset].files(folder)
    if dataset.name:
        return [DataFile(file.path, dataset.content or file.sha256) for file in DATASETS[dataset.name].files(folder)]
    from glorot.datasets import disk
    from glorot.datasets import folder as class_folders

    if disk.is_converted(dataset.folder):
        return [DataFile(file.path, dataset.content or file.sha256) for file in disk.files(dataset.folder)]
    return class_folders.files(dataset, folder) if dataset.content else []


def missing_files(dataset: AnyData, folder: Path) -> list[Path]:
    """The files of this data set that are not in the folder; the folder of images itself, if it is not built yet."""
    if isinstance(dataset, LocalData) and not (dataset.name or dataset.content):
        return [Path(dataset.folder)]
    return [file.path for file in data_files(dataset, folder) if not file.path.is_file()]


def verify(dataset: AnyData, folder: Path) -> list[tuple[DataFile, str]]:
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

    return [(file, status(file)) for file in data_files(dataset, folder)]


def load(dataset: AnyData, folder: Path) -> Dataset:
    """Load a data set. Raises DataError where it is missing or not what it should be."""
    missing = missing_files(dataset, folder)
    if missing:
        raise DataError(not_there(dataset, folder, missing))
    if isinstance(dataset, str):
        return DATASETS[dataset].implementation().load(folder, **DATASETS[dataset].parameters)
    from glorot.datasets import disk, small_imagenet
    from glorot.datasets import folder as class_folders

    if disk.is_converted(dataset.folder):
        return disk.load(dataset.folder, str(dataset), dataset.content)
    if dataset.name:
        return small_imagenet.load(folder, dataset.content)
    return class_folders.load(dataset, folder)


def not_there(dataset: AnyData, folder: Path, missing: list[Path]) -> str:
    """The message for a data set that is not there: what was expected where, and what to do."""
    if isinstance(dataset, LocalData) and not dataset.name:
        if dataset.problem:
            return f"data set {dataset}: {dataset.problem}"
        if not dataset.content:
            return f"data set {dataset} is not built yet: `glorot run` does it first; run_ids are not final before that"
    others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"data set {dataset} is not there: expected {missing[0]}{others}; {remedy(dataset)}"


def remedy(dataset: AnyData, again: bool = False) -> str:
    """What to do about a data set that is not there or, again, that is not what it should be."""
    if isinstance(dataset, LocalData):
        if not dataset.name:
            return f"remove `content` from the sweep to take {dataset.folder} as it is now"
        dataset = dataset.name
    usual = f"get it {'again ' if again else ''}with `glorot data fetch {dataset}`"
    if not again:
        usual += ", or name the folder that holds it with --data or GLOROT_DATA"
    return getattr(DATASETS[dataset].implementation(), "HOW_TO_GET", usual)


def _boolean(function: str, bits: int, table: str) -> DatasetInfo:
    return DatasetInfo(
        "boolean",
        truth_tables.title(function, bits, table),
        "boolean",
        f"all rows of a Boolean function: {{function: {' | '.join(truth_tables.FUNCTIONS)}, bits: 8}}, "
        'or {table: "0110"}',
        (len(table).bit_length() - 1 if table else bits,),
        2,
        chance=truth_tables.chance(function, bits, table),
        built_in=True,
        parameters={"function": function, "bits": bits, "table": table},
    )


_PLAIN = [
    DatasetInfo("shapeset", "Shapeset", "shapeset",
                "Shapeset-3x2: one or two triangles, parallelograms, ellipses; made on the fly",
                (32, 32), 9, version=2, inputs="symmetric", chance=100 * 5 / 6, built_in=True),
    DatasetInfo("mnist", "MNIST", "mnist",
                "handwritten digits: 50,000 / 10,000 / 10,000", (28, 28), 10, chance=88.65, background=0),
    DatasetInfo("fashion_mnist", "Fashion-MNIST", "fashion_mnist",
                "pictures of clothes, in MNIST's format: 50,000 / 10,000 / 10,000", (28, 28), 10, chance=90.0,
                background=0),
    DatasetInfo("cifar10", "CIFAR-10", "cifar10",
                "small colour photographs: 40,000 / 10,000 / 10,000", (3, 32, 32), 10, chance=90.0),
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
