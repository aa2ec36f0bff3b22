"""Networks that are built by hand to compute a Boolean function; what they are made of, without a loop over examples.

    or_of_ands   a hidden unit for each true row of the table (an AND of all inputs, plain or negated), and an OR of
                 them: any function, with up to 2^N units; of parity 2^(N-1)
    counting     N hidden units, unit k on from k ones on, and an output that adds their differences: any function of
                 the number of ones, such as parity, with N units (Rumelhart et al. 1986)
    xor_tree     a binary tree of XORs of three units each: parity of N = 2^k inputs with 3 (N - 1) units in 2 log2 N
                 layers. tied: the same three units everywhere, like a subroutine: 9 numbers, whatever N is

With f the logistic function and gain g, XOR of a and b from 0 and 1 is

    h1 = f(g (a + b - 1/2)),   h2 = f(g (a + b - 3/2)),   o = f(g (h1 - h2 - 1/2))

and with tanh, from -1 and 1,

    h1 = tanh(g (a + b + 1)),  h2 = tanh(g (a + b - 1)),  o = tanh(g (h1 - h2 - 1)).

An output above 1/2 (of tanh, above 0) means 1. With a gain of 6, 8 or 10 the output of logistic units stays .40, .476
or .492 from 1/2 after any depth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from glorot.models.initializers import INITIALIZERS
from glorot.models.network import Layer
from glorot.randomness import generator

ACTIVATIONS_OF_UNITS = ("sigmoid", "tanh")  # whose output is a probability, with tanh's -1 as 0
EXACT = "exact"
ALIKE = {"sigmoid": "unit", "tanh": "symmetric"}  # the inputs that the weights by hand are for


class Unit(NamedTuple):
    """One unit. block, row: where its weights are. sources: what it gets; inputs are 0 .. N-1, units from N on."""

    block: int
    row: int
    sources: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Construction:
    """blocks: the distinct weights and biases, by hand, as (fan_out, fan_in) and (fan_out,) float32. units: each after
    all that it gets; the last one is the output. layers: of units, one after the other."""

    n_inputs: int
    blocks: list[Layer]
    units: list[Unit]
    layers: int

    @property
    def parameters(self) -> int:
        """Distinct numbers that are learned."""
        return sum(W.size + b.size for W, b in self.blocks)

    @property
    def distinct_units(self) -> int:
        return sum(len(b) for _, b in self.blocks)

    @property
    def connections(self) -> int:
        """Weights and biases, each counted wherever it is used."""
        return sum(len(unit.sources) + 1 for unit in self.units)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each block begins in the vector of all parameters: W, row after row, then b. (blocks + 1,)."""
        return np.cumsum([0, *(W.size + b.size for W, b in self.blocks)])

    def flat(self, blocks: list[Layer]) -> np.ndarray:
        """(parameters,) float32."""
        return np.concatenate([part.reshape(-1) for block in blocks for part in block]).astype(np.float32)

    def blocks_of(self, flat: np.ndarray) -> list[Layer]:
        """The reverse of flat."""
        found = []
        for start, (W, b) in zip(self.offsets, self.blocks, strict=False):
            middle = start + W.size
            found.append(Layer(flat[start:middle].reshape(W.shape).copy(), flat[middle : middle + b.size].copy()))
        return found

    def first_weights(self, initializer: str, seed: int) -> list[Layer]:
        """By hand with `exact`, else drawn for each block by the initializer, with biases 0."""
        if initializer == EXACT:
            return self.blocks
        scheme = INITIALIZERS[initializer]
        return [
            Layer(scheme.sample(W.shape[1], W.shape[0], generator(seed, "weights", number)), np.zeros_like(b))
            for number, (W, b) in enumerate(self.blocks)
        ]


def _block(W: list, b: list) -> Layer:
    return Layer(np.array(W, np.float32), np.array(b, np.float32))


def _one_hidden_layer(n: int, hidden: Layer, output: Layer, times: int) -> Construction:
    """times: so many times the hidden units; those that are not needed have weights 0, by hand."""
    k, spare = len(hidden.b), (times - 1) * len(hidden.b)
    hidden = Layer(np.pad(hidden.W, ((0, spare), (0, 0))), np.pad(hidden.b, (0, spare)))
    output = Layer(np.pad(output.W, ((0, 0), (0, spare))), output.b)
    inputs = tuple(range(n))
    units = [Unit(0, row, inputs) for row in range(k + spare)]
    return Construction(n, [hidden, output], [*units, Unit(1, 0, tuple(range(n, n + k + spare)))], 2)


def or_of_ands(values: np.ndarray, activation: str, gain: float, times: int) -> Construction:
    """values: of the table's rows, (2^N,). At least one is 1 (see `misfit`)."""
    n = (len(values) - 1).bit_length()
    rows = np.flatnonzero(values)
    bits = (rows[:, None] >> np.arange(n)) & 1
    hidden = Layer(
        np.float32(gain) * (2 * bits - 1).astype(np.float32), -np.float32(gain) * (bits.sum(axis=1) - 0.5).astype("f4")
    )
    return _one_hidden_layer(n, hidden, _block([[gain] * len(rows)], [-gain / 2]), times)


def counting(values: np.ndarray, activation: str, gain: float, times: int) -> Construction:
    """values: of the table's rows, a function of the number of ones (see `misfit`)."""
    n = (len(values) - 1).bit_length()
    by_count = [int(values[2**k - 1]) for k in range(n + 1)]
    hidden = _block([[gain] * n] * n, [-gain * (k - 0.5) for k in range(1, n + 1)])
    steps = [[gain * (by_count[k] - by_count[k - 1]) for k in range(1, n + 1)]]
    return _one_hidden_layer(n, hidden, _block(steps, [gain * (by_count[0] - 0.5)]), times)


def xor_tree(values: np.ndarray, activation: str, gain: float, tied: bool) -> Construction:
    """values: of the table's rows, 2^N of them, N a power of two (see `misfit`)."""
    n = (len(values) - 1).bit_length()
    first, second, last = (-0.5, -1.5, -0.5) if activation == "sigmoid" else (1.0, -1.0, -1.0)
    pair = _block([[gain, gain], [gain, gain]], [gain * first, gain * second])
    out = _block([[gain, -gain]], [gain * last])
    blocks: list[Layer] = []
    units: list[Unit] = []
    layers, below = 0, list(range(n))
    while len(below) > 1:
        above = []
        for a, b in zip(below[::2], below[1::2], strict=True):
            if not tied or not blocks:
                blocks += [pair, out]
            h = n + len(units)
            units += [Unit(len(blocks) - 2, 0, (a, b)), Unit(len(blocks) - 2, 1, (a, b))]
            units.append(Unit(len(blocks) - 1, 0, (h, h + 1)))
            above.append(h + 2)
        below, layers = above, layers + 2
    return Construction(n, blocks, units, layers)


BUILDERS: dict[str, Callable[..., Construction]] = {
    "or_of_ands": or_of_ands,
    "counting": counting,
    "xor_tree": xor_tree,
}


def build(kind: str, values: np.ndarray, activation: str, parameters: dict) -> Construction:
    """kind: a key of BUILDERS, which get the parameters by name. values: of the table's rows."""
    return BUILDERS[kind](values, activation, **parameters)


def misfit(kind: str, values: np.ndarray, activation: str, initializer: str, inputs: str) -> str:
    """Why a construction cannot be for a table of these values; empty where it can."""
    n = (len(values) - 1).bit_length()
    counts = ((np.arange(len(values))[:, None] >> np.arange(n)) & 1).sum(axis=1)
    exact = initializer == EXACT
    if activation not in ACTIVATIONS_OF_UNITS:
        return f"expected activation to be one of {', '.join(ACTIVATIONS_OF_UNITS)}, found {activation}"
    if kind == "xor_tree" and (n & (n - 1) or n < 2):
        return f"expected 2, 4, 8 or 16 inputs for a binary tree, found {n}"
    if kind == "or_of_ands" and not values.any():
        return "expected a table with a 1 in it, as there is a unit for each true row; found none"
    if exact and ALIKE[activation] != inputs:
        return f"expected inputs: {ALIKE[activation]} for exact weights of {activation} units, found {inputs}"
    if exact and kind != "xor_tree" and activation != "sigmoid":
        return f"expected activation: sigmoid for exact weights, found {activation}"
    if exact and kind == "xor_tree" and not np.array_equal(values, counts % 2):
        return "expected parity, which is what a tree of XORs with exact weights computes; found another function"
    if exact and kind == "counting" and any(len(set(values[counts == k])) > 1 for k in range(n + 1)):
        return "expected a function of the number of ones, such as parity or majority; found another"
    return ""
