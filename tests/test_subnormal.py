"""Numbers too small to be normal ones of float32 cost a processor a hundred times as much: training has none."""

import math

import numpy as np
import pytest
from networks import random_examples, random_layers

from glorot import kernels
from glorot.datasets import Examples
from glorot.kernels.formulas import vanishes
from glorot.models.activations import ACTIVATIONS

MOMENTUM = "momentum(momentum=0.9, nesterov=false)"
ADAM = "adam(beta1=0.9, beta2=0.9, epsilon=1e-08)"
VARIANCE = "gradient_variance(decay=0.9, epsilon=1e-06)"
SIZES, BATCH = (20, 48, 48, 48, 5), 10
SMALLEST = np.finfo(np.float32).tiny  # of the normal numbers


def subnormal(values) -> np.ndarray:
    values = np.abs(np.concatenate([np.ravel(one) for one in values]))
    return values[(values > 0) & (values < SMALLEST)]


@pytest.fixture
def saturated():
    """Layers of sigmoid units most of which are almost 0 or 1, and examples."""
    layers = [layer._replace(W=40 * layer.W, b=40 * layer.b - 20) for layer in random_layers(SIZES, 3)]
    return layers, random_examples(10 * BATCH, SIZES[0], SIZES[-1], 4)


def made(layers, rate=0.1, activation="sigmoid", optimizer="sgd", sizes=SIZES):
    network = kernels.create("cpu", sizes, activation, "cross_entropy", BATCH, rate, 1, optimizer=optimizer)
    network.parameters = layers
    return network


def test_saturated_units_have_none_in_training_and_probes_see_them(saturated):
    layers, examples = saturated
    network = made(layers)
    seen = network.probe(examples)
    assert len(subnormal([*seen.activations, *seen.deltas])) > 5
    network.train(examples)
    assert len(subnormal([network.activations, network._delta])) == 0
    network.evaluate(examples)
    assert len(subnormal(network._evaluation_a)) == 0


def test_which_activations_vanish():
    found = [
        name for name in ("sigmoid", "tanh", "softsign", "relu", "gelu", "silu") if vanishes(ACTIVATIONS[name].value)
    ]
    assert found == ["sigmoid", "gelu", "silu"]
    assert vanishes(lambda z: z / (1 + math.exp(z * z)))  # a user's own, which Python cannot compute at 100


def test_no_bit_of_a_weight_is_lost(saturated):
    layers, examples = saturated
    network, exact = made(layers), made(layers)
    exact.own = exact.own._replace(least=np.float32(0))
    losses = [one.train(examples) for one in (network, exact)]
    assert np.array_equal(*losses)
    for one, other in zip(network.parameters, exact.parameters, strict=True):
        assert np.array_equal(one.W, other.W)
        assert np.array_equal(one.b, other.b)
    assert all(np.array_equal(*both) for both in zip(network.evaluate(examples), exact.evaluate(examples), strict=True))


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM, VARIANCE])
def test_what_is_kept_of_a_weight_without_a_gradient_becomes_0(optimizer):
    """The first pixel is white once, and then black: its weights get no gradient any more."""
    sizes, updates = (20, 16, 5), 1500
    examples = random_examples(updates * BATCH, sizes[0], sizes[-1], 5)
    pixels = examples.pixels.copy()
    pixels[BATCH:, 0] = 0
    network = made(random_layers(sizes, 6), 0.001, "tanh", optimizer, sizes)
    network.train(Examples(pixels, examples.labels))
    kept = [array for layers in network.memory.values() for layer in layers for array in (layer.W, layer.b)]
    assert len(subnormal(kept)) == 0
    assert all(np.isfinite(array).all() for array in kept)
    if optimizer == MOMENTUM:
        (velocity,) = network.memory.values()
        assert not velocity[0].W[:, 0].any()
        assert velocity[0].W[:, 1].all()
