"""Unsupervised pre-training: what the layers learn, one after the other, before the network sees a label.

``denoising`` (Vincent et al. 2008, as in Erhan et al. 2010 and section 3 of Glorot & Bengio 2010): layer l is the
encoder of an autoencoder. Its input t, the clean output of the layers below, is corrupted: each number is set to 0 with
a probability. From the code y of what is left, the decoder s = W^T y + c has to tell t; c begins at 0. The cost is
summed over the units and averaged over the minibatch:

    cross_entropy    t in [0, 1]:   -t log p - (1 - t) log(1 - p),  p = sigmoid(s)
                     t in [-1, 1]:  the same of (t + 1) / 2 and 2 s, so that the decoder's mean is tanh(s)
    squared_error    (s - t)^2 / 2

As with losses, ``value(s, t)`` is a unit's share of the cost and ``delta(s, t)`` its derivative, on float32 scalars.
"""

from collections.abc import Callable
from dataclasses import dataclass

from glorot.compiled.elementary import HALF, ONE, ZERO, exp, log1p
from glorot.compiled.elementary import tanh as _tanh
from glorot.models.activations import sigmoid
from glorot.registry import Family, Number, Numbers, OneOf, Registry, Switch

RANGES = {"unit": "unit", "sigmoid": "unit", "symmetric": "symmetric", "tanh": "symmetric"}  # of inputs and activations


@dataclass(frozen=True)
class Decoder:
    """value, delta: see above."""

    value: Callable
    delta: Callable


@dataclass(frozen=True)
class Pretraining:
    """How each hidden layer is trained. suffix: what a row label gets where a sweep compares it.

    corruption: of each layer, or of all. updates: of each layer.
    """

    suffix: str
    formula: str
    corruption: float | tuple[float, ...] = 0.0
    updates: int = 0
    learning_rate: float = 0.0
    loss: str = ""

    def corruptions(self, layers: int) -> tuple[float, ...]:
        """Of each of so many hidden layers."""
        return self.corruption if isinstance(self.corruption, tuple) else (self.corruption,) * layers

    def problem(self, activation: str, inputs: str, layers: int) -> str | None:
        """Why it does not go with such a network, and what to do; None where it does."""
        if not self.updates:
            return None
        if not layers:
            return "expected a network with hidden layers, found none; leave pretraining out"
        if isinstance(self.corruption, tuple) and len(self.corruption) != layers:
            return f"expected a corruption of each of the {layers} hidden layers, found {len(self.corruption)}"
        of_layers = {"inputs": inputs} | ({"activation": activation} if layers > 1 else {})
        for field, name in of_layers.items():
            if self.loss == "cross_entropy" and name not in RANGES:
                allowed = "unit or symmetric" if field == "inputs" else "sigmoid or tanh"
                return f"cross_entropy takes {field} {allowed}, found {name}; choose one, or loss: squared_error"
        return None

    def decoder(self, layer: int, activation: str, inputs: str) -> str:
        """A key of DECODERS. layer: of the hidden layers, from 0."""
        return "linear" if self.loss == "squared_error" else RANGES[activation if layer else inputs]


def unit(s, t):
    return (s if s > ZERO else ZERO) - s * t + log1p(exp(-abs(s)))


def unit_delta(s, t):
    return sigmoid(s) - t


def symmetric(s, t):
    z, target = s + s, HALF * (t + ONE)
    return (z if z > ZERO else ZERO) - z * target + log1p(exp(-abs(z)))


def symmetric_delta(s, t):
    return _tanh(s) - t


def linear(s, t):
    return HALF * ((s - t) * (s - t))


def linear_delta(s, t):
    return s - t


DECODERS = {
    "unit": Decoder(unit, unit_delta),
    "symmetric": Decoder(symmetric, symmetric_delta),
    "linear": Decoder(linear, linear_delta),
}


def _denoising(corruption, updates: int, learning_rate: float, loss: str, tied: bool) -> Pretraining:
    formula = "layer by layer, each as a denoising autoencoder with tied weights (Vincent et al. 2008)"
    return Pretraining("pre-trained", formula, corruption, updates, learning_rate, loss)


PRETRAINING: Registry[Pretraining] = Registry(
    "pretraining",
    {
        "none": Pretraining("", "the layers begin as the initializer draws them"),
        "denoising": Family(_denoising, {
            "corruption": Numbers(0.25, 0, 0.99), "updates": Number(300_000, 1, 10**12, whole=True),
            "learning_rate": Number(0.001, 0, 1e6, low_open=True),
            "loss": OneOf("cross_entropy", ("cross_entropy", "squared_error")), "tied": Switch(True, only=True),
        }),
    },
)  # fmt: skip
