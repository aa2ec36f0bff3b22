"""Statistics inside a network, against the naive oracle and numbers worked by hand."""

import math

import numpy as np
import pytest
from naive import ACTIVATIONS as NAIVE
from naive import forward, gradients, naive_deltas
from networks import FEW

from glorot import kernels
from glorot.datasets import Examples
from glorot.models.activations import ACTIVATIONS
from glorot.models.network import initial_parameters
from glorot.sweeps.settings import Settings
from glorot.sweeps.values import Probes
from glorot.training import probes

SIZES = (20, 17, 33, 40, 5)


def a_network(activation="tanh", loss="cross_entropy", n=130, initializer="normalized"):
    """Kernels, their layers, and examples (more than one chunk of them)."""
    made = kernels.create("cpu", SIZES, activation, loss, 10, 0.1, 1)
    made.parameters = initial_parameters(SIZES, initializer, 3)
    rng = np.random.default_rng(4)
    examples = Examples(rng.integers(0, 256, (n, SIZES[0]), dtype=np.uint8), rng.integers(0, 5, n).astype(np.uint8))
    return made, made.parameters, examples


@pytest.mark.parametrize(("activation", "loss"), FEW)
def test_activations_and_deltas_are_the_oracles(activation, loss):
    made, layers, examples = a_network(activation, loss)
    activations, deltas, slope_arguments, _ = made.probe(examples)
    zs, inputs = forward(layers, examples.pixels, activation)
    for found, wanted in zip(activations, inputs[1:], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
    for found, wanted in zip(slope_arguments, zs if ACTIVATIONS[activation].keeps_z else inputs[1:], strict=False):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
    assert len(slope_arguments) == len(activations)
    for found, wanted in zip(deltas, naive_deltas(layers, examples, activation, loss), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-6)


def test_probing_changes_no_bit():
    made, layers, examples = a_network("relu")
    made.probe(examples)
    for before, after in zip(layers, made.parameters, strict=True):
        assert before.W.tobytes() == after.W.tobytes()
        assert before.b.tobytes() == after.b.tobytes()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softsign", "relu", "silu"])
def test_statistics_are_the_oracles(activation):
    made, layers, examples = a_network(activation)
    rows = {(row.quantity, row.layer): row for row in probes.measure(made, examples, activation, update=7)}
    zs, inputs = forward(layers, examples.pixels, activation)
    wanted = {("activation", l): a for l, a in enumerate(inputs[1:], 1)}
    wanted |= {("gradient", l): d for l, d in enumerate(naive_deltas(layers, examples, activation, "cross_entropy"), 1)}
    steps = gradients(layers, examples, activation, "cross_entropy")
    wanted |= {("weight_gradient", l): dW for l, (dW, _) in enumerate(steps, 1)}
    for key, values in wanted.items():
        row = rows[key]
        assert row.update == 7
        assert row.mean == pytest.approx(values.mean(), rel=1e-3, abs=1e-6)
        assert row.std == pytest.approx(values.std(), rel=1e-3)
        some = values.reshape(-1)[probes.sample(key[1], values.size)] if key[0] == "weight_gradient" else values
        assert row.p2 == pytest.approx(np.percentile(some, 2), rel=1e-3, abs=1e-6)
        assert row.p98 == pytest.approx(np.percentile(some, 98), rel=1e-3, abs=1e-6)
        assert sum(row.counts) == some.size
        assert len(row.counts) == probes.BINS
    for l in (2, 3):
        slopes = NAIVE[activation][1](zs[l - 1][:30])
        found = np.linalg.svd(slopes[:, :, None] * layers[l - 1].W, compute_uv=False)
        assert rows["jacobian", l].mean == pytest.approx(found.mean(), rel=1e-3)
        assert rows["jacobian", l].std == pytest.approx(found.std(), rel=1e-2)
    assert set(rows) == {*wanted, ("jacobian", 2), ("jacobian", 3)}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_saturation_is_a_small_slope(activation):
    z = np.linspace(-30, 30, 501)
    slopes = abs(NAIVE[activation][1](z))
    a = (z if ACTIVATIONS[activation].keeps_z else NAIVE[activation][0](z)).astype(np.float32)
    clear = abs(slopes / slopes.max() - probes.SATURATED) > 1e-4
    found = probes.saturated(activation)(a)
    assert (found == (slopes < probes.SATURATED * slopes.max()))[clear].all()


def test_bounds_of_activations():
    z = np.linspace(-100, 100, 10_001)
    for name in ACTIVATIONS:
        low, high = NAIVE[name][0](z).min(), NAIVE[name][0](z).max()
        assert probes.bounds(name) == ((round(low), round(high)) if max(-low, high) < 2 else (None, None))


def test_a_histogram_counts_outliers_in_its_end_bins():
    counts = probes.histogram([-9.0, -0.99, 0.001, 0.999, 7.0, 8.0], -1.0, 1.0)
    assert (counts[0], counts[50], counts[99], counts.sum()) == (2, 1, 3, 6)


@pytest.mark.parametrize("n", [1, 2, 30, 51, 99, 101, 5000, 5003, 20_000, 99_999])
def test_percentiles_are_numpys(n):
    chance = np.random.default_rng(n)
    steep = chance.standard_normal(n) ** 5
    for values in (chance.random(n), steep, np.round(steep), np.sort(steep), -np.sort(steep), np.zeros(n)):
        values = values.astype(np.float32)
        assert probes.percentiles(values) == tuple(np.percentile(values, (2, 98)))


def test_the_sample_of_weight_gradients_prefers_no_input_unit():
    """Rows of 1000 inputs, a multiple of SAMPLE: every fourth weight would be of the same 250 inputs in every row."""
    chosen = probes.sample(3, 1000 * 1000)
    of_input = np.bincount(chosen % 1000, minlength=1000)
    assert (len(chosen), len(set(chosen)), of_input.sum()) == (250_000, 250_000, 250_000)
    assert of_input.std() == pytest.approx(math.sqrt(1000 * 0.25 * 0.75), rel=0.1)
    assert (probes.sample(3, 1000 * 1000) == chosen).all()
    assert (probes.sample(2, 1000 * 1000) != chosen).mean() > 0.7
    for size in (1, 2, 3, 5):
        assert probes.sample(1, size).max() < size


def test_the_jacobian_is_of_thirty_examples():
    made, _, examples = a_network("relu")
    few = Examples(examples.pixels[:30], examples.labels[:30])
    pair = [
        [row for row in probes.measure(made, some, "relu") if row.quantity == "jacobian"] for some in (examples, few)
    ]
    assert pair[0] == pair[1]
    one = Examples(examples.pixels[:1], examples.labels[:1])
    assert [row.quantity for row in probes.measure(made, one, "relu")].count("jacobian") == 2


@pytest.mark.filterwarnings("error")
def test_a_network_that_overflows_is_seen_as_nan():
    made, layers, examples = a_network("linear")
    layers[0].W[:] = 3e38
    made.parameters = layers
    rows = probes.measure(made, examples, "linear")
    assert math.isnan(rows[0].mean)
    assert rows[0].counts is None


def test_gradients_that_all_but_vanish():
    """Through 40 layers of sigmoid units they come down to numbers below float32's normal range."""
    sizes = (20, *[3] * 40, 5)
    made = kernels.create("cpu", sizes, "sigmoid", "cross_entropy", 10, 0.1, 1)
    made.parameters = initial_parameters(sizes, "standard", 3)
    rows = probes.measure(made, Examples(np.full((7, 20), 9, np.uint8), np.arange(7, dtype=np.uint8) % 5), "sigmoid")
    assert all(sum(row.counts) > 0 for row in rows if row.counts is not None)
    assert rows[40].std < 1e-35


def test_the_moments_of_a_run():
    schedule = Probes(at=(0, 5, 30), every=20)
    assert [update for update in range(61) if schedule.due(update)] == [0, 5, 20, 30, 40, 60]
    moment, seen = 0, []
    while moment < 50:
        moment = schedule.next_after(moment, 50)
        seen.append(moment)
    assert seen == [5, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"evry": 3}, "every: 20_000"),
        ({"every": 3, "exampels": 3}, "did you mean examples"),
        ({"every": 0}, "from 1 to"),
        ({"at": 5}, "list of up to"),
        ({"at": [-1]}, "from 0 to"),
        (5, "expected e.g."),
    ],
)
def test_what_is_no_schedule(value, message):
    with pytest.raises(ValueError, match=message):
        Settings(dataset="shapeset", activation="tanh", learning_rate=0.1, updates=10, probes=value)
