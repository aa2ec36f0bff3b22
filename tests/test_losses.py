"""Every loss of the registry, compiled, against the float64 oracle."""

import functools

import naive
import numba
import numpy as np
import pytest

import glorot.kernels.cpu  # noqa: F401  (registers the primitives for compiled code)
from glorot.models.losses import LOSSES

pytestmark = [
    pytest.mark.parametrize("name", LOSSES),
    pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value|underflow):RuntimeWarning"),
]
CLASSES = 7


@functools.cache
def compiled(name):
    """(logits (n, k), t (n, k)) -> each unit's value and delta, (n, k) both; all float32."""
    loss = LOSSES[name]
    normalizer, value, delta = (
        numba.njit(function, error_model="numpy") for function in (loss.normalizer, loss.value, loss.delta)
    )

    @numba.njit(error_model="numpy")
    def values_and_deltas(logits, t):
        values, deltas = np.empty_like(logits), np.empty_like(logits)
        for e in range(len(logits)):
            shared = normalizer(logits[e])
            for k in range(logits.shape[1]):
                values[e, k] = value(logits[e, k], shared, t[e, k])
                deltas[e, k] = delta(logits[e, k], shared, t[e, k])
        return values, deltas

    return values_and_deltas


def targets(n, n_classes=CLASSES):
    """Every class in turn, the first and the last too."""
    return naive.one_hot(np.arange(n) % n_classes, n_classes).astype(np.float32)


@pytest.fixture(scope="module", params=[0.01, 1, 5, 20])
def logits(request):
    """(n, CLASSES) float32 of a given spread."""
    return np.random.default_rng(2).normal(0, request.param, (7000, CLASSES)).astype(np.float32)


def tolerance(logits):
    """A few float32 roundings of numbers as large as the logits and 1; e^z turns z's rounding into a relative one."""
    return 4e-7 * (1 + np.abs(logits).max(axis=1))


def test_sum_over_the_units_is_the_oracles_value(name, logits):
    t = targets(len(logits))
    values, _ = compiled(name)(logits, t)
    wanted = naive.LOSSES[name][0](naive.float64(logits), t)
    assert (np.abs(naive.float64(values).sum(axis=1) - wanted) <= tolerance(logits)).all()


def test_delta_is_the_oracles(name, logits):
    t = targets(len(logits))
    _, deltas = compiled(name)(logits, t)
    wanted = naive.LOSSES[name][1](naive.float64(logits), t)
    assert (np.abs(deltas - wanted) <= tolerance(logits)[:, None]).all()


def test_delta_is_the_numerical_gradient(name, logits):
    """Central differences of the oracle's value, for the kernel's delta and the oracle's own."""
    t, x, h = targets(len(logits)), naive.float64(logits), 1e-5
    numerical = np.empty_like(x)
    for k in range(CLASSES):
        step = h * (np.arange(CLASSES) == k)
        numerical[:, k] = (naive.LOSSES[name][0](x + step, t) - naive.LOSSES[name][0](x - step, t)) / (2 * h)
    np.testing.assert_allclose(naive.LOSSES[name][1](x, t), numerical, rtol=0, atol=1e-8)
    assert (np.abs(compiled(name)(logits, t)[1] - numerical) <= tolerance(logits)[:, None] + 1e-8).all()


@pytest.mark.parametrize("size", [100, 1e4, 1e30, 1e38])
def test_huge_logits_give_finite_values_and_deltas(name, size):
    """Right or wrong beyond all doubt: the oracle's value, which is then 0, a small number or about the size."""
    t = targets(3 * CLASSES)
    logits = np.zeros_like(t)
    logits[np.arange(len(t)), np.arange(len(t)) // 3] = size
    for x in (logits, -logits, logits - np.float32(size)):
        values, deltas = compiled(name)(x, t)
        assert np.isfinite(values).all()
        assert np.isfinite(deltas).all()
        wanted = naive.LOSSES[name][0](naive.float64(x), t)
        np.testing.assert_allclose(naive.float64(values).sum(axis=1), wanted, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(deltas, naive.LOSSES[name][1](naive.float64(x), t), rtol=0, atol=1e-6)


def test_equal_logits_and_one_class(name):
    for n_classes in (1, 2, 256):
        t, logits = targets(n_classes, n_classes), np.full((n_classes, n_classes), 0.25, np.float32)
        values, deltas = compiled(name)(logits, t)
        wanted = naive.LOSSES[name][0](naive.float64(logits), t)
        np.testing.assert_allclose(naive.float64(values).sum(axis=1), wanted, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(deltas, naive.LOSSES[name][1](naive.float64(logits), t), rtol=0, atol=1e-6)


@pytest.mark.parametrize("place", range(CLASSES))
def test_nan_in_any_logit_makes_the_loss_nan(name, place):
    """Whatever the class: so a network that has gone wrong is seen to have."""
    t = targets(CLASSES)
    logits = np.random.default_rng(3).normal(size=t.shape).astype(np.float32)
    logits[:, place] = np.nan
    assert np.isnan(compiled(name)(logits, t)[0].sum(axis=1)).all()


def test_compiles_to_float32(name):
    """A bare Python number in a formula makes it float64, which costs half the speed."""
    loss = LOSSES[name]
    for function, signature in (
        (loss.normalizer, (numba.float32[::1],)),
        (loss.value, (numba.float32,) * 3),
        (loss.delta, (numba.float32,) * 3),
    ):
        dispatcher = numba.njit(function)
        dispatcher.compile(signature)
        assert dispatcher.nopython_signatures[0].return_type is numba.float32, function


def test_python_twin_agrees(name):
    loss, t = LOSSES[name], targets(CLASSES)
    logits = np.random.default_rng(4).normal(0, 3, t.shape).astype(np.float32)
    values, deltas = compiled(name)(logits, t)
    for e, k in np.ndindex(t.shape):
        shared = loss.normalizer(logits[e])
        value, delta = (function(logits[e, k], shared, t[e, k]) for function in (loss.value, loss.delta))
        assert {type(shared), type(value), type(delta)} == {np.float32}
        assert abs(value - values[e, k]) <= 1e-6
        assert abs(delta - deltas[e, k]) <= 1e-6


def test_described(name):
    assert LOSSES[name].formula
    assert name in naive.LOSSES, "add the new loss to tests/naive.py, from its textbook form"
