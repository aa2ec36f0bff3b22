"""What is seen of a network before training, as data; ``inspection.py`` makes it.

``reporting/inspection_text.py`` tells it.
"""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from glorot.models.activations import ACTIVATIONS
from glorot.models.architectures import MODELS, Convolutional, method_of
from glorot.models.initializers import INITIALIZERS
from glorot.models.layers import trainable
from glorot.models.losses import LOSSES
from glorot.training.theory import Factors, factors, factors_of, near_zero


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
    fan_in: float
    fan_out: float
    gain: float
    activation: Pair | None
    gradient: Pair
    weight_gradient: Pair | None
    jacobian: Pair | None
    saturation: float | None
    zero: float | None = None
    z: Pair | None = None

    @property
    def name(self) -> str:
        return str(self.layer)

    @property
    def units(self) -> int:
        return int(self.fan_out)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return int((self.fan_in + 1) * self.fan_out)


@dataclass(frozen=True)
class LayerOfMaps(LayerSeen):
    """A layer of maps, or of units behind such. fan_in, fan_out, gain: means over its units. kind: "C1". shape: of what
    it gives, (maps, height, width) or (units,). trainable: how many parameters. The output of RBF units has none, and
    neither a gain (NaN) nor a weight_gradient."""

    kind: str = ""
    shape: tuple[int, ...] = ()
    trainable: int = 0

    @property
    def name(self) -> str:
        return self.kind

    @property
    def units(self) -> int:
        return math.prod(self.shape)

    @property
    def parameters(self) -> int:
        return self.trainable


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
    layers: Sequence[LayerSeen]

    @property
    def method(self) -> str:
        """ "Tanh N"."""
        return f"{ACTIVATIONS[self.activation].label} {INITIALIZERS[self.initializer].suffix}".strip()

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(one.parameters for one in self.layers)

    @property
    def model_label(self) -> str:
        """ "LeNet-5"; empty of fully connected layers."""
        return ""

    @property
    def note(self) -> str:
        """What is to be said of its theory."""
        return ""

    def laws(self, initializer: str) -> list[Factors]:
        """Theory of every layer with weights, if they were drawn by this initializer, a key of INITIALIZERS."""
        sizes = [int(self.layers[0].fan_in), *(one.units for one in self.layers)]
        return factors(sizes, INITIALIZERS[initializer], near_zero(self.activation))

    @property
    def hidden(self) -> Sequence[LayerSeen]:
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


@dataclass(frozen=True)
class InspectionOfMaps(Inspection):
    """Of a convolutional network. model: a key of MODELS."""

    model: str = ""
    classes: int = 0

    @property
    def method(self) -> str:
        return method_of(self.model, (), self.activation, self.initializer)

    @property
    def model_label(self) -> str:
        return MODELS[self.model].method

    @property
    def note(self) -> str:
        return (
            "Theory takes neighbours in a map to be independent. They are alike: so the sums of 2 x 2 units in S2 and "
            "S4 vary up to four times as much, and weights that stand at many places get larger gradients."
        )

    def laws(self, initializer: str) -> list[Factors]:
        chosen = MODELS[self.model]
        assert isinstance(chosen, Convolutional)
        layers = [one for one in chosen.layers(self.classes, LOSSES[self.loss].rbf) if trainable(one)]
        return factors_of(layers, INITIALIZERS[initializer], near_zero(self.activation))


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
