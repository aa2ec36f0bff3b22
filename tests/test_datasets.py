"""Data sets: the training stream, and every way in which a file can be wrong."""

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorot import datasets
from glorot.datasets import Examples, FiniteDataset, cifar10, fashion_mnist, loading, mnist, small_imagenet
from glorot.errors import DataError

# --- the stream ---------------------------------------------------------------------------------------


def numbered(n: int) -> FiniteDataset:
    """A data set whose example i has label i and pixels (i, 255 - i), so it can be told apart."""
    labels = np.arange(n, dtype=np.uint8)
    examples = Examples(np.stack([labels, 255 - labels], axis=1), labels)
    return FiniteDataset("numbered", n, examples, examples.first(1), examples.first(2))


sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


@given(n=sizes, seed=seeds, epoch=st.integers(0, 10**6))
def test_every_epoch_is_a_permutation(n, seed, epoch):
    part = numbered(n).train(seed, epoch * n, n)
    assert sorted(part.labels) == list(range(n))


@given(n=sizes, seed=seeds, start=st.integers(0, 10**6), count=st.integers(0, 100))
def test_pixels_and_labels_stay_together(n, seed, start, count):
    part = numbered(n).train(seed, start, count)
    assert len(part) == count
    assert part.pixels.shape == (count, 2)
    np.testing.assert_array_equal(part.pixels[:, 0], part.labels)
    np.testing.assert_array_equal(part.pixels[:, 1], 255 - part.labels)


@given(n=sizes, seed=seeds, start=st.integers(0, 200), counts=st.lists(st.integers(0, 60), max_size=6))
def test_chunking_does_not_matter(n, seed, start, counts):
    dataset = numbered(n)
    parts, at = [np.empty(0, np.uint8)], start
    for count in counts:
        parts.append(dataset.train(seed, at, count).labels)
        at += count
    whole = numbered(n).train(seed, start, sum(counts)).labels
    np.testing.assert_array_equal(np.concatenate(parts), whole)


requests_for_parts = st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 60))


@given(n=sizes, before=st.lists(requests_for_parts, max_size=4), asked=requests_for_parts)
def test_stream_does_not_depend_on_what_was_asked_before(n, before, asked):
    used = numbered(n)
    for request in before:
        used.train(*request)
    np.testing.assert_array_equal(used.train(*asked).labels, numbered(n).train(*asked).labels)


def test_order_differs_between_seeds_and_between_epochs():
    dataset = numbered(40)
    first = dataset.train(0, 0, 40).labels
    assert not np.array_equal(first, dataset.train(1, 0, 40).labels)
    assert not np.array_equal(first, dataset.train(0, 40, 40).labels)
    assert not np.array_equal(first, np.arange(40))


def test_what_the_stream_gives_can_be_changed_without_harm():
    dataset = numbered(5)
    part = dataset.train(0, 0, 5)
    expected = part.labels.copy()
    part.labels[:] = 99
    part.pixels[:] = 99
    np.testing.assert_array_equal(dataset.train(0, 0, 5).labels, expected)


# --- registry and folder ------------------------------------------------------------------------------


def test_missing_data_set_says_where_and_what_to_do(tmp_path):
    with pytest.raises(DataError) as caught:
        loading.load("mnist", tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "mnist" / "train-images-idx3-ubyte.gz") in message
    assert "and 3 more" in message
    assert "glorot data fetch mnist" in message


@pytest.mark.parametrize("get", [partial(loading.load, "small_imagenet"), small_imagenet.fetch])
def test_small_imagenet_says_that_it_cannot_be_had(get, tmp_path):
    with pytest.raises(DataError, match=r"(?s)never published.*--only dataset=shapeset"):
        get(tmp_path)


def test_data_folder_is_the_one_given_else_the_variable_else_a_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GLOROT_DATA", str(tmp_path))
    assert loading.data_folder("elsewhere") == Path("elsewhere")
    assert loading.data_folder() == tmp_path
    monkeypatch.delenv("GLOROT_DATA")
    assert "glorot" in loading.data_folder().parts


# --- MNIST --------------------------------------------------------------------------------------------

N = 6


def idx(array: np.ndarray, magic: int | None = None, dimensions: tuple[int, ...] | None = None) -> bytes:
    """An unzipped IDX file, with a header that may lie."""
    magic = 0x0800 + array.ndim if magic is None else magic
    words = [magic, *(array.shape if dimensions is None else dimensions)]
    return np.array(words, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def images(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)


def labels(n: int) -> np.ndarray:
    return np.arange(n) % 10


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """A folder with a whole MNIST of 4 + 2 training and 3 test images, and its checksums put in place."""
    for name, count in [("N_TRAIN", 4), ("N_VALID", 2), ("N_TEST", 3)]:
        monkeypatch.setattr(mnist, name, count)
    contents = {
        "train-images-idx3-ubyte.gz": idx(images(6)),
        "train-labels-idx1-ubyte.gz": idx(labels(6)),
        "t10k-images-idx3-ubyte.gz": idx(images(3)),
        "t10k-labels-idx1-ubyte.gz": idx(labels(3)),
    }
    (tmp_path / "mnist").mkdir()
    for name, content in contents.items():
        (tmp_path / "mnist" / name).write_bytes(gzip.compress(content, mtime=0))
    checksums = {name: sha256((tmp_path / "mnist" / name).read_bytes()) for name in contents}
    monkeypatch.setattr(mnist, "SHA256", checksums)
    return tmp_path


def test_mnist_is_split_in_order(tiny_mnist):
    dataset = loading.load("mnist", tiny_mnist)
    assert (dataset.name, dataset.n_inputs, dataset.n_classes) == ("mnist", 784, 10)
    np.testing.assert_array_equal(dataset.examples.pixels, images(6).reshape(6, 784)[:4])
    np.testing.assert_array_equal(dataset.valid.pixels, images(6).reshape(6, 784)[4:])
    np.testing.assert_array_equal(dataset.test.pixels, images(3).reshape(3, 784))
    assert [list(part.labels) for part in (dataset.examples, dataset.valid, dataset.test)] == [
        [0, 1, 2, 3],
        [4, 5],
        [0, 1, 2],
    ]


def test_fashion_mnist_is_such_archives_in_a_folder_of_its_own(tiny_mnist, monkeypatch):
    """Where it is damaged, or cannot be had, the message is of it and not of MNIST."""
    folder = tiny_mnist / "fashion-mnist"
    with pytest.raises(
        DataError, match=r"fashion-mnist.train-images.*and 3 more; get it with `glorot data fetch fashion_"
    ):
        loading.load("fashion_mnist", tiny_mnist)
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", [])
    with pytest.raises(DataError, match="cannot download train-images-idx3-ubyte"):
        fashion_mnist.fetch(tiny_mnist)
    shutil.copytree(tiny_mnist / "mnist", folder)
    monkeypatch.setattr(fashion_mnist, "SHA256", mnist.SHA256)
    dataset = loading.load("fashion_mnist", tiny_mnist)
    assert (dataset.name, dataset.n_classes, len(fashion_mnist.CLASS_NAMES)) == ("fashion_mnist", 10, 10)
    np.testing.assert_array_equal(dataset.valid.pixels, images(6).reshape(6, 784)[4:])
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels(3) + 8)))
    with pytest.raises(DataError, match=r"expected labels 0 to 9, found 10 at position 2; .*data fetch fashion_mnist"):
        loading.load("fashion_mnist", tiny_mnist)


def test_arrays_suit_the_kernels(tiny_mnist, tiny_cifar10):
    for name in ("mnist", "cifar10"):
        dataset = loading.load(name, tiny_mnist)
        for part in (dataset.examples, dataset.valid, dataset.test):
            for array in (part.pixels, part.labels):
                assert array.dtype == np.uint8
                assert array.flags.c_contiguous
                assert array.flags.writeable  # numba compiles read-only arrays apart


def test_verify_tells_each_file_apart(tiny_mnist):
    folder = tiny_mnist / "mnist"
    assert {status for _, status in loading.verify("mnist", tiny_mnist)} == {"verified"}
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    assert [(file.path.name, status) for file, status in loading.verify("mnist", tiny_mnist)] == [
        ("train-images-idx3-ubyte.gz", "verified"),
        ("train-labels-idx1-ubyte.gz", "verified"),
        ("t10k-images-idx3-ubyte.gz", "missing"),
        ("t10k-labels-idx1-ubyte.gz", f"wrong checksum: found {sha256(b'other')}"),
    ]
    assert loading.missing_files("mnist", tiny_mnist) == [folder / "t10k-images-idx3-ubyte.gz"]


def test_verify_does_not_vouch_for_a_file_without_a_published_checksum(tmp_path):
    [(file, status)] = loading.verify("small_imagenet", tmp_path)
    assert status == "missing"
    file.path.parent.mkdir()
    file.path.write_bytes(b"anything")
    assert [status for _, status in loading.verify("small_imagenet", tmp_path)] == ["no checksum"]


def test_mnist_with_other_bytes_of_sound_structure_is_refused(tiny_mnist):
    path = tiny_mnist / "mnist" / "train-images-idx3-ubyte.gz"
    expected = sha256(path.read_bytes())
    path.write_bytes(gzip.compress(idx(255 - images(6)), mtime=0))
    with pytest.raises(DataError) as caught:
        loading.load("mnist", tiny_mnist)
    for part in (str(path), expected, sha256(path.read_bytes()), "glorot data fetch mnist"):
        assert part in str(caught.value)


whole_images, whole_labels = gzip.compress(idx(images(N))), gzip.compress(idx(labels(N)))
compressed = gzip.compress(idx(np.zeros((N, 28, 28))))
wrong_crc = whole_images[:-8] + bytes([whole_images[-8] ^ 1]) + whole_images[-7:]

BROKEN_IMAGES = {
    "empty": (b"", "header of 16 bytes, found 0"),
    "not gzip": (idx(images(N)), "expected a whole gzip file, but: Not a gzipped file"),
    "cut gzip": (whole_images[: len(whole_images) // 2], "file ended before"),
    "cut in the gzip trailer": (whole_images[:-3], "file ended before"),
    "damaged gzip": (compressed[:12] + b"\xff" * 9 + compressed[21:], "while decompressing"),
    "wrong gzip checksum": (wrong_crc, "CRC check failed"),
    "shorter than its header": (gzip.compress(idx(images(N))[:9]), "header of 16 bytes, found 9"),
    "bad magic": (gzip.compress(idx(images(N), magic=0x0D03)), "magic number 2051, found 3331"),
    "labels for images": (
        gzip.compress(idx(np.zeros(20), dimensions=(20,))),
        "magic number 2051, found 2049",
    ),
    "other count": (gzip.compress(idx(images(N - 1))), "6 x 28 x 28 values, found a header for 5 x 28 x 28"),
    "other size": (
        gzip.compress(idx(images(N), dimensions=(N, 14, 56))),
        "6 x 28 x 28 values, found a header for 6 x 14 x 56",
    ),
    "huge count": (
        gzip.compress(idx(images(N), dimensions=(2**32 - 1, 28, 28))),
        "found a header for 4294967295 x 28 x 28",
    ),
    "data too short": (gzip.compress(idx(images(N))[:-1]), "expected 4720 bytes when unpacked, found 4719"),
    "data too long": (gzip.compress(idx(images(N)) + b"\0"), "expected 4720 bytes when unpacked, found more"),
}


@pytest.mark.parametrize(("content", "found"), BROKEN_IMAGES.values(), ids=BROKEN_IMAGES.keys())
def test_broken_images_are_refused(content, found, tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(whole_labels)
    with pytest.raises(DataError, match=re.escape(found)) as caught:
        mnist.read_examples(tmp_path, "train", N)
    assert str(path) in str(caught.value)
    assert "glorot data fetch mnist" in str(caught.value)


BROKEN_LABELS = {
    "bad magic": (gzip.compress(idx(labels(N), magic=2051)), "magic number 2049, found 2051"),
    "fewer than images": (gzip.compress(idx(labels(N - 1))), "expected 6 values, found a header for 5"),
    "label 10": (
        gzip.compress(idx(np.array([0, 1, 9, 10, 0, 0]))),
        "labels 0 to 9, found 10 at position 3",
    ),
}


@pytest.mark.parametrize(("content", "found"), BROKEN_LABELS.values(), ids=BROKEN_LABELS.keys())
def test_broken_labels_are_refused(content, found, tmp_path):
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(content)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole_images)
    with pytest.raises(DataError, match=re.escape(found)) as caught:
        mnist.read_examples(tmp_path, "train", N)
    assert str(path) in str(caught.value)


def test_a_decompression_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(images(N)) + bytes(10**7)))
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: asked.append(size) or read(self, size))
    with pytest.raises(DataError, match="found more"):
        mnist.read_idx(path, (N, 28, 28))
    assert asked == [16 + N * 784 + 1]


def test_a_folder_in_place_of_an_archive_is_refused(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte.gz").mkdir()
    with pytest.raises(DataError, match="cannot read it"):
        mnist.read_examples(tmp_path, "t10k", N)


# --- CIFAR-10 -----------------------------------------------------------------------------------------

BATCH = 3


def batch(number: int) -> bytes:
    """BATCH records; the label of each is its place, its pixels follow from the number of the batch."""
    pixels = np.random.default_rng(number).integers(0, 256, (BATCH, 3072), np.uint8)
    return np.concatenate([np.arange(BATCH, dtype=np.uint8)[:, None], pixels], axis=1).tobytes()


BATCHES = {name: batch(i) for i, name in enumerate(cifar10.SHA256)}


@pytest.fixture
def small_batches(monkeypatch):
    """Files of 3 records instead of 10,000, and the checksums that fit them."""
    monkeypatch.setattr(cifar10, "BATCH", BATCH)
    monkeypatch.setattr(cifar10, "SHA256", {name: sha256(data) for name, data in BATCHES.items()})


@pytest.fixture
def tiny_cifar10(tmp_path, small_batches):
    """A folder with a whole CIFAR-10 of 3 images a file."""
    (tmp_path / cifar10.FOLDER).mkdir()
    for name, data in BATCHES.items():
        (tmp_path / cifar10.FOLDER / name).write_bytes(data)
    return tmp_path


def test_cifar10_is_split_by_file(tiny_cifar10):
    dataset = loading.load("cifar10", tiny_cifar10)
    assert (dataset.name, dataset.n_inputs, dataset.n_classes) == ("cifar10", 3072, 10)
    parts = [dataset.examples, dataset.valid, dataset.test]
    assert [len(part) for part in parts] == [4 * BATCH, BATCH, BATCH]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    together = np.concatenate([labels[:, None], pixels], axis=1).tobytes()
    assert together == b"".join(BATCHES.values())  # data_batch_1 .. 5, then test_batch


BROKEN_BATCHES = {
    "empty": (b"", "3 records of 3073 bytes, 9219 in all, found 0 bytes"),
    "a byte short": (batch(1)[:-1], "found 9218 bytes"),
    "a record too many": (batch(1) + batch(2)[:3073], "found 12292 bytes"),
    "label 10": (batch(1)[:3073] + b"\x0a" + batch(1)[3074:], "labels 0 to 9, found 10 in record 1"),
    "other bytes": (batch(7), "expected SHA-256 " + sha256(batch(1)) + ", found " + sha256(batch(7))),
}


@pytest.mark.parametrize(("content", "found"), BROKEN_BATCHES.values(), ids=BROKEN_BATCHES.keys())
def test_broken_batches_are_refused(content, found, tiny_cifar10):
    path = tiny_cifar10 / cifar10.FOLDER / "data_batch_2.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(found)) as caught:
        loading.load("cifar10", tiny_cifar10)
    assert str(path) in str(caught.value)
    assert "glorot data fetch cifar10" in str(caught.value)


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def archive_of(path: Path, members) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return path


def good_members():
    """As in the publisher's archive: a folder, the six files in no special order, and others."""
    files = [member(f"{cifar10.FOLDER}/{name}", data) for name, data in reversed(BATCHES.items())]
    folder = member(f"{cifar10.FOLDER}/", kind=tarfile.DIRTYPE)
    return [folder, *files, member(f"{cifar10.FOLDER}/readme.html", b"<html>"), member("data_batch_1.bin")]


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_unpack_copies_the_six_files_and_nothing_else(small_batches, tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", good_members())
    target = tmp_path / "data"
    cifar10.unpack(archive, target)
    assert everything_below(target) == {cifar10.FOLDER, *(f"{cifar10.FOLDER}/{name}" for name in BATCHES)}
    assert {status for _, status in loading.verify("cifar10", target)} == {"verified"}
    for name, data in BATCHES.items():
        assert (target / cifar10.FOLDER / name).read_bytes() == data


NAME = f"{cifar10.FOLDER}/data_batch_1.bin"
UNSAFE_MEMBERS = {
    "parent": member("../escaped", b"x"),
    "parent, hidden": member(f"{cifar10.FOLDER}/../../escaped", b"x"),
    "parent, for Windows": member("..\\escaped", b"x"),
    "absolute": member("/tmp/glorot-escaped", b"x"),
    "absolute, for Windows": member("C:\\escaped", b"x"),
    "symbolic link": member(NAME, kind=tarfile.SYMTYPE, link="/etc/passwd"),
    "hard link": member(NAME, kind=tarfile.LNKTYPE, link="/etc/passwd"),
    "device": member(NAME, kind=tarfile.CHRTYPE),
    "pipe": member("pipe", kind=tarfile.FIFOTYPE),
    "huge": member("readme.html", bytes(BATCH * 3073 + 1)),
    "link beside the files": member("innocent", kind=tarfile.SYMTYPE, link="data_batch_1.bin"),
}


@pytest.mark.parametrize("unsafe", UNSAFE_MEMBERS.values(), ids=UNSAFE_MEMBERS.keys())
@pytest.mark.parametrize("position", [0, -1])
def test_an_archive_with_an_unsafe_member_is_refused_before_anything_is_written(
    unsafe, position, small_batches, tmp_path
):
    members = good_members()
    members.insert(len(members) if position else 0, unsafe)
    archive = archive_of(tmp_path / "a.tar.gz", members)
    target = tmp_path / "below" / "data"
    with pytest.raises(DataError, match="refused") as caught:
        cifar10.unpack(archive, target)
    assert repr(unsafe[0].name) in str(caught.value)
    assert str(archive) in str(caught.value)
    assert everything_below(tmp_path) == {"a.tar.gz"}


def replaced(name: str, data: bytes | None):
    """The good members with one of the six replaced, or left out."""
    others = [pair for pair in good_members() if pair[0].name != f"{cifar10.FOLDER}/{name}"]
    return others if data is None else [*others, member(f"{cifar10.FOLDER}/{name}", data)]


def folder_of_size(size: int):
    """A folder by the name of a file, whose header claims that file's size."""
    info, data = member(f"{cifar10.FOLDER}/test_batch.bin", kind=tarfile.DIRTYPE)
    info.size = size
    return info, data


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (replaced("test_batch.bin", None), f"expected {cifar10.FOLDER}/test_batch.bin in it, found none"),
        (replaced("test_batch.bin", b"short"), "to be a file of 9219 bytes, found 5"),
        (replaced("test_batch.bin", bytes(9220)), "has 9220 bytes, expected at most 9219"),
        ([*replaced("test_batch.bin", None), folder_of_size(9219)], "found a folder"),
    ],
    ids=["missing", "short", "oversize", "folder"],
)
def test_an_archive_without_the_six_files_is_refused(members, found, small_batches, tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", members)
    with pytest.raises(DataError, match=re.escape(found)):
        cifar10.unpack(archive, tmp_path / "data")
    assert everything_below(tmp_path) == {"a.tar.gz"}


def test_a_member_with_other_bytes_never_gets_its_name(small_batches, tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", replaced("test_batch.bin", batch(9)))
    with pytest.raises(DataError, match=sha256(batch(9))):
        cifar10.unpack(archive, tmp_path / "data")
    names = {path.name for path in (tmp_path / "data" / cifar10.FOLDER).iterdir()}
    assert names == set(BATCHES) - {"test_batch.bin"}  # those checked before it, and no partial file


@pytest.mark.parametrize("keep", [0, 30, 0.5, 0.999])
def test_a_cut_archive_is_refused(keep, small_batches, tmp_path):
    archive = archive_of(tmp_path / "a.tar.gz", good_members())
    data = archive.read_bytes()
    archive.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(DataError, match=re.escape(str(archive))):
        cifar10.unpack(archive, tmp_path / "data")


def test_what_is_no_archive_is_refused(small_batches, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"whole tar\.gz archive"):
        cifar10.unpack(tmp_path / "a.tar.gz", tmp_path / "data")


def test_fetch_takes_an_archive_put_there_by_hand_and_keeps_it(small_batches, tmp_path, monkeypatch):
    archive = archive_of(tmp_path / cifar10.ARCHIVE, good_members())
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", sha256(archive.read_bytes()))
    monkeypatch.setattr(cifar10, "ADDRESSES", [])  # so nothing can be downloaded
    cifar10.fetch(tmp_path)
    assert archive.is_file()
    assert len(loading.load("cifar10", tmp_path).test) == BATCH


@pytest.mark.parametrize(
    ("module", "fixture"), [(mnist, "tiny_mnist"), (cifar10, "tiny_cifar10")], ids=["mnist", "cifar10"]
)
def test_fetch_leaves_good_files_alone(module, fixture, request, monkeypatch):
    folder = request.getfixturevalue(fixture)
    monkeypatch.setattr(module, "ADDRESSES", [])
    before = {path: os.stat(path).st_mtime_ns for path in folder.rglob("*")}
    module.fetch(folder)
    assert {path: os.stat(path).st_mtime_ns for path in folder.rglob("*")} == before


def test_limited_to_the_first_examples_goes_round_in_epochs():
    whole = loading.load("shapeset", Path())
    some = datasets.limited(whole, 30)
    first = whole.train(0, 0, 30)
    for epoch in range(3):
        found = some.train(7, 30 * epoch, 30)
        assert sorted(map(bytes, found.pixels)) == sorted(map(bytes, first.pixels))
    assert (some.train(7, 0, 30).pixels != some.train(8, 0, 30).pixels).any()
    again = datasets.limited(some, 10)
    assert again.examples.pixels.tobytes() == first.pixels[:10].tobytes()
    assert (some.n_inputs, some.n_classes, len(some.test)) == (whole.n_inputs, whole.n_classes, len(whole.test))
