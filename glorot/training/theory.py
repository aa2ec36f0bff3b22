"""What theory says of a network before training: Glorot & Bengio (2010), equations 5, 6 and 14, near z = 0.

Units that are other than f(z) = z near 0 enter with their slopes on both sides of 0 and their value at 0: ``Regime``.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import Scheme
from glorot.models.layers import Description


class Regime(NamedTuple):
    """A unit near z = 0, straight on both sides: f(z) = value + below * z for z < 0, value + above * z for z > 0."""

    value: float
    below: float
    above: float

    @property
    def slope_square(self) -> float:
        """Mean of f'(z)^2 over z of either sign."""
        return (self.below**2 + self.above**2) / 2

    @property
    def gives_zero(self) -> bool:
        """Whether f(z) is exactly 0 on one side, as ReLU's is."""
        return self.value == 0 and self.below == 0

    def moments(self, z_square: float) -> tuple[float, float]:
        """Mean and mean square of f(z), z normal of mean 0 and this variance."""
        bent = (self.above - self.below) * math.sqrt(z_square / (2 * math.pi))
        return self.value + bent, self.value**2 + 2 * self.value * bent + self.slope_square * z_square


def near_zero(activation: str) -> Regime:
    """The linear regime of an activation function (a key of ACTIVATIONS)."""
    f, step = ACTIVATIONS[activation], np.float32(1e-6)
    slopes = (round(float(f.slope_at(z)), 5) for z in (-step, step))
    return Regime(float(f.value(np.float32(0))), *slopes)


class Factors(NamedTuple):
    """What a layer does to variances: forward: fan_in Var[W]; gradient: from dC/dz of this layer to the one below."""

    forward: float
    gradient: float


def factors(sizes: Sequence[int], initializer: Scheme, regime: Regime) -> list[Factors]:
    """Of every layer. sizes: from the inputs to the outputs."""
    found = []
    for l, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        variance = initializer.of_layer(l).variance(fan_in, fan_out)
        found.append(Factors(fan_in * variance, fan_out * variance * regime.slope_square))
    return found


def factors_of(layers: Sequence[Description], initializer: Scheme, regime: Regime) -> list[Factors]:
    """Of every layer, all with weights, where these may be shared: means over its units, and over those below."""
    found = []
    for l, layer in enumerate(layers):
        chosen, rows = initializer.of_layer(l), layer.rows()
        arriving = [row.fan_in * chosen.variance(row.fan_in, row.fan_out) for row in rows]
        forward = sum(arriving) / len(rows)
        connections = places(layer) * sum(arriving)  # each by its Var[W]
        found.append(Factors(forward, connections / math.prod(layer.inputs) * regime.slope_square))
    return found


def places(layer: Description) -> int:
    """At how many places each weight stands."""
    return math.prod(layer.outputs[1:])


def forward_theory(input_square: float, laws: Sequence[Factors], regime: Regime) -> tuple[list[float], list[float]]:
    """Variance, and mean square, of the activations of each hidden layer (eq. 5). laws: of the hidden layers."""
    variances, squares, below = [], [], input_square
    for law in laws:
        mean, below = regime.moments(below * law.forward)
        variances.append(below - mean**2)
        squares.append(below)
    return variances, squares


def backward_theory(output_square: float, laws: Sequence[Factors]) -> list[float]:
    """Mean square of dC/dz of every layer (eq. 6), from that of the output, which is measured. laws: of all layers."""
    found = [output_square]
    for law in reversed(laws[1:]):
        found.insert(0, found[0] * law.gradient)
    return found


def singular_value_theory(fan_in: int, fan_out: int, initializer: Scheme, regime: Regime) -> float | None:
    """Mean singular value of diag(f') W at z = 0; None for units whose slope is not one number there.

    Of independent weights it is sqrt(n Var[W]) times the mean of the Marchenko-Pastur law, n the larger side:
    8 / (3 pi) for square layers, nearer to 1 for others. An orthogonal matrix has but one singular value.
    """
    if regime.below != regime.above:
        return None
    larger, share = max(fan_in, fan_out), min(fan_in, fan_out) / max(fan_in, fan_out)
    scale = math.sqrt(larger * initializer.variance(fan_in, fan_out)) * regime.above
    if initializer.distribution == "orthogonal":
        return scale
    angle = (np.arange(10_000) + 0.5) * math.pi / 10_000  # eigenvalue 1 + share + 2 sqrt(share) cos(angle)
    eigenvalues = 1 + share + 2 * math.sqrt(share) * np.cos(angle)
    return scale * float(2 * (np.sin(angle) ** 2 / np.sqrt(eigenvalues)).mean())


class Steepest(NamedTuple):
    """The largest slope of an activation function, and the z nearest to 0 where it has it."""

    slope: float
    z: float


@cache
def steepest(activation: str) -> Steepest:
    """1/4 at z = 0 of the sigmoid; 1 at z = 0 of tanh."""
    f = ACTIVATIONS[activation]
    zs = sorted(np.linspace(-30, 30, 6001, dtype=np.float32), key=abs)
    return max((Steepest(float(f.slope_at(z)), float(z)) for z in zs), key=lambda one: one.slope)
