"""CIFAR-10: 32 x 32 colour photographs, ten classes (Krizhevsky, 2009), in the binary version.

The paper's split: 40,000 training images (the first four batches), 10,000 validation images (the fifth)
and 10,000 test images. Format: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PureWindowsPath

import numpy as np

from glorot.datasets import DataFile, Examples, FiniteDataset
from glorot.datasets.download import check_sha256, download, new_file, sha256_of
from glorot.errors import DataError
from glorot.files import opened

N_INPUTS = 3 * 32 * 32  # the red, the green, the blue plane
RECORD = 1 + N_INPUTS  # bytes: the label, then the pixels
N_CLASSES = 10
BATCH = 10_000  # records in a file

FOLDER = "cifar-10-batches-bin"
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
ARCHIVE_SIZE = 170_052_171  # bytes
ADDRESSES = [
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",  # a copy; its bytes are checked as well
]
REMEDY = "fetch it again with `glorot data fetch cifar10`"


def files(folder: Path) -> list[DataFile]:
    """The six files of the binary version, below folder/cifar-10-batches-bin."""
    return [DataFile(folder / FOLDER / name, sha256) for name, sha256 in SHA256.items()]


def fetch(folder: Path) -> None:
    """Download and unpack the archive, unless all six files are there and right.

    An archive the user has put at folder/cifar-10-binary.tar.gz is used, and kept.
    Raises DataError where it cannot be had or is not what it should be.
    """
    if all(file.path.is_file() and sha256_of(file.path) == file.sha256 for file in files(folder)):
        return
    archive = folder / ARCHIVE
    if archive.is_file() and sha256_of(archive) == ARCHIVE_SHA256:
        unpack(archive, folder)
        return
    ours = folder / f".{ARCHIVE}"  # so that one is told from the user's after a crash, too
    download([address + ARCHIVE for address in ADDRESSES], ours, ARCHIVE_SHA256, ARCHIVE_SIZE, by_hand=archive)
    try:
        unpack(ours, folder)
    finally:
        ours.unlink(missing_ok=True)


def load(folder: Path) -> FiniteDataset:
    """CIFAR-10 from folder/cifar-10-batches-bin/*.bin. Raises DataError for a file that is not right."""
    paths = [file.path for file in files(folder)]
    return FiniteDataset(
        "cifar10", N_CLASSES, read_batches(paths[:4]), read_batches(paths[4:5]), read_batches(paths[5:])
    )


def read_batches(paths: list[Path]) -> Examples:
    """The examples of these files in order, pixels (BATCH * files, 3072), labels (BATCH * files,).

    Raises DataError: for what is wrong with the structure first, as that says more than a checksum.
    """
    pixels = np.empty((BATCH * len(paths), N_INPUTS), np.uint8)
    labels = np.empty(BATCH * len(paths), np.uint8)
    for i, path in enumerate(paths):
        records = read_records(path, BATCH)
        pixels[i * BATCH : (i + 1) * BATCH] = records[:, 1:]
        labels[i * BATCH : (i + 1) * BATCH] = records[:, 0]
        check_sha256(path, SHA256[path.name], REMEDY)
    return Examples(pixels, labels)


def read_records(path: Path, count: int) -> np.ndarray:
    """The records of one file, (count, 3073) uint8: label, then pixels. Raises DataError."""
    try:
        with opened(path) as file:
            data = file.read(count * RECORD + 1)
            size = file.seek(0, 2)
    except OSError as error:
        message = f"{path}: expected a file of records, cannot read it ({error.strerror}); {REMEDY}"
        raise DataError(message) from error
    if len(data) != count * RECORD:
        raise DataError(
            f"{path}: expected {count} records of {RECORD} bytes, {count * RECORD} in all, found {size} bytes; {REMEDY}"
        )
    records = np.frombuffer(data, np.uint8).reshape(count, RECORD)
    if records[:, 0].max(initial=0) >= N_CLASSES:
        at = int(np.argmax(records[:, 0] >= N_CLASSES))
        raise DataError(f"{path}: expected labels 0 to 9, found {records[at, 0]} in record {at}; {REMEDY}")
    return records


def unpack(archive: Path, folder: Path) -> None:
    """Copy the six files out of the archive to where `files` says, never to where the archive says.

    The archive is looked through before anything is written. Raises DataError for one that is damaged,
    incomplete, or holds a member that has no business there.
    """
    try:
        with opened(archive) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
            for name, member in _find_members(tar, archive).items():  # in the archive's order: no seeking
                source = tar.extractfile(member)
                assert source is not None  # it is for a regular file, and that has been checked
                try:
                    with new_file(folder / FOLDER / name, SHA256[name]) as target:
                        shutil.copyfileobj(source, target)
                except DataError as error:
                    raise DataError(f"{archive}: {member.name}: {error}; {REMEDY}") from error
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{archive}: expected a whole tar.gz archive, but: {error}; {REMEDY}") from error
    except OSError as error:
        raise DataError(f"cannot unpack {archive} to {folder}: {error}; correct that and try again") from error


def _find_members(tar: tarfile.TarFile, archive: Path) -> dict[str, tarfile.TarInfo]:
    """File name -> member, for the six. Each is judged before the next is read: sizes may be lies."""
    found = {}
    for member in tar:
        path = PureWindowsPath(member.name)  # takes both / and \, and knows C:
        if path.anchor or ".." in path.parts:
            raise DataError(f"{archive}: refused, member {member.name!r} points outside it; {REMEDY}")
        if not (member.isreg() or member.isdir()):
            kind = "a link" if member.islnk() or member.issym() else "no regular file"
            raise DataError(f"{archive}: refused, member {member.name!r} is {kind}; {REMEDY}")
        if member.size > BATCH * RECORD:
            raise DataError(
                f"{archive}: refused, member {member.name!r} has {member.size} bytes, "
                f"expected at most {BATCH * RECORD}; {REMEDY}"
            )
        folder, _, name = member.name.rpartition("/")
        if folder == FOLDER and name in SHA256:
            if not member.isreg() or member.size != BATCH * RECORD:
                what = f"{member.size} bytes" if member.isreg() else "a folder"
                raise DataError(
                    f"{archive}: expected {member.name} to be a file of {BATCH * RECORD} bytes, found {what}; {REMEDY}"
                )
            found[name] = member
    missing = [name for name in SHA256 if name not in found]
    if missing:
        raise DataError(f"{archive}: expected {FOLDER}/{missing[0]} in it, found none; {REMEDY}")
    return found
