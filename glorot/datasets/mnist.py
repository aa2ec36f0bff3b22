"""MNIST: handwritten digits, 28 x 28 grey pixels, ten classes (LeCun, Bottou, Bengio & Haffner, 1998).

The paper's split: 50,000 training and 10,000 validation images from the training archive, in its order,
and the 10,000 test images. Format: http://yann.lecun.com/exdb/mnist/ (IDX, gzipped).
"""

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from glorot.datasets import DataFile, Examples, FiniteDataset
from glorot.datasets.download import check_sha256, download
from glorot.errors import DataError
from glorot.files import opened

SIDE = 28  # pixels
N_CLASSES = 10
N_TRAIN, N_VALID, N_TEST = 50_000, 10_000, 10_000

SIZES = {
    "train-images-idx3-ubyte.gz": 9_912_422,
    "train-labels-idx1-ubyte.gz": 28_881,
    "t10k-images-idx3-ubyte.gz": 1_648_877,
    "t10k-labels-idx1-ubyte.gz": 4_542,
}  # bytes
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
ADDRESSES = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
]
REMEDY = "fetch it again with `glorot data fetch mnist`"


def files(folder: Path) -> list[DataFile]:
    """The four archives, below folder/mnist."""
    return [DataFile(folder / "mnist" / name, sha256) for name, sha256 in SHA256.items()]


def fetch(folder: Path) -> None:
    """Download the archives that are not there or not right. Raises DataError where none can be had."""
    for file in files(folder):
        name = file.path.name
        download([address + name for address in ADDRESSES], file.path, file.sha256, SIZES[name])


def load(folder: Path) -> FiniteDataset:
    """MNIST from folder/mnist/*.gz. Raises DataError for a file that is not what it should be."""
    return load_archives("mnist", folder / "mnist", SHA256, REMEDY)


def load_archives(name: str, folder: Path, sha256: Mapping[str, str], remedy: str) -> FiniteDataset:
    """The data set in four such archives, also of MNIST's kin. Raises DataError."""
    first = read_examples(folder, "train", N_TRAIN + N_VALID, sha256, remedy)
    test = read_examples(folder, "t10k", N_TEST, sha256, remedy)
    train = first.first(N_TRAIN)
    valid = Examples(first.pixels[N_TRAIN:], first.labels[N_TRAIN:])
    return FiniteDataset(name, N_CLASSES, train, valid, test)


def read_examples(
    folder: Path, prefix: str, count: int, sha256: Mapping[str, str] | None = None, remedy: str = REMEDY
) -> Examples:
    """The images and labels of one of the two halves, pixels (count, 784), labels (count,).

    prefix: "train" or "t10k". sha256: of each file; None: MNIST's.
    Raises DataError: for what is wrong with the structure first, as that says more than a checksum.
    """
    images = folder / f"{prefix}-images-idx3-ubyte.gz"
    labels = folder / f"{prefix}-labels-idx1-ubyte.gz"
    pixels = read_idx(images, (count, SIDE, SIDE), remedy).reshape(count, SIDE * SIDE)
    classes = read_idx(labels, (count,), remedy)
    if classes.max(initial=0) >= N_CLASSES:
        at = int(np.argmax(classes >= N_CLASSES))
        raise DataError(f"{labels}: expected labels 0 to 9, found {classes[at]} at position {at}; {remedy}")
    for path in (images, labels):
        check_sha256(path, (SHA256 if sha256 is None else sha256)[path.name], remedy)
    return Examples(pixels, classes)


def read_idx(path: Path, shape: tuple[int, ...], remedy: str = REMEDY) -> np.ndarray:
    """The uint8 array of this shape in a gzipped IDX file.

    The file begins with the magic number 0x0800 + number of dimensions and each dimension, as big-endian
    32-bit integers. Raises DataError unless magic number, dimensions and length are exactly as expected.
    """
    header = 4 + 4 * len(shape)  # bytes
    expected = header + math.prod(shape)
    data = _unzip(path, expected + 1, remedy)
    if len(data) < header:
        raise DataError(f"{path}: expected a header of {header} bytes, found {len(data)}; {remedy}")
    magic, *found = (int(word) for word in np.frombuffer(data[:header], ">u4"))
    if magic != 0x0800 + len(shape):
        raise DataError(f"{path}: expected magic number {0x0800 + len(shape)}, found {magic}; {remedy}")
    if tuple(found) != shape:
        raise DataError(f"{path}: expected {_by(shape)} values, found a header for {_by(found)}; {remedy}")
    if len(data) != expected:
        length = "more" if len(data) > expected else str(len(data))
        raise DataError(f"{path}: expected {expected} bytes when unpacked, found {length}; {remedy}")
    # A copy, because what frombuffer gives is read-only, and numba compiles such arrays apart.
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()


def _unzip(path: Path, limit: int, remedy: str) -> bytes:
    """The first `limit` bytes of a gzipped file: all of it, or enough to see that it is too long."""
    try:
        with opened(path) as packed, gzip.open(packed) as file:
            return file.read(limit)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, but: {error}; {remedy}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read it ({error.strerror}); {remedy}") from error


def _by(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(str(size) for size in shape)
