"""The kernels of every device against the float64 oracle: one body of tests, whatever computes."""

import naive
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from networks import BACKENDS, FEW, PAIRS, TOLERANCE, assert_close, bits, bits_of, part, random_examples, random_layers

from glorot import kernels
from glorot.datasets import Examples
from glorot.models.losses import OF_LINEAR_UNITS as LOSSES
from glorot.models.network import Layer


@pytest.fixture(scope="session", params=BACKENDS)
def network(request):
    """network(layers, activation, loss, batch_size, learning_rate, threads) -> this backend's kernels, set to these
    layers."""

    def make(layers, activation="tanh", loss="cross_entropy", batch_size=1, learning_rate=0.1, threads=1):
        sizes = (layers[0].W.shape[1], *(len(layer.b) for layer in layers))
        made = kernels.create(request.param, sizes, activation, loss, batch_size, learning_rate, threads)
        made.parameters = layers
        return made

    return make


def check_evaluation(made, layers, examples, activation, loss):
    losses, predictions = made.evaluate(examples)
    wanted, wanted_predictions = naive.evaluate(layers, examples, activation, loss)
    assert (losses.shape, losses.dtype) == ((len(examples),), np.float32)
    assert (predictions.shape, predictions.dtype) == ((len(examples),), np.uint8)
    assert_close(losses, wanted)
    logits = naive.forward(layers, examples.pixels, activation)[0][-1]
    ranked = np.sort(np.column_stack([logits, np.full(len(logits), -np.inf)]), axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > TOLERANCE * max(1, np.abs(logits).max())
    np.testing.assert_array_equal(predictions[clear], wanted_predictions[clear])


def check_step(made, layers, examples, activation, loss, learning_rate):
    """One update: its loss, and the change of every parameter, layer by layer, on the scale of the layer's changes."""
    mean_losses = made.train(examples)
    assert (mean_losses.shape, mean_losses.dtype) == ((1,), np.float64)
    assert_close(mean_losses, naive.evaluate(layers, examples, activation, loss)[0].mean())
    wanted = naive.sgd_step(layers, examples, activation, loss, learning_rate)
    for l, (before, after, (W, b)) in enumerate(zip(layers, made.parameters, wanted, strict=True)):
        for name, old, found, new in (("W", before.W, after.W, W), ("b", before.b, after.b, b)):
            assert (found.shape, found.dtype) == (old.shape, np.float32)
            rounding = 2.0**-23 * np.abs(old).max()  # of the new parameter itself
            change = np.abs(new - old).max()
            error = np.abs(found - new).max()
            assert error <= TOLERANCE * change + rounding, f"{name} of layer {l}: {error} of {change}"


def near_a_corner(layers, examples, activation):
    """Whether rounding may put a unit on the other side of a corner, where the slope jumps."""
    zs = naive.forward(layers, examples.pixels, activation)[0][:-1]
    largest = max(np.abs(z).max() for z in zs)
    corners = naive.CORNERS.get(activation, ())
    return any(np.abs(z - corner).min() < 3e-6 * max(largest, 1) for z in zs for corner in corners)


# Against the oracle. ----------------------------------------------------------------------------------------


@pytest.mark.simulated
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_gradient_is_the_numerical_one(network, activation, loss):
    """Every activation and loss. The gradient is read off one update; the numerical one comes from losses alone."""
    layers, examples = random_layers((5, 6, 4, 3)), random_examples(4, 5, 3)
    assert not near_a_corner(layers, examples, activation)
    learning_rate = 0.5
    made = network(layers, activation, loss, 4, learning_rate)
    made.train(examples)
    numerical = naive.numerical_gradients(layers, examples, activation, loss)
    analytical = naive.gradients(layers, examples, activation, loss)
    for before, after, (dW, db), oracle in zip(layers, made.parameters, numerical, analytical, strict=True):
        np.testing.assert_allclose((naive.float64(before.W) - after.W) / learning_rate, dW, rtol=0, atol=1e-6)
        np.testing.assert_allclose((naive.float64(before.b) - after.b) / learning_rate, db, rtol=0, atol=1e-6)
        np.testing.assert_allclose(oracle[0], dW, rtol=0, atol=1e-8)
        np.testing.assert_allclose(oracle[1], db, rtol=0, atol=1e-8)
        assert np.abs(dW).max() > 1e-3
        assert np.abs(db).max() > 1e-3


@pytest.mark.simulated
@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [((1, 1, 2), 1), ((13, 25, 14, 3), 3), ((20, 12, 5), 2), ((8, 9, 37, 9, 4), 1), ((10, 13, 5), 7)],
)
def test_small_shapes(network, sizes, batch_size):
    """One tile of weights and several, one tile of examples and several, one left over."""
    layers, examples = random_layers(sizes), random_examples(batch_size, sizes[0], sizes[-1])
    made = network(layers, "softsign", "cross_entropy", batch_size, 0.5)
    check_evaluation(made, layers, examples, "softsign", "cross_entropy")
    check_step(made, layers, examples, "softsign", "cross_entropy", 0.5)


@st.composite
def cases(draw):
    width = st.integers(1, 70)
    sizes = (draw(width), *draw(st.lists(width, min_size=1, max_size=10)), draw(st.integers(1, 20)))
    return (
        sizes,
        draw(st.integers(1, 45)),  # batch size
        *draw(st.sampled_from(PAIRS)),
        draw(st.sampled_from([1, 2, 3])),  # threads
        draw(st.integers(0, 2**20)),
    )


@settings(max_examples=250, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])  # fmt: skip
@given(cases())
@example(((1, 1, 1), 1, "tanh", "sigmoid_cross_entropy", 1, 0))
@example(((1, 1, 2), 1, "sigmoid", "cross_entropy", 3, 0))
@example(((15, 16, 17, 15, 2), 16, "softsign", "quadratic", 2, 0))
@example(((64, 64, 64, 16), 16, "gelu", "cross_entropy", 2, 0))
def test_odd_shapes(network, case):
    sizes, batch_size, activation, loss, threads, seed = case
    layers, examples = random_layers(sizes, seed), random_examples(batch_size, sizes[0], sizes[-1], seed)
    assume(not near_a_corner(layers, examples, activation))
    learning_rate = 0.5
    made = network(layers, activation, loss, batch_size, learning_rate, threads)
    check_evaluation(made, layers, examples, activation, loss)
    check_step(made, layers, examples, activation, loss, learning_rate)


@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [
        ((4000, 3, 9), 7),
        ((3, 4000, 2), 1),
        ((2, 5, 3999, 4, 256), 3),
        ((3072, 130, 10), 10),
        ((784, 101, 99, 97, 10), 10),
        ((20, 33, 5), 300),
        ((20, 200, 1000, 200, 9), 32),
        ((9, *(17,) * 10, 9), 13),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_large_and_lopsided_shapes(network, sizes, batch_size, threads):
    layers, examples = random_layers(sizes), random_examples(batch_size, sizes[0], sizes[-1])
    made = network(layers, "tanh", "cross_entropy", batch_size, 0.5, threads)
    check_evaluation(made, layers, examples, "tanh", "cross_entropy")
    check_step(made, layers, examples, "tanh", "cross_entropy", 0.5)


@pytest.mark.parametrize("batch_size", range(1, 19))
def test_every_remainder_of_the_batch_size(network, batch_size):
    layers, examples = random_layers((21, 18, 23, 5)), random_examples(batch_size, 21, 5)
    made = network(layers, "softsign", "cross_entropy", batch_size, 0.5)
    check_step(made, layers, examples, "softsign", "cross_entropy", 0.5)


@pytest.mark.parametrize("width", [*range(1, 36), 95, 96, 97, 98, 99])
def test_every_remainder_of_the_width(network, width):
    """Of what a layer gives and of what the next one gets; the panels' edge too."""
    layers, examples = random_layers((width, width, 6, width, 3)), random_examples(6, width, 3)
    made = network(layers, "tanh", "cross_entropy", 6, 0.5)
    check_step(made, layers, examples, "tanh", "cross_entropy", 0.5)


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 95, 96, 97, 100, 191, 193, 331])
@pytest.mark.parametrize("threads", [1, 3])
def test_evaluation_of_any_number_of_examples(network, count, threads):
    layers, examples = random_layers((19, 21, 7)), random_examples(count, 19, 7)
    made = network(layers, "tanh", "cross_entropy", 10, 0.1, threads)
    check_evaluation(made, layers, examples, "tanh", "cross_entropy")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_classes", [2, 9, 10, 16, 17, 256])
def test_first_and_last_class(network, loss, n_classes):
    layers = random_layers((11, 8, n_classes))
    for label in (0, n_classes - 1):
        examples = Examples(random_examples(3, 11, 2).pixels, np.full(3, label, np.uint8))
        made = network(layers, "tanh", loss, 3, 0.5)
        check_evaluation(made, layers, examples, "tanh", loss)
        check_step(made, layers, examples, "tanh", loss, 0.5)


def test_prediction_is_the_first_of_equals(network):
    """And the last, or the first, class where its logit is the largest."""
    examples = random_examples(3, 4, 5)
    for b, wanted in (([0] * 5, 0), ([1, 2, 2, 0, 2], 1), ([0, 0, 0, 0, 1], 4), ([3, 0, 0, 0, 1], 0)):
        layers = [Layer(np.zeros((2, 4), np.float32), np.zeros(2, np.float32)),
                  Layer(np.zeros((5, 2), np.float32), np.float32(b))]  # fmt: skip
        assert list(network(layers).evaluate(examples)[1]) == [wanted] * 3


def test_many_updates_follow_the_oracle(network):
    layers, examples = random_layers((30, 25, 20, 6)), random_examples(40 * 10, 30, 6)
    made = network(layers, "tanh", "cross_entropy", 10, 0.1)
    losses = made.train(examples)
    assert len(losses) == 40
    wanted = [Layer(naive.float64(W), naive.float64(b)) for W, b in layers]
    for u in range(40):
        minibatch = part(examples, 10 * u, 10 * u + 10)
        assert losses[u] == pytest.approx(
            naive.evaluate(wanted, minibatch, "tanh", "cross_entropy")[0].mean(), rel=1e-5
        )
        wanted = naive.sgd_step(wanted, minibatch, "tanh", "cross_entropy", 0.1)
    for found, (W, b) in zip(made.parameters, wanted, strict=True):
        assert_close(found.W, W)
        assert_close(found.b, b)


# Parameters, padding, neighbours. ------------------------------------------------------------------------------

ODD = [(1, 1, 2), (17, 31, 33, 9), (16, 16, 16, 16), (5, 100, 1, 7, 3)]


@pytest.mark.parametrize("sizes", ODD)
def test_parameters_read_back_as_set(network, sizes):
    layers = random_layers(sizes)
    made = network(layers)
    assert bits_of(made.parameters) == bits_of(layers)
    for layer in made.parameters:  # a copy: writing to it changes nothing
        layer.W[:], layer.b[:] = 7, 7
    assert bits_of(made.parameters) == bits_of(layers)
    made.evaluate(random_examples(50, sizes[0], sizes[-1]))
    assert bits_of(made.parameters) == bits_of(layers)


@pytest.mark.parametrize("sizes", ODD)
def test_parameters_carry_the_whole_state(network, sizes):
    """A network with another past, set to the same parameters, goes on with the same bits."""
    layers, examples = random_layers(sizes), random_examples(20 * 3, sizes[0], sizes[-1])
    made = network(layers, batch_size=3)
    made.train(part(examples, 0, 30))
    other = network(random_layers(sizes, seed=9, gain=30), batch_size=3)
    other.train(part(examples, 9, 60))
    other.evaluate(examples)
    other.parameters = made.parameters
    assert bits(other.train(part(examples, 30, 60))) == bits(made.train(part(examples, 30, 60)))
    assert bits_of(other.parameters) == bits_of(made.parameters)


@pytest.mark.simulated
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_a_diverged_network_can_be_set_anew(network, activation):
    """A finite loss, infinite deltas behind it: they meet the padding, and nothing of that may stay."""
    sizes = (5, 7, 6, 5, 3)
    examples = Examples(random_examples(3, 5, 3).pixels, np.arange(3, dtype=np.uint8))
    huge = [Layer(np.sign(W) * np.float32(1e20), np.zeros_like(b)) for W, b in random_layers(sizes)]
    for layer in huge[:2]:
        layer.W[:], layer.b[:] = 0, 1e-18
    made = network(huge, activation, batch_size=3)
    assert np.isfinite(made.train(examples)).all()
    assert not all(np.isfinite(layer.W).all() for layer in made.parameters)
    made.parameters = random_layers(sizes)
    fresh = network(random_layers(sizes), activation, batch_size=3)
    assert bits(*made.evaluate(examples)) == bits(*fresh.evaluate(examples))
    assert bits(made.train(examples)) == bits(fresh.train(examples))
    assert bits_of(made.parameters) == bits_of(fresh.parameters)


@pytest.mark.parametrize("sizes", ODD)
def test_an_examples_result_does_not_depend_on_its_neighbours(network, sizes):
    """Bit for bit: alone, in any company, at any place."""
    layers, examples = random_layers(sizes), random_examples(230, sizes[0], sizes[-1])
    made = network(layers, "tanh", "cross_entropy", 4, 0.1, threads=2)
    losses, predictions = made.evaluate(examples)
    for start, stop in ((0, 1), (1, 3), (7, 20), (100, 229), (229, 230)):
        some = made.evaluate(part(examples, start, stop))
        assert bits(*some) == bits(losses[start:stop], predictions[start:stop])
    order = np.random.default_rng(1).permutation(230)
    shuffled = made.evaluate(Examples(examples.pixels[order], examples.labels[order]))
    assert bits(*shuffled) == bits(losses[order], predictions[order])


@pytest.mark.simulated
def test_minibatch_loss_is_the_mean_of_its_examples(network):
    layers, examples = random_layers((13, 14, 5)), random_examples(11, 13, 5)
    made = network(layers, batch_size=11)
    losses, _ = made.evaluate(examples)
    assert made.train(examples)[0] == pytest.approx(naive.float64(losses).mean(), rel=1e-6)


@pytest.mark.simulated
def test_a_unit_without_weights_learns_by_its_bias_alone(network):
    """Black images: the first layer's weights stay as they are, bit for bit, its biases do not."""
    layers = random_layers((9, 8, 4))
    examples = Examples(np.zeros((5, 9), np.uint8), np.arange(5, dtype=np.uint8) % 4)
    made = network(layers, batch_size=5)
    made.train(examples)
    assert bits(made.parameters[0].W) == bits(layers[0].W)
    assert (made.parameters[0].b != layers[0].b).all()


# The same bits. ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "loss"), PAIRS)
@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [((37, 53, 1, 100, 17, 9), 7), ((3, 5, 4), 1), ((100, 150, 150, 10), 10), ((64, 128, 33, 10), 33)],
)
def test_same_bits_with_any_number_of_threads(network, sizes, batch_size, activation, loss):
    """Also with more threads than cores, or than units."""
    layers, examples = random_layers(sizes), random_examples(12 * batch_size, sizes[0], sizes[-1])
    evaluated = random_examples(333, sizes[0], sizes[-1], seed=1)
    results = set()
    for threads in (1, 2, 3, 5):
        made = network(layers, activation, loss, batch_size, 0.05, threads)
        results.add((bits(made.train(examples)), bits_of(made.parameters), bits(*made.evaluate(evaluated))))
    assert len(results) == 1
    assert np.isfinite(np.frombuffer(results.pop()[0])).all()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_same_bits_in_pieces(network, loss, threads):
    """A segment of 20 updates, or pieces of it with evaluations between them."""
    layers, examples = random_layers((40, 35, 30, 8)), random_examples(20 * 6, 40, 8)
    whole = network(layers, "tanh", loss, 6, 0.1, threads)
    losses = whole.train(examples)
    pieces = network(layers, "tanh", loss, 6, 0.1, threads)
    parts = []
    for start, stop in ((0, 1), (1, 8), (8, 20)):
        parts.append(pieces.train(part(examples, 6 * start, 6 * stop)))
        pieces.evaluate(part(examples, 0, 5 * stop))
    assert bits(*parts) == bits(losses)
    assert bits_of(pieces.parameters) == bits_of(whole.parameters)


# Divergence. ----------------------------------------------------------------------------------------------------


@pytest.mark.simulated
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("loss", ["cross_entropy", "sigmoid_cross_entropy"])
def test_a_diverging_run_says_where_and_makes_no_further_update(network, loss, threads):
    layers, examples = random_layers((10, 12, 11, 4)), random_examples(50 * 5, 10, 4)
    made = network(layers, "linear", loss, 5, 1e6, threads)
    losses = made.train(examples)
    assert 1 < len(losses) < 50
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])
    done = len(losses) - 1
    other = network(layers, "linear", loss, 5, 1e6, threads)
    assert bits(other.train(part(examples, 0, 5 * done))) == bits(losses[:-1])
    assert bits_of(other.parameters) == bits_of(made.parameters)


@pytest.mark.parametrize(("activation", "loss"), FEW)
def test_nan_in_a_parameter_shows_in_the_loss(network, activation, loss):
    for l in range(3):
        layers, examples = random_layers((6, 5, 4, 3)), random_examples(2 * 3, 6, 3)
        layers[l].W[-1, -1] = np.nan
        examples.pixels[0] = 255
        made = network(layers, activation, loss, 2)
        assert np.isnan(made.evaluate(examples)[0][0])
        losses = made.train(examples)
        assert len(losses) == 1
        assert np.isnan(losses[0])
        assert bits_of(made.parameters) == bits_of(layers)
