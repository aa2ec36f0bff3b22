"""What a network sees of a pixel: the table of 256 numbers, in every kernel, probe and run_id."""

from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import BACKENDS, TOLERANCE, random_examples, random_layers

from glorot import kernels
from glorot.datasets import Examples, FiniteDataset
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.inputs import INPUTS, line_of
from glorot.datasets.loading import load
from glorot.errors import DataError, SweepError
from glorot.kernels.cpu import CpuKernels
from glorot.kernels.layout import padded
from glorot.sweeps.config import parse
from glorot.sweeps.runs import expand, run_id, stored_sweep
from glorot.sweeps.settings import Settings
from glorot.sweeps.written import dump
from glorot.training.inspection import inspect
from glorot.training.probes import measure

BYTES = np.arange(256)
OWN_CHOICE = {"activation": "tanh", "learning_rate": 0.1, "updates": 1}


def finite(pixels):
    examples = Examples(np.asarray(pixels, np.uint8).reshape(len(pixels), -1), np.zeros(len(pixels), np.uint8))
    return FiniteDataset("made-up", 2, examples, examples, examples)


def levels(inputs, dataset=None):
    return INPUTS[inputs].levels(dataset or finite([0, 255]))


def test_unit_has_the_bits_of_a_division():
    np.testing.assert_array_equal(levels("unit"), BYTES.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    ("inputs", "formula"),
    [
        ("symmetric", (2 * BYTES - 255) / 255),
        ("ink", -0.1 + 1.275 * BYTES / 255),
        ("raw", BYTES),
    ],
)
def test_float32_has_the_bits_of_float64_rounded_once(inputs, formula):
    np.testing.assert_array_equal(levels(inputs), formula.astype(np.float32))


@pytest.mark.parametrize("inputs", INPUTS)
def test_the_cpu_reads_bytes_to_the_bits_of_the_table(inputs):
    """All 256, on a line or looked up; with a step of 0 the network's first units are what it saw."""
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 128)
    table = levels(inputs, finite(pixels))
    network = CpuKernels((128, 2, 2), "tanh", "cross_entropy", 2, 0.0, levels=table)
    network.train(Examples(pixels, np.zeros(2, np.uint8)))
    np.testing.assert_array_equal(
        network.activations.reshape(-1)[: 2 * padded(129)].reshape(2, -1)[:, :128], table[pixels]
    )
    assert (line_of(table) is None) == (inputs == "standardized")


def test_symmetric():
    found = levels("symmetric")
    np.testing.assert_allclose(found, 2 * BYTES / 255 - 1, atol=1e-7)
    assert (found[0], found[255], found.dtype) == (-1, 1, np.float32)
    np.testing.assert_array_equal(found, -found[::-1])


@given(st.lists(st.integers(0, 255), min_size=2, max_size=50).filter(lambda pixels: len(set(pixels)) > 1))
def test_standardized_training_pixels_have_mean_0_and_deviation_1(pixels):
    seen = levels("standardized", finite(pixels))[pixels].astype(float)
    assert seen.mean() == pytest.approx(0, abs=1e-5)
    assert seen.std() == pytest.approx(1, abs=1e-5)


def test_standardized_shapeset_is_of_a_fixed_sample():
    shapeset = load("shapeset", Path())
    table = levels("standardized", shapeset)
    seen = table[shapeset.train(7, 0, 2000).pixels].astype(float)  # other images than those it was made from
    assert abs(seen.mean()) < 0.05
    assert abs(seen.std() - 1) < 0.05
    np.testing.assert_array_equal(table, levels("standardized", load("shapeset", Path())))


def test_images_of_one_grey_cannot_be_standardized():
    with pytest.raises(
        DataError, match="expected pixels that differ, found all 3 training images filled with the value 7"
    ):
        levels("standardized", finite([7, 7, 7]))


@pytest.mark.parametrize("device", BACKENDS)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.simulated
def test_kernels_see_them(device, inputs):
    """Training, evaluation and gradients beside the oracle, which divides by 255: it gets 255 times the levels."""
    layers, examples = random_layers((6, 5, 3)), random_examples(4, 6, 3)
    table = levels(inputs, finite(examples.pixels))
    as_seen = Examples(table[examples.pixels] * 255.0, examples.labels)
    made = kernels.create(device, (6, 5, 3), "tanh", "cross_entropy", 4, 0.1, 1, table)
    made.parameters = layers
    wanted = naive.evaluate(layers, as_seen, "tanh", "cross_entropy")
    np.testing.assert_allclose(made.evaluate(examples)[0], wanted[0], atol=TOLERANCE)
    rows = {(row.quantity, row.layer): row for row in measure(made, examples, "tanh")}
    zs, _ = naive.forward(layers, as_seen.pixels, "tanh")
    assert rows["activation", 1].mean == pytest.approx(np.tanh(zs[0]).mean(), abs=TOLERANCE)
    dW = naive.gradients(layers, as_seen, "tanh", "cross_entropy")[0][0]
    assert rows["weight_gradient", 1].std == pytest.approx(dW.std(), rel=1e-4)
    made.train(examples)
    for found, (W, b) in zip(
        made.parameters, naive.sgd_step(layers, as_seen, "tanh", "cross_entropy", 0.1), strict=True
    ):
        np.testing.assert_allclose(found.W, W, atol=TOLERANCE)
        np.testing.assert_allclose(found.b, b, atol=TOLERANCE)


def test_inspect_takes_them():
    seen = {
        one: inspect("shapeset", "tanh", "normalized", (50, 50), examples=50, inputs=one) for one in (None, *INPUTS)
    }
    assert seen[None] == seen[DATASETS["shapeset"].inputs]
    assert seen["standardized"].input_square == pytest.approx(1, abs=0.15)
    assert len({one.input_square for one in seen.values()}) == len(INPUTS)


def test_each_data_set_has_its_own():
    assert Settings(dataset="shapeset", **OWN_CHOICE).inputs == "symmetric"
    assert Settings(dataset="mnist", **OWN_CHOICE).inputs == "unit"
    assert Settings(dataset="mnist", inputs="symmetric", **OWN_CHOICE).inputs == "symmetric"


def test_run_ids_of_unit_inputs_stay_what_they_were():
    ids = {one: run_id(Settings(dataset="mnist", inputs=one, **OWN_CHOICE), "cpu") for one in (None, *INPUTS)}
    assert ids[None] == ids["unit"]
    assert len(set(ids.values())) == len(INPUTS)


SWEEP = "base: {{dataset: shapeset, activation: tanh, learning_rate: 0.1, updates: 1{}}}\n"


def test_a_stored_sweep_of_before_has_unit_inputs_and_the_first_version(tmp_path):
    (tmp_path / "sweep.yaml").write_text("name: old\n" + SWEEP.format(""))
    (run,) = expand(stored_sweep(tmp_path))
    assert (run.settings.inputs, run.version) == ("unit", 1)
    assert run.run_id == run_id(run.settings, "cpu", version=1)


def test_a_sweep_stored_today_has_todays_inputs_and_versions(tmp_path):
    sweep = parse("name: new\n" + SWEEP.format(""), "new.yaml")
    (tmp_path / "sweep.yaml").write_text(dump(sweep, tmp_path))
    (stored,), (today,) = expand(stored_sweep(tmp_path)), expand(sweep)
    assert stored == today
    assert (today.settings.inputs, today.version) == ("symmetric", DATASETS["shapeset"].version)


def test_versions_that_cannot_be_are_refused():
    with pytest.raises(SweepError, match=r"s\.yaml:2: versions\.shapeset: expected a whole number from 1 to \d"):
        parse(SWEEP.format("") + "versions: {shapeset: 99}\n", "s.yaml")


def test_a_wrong_name_is_refused():
    with pytest.raises(
        SweepError, match=r"base\.inputs: expected one of unit, symmetric, standardized, ink, raw; found"
    ):
        parse(SWEEP.format(", inputs: symetric"), "s.yaml")
