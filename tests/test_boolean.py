"""Boolean functions as data sets: their tables against definitions of Python's own, and how a sweep names them."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.cli.shared import Names, activation_names
from glorot.datasets import boolean, loading, truth_tables
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.inputs import INPUTS
from glorot.errors import SweepError
from glorot.reporting.figures import images
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand

DEFINED = {
    "parity": lambda x: sum(x) % 2 == 1,
    "xor": lambda x: sum(x) % 2 == 1,
    "and": all,
    "or": any,
    "majority": lambda x: sum(x) > len(x) / 2,
    "multiplexer": lambda x: [x[2], x[3], x[4], x[5]][x[0] + 2 * x[1]],
}
BASE = "base: {{dataset: {}, activation: tanh, learning_rate: 1, updates: 0, hidden: [2]}}"


@pytest.mark.parametrize("function", truth_tables.FUNCTIONS)
def test_each_function_is_its_definition(function):
    text = DATASETS.canonical({"boolean": {"function": function, "bits": 6}})
    loaded, info = loading.load(text, Path()), DATASETS[text]
    seen = INPUTS["unit"].levels(loaded)[loaded.test.pixels]
    assert len({tuple(row) for row in seen}) == 64
    for row, label in zip(seen.astype(int).tolist(), loaded.test.labels, strict=True):
        assert label == DEFINED[function](row)
    assert set(np.unique(INPUTS["symmetric"].levels(loaded)[loaded.test.pixels])) == {-1, 1}
    shares = np.bincount(loaded.test.labels, minlength=2) / 64
    assert info.chance == pytest.approx(100 * shares.min())
    assert info.held_out == len(loaded.valid) == len(loaded.test)
    assert (loaded.n_inputs, loaded.n_classes, info.image_shape, info.label) == (6, 2, (6,), f"{function} of 6")


def test_a_table_of_ones_own():
    loaded = loading.load(DATASETS.canonical({"boolean": {"table": "0111"}}), Path())
    assert (loaded.test.pixels // 255).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert loaded.test.labels.tolist() == [0, 1, 1, 1]
    assert loaded.valid is loaded.test is loaded.examples


def test_long_tables_begin_with_a_fair_sample():
    loaded = boolean.load(Path(), "and", 14, "")
    assert len(loaded.test) == 2**14 > truth_tables.CHUNK
    assert int(loaded.test.labels.sum()) == 1
    shares = loaded.test.first(1000).pixels.mean(axis=0) / 255
    assert abs(shares - 0.5).max() < 0.1


def test_text_and_file():
    """The same run, however it is written; a stored sweep reads back."""
    texts = ["boolean", "{boolean: {function: parity}}", "{boolean: {bits: 8}}"]
    sweeps = [config.parse(BASE.format(text), "s.yaml") for text in texts]
    assert len({run.run_id for sweep in sweeps for run in expand(sweep)}) == 1
    axis = "{name: x, " + BASE.format("mnist").replace("dataset: mnist, ", "") + (
        ', grid: {dataset: [{boolean: {table: "01"}}, {boolean: {bits: 3}}]}}')  # fmt: skip
    sweep = config.parse(axis, "s.yaml")
    assert config.parse(written.dump(sweep), "s.yaml") == sweep
    assert [run.settings.dataset for run in expand(sweep)] == [
        'boolean(table="01")', 'boolean(function="parity", bits=3)'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ('{boolean: {table: "011"}}', 'boolean: table: expected a digit for each row, so 2, 4, 8, ... of them (a power '
         'of two); found "011" of 3'),
        ("{boolean: {table: 110}}", "boolean: table: expected text of 0 and 1, a digit for each row"),
        ("{boolean: {bits: 30}}", "boolean: bits: expected a whole number from 1 to 20, found 30"),
        ('{boolean: {table: "0110", bits: 2}}', "boolean: expected a table, or function and bits; found both"),
        ("{boolean: {function: multiplexer, bits: 8}}", "boolean: bits: expected 3, 6, 11, 20 for a multiplexer"),
        ("{boolean: {function: parrity}}", "did you mean parity?"),
        ("{boolaen: {bits: 3}}", "did you mean boolean?"),
    ],
)  # fmt: skip
def test_mistakes(dataset, message):
    with pytest.raises(SweepError) as caught:
        config.parse("name: x\n" + BASE.format(dataset), "s.yaml")
    assert str(caught.value).startswith("s.yaml:2: base.dataset: ")
    assert message in str(caught.value)


def test_commands_take_a_bare_name_with_parameters(tmp_path):
    """As a sweep does, with the defaults; also of activations. And a report draws inputs that are no image."""
    ended = CliRunner().invoke(cli, ["data", "fetch", "boolean", "--data", str(tmp_path)])
    assert (ended.exit_code, ended.output[:8]) == (0, "boolean(")
    taken = Names(activation_names).convert("leaky_relu", None, None)
    assert taken == "leaky_relu(slope=0.01)"
    text = 'boolean(function="and", bits=3)'
    assert images(text, boolean.load(Path(), "and", 3, "").test.pixels).shape == (8, 1, 3)
