"""The kernels of networks whose units are wired one by one, with shared weights (``models/constructions.py``).

Units are in an order in which each comes after all that it gets. The last one is the output: with logistic units its z
is a logit, with tanh, whose (1 + tanh z) / 2 is a probability, half of one. The cost is the cross-entropy of that
probability. Of a weight that is used in several places the gradient is the sum over these. Loops run over the examples
inside of those over the connections, so that a sum's order depends on the wiring alone; gradients are summed in
float64.
"""

from typing import Any

import numba
import numpy as np

from glorot.compiled.cache import IN_CALLERS, compiling, inner, jit
from glorot.compiled.elementary import ONE, TWO, ZERO
from glorot.datasets import Examples
from glorot.kernels import simd  # noqa: F401
from glorot.kernels.protocol import Probed
from glorot.models import activations, losses
from glorot.models.constructions import Construction
from glorot.models.network import Layer

CHUNK = 256  # examples that pass the network together when it is evaluated

# simd is imported because it registers the elementary functions that these formulas call.
_sigmoid, _tanh, _sigmoid_slope, _tanh_slope, _cost, _cost_delta = map(
    numba.njit(**IN_CALLERS),
    (
        activations.sigmoid, activations.tanh, activations.sigmoid_slope, activations.tanh_slope,
        losses.sigmoid_cross_entropy, losses.sigmoid_cross_entropy_delta,
    ),
)  # fmt: skip


@inner
def forward(theta, wiring, tanh, values):
    """Fill the rows of units. values: (inputs + units, examples), the first rows given; the last one becomes z."""
    starts, sources, weights, biases = wiring
    units, n_inputs = len(biases), len(values) - len(biases)
    for u in range(units):
        row = values[n_inputs + u]
        row[:] = theta[biases[u]]
        for k in range(starts[u], starts[u + 1]):
            w, below = theta[weights[k]], values[sources[k]]
            for e in range(len(row)):
                row[e] += w * below[e]
        if u < units - 1:
            for e in range(len(row)):
                row[e] = _tanh(row[e]) if tanh else _sigmoid(row[e])


@inner
def backward(theta, wiring, tanh, values, deltas, gradient):
    """Add dC/dtheta, summed over the examples, to gradient. deltas: (units, examples), the output's dC/dz given."""
    starts, sources, weights, biases = wiring
    units, n_inputs = len(biases), len(values) - len(biases)
    deltas[: units - 1] = ZERO
    for back in range(units):
        u = units - 1 - back
        row, delta = values[n_inputs + u], deltas[u]
        if u < units - 1:
            for e in range(len(row)):
                delta[e] *= _tanh_slope(row[e]) if tanh else _sigmoid_slope(row[e])
        total = 0.0
        for e in range(len(row)):
            total += delta[e]
        gradient[biases[u]] += total
        for k in range(starts[u], starts[u + 1]):
            s, w, total = sources[k], theta[weights[k]], 0.0
            for e in range(len(row)):
                total += np.float64(delta[e]) * np.float64(values[s, e])
            gradient[weights[k]] += total
            if s >= n_inputs:
                for e in range(len(row)):
                    deltas[s - n_inputs, e] += w * delta[e]


@inner
def read(pixels, levels, values):
    """The inputs of a minibatch. pixels: (examples, inputs)."""
    for i in range(pixels.shape[1]):
        for e in range(len(pixels)):
            values[i, e] = levels[pixels[e, i]]


@jit
def train_circuit(pixels, labels, levels, theta, wiring, tanh, batch, rate, found):
    """SGD on consecutive minibatches, in place. found: (updates,) their mean losses, each before its update. Returns
    how many were looked at: up to the first loss that is not finite, whose update is not made."""
    units, n_inputs = len(wiring[3]), pixels.shape[1]
    values, deltas = np.empty((n_inputs + units, batch), np.float32), np.empty((units, batch), np.float32)
    gradient, scale = np.empty(len(theta), np.float64), TWO if tanh else ONE
    for update in range(len(found)):
        start = update * batch
        read(pixels[start : start + batch], levels, values)
        forward(theta, wiring, tanh, values)
        total = 0.0
        for e in range(batch):
            z, target = scale * values[n_inputs + units - 1, e], ONE if labels[start + e] == 1 else ZERO
            total += _cost(z, ZERO, target)
            deltas[units - 1, e] = scale * _cost_delta(z, ZERO, target)
        found[update] = total / batch
        if not np.isfinite(found[update]):
            return update + 1
        gradient[:] = 0.0
        backward(theta, wiring, tanh, values, deltas, gradient)
        for p in range(len(theta)):
            theta[p] -= np.float32(rate * gradient[p] / batch)
    return len(found)


@jit
def evaluate_circuit(pixels, labels, levels, theta, wiring, tanh, found, zs):
    """Each example's loss and logit. found, zs: (n,) float32."""
    units, n_inputs, scale = len(wiring[3]), pixels.shape[1], TWO if tanh else ONE
    for start in range(0, len(pixels), CHUNK):
        count = min(CHUNK, len(pixels) - start)
        values = np.empty((n_inputs + units, count), np.float32)
        read(pixels[start : start + count], levels, values)
        forward(theta, wiring, tanh, values)
        for e in range(count):
            z, target = scale * values[n_inputs + units - 1, e], ONE if labels[start + e] == 1 else ZERO
            found[start + e], zs[start + e] = _cost(z, ZERO, target), z


class CircuitKernels:
    """One construction on the CPU: ``protocol.Kernels``, on one thread, with plain SGD. parameters: its blocks."""

    staging = None
    threads = 1

    def __init__(
        self, construction: Construction, activation: str, batch_size: int, learning_rate: float, levels: np.ndarray
    ):
        self.construction, self.levels = construction, levels
        self.batch_size, self.learning_rate, self.updates_made = batch_size, learning_rate, 0
        self.memory: dict[str, list[Layer]] = {}
        self._tanh = activation == "tanh"
        self._theta = construction.flat(construction.blocks)
        self._wiring = wiring(construction)

    @property
    def parameters(self) -> list[Layer]:
        return self.construction.blocks_of(self._theta)

    @parameters.setter
    def parameters(self, blocks: list[Layer]) -> None:
        self._theta = self.construction.flat(blocks)

    def train(self, examples: Any) -> np.ndarray:
        found = np.empty(len(examples) // self.batch_size, np.float64)
        with compiling(train_circuit):
            made = train_circuit(examples.pixels, examples.labels, self.levels, self._theta, self._wiring, self._tanh,
                                 self.batch_size, self.learning_rate, found)  # fmt: skip
        self.updates_made += made
        return found[:made]

    def estimate(self, examples: Examples) -> None:
        """Plain SGD keeps nothing."""

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        logits, found = self.logits(examples)
        return found, (logits > 0).astype(np.uint8)

    def logits(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Of each example log(p / (1 - p)) of the output's probability p, and its loss: (n,) float32 each."""
        found, zs = np.empty((2, len(examples)), np.float32)
        with compiling(evaluate_circuit):
            evaluate_circuit(examples.pixels, examples.labels, self.levels, self._theta, self._wiring, self._tanh,
                             found, zs)  # fmt: skip
        return zs, found

    def probe(self, examples: Examples) -> Probed:
        raise NotImplementedError("probes are of layers; the models by hand ignore the field")


def wiring(construction: Construction) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """starts (units + 1,): where each unit's connections begin; sources and weights (connections,): what it gets, and
    by which parameter; biases (units,): which parameter."""
    starts, sources, weights, biases = [0], [], [], []
    for block, row, given in construction.units:
        W = construction.blocks[block].W
        offset = int(construction.offsets[block])
        sources.append(np.array(given, np.int32))
        weights.append(offset + row * W.shape[1] + np.arange(W.shape[1], dtype=np.int32))
        biases.append(offset + W.size + row)
        starts.append(starts[-1] + len(given))
    joined = (np.concatenate(parts).astype(np.int32) for parts in (sources, weights))
    return (np.array(starts, np.int64), *joined, np.array(biases, np.int32))  # type: ignore[return-value]
