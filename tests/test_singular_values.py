"""Mean and standard deviation of singular values, against a singular value decomposition and theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import ACTIVATIONS as NAIVE

from glorot.models.initializers import INITIALIZERS
from glorot.training import singular_values
from glorot.training.singular_values import mean_and_std


def oracle(W, slopes):
    """Mean and standard deviation of all of them, by numpy's decomposition in float64."""
    found = np.linalg.svd(np.float64(slopes)[:, :, None] * np.float64(W), compute_uv=False)
    return found.mean(), found.std()


def a_layer(shape, activation, weights, rng, outlier=0.0):
    """W, and slopes at 30 examples, of units whose inputs have the standard deviation `weights`.

    outlier: a share of W's size that one direction gets, as it does in training.
    """
    W = rng.standard_normal(shape) / math.sqrt(shape[1])
    W += outlier * math.sqrt(shape[1]) * np.outer(*(rng.standard_normal(n) / math.sqrt(n) for n in shape))
    z = weights * rng.standard_normal((30, shape[0]))
    return W.astype(np.float32), NAIVE[activation][1](z).astype(np.float32)


LAYERS = [
    ((65, 65), "tanh", 1.0),
    ((70, 200), "softsign", 3.0),
    ((200, 70), "tanh", 1.0),
    ((200, 200), "linear", 1.0),
    ((200, 200), "tanh", 0.5),
    ((200, 200), "tanh", 5.0),
    ((200, 200), "sigmoid", 8.0),
    ((200, 200), "relu", 1.0),
]


@pytest.mark.parametrize("outlier", [0, pytest.param(0.2, marks=pytest.mark.slow), 1])
@pytest.mark.parametrize(("shape", "activation", "weights"), LAYERS)
def test_within_one_percent_of_the_decomposition(shape, activation, weights, outlier):
    """Nearly linear units, units of which most are saturated, dead ones, layers that are not square, outliers."""
    W, slopes = a_layer(shape, activation, weights, np.random.default_rng(5), outlier)
    assert mean_and_std(W, slopes, 3) == pytest.approx(oracle(W, slopes), rel=0.02 if outlier == 1 else 0.01)


@pytest.mark.slow
def test_at_the_width_of_the_paper():
    W, slopes = a_layer((1000, 1000), "tanh", 3.0, np.random.default_rng(6))
    few = slopes[:3]
    assert mean_and_std(W, few, 2) == pytest.approx(oracle(W, few), rel=0.01)


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
@pytest.mark.parametrize("shape", [(40, 70), (70, 40), (30, 30)])
def test_small_layers_are_exact(shape, scale):
    W, slopes = a_layer(shape, "tanh", 1.0, np.random.default_rng(7))
    mean, std = oracle(W, slopes)
    assert mean_and_std(W * np.float32(scale), slopes) == pytest.approx((mean * scale, std * scale), rel=1e-3)


@given(st.integers(65, 90), st.integers(65, 90), st.integers(1, 33), st.sampled_from(sorted(NAIVE)), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_any_layer_is_near(fan_out, fan_in, examples, activation, seed):
    """The mean square is exact, so that the standard deviation is as good as the mean."""
    rng = np.random.default_rng(seed)
    W, slopes = a_layer((fan_out, fan_in), activation, rng.uniform(0.1, 5), rng)
    (mean, std), (wanted, deviation) = mean_and_std(W, slopes[:examples]), oracle(W, slopes[:examples])
    assert mean == pytest.approx(wanted, rel=0.015)
    assert mean**2 + std**2 == pytest.approx(wanted**2 + deviation**2, rel=1e-3)


def test_all_the_same_none_and_not_finite():
    rng = np.random.default_rng(8)
    ones = np.ones((30, 200), np.float32)
    W = INITIALIZERS["orthogonal"].sample(200, 200, rng)
    assert mean_and_std(W, ones) == pytest.approx((1, 0), abs=1e-3)
    assert mean_and_std(W * 0, ones) == mean_and_std(W, ones * 0) == (0, 0)
    rank_one = np.outer(rng.standard_normal(200), rng.standard_normal(200)).astype(np.float32)
    assert mean_and_std(rank_one, ones)[0] == pytest.approx(np.linalg.norm(rank_one) / 200, rel=0.01)
    dead = ones.copy()
    dead[:29] = 0
    assert mean_and_std(W, dead)[0] == pytest.approx(1 / 30, rel=0.01)
    for bad in (np.nan, np.inf):
        broken = W.copy()
        broken[3, 4] = bad
        assert all(map(math.isnan, mean_and_std(broken, ones)))
        assert all(map(math.isnan, mean_and_std(W, ones * np.float32(bad))))


def test_the_same_numbers_again():
    W, slopes = a_layer((100, 100), "tanh", 1.0, np.random.default_rng(9))
    assert mean_and_std(W, slopes, 2) == mean_and_std(W, slopes, 2) != mean_and_std(W, slopes, 3)


def test_random_matrices_follow_the_theory():
    """Quarter circle law: the mean is 8 / (3 pi) sqrt(n Var W), and the mean square n Var W."""
    W = np.random.default_rng(0).uniform(-1, 1, (400, 400)).astype(np.float32) / np.float32(20)
    mean, std = mean_and_std(W, np.ones((30, 400), np.float32))
    assert mean == pytest.approx(8 / (3 * math.pi) * math.sqrt(1 / 3), rel=0.01)
    assert std == pytest.approx(math.sqrt(1 / 3 - 64 / (27 * math.pi**2)), rel=0.01)
    found = singular_values.exact(W[:30], np.ones((1, 30), np.float32))[0]
    np.testing.assert_allclose(found, np.linalg.svd(W[:30], compute_uv=False)[::-1], rtol=1e-3)
