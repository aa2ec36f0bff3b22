"""The functions of elementary.py against float64, over all of float32, and their Python twins against the compiled."""

import naive
import numba
import numpy as np
import pytest
from scipy import special

import glorot.kernels.cpu  # noqa: F401  (registers the primitives for compiled code)
from glorot.compiled import elementary
from glorot.models import activations

pytestmark = pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value|underflow):RuntimeWarning")

RANDOM_MANTISSAS = 4000  # for each of the 2 x 256 signs and exponents
NEIGHBOURS = 30_000  # consecutive numbers on each side of a special place
NUMBERS = np.finfo(np.float32)


def sigmoid64(x):
    return 1 / (1 + np.exp(-x))


# name: (function, float64 reference, bound in ulp, domain, places where branches meet or results leave the range).
# Bounds: as the docstring states. Behind each, the greatest error over all float32 of the domain, tried one by one.
CASES = {
    "exp": (elementary.exp, np.exp, 1.02, (-np.inf, np.inf), (-105, -103.97208, -87.33655, 88.72284, 89)),  # 1.0104
    "log": (elementary.log, np.log, 0.83, (0, np.inf), (NUMBERS.tiny, 2**-0.5, 1, 2**0.5)),  # 0.8266
    "log1p": (elementary.log1p, np.log1p, 1.26, (0, np.inf), (2**-24, 2**-23, 2**0.5 - 1, 1, 2**24)),  # 1.2546
    "tanh": (elementary.tanh, np.tanh, 1.34, (-np.inf, np.inf), (-0.625, 0.625, 9.01, -9.01, 44.5)),  # 1.3304
    "erf": (elementary.erf, special.erf, 1.8, (-np.inf, np.inf), (-1, 1, 3.92, 5)),
    "normal_cdf": (elementary.normal_cdf, special.ndtr, 5, (-13, np.inf), (-13, -0.8, 0.8, 5.6, 15)),
    "sin": (elementary.sin, np.sin, 1.6, (-(2**17), 2**17), (-np.pi, 0.7853982, 1.5707964, 3.1415927, 100, 2**17)),
    "cos": (elementary.cos, np.cos, 1.6, (-(2**17), 2**17), (-np.pi, 0.7853982, 1.5707964, 3.1415927, 100, 2**17)),
    "sigmoid": (activations.sigmoid, sigmoid64, 2.5, (-87.33, np.inf), (-87.33, -17, 17, 88.8)),  # 2.4808
}

compiled = {name: numba.vectorize(["float32(float32)"])(case[0]) for name, case in CASES.items()}


def around(place, count=NEIGHBOURS):
    """The float32 numbers next to a place, in order."""
    bits = int(np.float32(abs(place)).view(np.int32))
    numbers = np.arange(max(0, bits - count), bits + count, dtype=np.int32).view(np.float32)
    return numbers if place >= 0 else -numbers[::-1]


def numbers(name):
    """Finite numbers of a function's domain: each exponent with many mantissas, and the special places' neighbours."""
    generator = np.random.default_rng(0)
    mantissas = generator.integers(0, 2**23, (512, RANDOM_MANTISSAS), dtype=np.uint32)
    mantissas[:, :4] = 0, 1, 2**22, 2**23 - 1
    x = (mantissas | (np.arange(512, dtype=np.uint32)[:, None] << np.uint32(23))).view(np.float32).ravel()
    moderate = generator.uniform(-110, 110, 500_000).astype(np.float32)  # where most of them change
    low, high = CASES[name][3]
    x = np.concatenate([x, moderate, around(0), *map(around, CASES[name][4])])
    return x[np.isfinite(x) & (x >= low) & (x <= high)]


@pytest.mark.parametrize("name", CASES)
def test_error_is_within_the_bound_in_ulp(name):
    _, reference, bound, _, _ = CASES[name]
    x = numbers(name)
    errors = naive.ulps(compiled[name](x), reference(x.astype(np.float64)))
    assert len(x) > 700_000
    worst = np.nanargmax(errors)
    assert errors[worst] <= bound, f"{errors[worst]:.4f} ulp at {x[worst]!r}"
    assert not np.isnan(errors).any()
    assert errors[worst] > 0.5, "an error this small means that the test measures nothing"


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid"])
def test_monotonic(name):
    """Equal or greater from one float32 to the next, across branches too. (log1p takes steps back, of one ulp.)"""
    low, high = CASES[name][3]
    for place in (1e-30, 1e-3, 0.1, 0.3, 0.5, 0.7, 1, 2, 3, 10, 50, *CASES[name][4]):
        for x in (around(place), around(-place)):
            y = compiled[name](x[(x >= low) & (x <= high)])
            assert (y[1:] >= y[:-1]).all()


SPECIAL = {  # argument: result
    "exp": {0: 1, np.inf: np.inf, -np.inf: 0, 88.8: np.inf, -104: 0, -3e38: 0, 3e38: np.inf, 1e-45: 1},
    "log": {1: 0, 0: -np.inf, np.inf: np.inf, -1: np.nan, -1e-45: np.nan, -np.inf: np.nan,
            2**-149: -103.27893},
    "log1p": {0: 0, np.inf: np.inf, 1e-45: 1e-45, 1e-10: 1e-10, NUMBERS.tiny: NUMBERS.tiny},
    "tanh": {0: 0, np.inf: 1, -np.inf: -1, 3e38: 1, -3e38: -1, 1e-45: 1e-45, -1e-45: -1e-45},
    "erf": {0: 0, np.inf: 1, -np.inf: -1, 3e38: 1, -3e38: -1, 5: 1},
    "normal_cdf": {0: 0.5, np.inf: 1, -np.inf: 0, 3e38: 1, -3e38: 0},
    "sin": {0: 0, 1e-45: 1e-45, 3e38: np.nan, np.inf: np.nan, -np.inf: np.nan},
    "cos": {0: 1, 1e-45: 1, 3e38: np.nan, np.inf: np.nan, -np.inf: np.nan},
    "sigmoid": {0: 0.5, np.inf: 1, -np.inf: 0, 3e38: 1, -3e38: 0, 1e-45: 0.5},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_special_values(name):
    special = [*SPECIAL[name].items(), (np.nan, np.nan)]
    for x, wanted in [*special, *((-0.0, wanted) for x, wanted in special if x == 0)]:
        for function in (compiled[name], CASES[name][0]):
            found = function(np.float32(x))
            assert type(found) is np.float32
            assert found == np.float32(wanted) or (np.isnan(found) and np.isnan(wanted)), f"{name}({x}) = {found}"


LIMITS = {"exp": (0, np.inf), "tanh": (-1, 1), "sigmoid": (0, 1), "erf": (-1, 1), "normal_cdf": (0, 1), "sin": (-1, 1)}


@pytest.mark.parametrize("name", LIMITS)
def test_stays_between_its_limits(name):
    low, high = LIMITS[name]
    y = compiled[name](numbers(name))
    assert y.min() >= low
    assert y.max() <= high


def test_sigmoid_far_to_the_left_is_subnormal_or_nothing():
    """Where exp(-x) is inf, 0 stands for what would be a subnormal number: an error below 2**-126."""
    x = np.linspace(-110, -87, 100_000).astype(np.float32)
    assert np.abs(compiled["sigmoid"](x) - sigmoid64(np.float64(x))).max() < 2.0**-126


def test_tanh_is_odd():
    x = numbers("tanh")
    np.testing.assert_array_equal(compiled["tanh"](-x), -compiled["tanh"](x))


@pytest.mark.parametrize("name", CASES)
def test_python_twin_agrees_to_one_ulp(name):
    x = numbers(name)[::1500]
    twin = np.array([CASES[name][0](value) for value in x])
    assert twin.dtype == np.float32
    assert naive.ulps(twin, compiled[name](x).astype(np.float64)).max() <= 1
    assert (twin == compiled[name](x)).mean() > 0.999
