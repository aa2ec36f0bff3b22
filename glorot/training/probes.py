"""What happens inside a network: statistics of each layer's activations, gradients, weight gradients and Jacobian.

At the moments that a sweep's ``probes`` names, a fixed set of test examples passes the network forward and backward,
with no update, and what is seen in each layer becomes one ``ProbeRow`` a quantity (figures 2-4 and 6-10 of Glorot &
Bengio 2010). Layers are numbered from 1; the last one gives the logits.

    activation        a = f(z) of the hidden layers
    gradient          dC/dz (the paper's dC/ds) of the hidden layers and the logits, C the cost of one example
    weight_gradient   dC/dW of each layer, C the mean cost of the examples: what one SGD step on them would use
    jacobian          singular values of da^l / da^(l-1) of the hidden layers from the second on, at 30 examples; not of
                      layers that share weights

Sums are of one thread, but BLAS's: on another kind of processor the last of the digits that are kept may differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from glorot.datasets import Examples
from glorot.datasets.inputs import seen
from glorot.kernels.protocol import Probed
from glorot.models.activations import ACTIVATIONS
from glorot.models.network import Layer
from glorot.randomness import generator
from glorot.training import singular_values

BINS = 100  # of a histogram
SATURATED = 0.05  # a unit is saturated where its slope is below this share of the function's largest slope
SPREAD = 4.0  # a histogram without natural bounds covers so many standard deviations on each side of 0
SAMPLE = 4  # percentiles and histogram of weight gradients take one weight in so many
JACOBIANS = 30  # examples at which singular values are taken, the first of those that are probed
DIGITS = 6  # significant ones that are kept
TINY = 1e-35  # below this standard deviation bins would have no width in float32


class Network(Protocol):
    """The part of ``protocol.Kernels`` that probes need."""

    levels: np.ndarray

    @property
    def parameters(self) -> list[Layer]: ...

    def probe(self, examples: Examples) -> Probed: ...


@dataclass(frozen=True)
class ProbeRow:
    """One quantity of one layer at one moment.

    p2, p98: percentiles. saturation: share of saturated units, of activations only. counts: a histogram of BINS equal
    bins from low to high; what lies outside counts in the end bins. For the Jacobian: mean and std of its singular
    values over JACOBIANS examples (to 1 %: `singular_values`). What does not apply is None.
    """

    update: int
    quantity: str
    layer: int
    mean: float
    std: float
    p2: float | None = None
    p98: float | None = None
    saturation: float | None = None
    low: float | None = None
    high: float | None = None
    counts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Look:
    """What the rows of one moment are made from: copies, so that the network may train on. activation: its key.
    pixels: (n, n_inputs) float32, as the network sees them."""

    update: int
    activation: str
    pixels: np.ndarray
    probed: Probed
    parameters: list[Layer]


def look(kernels: Network, examples: Examples, activation: str, update: int = 0) -> Look:
    """Take the examples through the network. activation: a key of ACTIVATIONS."""
    pixels = seen(kernels.levels, examples.pixels.reshape(len(examples), -1))
    return Look(update, activation, pixels, kernels.probe(examples), kernels.parameters)


def measure(kernels: Network, examples: Examples, activation: str, update: int = 0) -> list[ProbeRow]:
    """The rows of one moment: by quantity, then by layer."""
    return rows_of(look(kernels, examples, activation, update))


def rows_of(look: Look) -> list[ProbeRow]:
    """The same, of what was seen. It needs no device."""
    update, activation = look.update, look.activation
    activations, deltas, slope_arguments, gradients = look.probed
    inputs, rows = [look.pixels, *activations], []
    # One thread's sums, on every machine; of a network that diverges, NaN is an answer, too.
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        for l, (a, argument) in enumerate(zip(activations, slope_arguments, strict=True), 1):
            low, high = bounds(activation)
            saturation = float(saturated(activation)(argument).mean())
            rows.append(_row(update, "activation", l, a, low, high, saturation=saturation))
        for l, delta in enumerate(deltas, 1):
            rows.append(_row(update, "gradient", l, delta))
        if gradients is None:
            steps = (delta.T @ below / np.float32(len(delta)) for delta, below in zip(deltas, inputs, strict=True))
        else:
            steps = (layer.W for layer in gradients)
        for l, step in enumerate(steps, 1):
            rows.append(_row(update, "weight_gradient", l, step, some=sample(l, step.size)))
        for l, argument in enumerate(slope_arguments[1:] if gradients is None else [], 2):
            slopes = slope(activation)(argument[:JACOBIANS])
            mean, std = singular_values.mean_and_std(look.parameters[l - 1].W, slopes, l)
            rows.append(ProbeRow(update, "jacobian", l, _rounded(mean), _rounded(std)))
    return rows


def sample(layer: int, size: int) -> np.ndarray:
    """Which of a layer's weights percentiles and histogram take: one of each SAMPLE neighbours, by chance.

    Ascending positions, the same ones at every moment of every run: layer and size decide them.
    """
    first = np.arange(0, size, SAMPLE)
    return np.minimum(first + generator(size, "probe", layer).integers(0, SAMPLE, len(first)), size - 1)


@cache
def slope(activation: str) -> np.ufunc:
    """f' as a function of a = f(z), or of z, for arrays."""
    chosen = numba.njit(ACTIVATIONS[activation].slope)
    return numba.vectorize(["float32(float32)"])(lambda argument: chosen(argument))


@cache
def saturated(activation: str) -> np.ufunc:
    """Whether units are saturated, from what their slope takes, for arrays: 0 or 1."""
    chosen, f = numba.njit(ACTIVATIONS[activation].slope), ACTIVATIONS[activation]
    z = np.linspace(-10, 10, 2001, dtype=np.float32)
    least = np.float32(SATURATED * max(abs(f.slope_at(one)) for one in z))
    return numba.vectorize(["uint8(float32)"])(lambda argument: abs(chosen(argument)) < least)


@cache
def bounds(activation: str) -> tuple[float, float] | tuple[None, None]:
    """Least upper and greatest lower bound of a bounded activation function; else (None, None)."""
    values = [float(ACTIVATIONS[activation].value(np.float32(z))) for z in np.linspace(-30, 30, 61)]
    low, high = min(values), max(values)
    return (float(round(low)), float(round(high))) if max(-low, high) < 2 else (None, None)


def _row(
    update: int,
    quantity: str,
    layer: int,
    values: np.ndarray,
    low: float | None = None,
    high: float | None = None,
    saturation: float | None = None,
    some: np.ndarray | slice = slice(None),
) -> ProbeRow:
    """Moments of all values, percentiles and histogram of some."""
    with np.errstate(invalid="ignore"):  # of a network that diverged
        mean, std = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    if not np.isfinite(std):
        return ProbeRow(update, quantity, layer, np.nan, np.nan)
    few = np.ascontiguousarray(values).reshape(-1)[some]
    p2, p98 = percentiles(few)
    if low is None or high is None:
        high = _rounded(SPREAD * std) if std > TINY else 1.0  # of constants, and what is hardly more than 0: any
        low = -high
    counts = histogram(few, low, high)
    mean, std, p2, p98 = (_rounded(number) for number in (mean, std, p2, p98))
    known = None if saturation is None else _rounded(saturation)
    return ProbeRow(update, quantity, layer, mean, std, p2, p98, known, low, high, tuple(counts.tolist()))


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """np.percentile(values, (2, 98)), to the bit. values: (n,) float32, finite.

    Where there are many, only what lies beyond the 3rd and 97th percentile of a few is put in order.
    """
    n, guesses = len(values), np.sort(values[:: max(1, len(values) // 4096)])
    low = np.sort(values[values <= guesses[len(guesses) * 3 // 100]])
    high = np.sort(values[values >= guesses[len(guesses) * 97 // 100]])
    found = []
    for share in (0.02, 0.98):
        place, between = divmod((n - 1) * share, 1)
        ordered, first = (low, 0) if share < 0.5 else (high, n - len(high))
        i = int(place) - first
        if not 0 <= i < len(ordered) - 1:  # a wrong guess, or few values
            return tuple(np.percentile(values, (2, 98)).tolist())
        a, b = ordered[i], ordered[i + 1]
        step = float(b - a)
        found.append(float(a) + step * between if between < 0.5 else float(b) - step * (1 - between))
    return found[0], found[1]


def histogram(values: Sequence[float] | np.ndarray, low: float, high: float) -> np.ndarray:
    """Counts (BINS,) of values in equal bins from low to high; what lies outside counts in the end bins."""
    places = (np.asarray(values) - np.float32(low)) * np.float32(BINS / (high - low))
    return np.bincount(np.clip(places, 0, BINS - 1).astype(np.intp), minlength=BINS)


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
