"""A data set that is built here, from files that the user has: its content decides the results, and so its SHA-256 goes
with it (see ``loading.pinned``)."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from glorot.datasets.catalogue import DATASETS, DatasetInfo


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
