"""Back-propagation of a small network, step by step, each gradient beside a numerical one.

In the notation of Nielsen (2015), chapter 2, with delta = dC/dz and a^0 = x:

    a^l = f(z^l),  z^l = W^l a^(l-1) + b^l                      forward
    delta^L = dC/dz^L                                           BP1, of the loss
    delta^l = (W^(l+1)^T delta^(l+1)) * f'(z^l)                 BP2
    dC/db^l = delta^l,  dC/dW^l = delta^l (a^(l-1))^T           BP3, BP4

Formulas are those that networks train with, of float32; sums here are of float64. The numerical derivative of a weight
w is (C(w + h) - C(w - h)) / 2h, h = 1/100: no back-propagation in it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.training.small_networks import SmallNetwork

H = 0.01


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One layer. below: a^(l-1), (n, fan_in). z, a, slope, delta: (n, fan_out); slope: f'(z), None of the last layer,
    whose a is what the loss makes of z. dW, db: gradients of the mean cost; numerical_...: the same, by differences.
    """

    W: np.ndarray
    b: np.ndarray
    below: np.ndarray
    z: np.ndarray
    a: np.ndarray
    slope: np.ndarray | None
    delta: np.ndarray
    dW: np.ndarray
    db: np.ndarray
    numerical_dW: np.ndarray
    numerical_db: np.ndarray
    new_W: np.ndarray
    new_b: np.ndarray


@dataclass(frozen=True, eq=False)
class Steps:
    """All of one update. costs, new_costs: of each example, before and after it, (n,)."""

    network: SmallNetwork
    layers: list[LayerStep]
    costs: np.ndarray
    new_costs: np.ndarray

    @property
    def difference(self) -> float:
        """The largest between a gradient and its numerical one."""
        pairs = [(one.dW, one.numerical_dW) for one in self.layers] + [
            (one.db, one.numerical_db) for one in self.layers
        ]
        return max(float(np.abs(one - other).max()) for one, other in pairs)


def mapped(function: Any, *arrays: np.ndarray) -> np.ndarray:
    """A scalar formula of float32, for arrays; float64."""
    numbers = np.broadcast_arrays(*(np.asarray(one, np.float32) for one in arrays))
    values = [float(function(*each)) for each in zip(*(one.reshape(-1) for one in numbers), strict=True)]
    return np.array(values, np.float64).reshape(numbers[0].shape)


def forward(network: SmallNetwork, weights: Sequence, biases: Sequence) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """z of each layer, and what each layer gets (the inputs first); (n, units) each."""
    below, zs = [network.inputs], []
    for W, b in zip(weights, biases, strict=True):
        zs.append(below[-1] @ W.T + b)
        below.append(mapped(ACTIVATIONS[network.activation].value, zs[-1]))
    return zs, below[:-1]


def costs(network: SmallNetwork, weights: Sequence, biases: Sequence) -> np.ndarray:
    """C of each example, (n,)."""
    logits, loss = forward(network, weights, biases)[0][-1], LOSSES[network.loss]
    return mapped(loss.value, logits, _normalizers(network, logits), network.targets).sum(axis=1)


def _normalizers(network: SmallNetwork, logits: np.ndarray) -> np.ndarray:
    loss = LOSSES[network.loss]
    return np.array([[loss.normalizer(row)] for row in logits.astype(np.float32)])


def outputs(loss: str, logits: np.ndarray, normalizers: np.ndarray) -> np.ndarray:
    """What the loss makes of the logits: its delta is output - target where it is a cross-entropy. (n, units)."""
    if loss == "quadratic":  # the delta has a slope in it
        return mapped(ACTIVATIONS["sigmoid"].value, logits)
    return mapped(LOSSES[loss].delta, logits, normalizers, np.zeros_like(logits))


def numerical(network: SmallNetwork, parameters: list[np.ndarray], layer: int) -> np.ndarray:
    """dC/dp of one layer's weights or biases by central differences; parameters: network.weights or .biases, changed
    and put back."""
    values = parameters[layer]
    found = np.empty_like(values)
    for place in np.ndindex(values.shape):
        kept, ends = values[place], []
        for value in (kept + H, kept - H):
            values[place] = value
            ends.append(costs(network, network.weights, network.biases).mean())
        values[place] = kept
        found[place] = (ends[0] - ends[1]) / (2 * H)
    return found


def work(network: SmallNetwork) -> Steps:
    """One update of gradient descent, with everything on the way."""
    weights, biases, n = network.weights, network.biases, len(network.inputs)
    f, loss = ACTIVATIONS[network.activation], LOSSES[network.loss]
    zs, below = forward(network, weights, biases)
    normalizers = _normalizers(network, zs[-1])
    delta = mapped(loss.delta, zs[-1], normalizers, network.targets)
    layers: list[LayerStep] = []
    for l in reversed(range(len(weights))):
        last = l == len(weights) - 1
        slope = None
        if last:
            a = outputs(network.loss, zs[l], normalizers)
        else:
            a = below[l + 1]
            slope = mapped(f.slope_at, zs[l])
            delta = (delta @ weights[l + 1]) * slope
        dW, db = delta.T @ below[l] / n, delta.mean(axis=0)
        layers.insert(0, LayerStep(
            weights[l], biases[l], below[l], zs[l], a, slope, delta, dW, db,
            numerical(network, weights, l), numerical(network, biases, l),
            weights[l] - network.learning_rate * dW, biases[l] - network.learning_rate * db,
        ))  # fmt: skip
    after = costs(network, [one.new_W for one in layers], [one.new_b for one in layers])
    return Steps(network, layers, costs(network, weights, biases), after)


def as_json(steps: Steps) -> str:
    """Everything, for programs; matrices as lists of rows, an example in each row of z, a and delta."""
    layers = [
        {name: None if value is None else value.tolist() for name, value in asdict(one).items()} for one in steps.layers
    ]
    record = {"costs": steps.costs.tolist(), "new_costs": steps.new_costs.tolist(), "layers": layers}
    return json.dumps(record | {"largest_difference": steps.difference}, indent=2) + "\n"
