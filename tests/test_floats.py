"""Data that are no bytes: float32 rows through kernels, probes, inspection and machines; columns standardized."""

import numpy as np
import pandas as pd
import pytest
from naive import forward
from networks import random_examples, random_layers

from glorot import kernels
from glorot.datasets import Examples, FiniteDataset, arrays, inputs
from glorot.datasets.inputs import UNIT, as_seen, by_columns, seen
from glorot.datasets.local import LocalData
from glorot.errors import DataError, DeviceError
from glorot.kernels import not_there
from glorot.sweeps.settings import Settings
from glorot.training import inspection
from glorot.training.probes import measure

SIZES = (20, 17, 33, 5)


def as_floats(examples):
    return Examples(UNIT[examples.pixels], examples.labels)


@pytest.mark.parametrize("optimizer", ["sgd", "diagonal_hessian"])
@pytest.mark.parametrize("threads", [1, 2])
def test_floats_give_the_bits_of_the_bytes_that_they_are(threads, optimizer):
    """Training, evaluation, probes: what was looked up by byte, given as float32."""
    some, outcomes = random_examples(60, SIZES[0], SIZES[-1]), []
    text = "diagonal_hessian(mu=0.001, examples=50, every=5000)" if optimizer != "sgd" else "sgd"
    for examples in (some, as_floats(some)):
        kernels.prepare("cpu", "tanh", "cross_entropy", text, examples.pixels.dtype)
        made = kernels.create("cpu", SIZES, "tanh", "cross_entropy", 10, 0.1, threads, optimizer=text)
        made.parameters = random_layers(SIZES)
        made.estimate(examples)
        losses = made.train(examples)
        seen_inside = [array for part in made.probe(examples)[:3] for array in part]
        of_layers = [array for layer in made.parameters for array in layer]
        outcomes.append([a.tobytes() for a in (losses, *made.evaluate(examples), *seen_inside, *of_layers)])
        outcomes[-1].append(str(measure(made, examples, "tanh")))
    assert outcomes[0] == outcomes[1]


def test_floats_of_any_size_against_the_oracle():
    some = random_examples(30, SIZES[0], SIZES[-1])
    wide = Examples(np.random.default_rng(1).normal(0, 3, some.pixels.shape).astype(np.float32), some.labels)
    made = kernels.create("cpu", SIZES, "tanh", "cross_entropy", 10, 0.1, 1)
    made.parameters = random_layers(SIZES)
    zs, below = forward(made.parameters, 255 * wide.pixels.astype(np.float64), "tanh")
    assert below[0] == pytest.approx(wide.pixels)
    _, predictions = made.evaluate(wide)
    assert (predictions == zs[-1].argmax(axis=1)).all()
    found = inspection.layers_seen(made, wide, "tanh", inspection.INITIALIZERS["normalized"], SIZES)
    assert found[0].z.measured == pytest.approx(zs[0].var(), rel=1e-3)


def data(x, y=None, names=(0.6, 0.8)):
    ends = [int(len(x) * share) for share in names]
    y = np.arange(len(x)) % 3 if y is None else y
    parts = [Examples(a, b.astype(np.uint8)) for a, b in zip(np.split(x, ends), np.split(y, ends), strict=True)]
    return FiniteDataset("some", 3, *parts)


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_columns_are_standardized_by_the_training_examples(kind, monkeypatch):
    monkeypatch.setattr(inputs, "CHUNK", 7)
    x = (np.random.default_rng(2).uniform(0, 1, (50, 4)) * [1, 250, 9, 30] + [0, 1, 100, 5]).astype(kind)
    x[:, 2] = 4.1 if kind == "float32" else 4
    x[45, 2] = 9  # of the test: an input that never varied in training stays 0
    changed = by_columns(data(x))
    train = changed.examples.pixels
    assert train.dtype == np.float32
    varied = [0, 1, 3] if kind == "float32" else [1, 3]
    if kind == "uint8":
        assert not train[:, 0].any() or train[:, 0].std() == pytest.approx(1, abs=1e-5)
    assert train[:, varied].mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert train[:, varied].std(axis=0) == pytest.approx(1, abs=1e-5)
    assert not any(part.pixels[:, 2].any() for part in (changed.examples, changed.valid, changed.test))
    mean, deviation = (f(np.float64(x[:30]), axis=0)[1] for f in (np.mean, np.std))
    assert changed.test.pixels[:, 1] == pytest.approx((x[40:, 1] - mean) / deviation, rel=1e-5)
    assert as_seen(changed, "raw", True) is changed
    with pytest.raises(DataError, match="expected columns that differ, found the same numbers in all 30 training"):
        by_columns(data(np.ones((50, 4), kind)))


def settings(**fields):
    given = {"activation": "tanh", "learning_rate": 0.1, "updates": 60, "evaluate_every": 20, "width": 6, "depth": 1}
    return Settings(**{**given, **fields})


FLOATS = LocalData(folder="/some.csv", form="table", label="y", size=(1, 4), numbers="float32", content="0" * 64)
BYTES = LocalData(folder="/some.csv", form="table", label="y", size=(1, 4), content="0" * 64)
IMAGES = LocalData(folder="/some.npz", form="arrays", size=(5, 5), numbers="float32", content="0" * 64)


def test_what_such_data_are_seen_as():
    assert settings(dataset=FLOATS).inputs == "raw"
    assert settings(dataset=BYTES).inputs == "unit"
    assert [settings(dataset=one, inputs="standardized").float_inputs for one in (FLOATS, BYTES, "mnist")] == [1, 1, 0]
    assert [settings(dataset=one).float_inputs for one in (FLOATS, BYTES, IMAGES)] == [True, False, True]
    for fields, message in (
        (
            {"inputs": "unit"},
            "inputs: expected standardized or raw, as the numbers of some.npz are no bytes; found unit",
        ),
        ({"preprocessing": "deskew"}, "preprocessing changes images of bytes, but the examples of some.npz are none"),
        ({"augmentation": {"shift": 1}}, "augmentation changes images of bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            settings(dataset=IMAGES, **fields)


def test_not_on_a_gpu():
    assert "data that are no bytes" in not_there("cuda", "sgd", floats=True)
    assert not_there("cpu", "sgd", floats=True) is None
    with pytest.raises(DeviceError, match="not on a GPU yet; use --device cpu"):
        kernels.prepare("cuda", "tanh", "cross_entropy", "sgd", np.dtype(np.float32))


def test_a_machine_takes_them():
    pytest.importorskip("sklearn")
    from glorot.training.support_vectors import SupportVectorMachine

    y = np.arange(90) % 3
    x = (np.random.default_rng(3).normal(0, 0.1, (90, 4)) + y[:, None]).astype(np.float32)
    chosen = Settings(dataset=FLOATS, model="svm")
    assert SupportVectorMachine(chosen, data(x, y)).fit().history[-1].test_error == 0
    assert (seen(UNIT.astype(np.float64), x) == x).all()


# In real processes. ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_table_of_measurements_from_file_to_figures(tmp_path, glorot):
    """Standardized, in any order of processes the same bits, interrupted by nothing, looked into, drawn."""
    rng, kinds = np.random.default_rng(4), np.array(["ash", "birch", "oak"])
    y = rng.integers(0, 3, 300)
    x = rng.normal(0, 1, (300, 4)) * [1, 100, 0.01, 1] + y[:, None] * [3, 0, 0, 0]
    pd.DataFrame(x, columns=["height", "mass", "leaf", "age"]).assign(tree=kinds[y]).to_csv(tmp_path / "trees.csv")
    (tmp_path / "trees.yaml").write_text(
        "base: {dataset: {table: trees.csv, label: tree}, activation: tanh, width: 6, depth: 1, learning_rate: 0.1, "
        "updates: 900, evaluate_every: 300, inputs: standardized, probes: {every: 900}}\ngrid: {seed: [0, 1]}\n"
    )
    done = glorot("run", "trees.yaml")
    assert done.returncode == 0, done.stderr
    assert "trees.csv: 300 examples in 3 classes, 5 numbers each, float32; chance" in done.stderr
    stored = pd.read_csv(tmp_path / "results/trees/runs.csv")
    assert (stored["inputs"] == "standardized").all()
    assert (stored["test_error"] < 30).all(), stored["test_error"]
    assert "2 done, 0 to do" in glorot("run", "trees.yaml").stderr
    assert "numbers: float32" in (tmp_path / "results/trees/sweep.yaml").read_text()
    drawn = glorot("report", "trees", "--figures")
    assert drawn.returncode == 0, drawn.stderr
    table = "{table: trees.csv, label: tree}"
    looked = glorot("inspect", "--activation=tanh", "--initializer=lsuv", "--inputs=standardized", "--dataset", table)
    assert looked.returncode == 0, looked.stderr
    assert "raw inputs" not in looked.stdout
    refused = glorot("run", "trees.yaml", "--set", "inputs=unit")
    assert refused.returncode == 2
    assert "inputs: expected standardized or raw" in refused.stderr


SVM = "+1 1:0.5 3:-2 # first\n\n-1 qid:3 2:1.5e1\n" + "".join(f"{1 - 2 * (i % 2)} 1:{i} 4:0.25\n" for i in range(40))


def test_svmlight_is_dense(tmp_path):
    (tmp_path / "a.svm").write_text(SVM)
    one = arrays.read(LocalData(folder=str(tmp_path / "a.svm"), form="svmlight"))
    assert (one.names, one.shape[:2]) == (["-1", "1"], (1, 4))
    rows = {tuple(map(float, row)) for part in one.splits.values() for row in part.pixels}
    assert {(0.5, 0, -2, 0), (0, 15, 0, 0), (7, 0, 0, 0.25)} < rows
    assert len(rows) == 42
    (tmp_path / "b.svm").write_text("".join(f"{'ab'[i % 2]} 0:{i}.5 1:2\n" for i in range(40)))
    zero = arrays.read(LocalData(folder=str(tmp_path / "b.svm"), form="svmlight"))
    assert (zero.names, zero.shape[:2]) == (["a", "b"], (1, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected lines of LABEL INDEX:VALUE ..., found none"),
        ("1 1:2\n1 x:3\n", "line 2: expected INDEX:VALUE with ascending indices, found x:3"),
        ("1 2:2 1:3\n", "line 1: expected INDEX:VALUE with ascending indices, found 1:3"),
        ("1 -1:2\n", "line 1: expected INDEX:VALUE with ascending indices, found -1:2"),
        ("1 1:2 2\n", "line 1: expected INDEX:VALUE .*, found 2"),
        ("1 1:nan\n", "line 1: expected finite numbers, found 1:nan"),
        ("1 1:2\n0 1000000000:2\n", "found 2 examples of 1,000,000,000 numbers, 8,000,000,000 bytes; take fewer"),
        ("1.5 1:2\n0 2:2\n", "the labels: expected whole numbers or text as labels, found 1.5"),
        (b"\0\xff\xfe 1:2\n\x80 \x81:1".decode("latin-1"), "line 2: expected INDEX:VALUE"),
    ],
)
def test_svmlight_that_is_damaged_or_lies(text, message, tmp_path):
    (tmp_path / "a.svm").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=message):
        arrays.read(LocalData(folder=str(tmp_path / "a.svm"), form="svmlight"))
