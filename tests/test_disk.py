"""Data sets on disk: the file, its order, reading ahead, and training on more than fits into memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.datasets import Examples, FiniteDataset, disk
from glorot.datasets.augmentation import parsed
from glorot.datasets.loading import load, missing_files, pinned, unpinned
from glorot.datasets.local import LocalData, info
from glorot.datasets.prepared import augmented
from glorot.errors import DataError, GlorotError

N = 7 * 32 * 5 + 3  # two windows and a block that is short, of blocks of 7


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """A small data set and the same on disk: every image has its number in its first two pixels."""
    monkeypatch.setattr(disk, "BLOCK_BYTES", 7 * 784 + 5)
    rng = np.random.default_rng(3)
    parts = {}
    for split, count in (("train", N), ("valid", 20), ("test", 30)):
        pixels = rng.integers(0, 256, (count, 784), dtype=np.uint8)
        pixels[:, 0], pixels[:, 1] = np.arange(count) % 256, np.arange(count) // 256
        parts[split] = Examples(pixels, rng.integers(0, 10, count, dtype=np.uint8))
    plain = FiniteDataset("mnist", 10, parts["train"], parts["valid"], parts["test"])
    disk.convert(plain, info("mnist"), tmp_path / "big", None, "converted from MNIST")
    return plain, pinned(LocalData(folder=str(tmp_path / "big")), tmp_path)


def test_the_file_has_every_example(converted, tmp_path):
    plain, local = converted
    ours = load(local, tmp_path)
    assert (len(ours), ours.n_inputs, ours.n_classes, info(local).image_shape) == (N, 784, 10, (28, 28))
    for one, other in ((ours.valid, plain.valid), (ours.test, plain.test)):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert local.about == "converted from MNIST"
    assert unpinned(local) == LocalData(folder=local.folder)
    assert not missing_files(local, tmp_path)


def test_an_epoch_has_every_example_once_in_an_order_of_its_own(converted, tmp_path):
    _, local = converted
    ours = load(local, tmp_path)
    epochs = [ours.order(5, epoch * N, N) for epoch in range(3)]
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(N))
    assert all((epochs[i] != epochs[j]).mean() > 0.9 for i, j in ((0, 1), (1, 2)))
    assert (load(local, tmp_path).order(6, 0, N) != epochs[0]).mean() > 0.9
    window = 32 * 7
    places = np.argsort(epochs[0])  # of each example in the epoch
    blocks = [places[start : start + 7] // window for start in range(0, N - N % 7, 7)]
    assert np.mean([len(set(block)) <= 2 for block in blocks]) == 1  # a block stays together; a short one moves borders
    spread = np.abs(np.diff(epochs[0]))
    assert np.median(spread) > 7  # and its examples are not neighbours


def test_training_examples_in_any_pieces(converted, tmp_path):
    """Across windows and epochs; the numbers are those of `order`, and of what is distorted."""
    plain, local = converted
    order = load(local, tmp_path).order(1, 0, 2 * N)
    for step in (N, 300, 41):
        ours = load(local, tmp_path)
        parts = [ours.train(1, start, min(step, 2 * N - start)) for start in range(0, 2 * N, step)]
        pixels = np.concatenate([part.pixels for part in parts])
        np.testing.assert_array_equal(pixels, plain.examples.pixels[order])
        np.testing.assert_array_equal(np.concatenate([p.labels for p in parts]), plain.examples.labels[order])
    distorting = augmented(load(local, tmp_path), parsed({"shift": 2}), info("mnist")).train(1, N - 4, 8)
    one = augmented(plain, parsed({"shift": 2}), info("mnist"))
    from glorot.datasets.distortion import distorted

    epochs = np.array([0] * 4 + [1] * 4)
    wanted = distorted(plain.examples.pixels[order[N - 4 : N + 4]], (28, 28), one.augmentation, 1, epochs,
                       order[N - 4 : N + 4], 0)  # fmt: skip
    np.testing.assert_array_equal(distorting.pixels, wanted)


LIMITED = """
import json, resource, sys
from pathlib import Path
from glorot.datasets.local import LocalData
from glorot.sweeps.settings import Settings
from glorot.training.cell import run_cell

folder = Path(sys.argv[1])
(folder / "data").mkdir()
def settings(count, **fields):
    shape, examples = [32, 32], {"train": count, "valid": 500, "test": 500}
    with open(folder / "data" / "examples.bytes", "wb") as file:
        file.truncate((count + 1000) * 1025)  # a file of zeros that takes no room
    manifest = {"format": 1, "name": "zeros", "about": "", "sha256": "0" * 64, "shape": shape, "classes": 10,
                "examples": examples}
    (folder / "data" / "manifest.json").write_text(json.dumps(manifest))
    data = LocalData(folder=str(folder / "data"), content="0" * 64)
    fields = dict(activation="tanh", learning_rate=0.1, updates=40, batch_size=1000) | fields
    return Settings(dataset=data, **fields)

for fields in (dict(depth=0), dict(depth=1, width=20)):
    run_cell(settings(2000, **fields), "cpu", 1, folder, folder)  # compiles
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = now + 200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for fields in (dict(depth=0), dict(depth=1, width=20)):
    outcome = run_cell(settings(4 * limit // 1025, **fields), "cpu", 1, folder, folder)
    assert (folder / "data" / "examples.bytes").stat().st_size > 3.99 * limit
    print(outcome.result["updates_done"])
try:
    bytearray(limit)
except MemoryError:
    print("limited")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of the address space are Linux's")
def test_training_on_four_times_what_the_process_may_use(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, encoding="utf-8", timeout=300
    )
    assert (ended.stdout.split(), ended.stderr) == (["40", "40", "limited"], "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest["examples"].update(train=5), "expected 43,175 bytes, as manifest.json says, found"),
        (
            lambda manifest: manifest.update(shape=[28]),
            "its values are impossible; make it again with `glorot data convert`",
        ),
        (
            lambda manifest: manifest.pop("classes"),
            "expected the manifest of a converted data set, but: it has no 'classes'",
        ),
        (lambda manifest: manifest.update(sha256="1" * 64), "found 1111111111111111...; remove `content`"),
    ],
)
def test_a_manifest_that_does_not_fit(converted, tmp_path, change, message):
    _, local = converted
    path = tmp_path / "big" / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError) as caught:
        load(local, tmp_path)
    assert message in str(caught.value)


def test_convert(tmp_path):
    """Of a stream a number of images, in its order; of what has no end that must be said; Boolean data are refused."""
    folder = tmp_path / "s"
    wrong = CliRunner().invoke(cli, ["data", "convert", "shapeset", str(folder)])
    assert isinstance(wrong.exception, GlorotError)
    assert "shapeset has no end; say how many images with --train-examples" in str(wrong.exception)
    assert not folder.exists()
    boolean = CliRunner().invoke(cli, ["data", "convert", "boolean", str(folder)])
    assert "expected a data set of images" in str(boolean.exception)
    told = CliRunner().invoke(cli, ["data", "convert", "shapeset", str(folder), "--train-examples", "12"])
    assert told.output == f"{folder}: converted from Shapeset: 12 / 10,000 / 10,000\n"
    ours = load(pinned(LocalData(folder=str(folder)), tmp_path), tmp_path)
    order = ours.order(0, 0, 12)
    np.testing.assert_array_equal(ours.train(0, 0, 12).pixels, load("shapeset", tmp_path).train(0, 0, 12).pixels[order])
