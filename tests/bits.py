"""Trains one small, odd network of each activation, loss and optimizer, and LeNet-5, and prints a digest of each as
JSON: of its losses, weights and evaluations, bit for bit; and of the images. For test_reproducible.py and arm.py.

    python tests/bits.py [THREADS [WHAT...]]

WHAT: parts of names, such as tanh; else all.
"""

import hashlib
import itertools
import json
import sys

from glorot import kernels
from glorot.datasets.shapeset import Shapeset
from glorot.models import lenet5
from glorot.models.activations import ACTIVATIONS
from glorot.models.layers import initial_layers
from glorot.models.losses import OF_LINEAR_UNITS as LOSSES
from glorot.models.network import initial_parameters
from glorot.models.optimizers import OPTIMIZERS

SIZES, BATCH, RATE = (1024, 77, 100, 33, 9), 11, 0.05


def digests(threads, wanted):
    shapeset, (first, *_) = Shapeset(), ACTIVATIONS
    examples, looked_at = shapeset.train(0, 0, 40 * BATCH), shapeset.test.first(203)

    def digest(network, layers):
        network.parameters = layers
        found = hashlib.sha256(network.train(examples).tobytes())
        for array in (*(array for layer in network.parameters for array in layer), *network.evaluate(looked_at)):
            found.update(array.tobytes())
        return found.hexdigest()

    def fully_connected(activation, loss, optimizer="sgd"):
        kernels.prepare("cpu", activation, loss, optimizer)
        network = kernels.create("cpu", SIZES, activation, loss, BATCH, RATE, threads, optimizer=optimizer)
        if OPTIMIZERS[optimizer].statistic:
            network.estimate(examples)
        return digest(network, initial_parameters(SIZES, "normalized", 3))

    def convolutional():
        layers = lenet5.layers(9)
        network = kernels.create_convolutional(layers, (32, 32), "tanh", "cross_entropy", BATCH, RATE, threads)
        return digest(network, initial_layers(layers, "normalized", 3))

    made = {"images": lambda: hashlib.sha256(examples.pixels.tobytes() + examples.labels.tobytes()).hexdigest()}
    for pair in dict.fromkeys([*zip(ACTIVATIONS, itertools.cycle(LOSSES)), *((first, loss) for loss in LOSSES)]):
        made[" ".join(pair)] = lambda pair=pair: fully_connected(*pair)
    for optimizer in OPTIMIZERS:
        if optimizer != "sgd":
            made[optimizer] = lambda optimizer=optimizer: fully_connected(first, "cross_entropy", optimizer)
    made["LeNet-5"] = convolutional
    return {name: make() for name, make in made.items() if not wanted or any(part in name for part in wanted)}


if __name__ == "__main__":
    print(json.dumps(digests(int((sys.argv[1:] or [1])[0]), sys.argv[2:]), indent=1))
