"""Arrays as a data set: `{arrays: FILE.npz}`, `{idx: FOLDER}`, `{table: FILE.csv, label: COLUMN}`.

What they hold is read with suspicion, sizes before anything is allocated, and becomes a data file like that of a folder
of images (``folder.py``): examples of bytes. Numbers that are bytes in another coat are taken as such: whole numbers
from 0 to 255 of any type, and k / 255. Others are refused, by name and place.

Ready splits are used as such. Where one is missing, it is taken from the training examples by the SHA-256 of each
example, as with folders; equal examples are in one split.
"""

import gzip
import hashlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glorot.datasets import Examples, LocalData, exact, folder
from glorot.datasets import manifest as manifests
from glorot.datasets.build import MAX_CLASSES, SPLITS, TENTHS, Built, split_of
from glorot.datasets.images import Shape
from glorot.errors import DataError, nearest
from glorot.files import opened
from glorot.printable import printable

FORMAT = 2  # rises when the same files give other examples
MOST_BYTES = 8 * 2**30  # of all arrays of a data set, as they are stored
SPLIT_NAMES = {"train": ("train", "training"), "valid": ("valid", "val", "validation"), "test": ("test", "testing")}
PARTS = {"x": ("x", "images", "data"), "y": ("y", "labels", "targets")}


class Part(NamedTuple):
    """x: (n, ...) numbers. y: (n,) labels. names: of both, for messages. columns: what the inputs are called."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, str]
    columns: tuple[str, ...] = ()


class Read(NamedTuple):
    """splits: "train", "valid", "test" -> examples, classes numbered in the order of names. columns: what the inputs
    are called, where they have names."""

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
        examples = {split: Examples(_bytes(part, shape), labels[split]) for split, part in parts.items()}
        columns = tuple(map(printable, parts["train"].columns))
        return Read(_complete(examples, dataset), class_names, shape, columns)
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
    facts = {"name": printable(Path(dataset.folder).name)} | ({"columns": one.columns} if one.columns else {})
    manifest = manifests.manifest_of(built, one.names, one.shape, data, facts)
    what = str(one.shape) if one.shape.height > 1 else f"{one.shape.width} numbers each"
    manifest["about"] = (
        f"{sum(counts):,} examples in {len(one.names)} classes, {what}; chance {manifest['chance']:.1f} %"
    )
    folder.write(manifest, data, f"{state}.json", data_folder, tell)
    tell(f"{dataset}: {manifest['about']}", False)
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


# The formats. ---------------------------------------------------------------------------------------------------------


def _npz(path: Path, dataset: LocalData) -> dict[str, Part]:
    """x and y; or x_train, y_train, x_test, ...; or train_images, train_labels, .... Without pickle."""
    arrays = _members(path)
    keys = {name.lower(): name for name in arrays}
    found: dict[str, dict[str, str]] = {}
    for split, split_names in {"": ("",), **SPLIT_NAMES}.items():
        for part, part_names in PARTS.items():
            for name in part_names:
                for ready in split_names:
                    for key in (name,) if not ready else (f"{name}_{ready}", f"{ready}_{name}"):
                        if key in keys:
                            found.setdefault(split or "train", {}).setdefault(part, keys[key])
    for split, names in found.items():
        if len(names) < 2:
            (there,) = names.values()
            raise DataError(f"expected inputs and labels for {SPLITS[split]}, found only {there}")
    if "train" not in found:
        some = ", ".join(map(printable, list(arrays)[:10])) or "none"
        raise DataError(f"expected arrays called x and y, or x_train, y_train, x_test, ...; found {some}")
    return {split: Part(arrays[names["x"]], arrays[names["y"]], (names["x"], names["y"]))
            for split, names in found.items()}  # fmt: skip


def _members(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. What a header says of an array's size must be what the archive has."""
    arrays: dict[str, np.ndarray] = {}
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
            total = sum(one.file_size for one in members)
            if total > MOST_BYTES:
                raise DataError(f"expected arrays of up to {MOST_BYTES:,} bytes, found {total:,}")
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stored:
                    arrays[name] = _array(stored, name, member.file_size)
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"expected a whole .npz file, but: {error}") from error
    return arrays


def _array(file: Any, name: str, size: int) -> np.ndarray:
    """One .npy file of so many bytes."""
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = header(file, max_header_size=10_000)
    except Exception as error:  # a header is Python text, and can be any
        first = str(error).partition("\n")[0]
        raise DataError(f"array {printable(name)}: expected the header of a .npy file, but: {first}") from None
    if dtype.hasobject:
        raise DataError(f"array {printable(name)}: expected numbers or text, found Python objects, which may run code")
    wanted = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or wanted != size - file.tell():
        raise DataError(
            f"array {printable(name)}: its header says {'x'.join(map(str, shape))} of {dtype}, {wanted:,} bytes; "
            f"found {size - file.tell():,}"
        )
    data = file.read(wanted)
    if len(data) != wanted:
        raise DataError(f"array {printable(name)}: expected {wanted:,} bytes, found {len(data):,}")
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape)


def _idx(path: Path, dataset: LocalData) -> dict[str, Part]:
    """train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-..., plain or with .gz, as MNIST's kin have them."""
    parts = {}
    for split, prefixes in {"train": ("train",), "valid": ("valid", "val"), "test": ("t10k", "test")}.items():
        files = [_idx_file(path, prefixes, kind) for kind in ("images", "labels")]
        if any(files) and not all(files):
            raise DataError(f"expected images and labels for {SPLITS[split]}, found only {next(filter(None, files))}")
        if files[0] and files[1]:
            x, y = (_idx_array(one) for one in (files[0], files[1]))
            parts[split] = Part(x, y, (files[0].name, files[1].name))
    if "train" not in parts:
        raise DataError("expected train-images-idx3-ubyte and train-labels-idx1-ubyte (or with .gz), found none")
    return parts


def _idx_file(folder: Path, prefixes: tuple[str, ...], kind: str) -> Path | None:
    try:
        names = sorted(one.name for one in folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}") from error
    for prefix in prefixes:
        for name in names:
            plain = name.removesuffix(".gz").replace(".idx", "-idx")
            if (
                plain.startswith((f"{prefix}-{kind}-idx", f"emnist-{prefix}-{kind}-idx"))
                or f"-{prefix}-{kind}-" in plain
            ):
                return folder / name
    return None


def _idx_array(path: Path) -> np.ndarray:
    """The uint8 array of an IDX file, gzipped or not."""
    try:
        with opened(path) as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise DataError(f"{path.name}: expected the magic number of an IDX file of bytes, found {head.hex()}")
            sizes = file.read(4 * head[3])
            if len(sizes) != 4 * head[3]:
                raise DataError(f"{path.name}: expected {head[3]} sizes, found {len(sizes) // 4}")
            shape = tuple(map(int, np.frombuffer(sizes, ">u4")))
            wanted = math.prod(shape)
            if wanted > MOST_BYTES:
                raise DataError(f"{path.name}: expected up to {MOST_BYTES:,} bytes, its header says {wanted:,}")
            data = file.read(wanted + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: expected a whole gzip file, but: {error}") from error
    except OSError as error:
        raise DataError(f"{path.name}: cannot read it: {error.strerror or error}") from error
    if len(data) != wanted:
        found = f"{len(data):,}" if len(data) < wanted else "more"
        raise DataError(f"{path.name}: expected {wanted:,} bytes behind the header, found {found}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _table(path: Path, dataset: LocalData) -> dict[str, Part]:
    """A .csv file with a line of names, or .parquet. label: the column of classes; all others are inputs."""
    import pandas as pd

    try:
        with opened(path):
            pass
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except ImportError:
        raise DataError("expected pyarrow to be installed, found none; try: pip install pyarrow") from None
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}") from error
    except Exception as error:  # parsers raise all kinds
        first = str(error).partition("\n")[0]
        raise DataError(f"expected a table, but: {first}") from None
    names = [str(name) for name in frame.columns]
    if dataset.label not in names:
        some = ", ".join(map(printable, names[:10])) + (", ..." if len(names) > 10 else "")
        raise DataError(
            f"expected a column called {printable(dataset.label)} with the classes, found {some}"
            f"{nearest(dataset.label, names)}"
        )
    label, inputs = frame[frame.columns[names.index(dataset.label)]], [name for name in names if name != dataset.label]
    columns = [frame[frame.columns[names.index(name)]] for name in inputs]
    if not columns or not len(frame):
        raise DataError(f"expected rows with numbers beside {printable(dataset.label)}, found none")
    for name, column in [(dataset.label, label), *zip(inputs, columns, strict=True)]:
        if column.isna().any():
            row = int(np.argmax(column.isna().to_numpy()))
            raise DataError(f"column {printable(name)}: expected no missing values, found one in row {row + 1}")
    for name, column in zip(inputs, columns, strict=True):
        if column.dtype.kind not in "buif":
            raise DataError(f"column {printable(name)}: expected numbers, found {printable(str(column.iloc[0]))!r}")
    x = np.stack([column.to_numpy() for column in columns], axis=1)
    return {"train": Part(x, label.to_numpy(), ("the columns", dataset.label), tuple(inputs))}


READERS: Mapping[str, Callable[[Path, LocalData], dict[str, Part]]] = {"arrays": _npz, "idx": _idx, "table": _table}


# What they become. ----------------------------------------------------------------------------------------------------


def _shape_of(parts: Mapping[str, Part]) -> Shape:
    """(n, height, width), also with 1 or 3 planes in front or behind; (n, numbers)."""
    first = parts["train"].x.shape[1:]
    for split, part in parts.items():
        if part.x.ndim < 2 or not part.x.size:
            raise DataError(f"{part.names[0]}: expected (examples, numbers) or (examples, height, width), not "
                            f"empty, found {part.x.shape}")  # fmt: skip
        if part.y.ndim == 2 and part.y.shape[1] == 1:
            parts = {**parts, split: part._replace(y=part.y[:, 0])}
        if part.y.shape[0] != len(part.x) or part.y.size != len(part.x):
            raise DataError(f"{part.names[1]}: expected one label for each of the {len(part.x):,} examples, found "
                            f"{' x '.join(map(str, part.y.shape))}")  # fmt: skip
        if part.x.shape[1:] != first:
            raise DataError(f"{part.names[0]}: expected examples of {first} as those to train on, found "
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


def _bytes(part: Part, shape: Shape) -> np.ndarray:
    """(n, numbers) uint8, plane by plane. Raises DataError for what is no byte."""
    x, name = part.x, printable(part.names[0])
    if x.dtype.kind not in "buif":
        raise DataError(f"{name}: expected numbers, found {x.dtype}")
    if x.dtype == np.int8 and x.min() < 0:
        raise DataError(f"{name}: expected bytes, found int8 below 0: bytes that were cast? try x.view('uint8')")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        place = np.unravel_index(int(np.argmin(np.isfinite(x))), x.shape)
        raise DataError(f"{name}: expected finite numbers, found {x[place]} in example {place[0] + 1}")
    if x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = np.moveaxis(x, 3, 1)
    x = x.reshape(len(x), -1)
    if x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1:
        scaled = np.rint(x * 255)
        if np.abs(x * 255 - scaled).max() < 1e-3:  # k / 255, in float32 or float16
            x = scaled
    if x.dtype.kind == "b":
        return np.where(x, np.uint8(255), np.uint8(0))
    low, high = x.min(), x.max()
    if low < 0 or high > 255 or (x.dtype.kind == "f" and (x != np.rint(x)).any()):
        raise DataError(
            f"{name}: expected bytes (whole numbers from 0 to 255, or k / 255), found others, from {low:g} to "
            f"{high:g}; scale them to 0 ... 255 and round them"
        )
    return np.ascontiguousarray(x, np.uint8)


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


def _complete(examples: dict[str, Examples], dataset: LocalData) -> dict[str, Examples]:
    """All three splits; those that are not ready come out of the training examples, by hash."""
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
        raise DataError(f"class number {min(lost)}: expected examples to train on, found none after the split")
    return complete
