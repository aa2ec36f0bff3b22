"""Every initializer against its formula, and the parameters of a network as a function of (seed, layer)."""

import naive
import numpy as np
import pytest
from scipy import stats

from glorot.models.initializers import DRAWN, INITIALIZERS
from glorot.models.network import initial_parameters, layer_sizes
from glorot.randomness import generator

# Standard deviations, from the sources' formulas and not from the registry; uniform limits are sqrt(3) of them.
STANDARD_DEVIATION = {
    "standard": lambda fan_in, fan_out: (1 / np.sqrt(fan_in)) / np.sqrt(3),
    "normalized": lambda fan_in, fan_out: np.sqrt(6) / np.sqrt(fan_in + fan_out) / np.sqrt(3),
    "standard_normal": lambda fan_in, fan_out: 1,
    "scaled_normal": lambda fan_in, fan_out: 1 / np.sqrt(fan_in),
    "normalized_normal": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "lecun_uniform": lambda fan_in, fan_out: 1 / np.sqrt(fan_in),
    "lecun_normal": lambda fan_in, fan_out: 1 / np.sqrt(fan_in),
    "lenet_uniform": lambda fan_in, fan_out: 2.4 / fan_in / np.sqrt(3),
    "he_uniform": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "he_normal": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "scaled": lambda fan_in, fan_out: 1 / np.sqrt(fan_in),
}
UNIFORM = {"standard", "normalized", "lecun_uniform", "lenet_uniform", "he_uniform", "scaled"}
INDEPENDENT = list(STANDARD_DEVIATION)
OTHERS = {"exact", "orthogonal", "lsuv", "truncated_normal", "sparse", "identity"}  # each has tests of its own
SHAPES = [(1024, 1000), (1000, 9), (784, 50), (30, 2000), (1, 3000)]  # (fan_in, fan_out)


def sample(name, fan_in, fan_out, seed=0):
    return INITIALIZERS[name].sample(fan_in, fan_out, np.random.default_rng(seed))


@pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)
@pytest.mark.parametrize("name", INDEPENDENT)
class TestIndependentWeights:
    def test_shape_and_type(self, name, fan_in, fan_out):
        W = sample(name, fan_in, fan_out)
        assert W.shape == (fan_out, fan_in)
        assert W.dtype == np.float32
        assert W.flags.c_contiguous

    def test_mean_and_variance(self, name, fan_in, fan_out):
        """To five standard errors; the kurtosis is 1.8 (uniform) or 3 (normal)."""
        W, sd = naive.float64(sample(name, fan_in, fan_out)), STANDARD_DEVIATION[name](fan_in, fan_out)
        assert INITIALIZERS[name].variance(fan_in, fan_out) == pytest.approx(sd**2, rel=1e-12)
        assert abs(W.mean()) <= 5 * sd / np.sqrt(W.size)
        relative = np.sqrt((0.8 if name in UNIFORM else 2) / W.size)
        assert W.var() / sd**2 == pytest.approx(1, abs=5 * relative)
        row_means, column_means = W.mean(axis=1), W.mean(axis=0)  # no unit is favoured
        assert abs(row_means).max() <= 6 * sd / np.sqrt(fan_in)
        assert abs(column_means).max() <= 6 * sd / np.sqrt(fan_out)

    def test_bounds(self, name, fan_in, fan_out):
        W, sd = sample(name, fan_in, fan_out), STANDARD_DEVIATION[name](fan_in, fan_out)
        if name in UNIFORM:
            limit = np.sqrt(3) * sd
            assert abs(W).max() <= np.float32(limit * (1 + 1e-12))
            assert abs(W).max() >= limit * (1 - 10 / W.size)
        else:
            assert abs(W).max() > 3 * sd

    def test_distribution(self, name, fan_in, fan_out):
        W, sd = (
            naive.float64(sample(name, fan_in, fan_out).ravel()[:100_000]),
            STANDARD_DEVIATION[name](fan_in, fan_out),
        )
        limit = np.sqrt(3) * sd
        law = stats.uniform(-limit, 2 * limit) if name in UNIFORM else stats.norm(0, sd)
        assert stats.kstest(W, law.cdf).pvalue > 1e-3

    def test_neighbours_do_not_correlate(self, name, fan_in, fan_out):
        W = naive.float64(sample(name, fan_in, fan_out)).ravel()
        assert abs(np.corrcoef(W[1:], W[:-1])[0, 1]) <= 5 / np.sqrt(W.size)


def test_the_papers_two_exactly():
    """eq. 1: U(-1/sqrt(n), 1/sqrt(n)), n = fan_in. eq. 16: U(-sqrt(6)/sqrt(n_j + n_j+1), ...). Value for value."""
    for fan_in, fan_out in SHAPES:
        u = np.random.default_rng(5).uniform(-1, 1, (fan_out, fan_in))
        standard, normalized = (sample(name, fan_in, fan_out, seed=5) for name in ("standard", "normalized"))
        np.testing.assert_allclose(standard, u / np.sqrt(fan_in), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(normalized, u * np.sqrt(6) / np.sqrt(fan_in + fan_out), rtol=1e-6, atol=1e-9)
        assert fan_in * INITIALIZERS["standard"].variance(fan_in, fan_out) == pytest.approx(1 / 3)
        assert INITIALIZERS["normalized"].variance(fan_in, fan_out) == pytest.approx(2 / (fan_in + fan_out))


def test_every_initializer_has_its_formula_here():
    assert set(INDEPENDENT) | OTHERS == set(INITIALIZERS), "add the new initializer's standard deviation above"


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_the_law_itself_gives_what_its_names_give(distribution):
    """scaled with the parameters of a named case has its very bits."""
    for name, gain, fan in (("lecun", 1, "in"), ("he", np.sqrt(2), "in"), ("normalized", 1, "average")):
        named = {"normalized_uniform": "normalized"}.get(f"{name}_{distribution}", f"{name}_{distribution}")
        text = INITIALIZERS.canonical({"scaled": {"gain": float(gain), "fan": fan, "distribution": distribution}})
        found = INITIALIZERS[text].sample(30, 20, np.random.default_rng(1))
        np.testing.assert_allclose(found, sample(named, 30, 20, 1), rtol=1e-6)


def test_truncated_normal():
    W = naive.float64(INITIALIZERS["truncated_normal(scale=4.0)"].sample(400, 500, np.random.default_rng(1)))
    within = stats.truncnorm(-2, 2)
    assert W.var() == pytest.approx(4 / 400, rel=0.01)
    assert abs(W).max() <= 2 * np.sqrt(4 / 400) / within.std() * (1 + 1e-6)
    assert stats.kstest(W.ravel() * within.std() / np.sqrt(4 / 400), within.cdf).pvalue > 1e-3


def test_a_gain_for_each_layer():
    """Layer l has the weights of its own gain: the list moves no other layer, and the output has the last one."""
    text = INITIALIZERS.canonical({"scaled": {"gain": [1, 0.5, 3], "fan": "average"}})
    assert text == 'scaled(gain=[1.0, 0.5, 3.0], fan="average", distribution="uniform")'
    layers = initial_parameters((40, 30, 20, 10), text, 5)
    for l, gain in enumerate((1, 0.5, 3)):
        alone = initial_parameters(
            (40, 30, 20, 10), f'scaled(gain={gain:.1f}, fan="average", distribution="uniform")', 5
        )
        np.testing.assert_array_equal(layers[l].W, alone[l].W)
    with pytest.raises(ValueError, match="expected a number above 0"):
        INITIALIZERS.canonical({"scaled": {"gain": [1, 0]}})


def test_biases_of_hidden_units_only():
    layers = initial_parameters((4, 3, 3, 2), "standard", 0, 0.1)
    assert [set(layer.b) for layer in layers] == [{np.float32(0.1)}, {np.float32(0.1)}, {0}]


def test_sparse():
    W = INITIALIZERS["sparse(connections=15)"].sample(200, 300, np.random.default_rng(1))
    assert ((W != 0).sum(axis=1) == 15).all()
    assert (W != 0).sum(axis=0).max() < 60, "some inputs are favoured"
    assert stats.kstest(W[W != 0], "norm").pvalue > 1e-3
    assert (INITIALIZERS["sparse(connections=15)"].sample(9, 4, np.random.default_rng(1)) != 0).all()


@pytest.mark.parametrize(("fan_in", "fan_out"), [(5, 5), (3, 7), (7, 3)])
def test_identity(fan_in, fan_out):
    W = INITIALIZERS["identity(gain=0.5)"].sample(fan_in, fan_out, np.random.default_rng(1))
    assert W.dtype == np.float32
    np.testing.assert_array_equal(W, 0.5 * np.eye(fan_out, fan_in))
    assert np.linalg.svd(W, compute_uv=False) == pytest.approx(0.5)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(60, 60), (200, 31), (31, 200), (1, 50), (50, 1), (1, 1)])
def test_orthogonal_both_ways(fan_in, fan_out):
    W = sample("orthogonal", fan_in, fan_out)
    assert (W.shape, W.dtype) == ((fan_out, fan_in), np.float32)
    assert W.flags.c_contiguous
    W = naive.float64(W)
    fewer = W @ W.T if fan_out <= fan_in else W.T @ W
    np.testing.assert_allclose(fewer, np.eye(len(fewer)), atol=1e-6)


def test_variance_of_orthogonal_weights():
    """Rows (or columns) of length 1 and max(fan_in, fan_out) entries."""
    for fan_in, fan_out in [(300, 300), (300, 40), (40, 300)]:
        W = naive.float64(sample("orthogonal", fan_in, fan_out))
        assert (W**2).mean() == pytest.approx(1 / max(fan_in, fan_out), rel=1e-6)
        assert INITIALIZERS["orthogonal"].variance(fan_in, fan_out) == pytest.approx((W**2).mean(), rel=1e-6)
        assert abs(W.mean()) <= 5 / np.sqrt(max(fan_in, fan_out) * W.size)


def test_orthogonal_is_uniform_over_the_orthogonal_group():
    """In the plane: every angle equally likely, reflections and rotations too (bare QR would fail)."""
    source = np.random.default_rng(6)
    W = np.array([INITIALIZERS["orthogonal"].sample(2, 2, source) for _ in range(1500)], np.float64)
    for angles in (np.arctan2(W[:, 1, 0], W[:, 0, 0]), np.arctan2(W[:, 1, 1], W[:, 0, 1])):
        assert stats.kstest(angles, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert stats.binomtest(int((np.linalg.det(W) > 0).sum()), len(W)).pvalue > 1e-3


SIZES = layer_sizes(40, (40, 40, 40), 40)


@pytest.mark.parametrize("name", DRAWN)
class TestParameters:
    def test_shapes_and_zero_biases(self, name):
        sizes = layer_sizes(7, (5, 3, 11), 2)
        assert sizes == (7, 5, 3, 11, 2)
        layers = initial_parameters(sizes, name, 0)
        assert [layer.W.shape for layer in layers] == [(5, 7), (3, 5), (11, 3), (2, 11)]
        assert [layer.b.shape for layer in layers] == [(5,), (3,), (11,), (2,)]
        assert all(not layer.b.any() for layer in layers)
        assert {array.dtype for layer in layers for array in layer} == {np.dtype(np.float32)}

    def test_pure_function_of_seed_and_layer(self, name):
        np.random.default_rng(0).random()
        first = initial_parameters(SIZES, name, 3)
        np.random.seed(1)  # noqa: NPY002  (a global generator that must not matter)
        for l, (one, two) in enumerate(zip(first, initial_parameters(SIZES, name, 3), strict=True)):
            np.testing.assert_array_equal(one.W, two.W)
            alone = INITIALIZERS[name].sample(40, 40, generator(3, "weights", l))
            np.testing.assert_array_equal(one.W, alone)
        fewer = initial_parameters(SIZES[:3], name, 3)  # a layer does not know how many others there are
        for one, two in zip(first, fewer, strict=False):
            np.testing.assert_array_equal(one.W, two.W)

    def test_layers_and_seeds_differ(self, name):
        if name == "identity":
            pytest.skip("nothing of it is drawn")
        weights = [layer.W for seed in (0, 1, 2**63 - 1) for layer in initial_parameters(SIZES, name, seed)]
        correlations = np.corrcoef([W.ravel() for W in weights])
        assert abs(correlations - np.eye(len(weights))).max() < 5 / np.sqrt(40 * 40)
