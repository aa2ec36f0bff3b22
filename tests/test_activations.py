"""Every activation of the registry, compiled, against the float64 oracle."""

import functools

import naive
import numba
import numpy as np
import pytest

import glorot.kernels.cpu  # noqa: F401  (registers the primitives for compiled code)
from glorot.models.activations import ACTIVATIONS

pytestmark = [
    pytest.mark.parametrize("name", ACTIVATIONS),
    pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value|underflow):RuntimeWarning"),
]
EPS = 2.0**-23
HUGE = np.float32([30, 88, 89, 104, 1e3, 1e10, 1e30, 3e38])


@functools.cache
def compiled(function):
    """The float32 function, over arrays."""
    scalar = numba.njit(function)  # its parameters, if it has any, are defaults
    return numba.vectorize(["float32(float32)"])(lambda x: scalar(x))


@pytest.fixture(scope="module")
def z():
    """(n,) float32: all sizes that occur in networks, both signs, 0, and others from tiny to far out."""
    generator = np.random.default_rng(1)
    sizes = 10 ** generator.uniform(-38, 1.9, 20_000)
    return np.concatenate([generator.normal(0, 3, 100_000), sizes, -sizes, [0]]).astype(np.float32)


def test_value_is_the_oracles(name, z):
    """To 3 ulp; where the result vanishes (sigmoid and softplus far to the left), to the smallest normal number."""
    found, wanted = compiled(ACTIVATIONS[name].value)(z), naive.ACTIVATIONS[name][0](z.astype(np.float64))
    assert found.dtype == np.float32
    assert (np.abs(found - wanted) <= 3 * EPS * np.abs(wanted) + 2.0**-126).all()


def slopes(name, z):
    """f'(z) as the kernels have it: from the activation, or from z."""
    f = ACTIVATIONS[name]
    return compiled(f.slope)(z if f.keeps_z else compiled(f.value)(z))


def test_slope_is_the_oracles(name, z):
    """To 3 ulp of 1: most are made from the activation, rounded to float32, and no network tells a slope of 1e-8 from
    one of 0. (ReLU at 0 exactly: 0, as in the oracle.)"""
    found = slopes(name, z)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive.ACTIVATIONS[name][1](z.astype(np.float64)), rtol=0, atol=3 * EPS)


def test_slope_is_the_numerical_derivative(name, z):
    """Central differences of the oracle's value: no textbook derivative in it."""
    smooth = np.all([np.abs(z - corner) > 1e-3 for corner in (0, *naive.CORNERS.get(name, ()))], axis=0)
    z = z[smooth & (np.abs(z) < 10)].astype(np.float64)
    f, h = naive.ACTIVATIONS[name][0], 1e-5
    found = slopes(name, z.astype(np.float32))
    np.testing.assert_allclose(found, (f(z + h) - f(z - h)) / (2 * h), rtol=0, atol=1e-6)
    np.testing.assert_allclose(naive.ACTIVATIONS[name][1](z), (f(z + h) - f(z - h)) / (2 * h), rtol=0, atol=1e-8)


def test_extreme_inputs(name):
    """Saturated or huge, but the oracle's value and slope, and finite."""
    activation = ACTIVATIONS[name]
    for z in (HUGE, -HUGE):
        value = compiled(activation.value)(z)
        np.testing.assert_allclose(value, naive.ACTIVATIONS[name][0](np.float64(z)), rtol=3 * EPS, atol=2.0**-126)
        slope = slopes(name, z)
        np.testing.assert_allclose(slope, naive.ACTIVATIONS[name][1](np.float64(z)), rtol=0, atol=3 * EPS)


def test_infinite_input_gives_the_limit_or_nan(name):
    """Never a wrong finite number: a z that overflowed either saturates rightly or shows up as a non-finite loss."""
    for z in (np.inf, -np.inf):
        found, limit = compiled(ACTIVATIONS[name].value)(np.float32(z)), naive.ACTIVATIONS[name][0](z * 1e300)
        assert np.isnan(found) or found == np.float32(limit)


def test_nan_stays_nan(name):
    value = compiled(ACTIVATIONS[name].value)
    assert np.isnan(value(np.float32([np.nan, -np.nan]))).all()
    np.testing.assert_array_equal(np.isnan(value(np.float32([0.5, np.nan, -0.5]))), [False, True, False])


def test_python_twin_agrees(name, z):
    activation = ACTIVATIONS[name]
    for z_i in [*z[::2000], *HUGE, *-HUGE]:
        value = activation.value(z_i)
        assert type(value) is np.float32
        found = compiled(activation.value)(z_i)
        assert naive.ulps(value, np.float64(found)) <= 2 or (np.isnan(value) and np.isnan(found))
        assert type(activation.slope_at(z_i)) is np.float32


def test_compiles_to_float32(name):
    """A bare Python number in a formula makes it float64, which costs half the speed."""
    for function in (ACTIVATIONS[name].value, ACTIVATIONS[name].slope):
        scalar = numba.njit(function)
        dispatcher = numba.njit(lambda x: scalar(x))  # noqa: B023
        dispatcher.compile((numba.float32,))
        assert dispatcher.nopython_signatures[0].return_type is numba.float32, function


def test_described(name):
    assert ACTIVATIONS[name].label
    assert ACTIVATIONS[name].formula
    assert name in naive.ACTIVATIONS, "add the new activation to tests/naive.py, from its textbook form"
