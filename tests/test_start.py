"""The first parameters of a run: scaled on examples (LSUV), first biases, a gain for each layer."""

from itertools import pairwise

import numpy as np
import pytest
from networks import random_examples

from glorot import kernels
from glorot.datasets import FiniteDataset
from glorot.errors import GlorotError, SweepError
from glorot.models.initializers import INITIALIZERS
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand
from glorot.training.start import begin

SIZES = (20, 17, 33, 40, 5)


def begun(activation="tanh", initializer="lsuv(examples=50)", bias=0.0, threads=1, dataset=None):
    network = kernels.create("cpu", SIZES, activation, "cross_entropy", 10, 0.1, threads)
    some = dataset or random_examples(200, SIZES[0], SIZES[-1])
    data = FiniteDataset("some", SIZES[-1], some, some, some)
    begin(network, SIZES, initializer, 3, data, bias)
    return network, data


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_every_layer_has_unit_variance_on_the_first_examples(activation, bias):
    """z by NumPy alone, from the parameters that came out; directions are orthogonal as they were drawn."""
    network, data = begun(activation, bias=bias)
    a = data.train(3, 0, 50).pixels / 255
    for l, ((W, b), (fan_in, fan_out)) in enumerate(zip(network.parameters, pairwise(SIZES), strict=True)):
        z = a @ W.T.astype(np.float64) + b
        assert z.var() == pytest.approx(1, abs=1e-4)
        a = np.tanh(z) if activation == "tanh" else np.maximum(z, 0)
        values = np.linalg.svd(W.astype(np.float64), compute_uv=False)
        assert values == pytest.approx(values.mean(), rel=1e-5)
        assert W.shape == (fan_out, fan_in)
        assert set(b) == {np.float32(bias if l < 3 else 0)}


def test_it_is_a_function_of_the_seed_and_the_data():
    one, other, threads = begun()[0], begun()[0], begun(threads=2)[0]
    for layer, again, shared in zip(one.parameters, other.parameters, threads.parameters, strict=True):
        assert layer.W.tobytes() == again.W.tobytes() == shared.W.tobytes()
    elsewhere = begun(dataset=random_examples(200, SIZES[0], SIZES[-1], seed=9))[0]
    assert elsewhere.parameters[1].W.tobytes() != one.parameters[1].W.tobytes()


def test_data_that_do_not_differ_are_refused():
    same = random_examples(4, SIZES[0], SIZES[-1])
    same.pixels[:] = 0
    with pytest.raises(GlorotError, match=r"lsuv: expected z of layer 1 that differ, found a standard deviation of 0"):
        begun(dataset=same)


def test_inspect_takes_the_law_of_the_weights_as_they_are():
    from glorot.training import inspection

    network, data = begun()
    found = inspection.layers_seen(network, data.test, "tanh", INITIALIZERS["lsuv(examples=50)"], SIZES)
    for one, (W, _), fan_in in zip(found, network.parameters, SIZES, strict=False):
        assert one.gain == pytest.approx(fan_in * np.square(W, dtype=np.float64).mean())


BASE = "base: {dataset: shapeset, activation: relu, learning_rate: 0.1, updates: 10, width: 5"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            BASE + ", depth: 2, initializer: {scaled: {gain: [1, 2]}}}",
            r"x.yaml:1: base.initializer: expected one gain, or 3, one for each layer with weights \(the last one "
            r"gives the outputs\); found 2",
        ),
        (
            BASE + ", depth: 2}\ngrid: {initializer: [standard, {scaled: {gain: [1, 2]}}]}",
            r"x.yaml:2: grid.initializer.scaled.*: expected one gain, or 3",
        ),
        ("base: {dataset: mnist, model: lenet5, activation: tanh, learning_rate: 0.1, updates: 10, initializer: lsuv}",
         "base.initializer: expected model: mlp, as only its layers can be scaled on examples, found lenet5"),
        (BASE + ", bias: much}", r'base.bias: expected a number from -1000000 to 1000000, found "much"'),
        (BASE + ", initializer: {lsuv: {examples: 1}}}", r"lsuv: examples: expected a whole number from 2 to 10000"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_at_its_line(text, problem):
    with pytest.raises(SweepError, match=problem):
        config.parse(text, "x.yaml")


def test_a_list_of_gains_is_one_value_of_an_axis():
    sweep = config.parse(
        BASE + ", depth: 2}\ngrid: {initializer: [{scaled: {gain: [1, 2, 1]}}, {scaled: {gain: 2}}, lsuv]}", "x.yaml"
    )
    runs = expand(sweep)
    assert [run.method for run in runs] == [
        "ReLU (uniform, gains 1 2 1)", "ReLU (uniform, 2^2/fan_in)", "ReLU (LSUV)",
    ]  # fmt: skip
    assert config.parse(written.dump(sweep), "x.yaml") == sweep
