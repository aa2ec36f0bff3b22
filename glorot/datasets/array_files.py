"""The files of a user's own data: .npz, IDX, .csv, .parquet, svmlight. They are read with suspicion, sizes before
anything is allocated. Nothing in them is run.
"""

import array
import gzip
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glorot.datasets.build import SPLITS
from glorot.datasets.local import LocalData
from glorot.errors import DataError, nearest
from glorot.files import opened
from glorot.printable import printable

MOST_BYTES = 8 * 2**30  # of all arrays of a data set, as they are stored
MOST_DENSE = 2 * 2**30  # bytes of a sparse file's numbers, with all zeros
SPLIT_NAMES = {"train": ("train", "training"), "valid": ("valid", "val", "validation"), "test": ("test", "testing")}
PARTS = {"x": ("x", "images", "data"), "y": ("y", "labels", "targets")}
WHAT = {"x": "inputs", "y": "labels"}


class Part(NamedTuple):
    """x: (n, ...) numbers. y: (n,) labels. names: of both, for messages. columns: what the inputs are called."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, str]
    columns: tuple[str, ...] = ()


def _npz(path: Path, dataset: LocalData) -> dict[str, Part]:
    """x and y; or x_train, y_train, x_test, ...; or train_images, train_labels, .... Without pickle."""
    arrays = _members(path)
    found: dict[str, dict[str, str]] = {}
    for split in ("", *SPLIT_NAMES):
        for part in PARTS:
            names = [name for name in arrays if name.lower() in _keys(split, part)]
            if len(names) > 1:
                what = f"one array with the {WHAT[part]}{f' for {SPLITS[split]}' if split else ''}"
                both = " and ".join(map(printable, names))
                raise DataError(f"expected {what}, found {both}; keep one, and remove or rename the others")
            if names:
                found.setdefault(split, {})[part] = names[0]
    if "" in found and len(found) > 1:
        plain, other = (next(iter(one.values())) for one in list(found.values())[:2])
        raise DataError(
            f"expected x and y, or x_train, y_train, x_test, ...; found {plain} and {other}; if {plain} is only for "
            "training, call it so, and if it has all examples, remove the other arrays"
        )
    found = {split or "train": there for split, there in found.items()}
    for split, there in found.items():
        if len(there) < 2:
            (only,) = there.values()
            raise DataError(f"expected inputs and labels for {SPLITS[split]}, found only {only}")
    if "train" not in found:
        some = ", ".join(map(printable, list(arrays)[:10])) or "none"
        raise DataError(f"expected arrays called x and y, or x_train, y_train, x_test, ...; found {some}")
    return {split: Part(arrays[there["x"]], arrays[there["y"]], (there["x"], there["y"]))
            for split, there in found.items()}  # fmt: skip


def _keys(split: str, part: str) -> set[str]:
    """What an array may be called, in small letters. split: empty for one that is not of a split."""
    if not split:
        return set(PARTS[part])
    pairs = [(name, ready) for name in PARTS[part] for ready in SPLIT_NAMES[split]]
    return {f"{name}_{ready}" for name, ready in pairs} | {f"{ready}_{name}" for name, ready in pairs}


def _members(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. What a header says of an array's size must be what the archive has."""
    arrays: dict[str, np.ndarray] = {}
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
            twice = _twice(one.filename.removesuffix(".npy") for one in members)
            if twice:
                raise DataError(f"expected one array of each name, found two called {printable(twice)}")
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
    files: dict[str, str] = {}  # a file and its .gz are the same
    for name in names:
        plain = name.removesuffix(".gz").replace(".idx", "-idx")
        starts = tuple(f"{kin}{prefix}-{kind}-idx" for prefix in prefixes for kin in ("", "emnist-"))
        if plain.startswith(starts) or any(f"-{prefix}-{kind}-" in plain for prefix in prefixes):
            files.setdefault(plain, name)
    if len(files) > 1:
        both = " and ".join(map(printable, list(files.values())[:2]))
        raise DataError(f"expected one file of {kind} for {prefixes[0]}, found {both}; move other data sets elsewhere")
    return next((folder / name for name in files.values()), None)


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
            _check_size(path)
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else _csv(path)
    except DataError:
        raise
    except ImportError:
        raise DataError("expected pyarrow to be installed, found none; try: pip install pyarrow") from None
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}") from error
    except Exception as error:  # parsers raise all kinds
        first = str(error).partition("\n")[0]
        raise DataError(f"expected a table, but: {first}") from None
    names = [str(name) for name in frame.columns]
    _check_names(names)
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


def _csv(path: Path) -> Any:
    """A data frame with a column for each name in the first line, which pandas would change where it stands twice."""
    import pandas as pd

    head = pd.read_csv(path, header=None, nrows=1, index_col=False, dtype=str, keep_default_na=False)
    _check_names(head.iloc[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # with index_col=False: rows longer than the header
        try:
            return pd.read_csv(path, low_memory=False, index_col=False)
        except pd.errors.ParserWarning:
            raise DataError(
                f"expected rows of {head.shape[1]} fields, as the first line has names, found longer ones; "
                "give each column a name, also one that only numbers the rows"
            ) from None


def _check_names(names: Iterable[str]) -> None:
    """Raise a DataError where two columns have one name: a second column of classes would be an input."""
    twice = _twice(name.strip() for name in names if name.strip())
    if twice:
        raise DataError(f"expected columns of different names, found two called {printable(twice)}; remove one")


def _twice(names: Iterable[str]) -> str:
    """The first name that comes again; empty where none does."""
    before: set[str] = set()
    for name in names:
        if name in before:
            return name
        before.add(name)
    return ""


def _check_size(path: Path) -> None:
    """Raise a DataError where a table is larger than what is taken: a parquet file says it before it is unpacked."""
    size = path.stat().st_size
    if path.suffix == ".parquet":
        from pyarrow import parquet

        size = 8 * math.prod(getattr(parquet.read_metadata(path), name) for name in ("num_rows", "num_columns"))
    if size > MOST_BYTES:
        raise DataError(f"expected a table of up to {MOST_BYTES:,} bytes, found {size:,}")


def _svmlight(path: Path, dataset: LocalData) -> dict[str, Part]:
    """A line for each example: LABEL INDEX:VALUE ..., indices ascending, from 1 or 0 on; # begins a comment. What is
    left out is 0."""
    labels: list[str] = []
    rows, columns, values = array.array("q"), array.array("q"), array.array("d")
    try:
        with opened(path) as file:
            for where, line in enumerate(file, 1):
                label, *pairs = line.partition(b"#")[0].split() or [b""]
                if not label:
                    continue
                for column, value in _pairs(pairs, where):
                    rows.append(len(labels))
                    columns.append(column)
                    values.append(value)
                labels.append(label.decode("utf-8", "replace"))
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}") from error
    if not values:
        raise DataError("expected lines of LABEL INDEX:VALUE ..., found none")
    first = min(1, min(columns))
    shape = (len(labels), max(columns) + 1 - first)
    if 4 * math.prod(shape) > MOST_DENSE:
        raise DataError(
            f"expected up to {MOST_DENSE:,} bytes as float32, zeros included; found {shape[0]:,} examples of "
            f"{shape[1]:,} numbers, {4 * math.prod(shape):,} bytes; take fewer of them"
        )
    x = np.zeros(shape)
    x[np.array(rows), np.array(columns) - first] = np.array(values)
    try:
        y = np.array([float(label) for label in labels])
    except ValueError:  # text
        y = np.array(labels)
    return {"train": Part(x, y, ("the values", "the labels"))}


def _pairs(words: list[bytes], where: int) -> Iterator[tuple[int, float]]:
    """INDEX:VALUE of one line, where it is the line's number."""
    before = -1
    for word in words:
        index, colon, text = word.partition(b":")
        if index == b"qid":
            continue
        try:
            column, value = int(index), float(text)
        except ValueError:
            colon = b""
        found = printable(word.decode("utf-8", "replace"))
        if not colon or not before < column < 2**40:
            raise DataError(f"line {where}: expected INDEX:VALUE with ascending indices, found {found}")
        if not math.isfinite(value):
            raise DataError(f"line {where}: expected finite numbers, found {found}")
        yield column, value
        before = column


READERS: Mapping[str, Callable[[Path, LocalData], dict[str, Part]]] = {
    "arrays": _npz, "idx": _idx, "table": _table, "svmlight": _svmlight,
}  # fmt: skip
