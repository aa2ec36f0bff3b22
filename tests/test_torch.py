"""The CPU kernels against PyTorch: the same parameters, minibatches and steps give the same losses."""

import naive
import numpy as np
import pytest
from networks import PAIRS

from glorot import kernels
from glorot.bench import peers
from glorot.datasets.shapeset import Shapeset
from glorot.models.network import initial_parameters

torch = pytest.importorskip("torch")

UPDATES, BATCH_SIZE = 100, 10
SIZES = (1024, 120, 110, 100, 9)


def one_hot(labels):
    return torch.nn.functional.one_hot(labels, SIZES[-1]).float()


LOSSES = {
    "cross_entropy": torch.nn.functional.cross_entropy,
    "sigmoid_cross_entropy": lambda logits, labels: (
        torch.nn.functional.binary_cross_entropy_with_logits(logits, one_hot(labels), reduction="sum") / len(labels)
    ),
    "quadratic": lambda logits, labels: ((torch.sigmoid(logits) - one_hot(labels)) ** 2).sum() / 2 / len(labels),
}


def torch_network(layers, activation):
    modules = []
    for W, b in layers:
        linear = torch.nn.Linear(W.shape[1], W.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W))
            linear.bias.copy_(torch.from_numpy(b))
        modules += [linear, peers.twin(torch, activation).module]
    return torch.nn.Sequential(*modules[:-1])


def torch_losses(network, loss, learning_rate, pixels, labels):
    """Losses of UPDATES steps of SGD, each before its update."""
    optimizer = torch.optim.SGD(network.parameters(), learning_rate)
    losses = []
    for first in range(0, UPDATES * BATCH_SIZE, BATCH_SIZE):
        optimizer.zero_grad()
        cost = LOSSES[loss](network(pixels[first : first + BATCH_SIZE]), labels[first : first + BATCH_SIZE])
        cost.backward()
        optimizer.step()
        losses.append(cost.item())
    return losses


@pytest.fixture(scope="module")
def data():
    return Shapeset()


def tensors(examples):
    return torch.from_numpy(examples.pixels).float() / 255, torch.from_numpy(examples.labels).long()


@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_100_updates_give_the_same_losses_and_predictions(data, activation, loss):
    layers = initial_parameters(SIZES, "normalized", 0)
    learning_rate = 0.001 if activation in ("linear", "selu") else 0.05  # larger ones make the loss infinite
    examples, test = data.train(0, 0, UPDATES * BATCH_SIZE), data.test.first(2000)

    ours = kernels.create("cpu", SIZES, activation, loss, BATCH_SIZE, learning_rate, 1)
    ours.parameters = layers
    losses = ours.train(examples)
    _, predictions = ours.evaluate(test)

    network = torch_network(layers, activation)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        wanted = torch_losses(network, loss, learning_rate, *tensors(examples))
        with torch.no_grad():
            logits = network(tensors(test)[0])
    finally:
        torch.set_num_threads(threads)

    # A slope that jumps: where z is there but for rounding, the two go apart, sooner or later by the processor.
    tolerance, margin = (2e-3, 1e-2) if activation in naive.CORNERS else (1e-4, 1e-4)
    np.testing.assert_allclose(losses, wanted, rtol=tolerance)
    assert not np.array_equal(ours.parameters[0].W, layers[0].W), "nothing was learnt"
    best = logits.topk(2).values.double()
    clear = (best[:, 0] - best[:, 1] > margin).numpy()
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(predictions[clear], logits.argmax(dim=1).numpy()[clear])
