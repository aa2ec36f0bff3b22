"""What is seen of a network before training, as data; ``inspection.py`` makes it.

``reporting/inspection_text.py`` tells it.
"""

import itertools
import json
import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import INITIALIZERS


class Pair(NamedTuple):
    """A number measured, and what theory says of it; None where it says nothing."""

    measured: float
    theory: float | None


@dataclass(frozen=True)
class LayerSeen:
    """One layer; the last one gives the logits and has neither activation nor Jacobian.

    gain: fan_in Var[W] by the initializer's law. activation, gradient: variance of a^l and mean square of dC/dz^l,
    over units and examples. weight_gradient: variance of one example's dC/dW^l. jacobian: mean singular value of
    da^l/da^(l-1), from the second layer on. saturation: share of units with less than 5 % of the largest slope; zero:
    share of activations that are exactly 0, for units that give 0 over a whole range, such as ReLU, in its place.
    z: variance of the pre-activations.
    """

    layer: int
    fan_in: int
    fan_out: int
    gain: float
    activation: Pair | None
    gradient: Pair
    weight_gradient: Pair
    jacobian: Pair | None
    saturation: float | None
    zero: float | None = None
    z: Pair | None = None


@dataclass(frozen=True)
class Inspection:
    """A network as it is before training. dataset: its name. input_square: E[x^2]. layers: from the first hidden one
    to the output."""

    activation: str
    initializer: str
    loss: str
    dataset: str
    inputs: str
    examples: int
    seed: int
    input_square: float
    layers: list[LayerSeen]

    @property
    def method(self) -> str:
        """ "Tanh N"."""
        return f"{ACTIVATIONS[self.activation].label} {INITIALIZERS[self.initializer].suffix}".strip()

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((one.fan_in + 1) * one.fan_out for one in self.layers)

    @property
    def hidden(self) -> list[LayerSeen]:
        return self.layers[:-1]

    def factors(self, quantity: str) -> Pair:
        """Geometric mean of the factor a layer between the first and the last hidden one.

        quantity: "activation", of a layer over the one below; "gradient", of a layer over the one above: each in
        the direction in which it spreads. NaN where there is one hidden layer, or nothing arrives.
        """
        first, last = (getattr(one, quantity) for one in (self.hidden[0], self.hidden[-1]))
        ends = (first, last) if quantity == "activation" else (last, first)
        steps = len(self.hidden) - 1
        return Pair(*(_root(ratio(end, start), steps) for start, end in zip(*ends, strict=True)))

    def ratios(self, quantity: str) -> list[float]:
        """The measured factors a layer that `factors` is the mean of, from the input upwards."""
        pairs = itertools.pairwise(getattr(one, quantity).measured for one in self.hidden)
        return [ratio(*(pair[::-1] if quantity == "activation" else pair)) for pair in pairs]

    def json(self) -> str:
        """Everything, for programs. Numbers that are not finite are null."""
        record = asdict(self) | {"layers": [asdict(one) for one in self.layers], "parameters": self.parameters}
        for name in ("activation", "gradient"):
            record[f"{name}_factor_a_layer"] = self.factors(name)
        return json.dumps(_plain(record), indent=2) + "\n"


def ratio(one: float | None, other: float | None) -> float:
    """one / other; NaN where there is none."""
    if one is None or not other or not (math.isfinite(one) and math.isfinite(other)):
        return math.nan
    return one / other


def _root(number: float, degree: int) -> float:
    return number ** (1 / degree) if degree else math.nan


def _plain(value):
    """Without tuples' names, and with null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Pair):
        return {"measured": _plain(value.measured), "theory": _plain(value.theory)}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
