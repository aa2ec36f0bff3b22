"""The kernels of convolutional networks against the float64 oracle, PyTorch and themselves."""

import itertools

import naive_layers
import numpy as np
import pytest
from test_kernels import TOLERANCE, assert_close, bits, bits_of, part

from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.kernels.convolution_network import ConvolutionKernels
from glorot.models import lenet5
from glorot.models.layers import Convolution, Dense, Pooling, Rbf, full_table
from glorot.models.network import Layer

LENET5 = lenet5.layers(10)


def small(height=16, width=16, maps=(3, 4), n_classes=3):
    """Two pairs of layers, the second with a table, and two full ones."""
    c1 = Convolution((1, height, width), 5, full_table(1, maps[0]))
    s2 = Pooling(c1.outputs)
    c3 = Convolution(s2.outputs, 5, tuple((m % 3, 3) if m % 2 else (m % 3,) for m in range(maps[1])))
    if maps[0] < 4:
        c3 = Convolution(s2.outputs, 5, ((0, 1), (1, 2), (0, 2), (0, 1, 2)))
    s4 = Pooling(c3.outputs)
    return c1, s2, c3, s4, Dense(int(np.prod(s4.outputs)), 7), Dense(7, n_classes)


def random_parameters(layers, seed=0):
    """Weights that keep the signal alive, and biases that matter."""
    generator = np.random.default_rng(seed)
    found = []
    for layer in (one for one in layers if not isinstance(one, Rbf)):
        stds = [np.full(row.weights, 1 / np.sqrt(row.fan_in)) for row in layer.rows()]
        W = generator.normal(0, np.concatenate(stds)).reshape(layer.weights)
        found.append(Layer(W.astype(np.float32), generator.normal(0, 0.3, layer.biases).astype(np.float32)))
    return found


def random_examples(layers, n, image=None, n_classes=None, seed=0):
    generator = np.random.default_rng(seed)
    height, width = image or layers[0].inputs[1:]
    labels = generator.integers(0, n_classes or layers[-1].outputs[0], n, dtype=np.uint8)
    return Examples(generator.integers(0, 256, (n, height * width), dtype=np.uint8), labels)


def seen_by(layers, examples, image=None, levels=UNIT):
    """What the oracle gets: images in the middle of the input, the rest like byte 0."""
    _, height, width = layers[0].inputs
    h, w = image or (height, width)
    images = np.full((len(examples), height, width), np.float64(levels[0]))
    top, left = (height - h) // 2, (width - w) // 2
    images[:, top : top + h, left : left + w] = levels[examples.pixels].reshape(-1, h, w)
    return images


def network(layers, parameters, batch_size=1, learning_rate=0.1, threads=1, image=None, **more):
    more = {"activation": "tanh", "loss": "cross_entropy"} | more
    size = image or layers[0].inputs[1:]
    made = ConvolutionKernels(layers, size, batch_size=batch_size, learning_rate=learning_rate, threads=threads, **more)
    made.parameters = parameters
    return made


def check(layers, batch_size, threads=1, image=None, levels=UNIT):
    """Evaluation and one update, against the oracle."""
    parameters, examples = random_parameters(layers), random_examples(layers, batch_size, image)
    made = network(layers, parameters, batch_size, 0.5, threads, image, levels=levels)
    images = seen_by(layers, examples, image, levels)
    wanted, classes = naive_layers.evaluate(layers, parameters, images, examples.labels, "tanh", "cross_entropy")
    losses, predictions = made.evaluate(examples)
    assert_close(losses, wanted)
    np.testing.assert_array_equal(predictions, classes)
    assert_close(made.train(examples), wanted.mean())
    steps, _ = naive_layers.backward(layers, parameters, images, examples.labels, "tanh", "cross_entropy")
    for l, (before, after, step) in enumerate(zip(parameters, made.parameters, steps, strict=True)):
        for old, new, gradient in zip(before, after, step, strict=True):
            assert (new.shape, new.dtype) == (old.shape, np.float32)
            rounding = 2.0**-23 * np.abs(old).max()
            change = 0.5 * np.abs(gradient).max()
            error = np.abs(np.float64(old) - 0.5 * gradient - new).max()
            assert error <= TOLERANCE * change + rounding, f"layer {l}: {error} of {change}"


def test_gradient_is_the_numerical_one():
    """Of every kind of layer: the oracle's by its losses alone, and the kernels' by one update."""
    layers = small()
    parameters, examples = random_parameters(layers), random_examples(layers, 1)
    images, labels = seen_by(layers, examples), examples.labels
    numerical = naive_layers.numerical_gradients(layers, parameters, images, labels, "tanh", "cross_entropy")
    analytical, _ = naive_layers.backward(layers, parameters, images, labels, "tanh", "cross_entropy")
    made = network(layers, parameters, 1, 0.5)
    made.train(examples)
    for before, after, step, oracle in zip(parameters, made.parameters, numerical, analytical, strict=True):
        for old, new, wanted, exact in zip(before, after, step, oracle, strict=True):
            np.testing.assert_allclose(exact, wanted, rtol=0, atol=1e-8)
            np.testing.assert_allclose((np.float64(old) - new) / 0.5, wanted, rtol=0, atol=1e-6)
            assert np.abs(wanted).max() > 1e-4


@pytest.mark.parametrize("batch_size", [1, 10])
def test_lenet5_is_the_oracles(batch_size):
    """With a border around the images, which is as what the network sees of byte 0."""
    check(LENET5, batch_size, image=(28, 28), levels=(np.arange(256) / 200 - 0.1).astype(np.float32))


@pytest.mark.parametrize(
    ("height", "width", "maps", "batch_size", "threads"),
    [(16, 16, (3, 4), 1, 2), (20, 24, (4, 5), 6, 3), (36, 40, (5, 9), 4, 1), (24, 68, (4, 17), 7, 1)],
)
def test_other_shapes(height, width, maps, batch_size, threads):
    """One vector along a row and several, tiles of rows that divide the height and others."""
    check(small(height, width, maps), batch_size, threads)


def test_probe_is_the_oracles():
    examples = random_examples(LENET5, 19)  # more than pass together
    parameters = random_parameters(LENET5)
    made = network(LENET5, parameters)
    activations, deltas, slopes, gradients = made.probe(examples)
    assert bits(*slopes) == bits(*activations)
    images = seen_by(LENET5, examples)
    _, zs = naive_layers.forward(LENET5, parameters, images, "tanh")
    steps, wanted = naive_layers.backward(LENET5, parameters, images, examples.labels, "tanh", "cross_entropy")
    for found, z in zip(activations, zs[:-1], strict=True):
        assert_close(found, np.tanh(z).reshape(len(z), -1))
    for found, delta in zip(deltas, wanted, strict=True):
        assert_close(found, delta.reshape(len(delta), -1), scale=1e-2)
    for layer, (W, b) in zip(gradients, steps, strict=True):
        assert_close(layer.W, W, scale=1e-2)
        assert_close(layer.b, b, scale=1e-2)
    assert bits_of(made.parameters) == bits_of(parameters)


def test_same_bits_with_any_number_of_threads_and_in_pieces():
    """Also with more threads than examples."""
    layers = small(20, 24, (4, 5))
    parameters, examples = random_parameters(layers), random_examples(layers, 12 * 3)
    results = set()
    for threads, pieces in ((1, (0, 36)), (2, (0, 36)), (5, (0, 36)), (2, (0, 3, 15, 36))):
        made = network(layers, parameters, 3, 0.05, threads)
        losses = []
        for start, stop in itertools.pairwise(pieces):
            losses.append(made.train(part(examples, start, stop)))
            made.evaluate(part(examples, 0, stop))
        results.add((bits(*losses), bits_of(made.parameters), bits(*made.evaluate(examples))))
    assert len(results) == 1
    assert np.isfinite(np.frombuffer(results.pop()[0])).all()


def test_an_examples_result_does_not_depend_on_its_neighbours():
    made, examples = network(LENET5, random_parameters(LENET5), threads=2), random_examples(LENET5, 50)
    whole = made.evaluate(examples)
    for start, stop in ((0, 1), (7, 20), (49, 50)):
        some = made.evaluate(part(examples, start, stop))
        assert bits(*some) == bits(*(values[start:stop] for values in whole))


def test_a_diverging_run_says_where_and_can_be_set_anew():
    """No update is made after the loss was not finite, and nothing of it stays."""
    layers = small()
    examples = random_examples(layers, 40)
    made = network(layers, random_parameters(layers), 4, 1e38)
    losses = made.train(examples)
    assert 1 <= len(losses) < 10
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])
    made.learning_rate = 0.1
    made.parameters = random_parameters(layers)
    fresh = network(layers, random_parameters(layers), 4, 0.1)
    assert bits(made.train(examples), *made.evaluate(examples)) == bits(
        fresh.train(examples), *fresh.evaluate(examples)
    )
    assert bits_of(made.parameters) == bits_of(fresh.parameters)


def test_momentum():
    """Two updates: what is kept of each parameter, in its own shape, is set and read, and moves it."""
    layers = small()
    parameters, examples = random_parameters(layers), random_examples(layers, 4)
    plain = network(layers, parameters, 4, 1.0)
    plain.train(examples)
    made = network(layers, parameters, 4, 1.0, optimizer="momentum(momentum=0.5, nesterov=false)")
    made.memory = {"velocity": parameters}
    made.train(examples)
    for old, sgd, new, kept in zip(parameters, plain.parameters, made.parameters, made.memory["velocity"], strict=True):
        for w, after, moved, velocity in zip(old, sgd, new, kept, strict=True):
            np.testing.assert_allclose(velocity, 0.5 * w + (w - after), rtol=0, atol=2e-6)
            np.testing.assert_allclose(moved, w - velocity, rtol=0, atol=2e-6)


def test_rbf_units():
    """LeNet-5 as it was: distances to bitmaps, and the loss of eq. 9; the gradient of F6 and below through them."""
    layers = lenet5.layers(10, rbf=True)
    parameters, examples = random_parameters(layers), random_examples(layers, 3)
    with_small_a = [Layer(W * np.float32(0.2), b) for W, b in parameters]  # so that no distance decides alone
    images = seen_by(layers, examples)
    made = network(layers, with_small_a, 3, 0.01, loss="rbf_map")
    wanted, classes = naive_layers.evaluate(layers, with_small_a, images, examples.labels, "tanh", "rbf_map")
    losses, predictions = made.evaluate(examples)
    assert_close(losses, wanted)
    np.testing.assert_array_equal(predictions, classes)
    made.train(examples)
    steps, _ = naive_layers.backward(layers, with_small_a, images, examples.labels, "tanh", "rbf_map")
    for before, after, step in zip(with_small_a, made.parameters, steps, strict=True):
        for old, new, gradient in zip(before, after, step, strict=True):
            rounding = 2.0**-23 * np.abs(old).max()
            assert np.abs(np.float64(old) - 0.01 * gradient - new).max() <= 1e-7 * np.abs(gradient).max() + rounding
    tiny = (*small(16, 16)[:-1], Rbf(((1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0), (-1.0,) * 7, (1.0,) * 7)))
    parameters, examples = random_parameters(tiny), random_examples(tiny, 2)
    images, labels = seen_by(tiny, examples), examples.labels
    for loss in ("rbf", "rbf_map"):
        numerical = naive_layers.numerical_gradients(tiny, parameters, images, labels, "tanh", loss)
        analytical, _ = naive_layers.backward(tiny, parameters, images, labels, "tanh", loss)
        for one, other in zip(numerical, analytical, strict=True):
            np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((Dense(4, 3),), "a convolution first"),
        ((Convolution((1, 9, 9), 3, ((0,),)), Pooling((1, 7, 7))), "kernels of 5 x 5"),
        ((Convolution((1, 9, 9), 5, ((0,),)), Dense(25, 3)), "a pooling layer behind"),
        ((Convolution((1, 9, 9), 5, ((0,),)), Pooling((1, 5, 5))), "even height and width"),
        ((Convolution((1, 8, 8), 5, ((0,),)), Pooling((1, 4, 4))), "a fully connected layer behind"),
    ],
)
def test_what_these_kernels_cannot_do(layers, reason):
    with pytest.raises(ValueError, match=reason):
        ConvolutionKernels(layers, layers[0].inputs[1:], "tanh", "cross_entropy", 1, 0.1)


@pytest.fixture
def torch():
    """PyTorch on one thread."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def test_60_updates_are_pytorchs(torch):
    """The same network as a user of PyTorch writes it, where kernels that are no connection are held at 0."""
    layers = lenet5.layers(4)
    parameters = random_parameters(layers)
    random, batch_size = np.random.default_rng(0), 5
    labels = random.integers(0, 4, 60 * batch_size, dtype=np.uint8)
    waves = np.sin(np.arange(1024) * (0.2 + 0.2 * labels[:, None]) + random.uniform(0, 6, (len(labels), 1)))
    examples = Examples((127 + 100 * waves).astype(np.uint8), labels)
    losses = network(layers, parameters, batch_size, 0.05).train(examples)

    def full(layer, W):
        """(maps, input maps, 5, 5), 0 where there is no kernel."""
        whole = np.zeros((layer.maps, layer.inputs[0], 5, 5), np.float32)
        for (o, i), kernel in zip(layer.pairs, W, strict=True):
            whole[o, i] = kernel
        return torch.tensor(whole)

    leaves = [
        (full(one, W) if isinstance(one, Convolution) else torch.tensor(W), torch.tensor(b))
        for one, (W, b) in zip(layers, parameters, strict=True)
    ]
    flat = [leaf.requires_grad_() for pair in leaves for leaf in pair]
    mask = full(layers[2], np.ones(layers[2].weights, np.float32))
    x, wanted = torch.tensor(seen_by(layers, examples).astype(np.float32))[:, None], []
    for first in range(0, len(labels), batch_size):
        a = x[first : first + batch_size]
        for l, (W, b) in enumerate(leaves):
            if isinstance(layers[l], Convolution):
                z = torch.nn.functional.conv2d(a, W * mask if l == 2 else W, b)
            elif isinstance(layers[l], Pooling):
                z = 4 * torch.nn.functional.avg_pool2d(a, 2) * W[:, None, None] + b[:, None, None]
            else:
                z = a.reshape(len(a), -1) @ W.T + b
            a = torch.tanh(z)
        cost = torch.nn.functional.cross_entropy(z, torch.tensor(labels[first : first + batch_size]).long())
        with torch.no_grad():
            for leaf, gradient in zip(flat, torch.autograd.grad(cost, flat), strict=True):
                leaf -= 0.05 * gradient
        wanted.append(cost.item())
    np.testing.assert_allclose(losses, wanted, rtol=1e-4, atol=1e-6)
    assert losses[-20:].mean() < 0.8 * losses[:20].mean(), "nothing was learnt"
