"""Variances of a network before any training, layer by layer, beside the theory of Glorot & Bengio (2010), section 4.2.

The paper takes units to be in their linear regime, f(z) = z, and weights to be independent with mean 0. Then, with
n Var[W] of each layer from the law in ``initializers.py``,

    forward    eq. 5    Var[a^l] = E[x^2] * prod over layers k <= l of fan_in_k Var[W_k]
    backward   eq. 6    Var[dC/dz^l] = Var[dC/dz^out] * prod over layers k > l of fan_out_k Var[W_k]
    weights    eq. 14   Var[dC/dW^l] = E[(a^(l-1))^2] * Var[dC/dz^l], of one example: the product of the two above
    Jacobian            mean singular value 8 / (3 pi) * sqrt(n Var[W]) of a square layer (quarter circle law)

The paper writes Var[x], for inputs of mean 0. Pixels have a mean, in [0, 1] as in [-1, 1]: with weights of mean 0 it is
the mean square E[x^2] = Var[x] + mean^2 that arrives in the next layer, so E[x^2], over the pixels of the examples
probed, is taken.

Units that are other than f(z) = z near 0 enter with their slopes on both sides of 0 and their value at 0: sigmoid
with slope 1/4 and value 1/2, ReLU with half of the squares (He et al. 2015). That extends the paper's equations and
leaves them as they are for tanh, softsign and linear units. Variances of dC/dz are mean squares: those of hidden
layers have mean 0, and where the cost gives the output a mean (the quadratic one does), it is passed down like the
rest. Layers that are not square have the mean of the Marchenko-Pastur law, of which the quarter circle is the square
case. Theory is of z about 0: where units leave their linear regime, measured and theory part, and that is worth
seeing.
"""

import itertools
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from glorot import kernels
from glorot.datasets import DATASETS, Examples, load
from glorot.datasets.inputs import INPUTS
from glorot.errors import GlorotError
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import INITIALIZERS, Initializer
from glorot.models.network import initial_parameters, layer_sizes
from glorot.training.probes import Probed, measure

LEVEL = 0.1  # a factor a layer within 10 % of 1 is called level
NONE = "-"


class Pair(NamedTuple):
    """A number measured, and what theory says of it; None where it says nothing."""

    measured: float
    theory: float | None


@dataclass(frozen=True)
class LayerSeen:
    """One layer; the last one gives the logits and has neither activation nor Jacobian.

    gain: fan_in Var[W] by the initializer's law. activation, gradient: variance of a^l and mean square of dC/dz^l,
    over units and examples. weight_gradient: variance of one example's dC/dW^l. jacobian: mean singular value of
    da^l/da^(l-1), from the second layer on. saturation: share of units with less than 5 % of the largest slope.
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


@dataclass(frozen=True)
class Inspection:
    """A network as it is before training. input_square: E[x^2]. layers: from the first hidden one to the output."""

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
        record = asdict(self) | {"layers": [asdict(one) for one in self.layers]}
        for name in ("activation", "gradient"):
            record[f"{name}_factor_a_layer"] = self.factors(name)
        return json.dumps(_plain(record), indent=2) + "\n"

    def text(self) -> str:
        """Tables of what was measured beside the theory, and what it means in plain words."""
        label, sizes = DATASETS[self.dataset].label, [one.fan_out for one in self.hidden]
        what = f"{len(sizes)} x {sizes[0]}" if len(set(sizes)) == 1 else "-".join(map(str, sizes))
        head = (
            f"{ACTIVATIONS[self.activation].label}, {self.initializer} initialization, hidden layers {what}, "
            f"before any training\n{label} ({self.inputs} inputs), {self.examples} test examples, {self.loss}, seed "
            f"{self.seed}; ratios: theory's in brackets\n"
        )
        forward = _table(
            ["layer", "units", "n Var[W]", "Var[a]", "theory", "ratio to below", "saturated"],
            [
                [one.layer, one.fan_out, _short(one.gain), *_texts(one.activation), step, _percent(one.saturation)]
                for one, step in zip(self.hidden, self._steps("activation", -1), strict=True)
            ],
        )
        backward = _table(
            ["layer", "Var[dC/dz]", "theory", "ratio to above"],
            [
                [_name(one, self.layers), *_texts(one.gradient), step]
                for one, step in zip(self.layers, self._steps("gradient", 1), strict=True)
            ],
        )
        weights = _table(
            ["layer", "Var[dC/dW]", "theory", "Jacobian", "theory"],
            [[_name(one, self.layers), *_texts(one.weight_gradient), *_texts(one.jacobian)] for one in self.layers],
        )
        return (
            f"{head}\nForward: activations (eq. 5; E[x^2] = {_short(self.input_square)})\n\n{forward}\n"
            f"\nBackward: gradients (eq. 6; from what the cost gives the output)\n\n{backward}\n"
            f"\nWeight gradients of one example (eq. 14), and mean singular values of each layer's Jacobian\n\n"
            f"{weights}\n\n{self.meaning()}\n"
        )

    def meaning(self) -> str:
        """One or two sentences in plain words."""
        if len(self.hidden) == 1:
            return "One hidden layer: there is nothing for signals to shrink over."
        n, words = len(self.hidden), []
        for name, plural, where in [("gradient", "Gradients", "first"), ("activation", "Activations", "last")]:
            factor, theory = self.factors(name)
            other = "last" if where == "first" else "first"
            if not (math.isfinite(factor) and factor > 0):
                words.append(f"{plural}: nothing measurable arrives, or it overflows.")
                continue
            away = factor ** (n - 1)
            share = f"{_short(away)} times" if away > 1 else f"1/{_short(1 / away)} of"
            if abs(factor - 1) <= LEVEL:
                words.append(f"{plural} stay level: a factor {_short(factor)} a layer (variance).")
                continue
            verb, towards = ("shrink" if factor < 1 else "grow"), ("input" if where == "first" else "output")
            words.append(
                f"{plural} {verb} by a factor {_short(factor)} a layer (variance, towards the {towards}"
                f"{_said(factor, theory)}): the {where} of {n} layers sees {share} the variance of the {other}."
            )
        return "\n".join(textwrap.fill(sentence, 100) for sentence in [*words, *self._instead()])

    def _instead(self) -> list[str]:
        """What the normalized initialization would do, in theory, where this one does not keep gradients level."""
        now = self.factors("gradient").theory
        sizes = [self.layers[0].fan_in, *(one.fan_out for one in self.layers)]
        regime = near_zero(self.activation)
        would = [factor.gradient for factor in factors(sizes, INITIALIZERS["normalized"], regime)[1:-1]]
        a_layer = _root(math.prod(would), len(would))
        if self.initializer == "normalized" or now is None or abs(a_layer - now) < LEVEL * max(now, a_layer):
            return []
        if abs(a_layer - 1) <= LEVEL:
            return [f"The normalized initialization would keep gradients level, in theory: {_short(a_layer)} a layer."]
        return [f"With the normalized initialization, theory says {_short(a_layer)} a layer."]

    def _steps(self, quantity: str, towards: int) -> list[str]:
        """Each layer's ratio to its neighbour, with theory's in brackets."""
        pairs = [getattr(one, quantity) for one in self.layers if getattr(one, quantity)]
        steps = []
        for position, pair in enumerate(pairs):
            if not 0 <= position + towards < len(pairs):
                steps.append(NONE)
                continue
            below = pairs[position + towards]
            steps.append(" ".join([_short(ratio(pair[0], below[0])), f"({_short(ratio(pair[1], below[1]))})"]))
        return steps


class Regime(NamedTuple):
    """A unit near z = 0, straight on both sides: f(z) = value + below * z for z < 0, value + above * z for z > 0."""

    value: float
    below: float
    above: float

    @property
    def slope_square(self) -> float:
        """Mean of f'(z)^2 over z of either sign."""
        return (self.below**2 + self.above**2) / 2

    def moments(self, z_square: float) -> tuple[float, float]:
        """Mean and mean square of f(z), z normal of mean 0 and this variance."""
        bent = (self.above - self.below) * math.sqrt(z_square / (2 * math.pi))
        return self.value + bent, self.value**2 + 2 * self.value * bent + self.slope_square * z_square


def near_zero(activation: str) -> Regime:
    """The linear regime of an activation function (a key of ACTIVATIONS)."""
    f, step = ACTIVATIONS[activation], np.float32(1e-6)
    slopes = (round(float(f.slope(f.value(z))), 5) for z in (-step, step))
    return Regime(float(f.value(np.float32(0))), *slopes)


class Factors(NamedTuple):
    """What a layer does to variances: forward: fan_in Var[W]; gradient: from dC/dz of this layer to the one below."""

    forward: float
    gradient: float


def factors(sizes: Sequence[int], initializer: Initializer, regime: Regime) -> list[Factors]:
    """Of every layer. sizes: from the inputs to the outputs."""
    found = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        variance = initializer.variance(fan_in, fan_out)
        found.append(Factors(fan_in * variance, fan_out * variance * regime.slope_square))
    return found


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


def singular_value_theory(fan_in: int, fan_out: int, initializer: Initializer, regime: Regime) -> float | None:
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


def inspect(
    dataset: str,
    activation: str,
    initializer: str,
    hidden: Sequence[int],
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    data_folder: Path = Path(),
    inputs: str | None = None,
) -> Inspection:
    """Make a network, pass the first test examples through it, and tell what is seen. Names: keys of the registries.
    inputs: None for the data set's own.

    Raises DataError where the data set is not there, GlorotError where the network does not fit into memory.
    """
    data, inputs = load(dataset, data_folder), inputs or DATASETS[dataset].inputs
    some = data.test.first(examples)
    sizes = layer_sizes(data.n_inputs, tuple(hidden), data.n_classes)
    try:
        network = kernels.create("cpu", sizes, activation, loss, 10, 0.1, 1, INPUTS[inputs].levels(data))
        network.parameters = initial_parameters(sizes, initializer, seed)
        seen = layers_seen(network, some, activation, INITIALIZERS[initializer], sizes)
        square = _input_square(network, some)
    except MemoryError as error:
        raise GlorotError(
            f"expected a network that fits into memory, found hidden layers {'-'.join(map(str, hidden))}; "
            "choose fewer or narrower ones"
        ) from error
    return Inspection(activation, initializer, loss, dataset, inputs, len(some), seed, square, seen)


def layers_seen(
    network: Probed, examples: Examples, activation: str, initializer: Initializer, sizes: Sequence[int]
) -> list[LayerSeen]:
    """Every layer of a network, from the first hidden one to the output. sizes: from the inputs to the outputs."""
    with np.errstate(over="ignore", invalid="ignore"):  # of networks that overflow
        rows = {(row.quantity, row.layer): row for row in measure(network, examples, activation)}
        weights = _weight_gradients(network, examples)
    regime = near_zero(activation)
    laws = factors(sizes, initializer, regime)
    squares_seen = [rows["gradient", l].std ** 2 + rows["gradient", l].mean ** 2 for l in range(1, len(sizes))]
    input_square = _input_square(network, examples)
    variances, squares = forward_theory(input_square, laws[:-1], regime)
    gradients = backward_theory(squares_seen[-1], laws)
    below = [input_square, *squares]
    found = []
    for position, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        l, is_hidden = position + 1, position < len(laws) - 1
        seen, jacobian = rows.get(("activation", l)), rows.get(("jacobian", l))
        theory = singular_value_theory(fan_in, fan_out, initializer, regime)
        found.append(
            LayerSeen(
                layer=l,
                fan_in=fan_in,
                fan_out=fan_out,
                gain=laws[position].forward,
                activation=Pair(seen.std**2, variances[position]) if seen and is_hidden else None,
                gradient=Pair(squares_seen[position], gradients[position]),
                weight_gradient=Pair(weights[position], below[position] * gradients[position]),
                jacobian=Pair(jacobian.mean, theory) if jacobian else None,
                saturation=seen.saturation if seen else None,
            )
        )
    return found


def _weight_gradients(network: Probed, examples: Examples) -> list[float]:
    """Mean square of one example's dC/dW = delta a', over weights and examples, of each layer.

    Of one example and not of a minibatch's mean, in which examples of one network are not independent and eq. 14,
    as a level, does not hold; its ratios do.
    """
    activations, deltas = network.probe(examples)
    below = [network.levels[examples.pixels.reshape(len(examples), -1)], *activations]

    def squares(values: np.ndarray) -> np.ndarray:
        return np.square(values, dtype=np.float64).mean(axis=1)

    return [float((squares(delta) * squares(a)).mean()) for delta, a in zip(deltas, below, strict=True)]


def _input_square(network: Probed, examples: Examples) -> float:
    return float(np.square(network.levels.astype(np.float64))[examples.pixels].mean())


def ratio(one: float | None, other: float | None) -> float:
    """one / other; NaN where there is none."""
    if one is None or not other or not (math.isfinite(one) and math.isfinite(other)):
        return math.nan
    return one / other


def _root(number: float, degree: int) -> float:
    return number ** (1 / degree) if degree else math.nan


# Text ----------------------------------------------------------------------------------------------


def _table(header: list[str], rows: list[list]) -> str:
    text = tabulate(rows, header, tablefmt="simple", disable_numparse=True, colalign=["right"] * len(header))
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _short(number: float | None) -> str:
    return NONE if number is None else f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _texts(pair: Pair | None) -> list[str]:
    return [NONE, NONE] if pair is None else [_short(pair.measured), _short(pair.theory)]


def _name(one: LayerSeen, layers: Sequence[LayerSeen]) -> str:
    return "output" if one is layers[-1] else str(one.layer)


def _said(factor: float, theory: float | None) -> str:
    """Theory's factor, where it is another."""
    if theory is None or abs(factor - theory) <= LEVEL * factor:
        return ""
    return f"; theory, near z = 0: {_short(theory)}"


def _plain(value):
    """Without tuples' names, and with null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Pair):
        return {"measured": _plain(value.measured), "theory": _plain(value.theory)}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
