"""Descriptions of layers: what they compute, their shapes, their weights and fans. Nothing here is trained.

A network is a tuple of layers, from the input on. Each has

    inputs, outputs     shapes: (maps, height, width), or (units,)
    weights, biases     shapes of its parameters
    rows()              for each of its maps or units: how many weights, fan_in, fan_out
    trainable           number of parameters
    connections         number of connections: each weight counts wherever it is used, biases too

Weights that stand at several places of a map are shared: a convolution has one kernel for all positions of a pair of
maps, a pooling layer one coefficient for a whole map.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glorot.models.initializers import INITIALIZERS, Scheme
from glorot.models.network import Layer
from glorot.randomness import generator

Shape = tuple[int, ...]


class Row(NamedTuple):
    """The weights of one map or unit. weights: how many numbers. fan_in: inputs of one of its units. fan_out: how many
    units of this layer an input in the middle of a map goes to. maps: the input maps it takes."""

    weights: int
    fan_in: int
    fan_out: int
    maps: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Dense:
    """z_j = sum_k W_jk a_k + b_j. W: (units, inputs). b: (units,)."""

    n_inputs: int
    n_units: int

    @property
    def inputs(self) -> Shape:
        return (self.n_inputs,)

    @property
    def outputs(self) -> Shape:
        return (self.n_units,)

    @property
    def weights(self) -> Shape:
        return (self.n_units, self.n_inputs)

    @property
    def biases(self) -> Shape:
        return (self.n_units,)

    @property
    def connections(self) -> int:
        return self.n_units * (self.n_inputs + 1)

    def rows(self) -> tuple[Row, ...]:
        return (Row(self.n_inputs, self.n_inputs, self.n_units),) * self.n_units


@dataclass(frozen=True)
class Convolution:
    """z_o(y, x) = b_o + sum_i sum_uv W_oi(u, v) a_i(y + u, x + v), i of the input maps that map o is connected with.

    table: for each map its input maps, ascending. side: of the kernels. W: (pairs, side, side), the pairs (o, i) in the
    order of the table. b: (maps,).
    """

    inputs: Shape
    side: int
    table: tuple[tuple[int, ...], ...]

    @property
    def maps(self) -> int:
        return len(self.table)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(map, input map) of each kernel."""
        return tuple((o, i) for o, row in enumerate(self.table) for i in row)

    @property
    def outputs(self) -> Shape:
        _, height, width = self.inputs
        return (self.maps, height - self.side + 1, width - self.side + 1)

    @property
    def weights(self) -> Shape:
        return (len(self.pairs), self.side, self.side)

    @property
    def biases(self) -> Shape:
        return (self.maps,)

    @property
    def connections(self) -> int:
        _, height, width = self.outputs
        return height * width * trainable(self)

    def rows(self) -> tuple[Row, ...]:
        """An input goes to `side` rows and columns of each map it is connected with, or to as many as there are."""
        maps_in, (_, height, width) = self.inputs[0], self.outputs
        places = min(self.side, height) * min(self.side, width)
        fan_out = round(len(self.pairs) * places / maps_in)
        return tuple(Row(len(row) * self.side**2, len(row) * self.side**2, fan_out, row) for row in self.table)


@dataclass(frozen=True)
class Pooling:
    """z(y, x) = c * (sum of 2 x 2 units) + b, with one c and one b per map. W: (maps,), the c. b: (maps,)."""

    inputs: Shape

    @property
    def outputs(self) -> Shape:
        maps, height, width = self.inputs
        return (maps, height // 2, width // 2)

    @property
    def weights(self) -> Shape:
        return (self.inputs[0],)

    @property
    def biases(self) -> Shape:
        return (self.inputs[0],)

    @property
    def connections(self) -> int:
        return 5 * math.prod(self.outputs)

    def rows(self) -> tuple[Row, ...]:
        return tuple(Row(1, 4, 1, (m,)) for m in range(self.inputs[0]))


@dataclass(frozen=True)
class Rbf:
    """logit_i = -sum_j (a_j - p_ij)^2, the distance to a fixed pattern, negative so that the nearest class has the
    largest logit. patterns: (classes, inputs), numbers."""

    patterns: tuple[tuple[float, ...], ...]

    @property
    def inputs(self) -> Shape:
        return (len(self.patterns[0]),)

    @property
    def outputs(self) -> Shape:
        return (len(self.patterns),)

    weights = biases = (0,)

    @property
    def connections(self) -> int:
        return len(self.patterns) * len(self.patterns[0])

    def rows(self) -> tuple[Row, ...]:
        return ()


Description = Dense | Convolution | Pooling | Rbf


def trainable(layer: Description) -> int:
    """How many parameters a layer has."""
    return math.prod(layer.weights) + math.prod(layer.biases)


def full_table(maps_in: int, maps: int) -> tuple[tuple[int, ...], ...]:
    """Each map is connected with every input map."""
    return (tuple(range(maps_in)),) * maps


def check_fit(layers: Sequence[Description]) -> None:
    """Raises ValueError where a layer does not take what the one before gives."""
    for one, other in itertools.pairwise(layers):
        if math.prod(one.outputs) != math.prod(other.inputs):
            raise ValueError(f"expected a layer of {one.outputs} inputs behind {one}, found {other}")


def initial_layer(
    layer: Description, initializer: Scheme, generator: "np.random.Generator", bias: float = 0.0
) -> Layer:
    """Parameters before training: each map's or unit's weights with its own fans, and all biases; float32.

    Rows of the same inputs are drawn together, as one matrix.
    """
    rows, drawn = layer.rows(), []
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop == len(rows) or rows[stop] != rows[start]:
            n, fan_in, fan_out, _ = rows[start]
            drawn.append(initializer.draw((stop - start, n), fan_in, fan_out, generator).reshape(-1))
            start = stop
    flat = np.concatenate(drawn) if drawn else np.empty(0, np.float32)
    return Layer(flat.reshape(layer.weights), np.full(layer.biases, bias, np.float32))


def initial_layers(layers: Sequence[Description], initializer: str, seed: int, bias: float = 0.0) -> list[Layer]:
    """Of each layer with parameters; initializer: a key of INITIALIZERS. A function of (seed, layer).

    bias: of all layers but the one that gives the outputs.
    """
    scheme, some = INITIALIZERS[initializer], [one for one in layers if trainable(one)]
    return [
        initial_layer(one, scheme.of_layer(l), generator(seed, "weights", l), 0.0 if one is layers[-1] else bias)
        for l, one in enumerate(some)
    ]
