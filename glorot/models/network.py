"""The network: layer sizes and parameters. Layers are fully connected; the last one gives the logits."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from glorot.models.initializers import INITIALIZERS
from glorot.randomness import generator


class Layer(NamedTuple):
    """W: (fan_out, fan_in) float32. b: (fan_out,) float32."""

    W: np.ndarray
    b: np.ndarray


def layer_sizes(n_inputs: int, hidden: tuple[int, ...], n_classes: int) -> tuple[int, ...]:
    """Sizes from the input to the output, such as (1024, 1000, 1000, 9)."""
    return (n_inputs, *hidden, n_classes)


def initial_parameters(sizes: tuple[int, ...], initializer: str, seed: int, bias: float = 0.0) -> list[Layer]:
    """Parameters before training: weights by the initializer (a key of INITIALIZERS), as they are drawn.

    bias: of all hidden units; those of the output are 0.
    """
    scheme = INITIALIZERS[initializer]
    return [
        Layer(
            scheme.of_layer(l).sample(fan_in, fan_out, generator(seed, "weights", l)),
            np.full(fan_out, bias if l < len(sizes) - 2 else 0, np.float32),
        )
        for l, (fan_in, fan_out) in enumerate(pairwise(sizes))
    ]
