"""The first parameters of a network of fully connected layers: drawn, and scaled on examples where its initializer asks
for it.

LSUV (Mishkin & Matas 2016, "All you need is a good init", algorithm 1): orthogonal weights; then, from the first layer
to the last, W is divided by the standard deviation of the layer's z over all its units and some examples. As z is
linear in W, its variance is 1 after one such step.
"""

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from glorot.datasets import Dataset, Examples
from glorot.datasets.inputs import seen
from glorot.errors import GlorotError
from glorot.kernels.protocol import Kernels
from glorot.models.initializers import INITIALIZERS
from glorot.models.network import Layer, initial_parameters

if TYPE_CHECKING:
    from glorot.training.probes import Network


def begin(
    network: Kernels, sizes: tuple[int, ...], initializer: str, seed: int, dataset: Dataset, bias: float = 0.0
) -> None:
    """Set the network's first parameters: a function of (initializer, seed, bias) and, where the initializer depends on
    data, of the first training examples. initializer: a key of INITIALIZERS. Raises GlorotError."""
    network.parameters = initial_parameters(sizes, initializer, seed, bias)
    if examples := INITIALIZERS[initializer].examples:
        give_unit_variance(network, dataset.train(seed, 0, examples))


def give_unit_variance(network: Kernels, examples: Examples) -> None:
    """Scale the weights of each layer so that its z have variance 1 on these examples. Raises GlorotError."""
    layers = network.parameters
    for l, (W, b) in enumerate(layers):
        below = network.probe(examples).activations[l - 1] if l else inputs_of(network, examples)
        with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
            deviation = np.float32(
                (below.astype(np.float64) @ W.T.astype(np.float64)).std()
            )  # rounded: no order of sums is seen
        if not (np.isfinite(deviation) and deviation > 0):
            raise GlorotError(
                f"initializer lsuv: expected z of layer {l + 1} that differ, found a standard deviation of {deviation} "
                f"on {len(examples)} training examples; choose another initializer or activation"
            )
        layers[l] = Layer(W / deviation, b)
        network.parameters = layers


def inputs_of(network: "Network", examples: Examples) -> np.ndarray:
    """What a network sees of some examples, (n, inputs) float32."""
    return seen(network.levels, examples.pixels.reshape(len(examples), -1))
