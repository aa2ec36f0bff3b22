"""Arrays as a data set: `{arrays: FILE.npz}`, `{idx: FOLDER}`, `{table: FILE.csv, label: COLUMN}`, `{svmlight: FILE}`.

What the files hold (``array_files.py``) becomes a data file like that of a folder of images (``folder.py``). Bytes stay
bytes, also in another coat: k / 255, and whole numbers from 0 to 255 of any type, where one is above 127; all
splits have one scale. All other numbers become float32. What is no number, or not finite, is refused by name and place.

Ready splits are used as such. Where one is missing, it is taken from the training examples by the SHA-256 of each
example, as with folders; equal examples are in one split.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glorot.datasets import Examples, folder
from glorot.datasets import manifest as manifests
from glorot.datasets.array_files import READERS, Part
from glorot.datasets.build import MAX_CLASSES, SPLITS, TENTHS, Built, split_of
from glorot.datasets.images import Shape
from glorot.datasets.local import LocalData, exact
from glorot.errors import DataError
from glorot.printable import printable

SMALL = 128  # whole numbers up to here are no bytes, unless they are stored as such
FORMAT = 4  # rises when the same files give other examples


class Read(NamedTuple):
    """splits: "train", "valid", "test" -> examples, classes numbered in the order of names. columns: what the inputs
    are called, where they have names. The examples are bytes, or float32."""

    splits: dict[str, Examples]
    names: list[str]
    shape: Shape
    columns: tuple[str, ...]


def read(dataset: LocalData) -> Read:
    """Everything. Raises DataError, which names the file."""
    path = Path(dataset.folder)
    try:
        parts = READERS[dataset.form](path, dataset)
        shape = _shape_of(parts)
        class_names, labels = _labels(parts)
        numbers = {split: _finite(part) for split, part in parts.items()}
        pixels = _bytes(numbers, parts)
        if pixels is None:
            pixels = {split: _floats(x, parts[split]) for split, x in numbers.items()}
        examples = {split: Examples(x, labels[split]) for split, x in pixels.items()}
        columns = tuple(map(printable, parts["train"].columns))
        return Read(_complete(examples, dataset, class_names), class_names, shape, columns)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except MemoryError:
        raise DataError(f"{path}: expected arrays that fit into memory, found larger ones") from None


def found(dataset: LocalData, data_folder: Path) -> dict[str, Any] | None:
    """The manifest of what these files, as they are now, were built into; None for none. Raises DataError."""
    there = folder.manifest_of_state(_state(dataset), data_folder)
    return there[0] if there else None


def build_into(dataset: LocalData, data_folder: Path, tell: folder.Tell) -> dict[str, Any]:
    """Build the data set unless it is there, and return its manifest. tell: is told, in lines, what was used.

    Raises DataError.
    """
    state = _state(dataset)  # before the files are read: they might change
    there = folder.manifest_of_state(state, data_folder)
    if there:
        return there[0]
    one = read(dataset)
    counts = [sum(int((part.labels == label).sum()) for part in one.splits.values()) for label in range(len(one.names))]
    data = manifests.packed(one.splits)
    built = Built(one.splits, {}, counts, [])
    floats, most = one.splits["train"].pixels.dtype == np.float32, int(one.splits["train"].pixels.max())
    facts: dict[str, Any] = {"name": printable(Path(dataset.folder).name)}
    facts |= ({"columns": one.columns} if one.columns else {}) | ({"numbers": "float32"} if floats else {})
    manifest = manifests.manifest_of(built, one.names, one.shape, data, facts)
    what = str(one.shape) if one.shape.height > 1 else f"{one.shape.width} numbers each"
    manifest["about"] = (
        f"{sum(counts):,} examples in {len(one.names)} classes, {what}"
        f"{', float32' if floats else ''}; chance {manifest['chance']:.1f} %"
    )
    folder.write(manifest, data, f"{state}.json", data_folder, tell)
    tell(f"{dataset}: {manifest['about']}", False)
    if not floats and most < SMALL:
        tell(f"note: the largest byte is {most}, so with inputs: unit the largest input is {most / 255:.2g}; consider "
             "inputs: raw or standardized", True)  # fmt: skip
    for line in manifests.used(manifest):
        tell(f"  {line}", False)
    return manifest


def _state(dataset: LocalData) -> str:
    """The name of this state of the files: their names, sizes, inodes and times. Raises DataError."""
    path = Path(dataset.folder)
    try:
        files = sorted(path.iterdir()) if dataset.form == "idx" else [path]
        facts = [[one.name, *_facts(one.stat())] for one in files]
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror or error}") from error
    state = [FORMAT, dataset.form, dataset.split, dataset.label, facts]
    return hashlib.sha256(json.dumps(state).encode("ascii")).hexdigest()[:32]


def _facts(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


# What they become. ----------------------------------------------------------------------------------------------------


def _shape_of(parts: Mapping[str, Part]) -> Shape:
    """(n, height, width), also with 1 or 3 planes in front or behind; (n, numbers)."""
    first = parts["train"].x.shape[1:]
    for split, part in parts.items():
        if part.x.ndim < 2 or not part.x.size:
            raise DataError(f"{part.names[0]}: expected shape (examples, numbers) or (examples, height, width), not "
                            f"empty, found {part.x.shape}")  # fmt: skip
        if part.y.ndim == 2 and part.y.shape[1] == 1:
            parts = {**parts, split: part._replace(y=part.y[:, 0])}
        if part.y.shape[0] != len(part.x) or part.y.size != len(part.x):
            raise DataError(f"{part.names[1]}: expected one label for each of the {len(part.x):,} examples, found "
                            f"{' x '.join(map(str, part.y.shape))}")  # fmt: skip
        if part.x.shape[1:] != first:
            raise DataError(f"{part.names[0]}: expected the shape of the training examples, {first}, found "
                            f"{part.x.shape[1:]}")  # fmt: skip
    if len(first) == 3 and first[0] in (1, 3):
        return Shape(first[1], first[2], "rgb" if first[0] == 3 else "grey")
    if len(first) == 3 and first[2] in (1, 3):
        return Shape(first[0], first[1], "rgb" if first[2] == 3 else "grey")
    if len(first) == 2:
        return Shape(first[0], first[1])
    if len(first) == 1:
        return Shape(1, first[0])
    raise DataError(f"{parts['train'].names[0]}: expected images of 1 or 3 planes, or rows of numbers, found {first}")


def _finite(part: Part) -> np.ndarray:
    """(n, numbers) of any type, finite, plane by plane. Raises DataError."""
    x, name = part.x, printable(part.names[0])
    if x.dtype.kind not in "buif":
        raise DataError(f"{name}: expected numbers, found {x.dtype}")
    if x.dtype == np.int8 and x.min() < 0:
        raise DataError(
            f"{name}: expected bytes, found int8 below 0: bytes that were cast? try x.view('uint8'); if they "
            "are meant so, store them as int16"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        place = np.unravel_index(int(np.argmin(np.isfinite(x))), x.shape)
        where = f"{_where(part, place)}"
        raise DataError(f"{where}: expected finite numbers, found {x[place]} in example {place[0] + 1}")
    if x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = np.moveaxis(x, 3, 1)
    return x.reshape(len(x), -1)


def _where(part: Part, place: tuple) -> str:
    """The array, or the column, that a place is in."""
    return f"column {printable(part.columns[place[1]])}" if part.columns else printable(part.names[0])


def _bytes(numbers: Mapping[str, np.ndarray], parts: Mapping[str, Part]) -> dict[str, np.ndarray] | None:
    """As (n, numbers) uint8, on one scale in all splits; None where they are no bytes. Raises DataError where each
    split is made of bytes, but not on one scale."""
    fractions = {split: _fractions(x) for split, x in numbers.items()}
    if all(one is not None for one in fractions.values()):
        return {split: one for split, one in fractions.items() if one is not None}
    most = max(float(x.max()) for x in numbers.values())
    whole = {split: _whole(x, most) for split, x in numbers.items()}
    if all(one is not None for one in whole.values()):
        return {split: one for split, one in whole.items() if one is not None}
    if all(fractions[split] is not None or whole[split] is not None for split in numbers):
        small = next(split for split in numbers if whole[split] is None)
        large = next(split for split in numbers if fractions[split] is None)
        raise DataError(
            f"{printable(parts[small].names[0])}: expected bytes from 0 to 255, as {printable(parts[large].names[0])} "
            f"has them, found {numbers[small].dtype} from 0 to 1; store both on one scale, with one type"
        )
    return None


def _fractions(x: np.ndarray) -> np.ndarray | None:
    """Bytes stored as k / 255, or as true and false; None for other numbers."""
    if x.dtype.kind == "b":
        return np.where(x, np.uint8(255), np.uint8(0))
    if x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1:
        scaled = np.rint(x * 255)
        if np.abs(x * 255 - scaled).max() < 1e-3:  # k / 255, in float32 or float16
            return scaled.astype(np.uint8)
    return None


def _whole(x: np.ndarray, most: float) -> np.ndarray | None:
    """Bytes stored as whole numbers; None for other numbers. most: the largest number of all splits."""
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind == "b" or x.min() < 0 or not SMALL <= most <= 255:
        return None
    return None if x.dtype.kind == "f" and (x != np.rint(x)).any() else np.ascontiguousarray(x, np.uint8)


def _floats(x: np.ndarray, part: Part) -> np.ndarray:
    """As (n, numbers) float32. Raises DataError for what is too large."""
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(x, np.float32) + np.float32(0)  # no -0: equal numbers are equal bytes
    if not np.isfinite(floats).all():
        place = np.unravel_index(int(np.argmin(np.isfinite(floats))), x.shape)
        raise DataError(
            f"{_where(part, place)}: expected numbers up to 3.4e38, as float32 has, found "
            f"{x[place]:g} in example {place[0] + 1}"
        )
    return floats


def _labels(parts: Mapping[str, Part]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The classes in order, of whole numbers or text, and the number of each example's class, (n,) uint8."""
    plain = {split: _plain_labels(part) for split, part in parts.items()}
    kinds = {y.dtype.kind for y in plain.values()}
    if len(kinds) > 1:
        raise DataError("expected labels of one kind in all splits, found numbers and text")
    classes = np.unique(np.concatenate([np.unique(y) for y in plain.values()]))
    if not 2 <= len(classes) <= MAX_CLASSES:
        name = parts["train"].names[1]
        raise DataError(f"{name}: expected 2 to {MAX_CLASSES} classes, found {len(classes):,}")
    trained = np.unique(plain["train"])
    if len(trained) < len(classes):
        missing = next(one for one in classes if one not in trained)
        raise DataError(f"class {printable(str(missing))}: expected examples to train on, found none")
    numbers = {split: np.searchsorted(classes, y).astype(np.uint8) for split, y in plain.items()}
    return [printable(str(one)) for one in classes], numbers


def _plain_labels(part: Part) -> np.ndarray:
    """Whole numbers (int64) or text, (n,)."""
    y, name = part.y.reshape(len(part.x)), printable(part.names[1])
    if y.dtype.kind == "O":
        y = np.array([str(one) for one in y])
    if y.dtype.kind in "US":
        return y.astype(str)
    if y.dtype.kind == "f":
        if not (np.isfinite(y) & (y == np.rint(y))).all():
            wrong = y[np.argmin(np.isfinite(y) & (y == np.rint(y)))]
            raise DataError(f"{name}: expected whole numbers or text as labels, found {wrong}")
    elif y.dtype.kind not in "bui":
        raise DataError(f"{name}: expected whole numbers or text as labels, found {y.dtype}")
    if np.abs(y).max(initial=0) >= 2**62:
        raise DataError(f"{name}: expected labels below 2^62, found larger ones")
    return y.astype(np.int64)


def _complete(examples: dict[str, Examples], dataset: LocalData, names: list[str]) -> dict[str, Examples]:
    """All three splits; those that are not ready come out of the training examples, by hash. names: of the classes."""
    by_hash = [split for split in SPLITS if split == "train" or split not in examples]
    if len(by_hash) == 1:
        if dataset.split:
            raise DataError("expected no split, as all three splits are there; found one: remove it")
        return examples
    usual = {"train": 1 - sum(TENTHS.values(), Fraction(0))} | TENTHS
    shares = dict(zip(SPLITS, map(exact, dataset.split), strict=True)) if dataset.split else usual
    total = sum(shares[split] for split in by_hash)
    shares = {split: shares[split] / total for split in by_hash}
    train = examples["train"]
    chosen = np.array([split_of(hashlib.sha256(row.tobytes()).digest(), shares) for row in train.pixels])
    complete = dict(examples)
    for split in by_hash:
        which = chosen == split
        if not which.any():
            raise DataError(
                f"expected examples for {SPLITS[split]} among {len(train):,}, found none; add some, or raise its share "
                "as with split: [0.6, 0.2, 0.2]"
            )
        complete[split] = Examples(np.ascontiguousarray(train.pixels[which]), train.labels[which])
    lost = set(np.unique(train.labels)) - set(np.unique(complete["train"].labels))
    if lost:
        raise DataError(f"class {names[min(lost)]}: expected examples to train on, found none after the split")
    return complete
