"""What networks built by hand for parity are made of, and how far their outputs stay from undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glorot.datasets import FiniteDataset, boolean
from glorot.datasets.inputs import INPUTS
from glorot.datasets.truth_tables import values_of
from glorot.kernels.circuits import CircuitKernels
from glorot.models.architectures import MODELS, ByHand
from glorot.models.constructions import ALIKE, Construction, Unit, build, misfit
from glorot.models.network import Layer

KINDS = (
    ("or_of_ands", "sigmoid"),
    ("counting", "sigmoid"),
    ("xor_tree(tied=false, gain=10.0)", "sigmoid"),
    ("xor_tree(tied=true, gain=10.0)", "sigmoid"),
    ("xor_tree(tied=true, gain=10.0)", "tanh"),
)


@dataclass(frozen=True)
class BuiltByHand:
    """error: in percent, over all rows. margin: how far the output is from 1/2 at least, as a probability."""

    model: str
    activation: str
    bits: int
    units: int
    parameters: int
    layers: int
    error: float
    margin: float

    @property
    def name(self) -> str:
        return self.model + (" of tanh" if self.activation == "tanh" else "")


def measured(construction: Construction, rows: FiniteDataset, activation: str = "sigmoid") -> tuple[float, float]:
    """Error in percent, and margin, of the weights by hand. rows: all rows of a Boolean function, as its test set."""
    kernels = CircuitKernels(construction, activation, 1, 1.0, INPUTS[ALIKE[activation]].levels(rows))
    zs, _ = kernels.logits(rows.test)
    error = 100 * float(((zs > 0) != rows.test.labels).mean())
    return error, float(abs(1 / (1 + np.exp(-zs.astype(np.float64))) - 0.5).min())


def of_parity(model: str, activation: str, bits: int) -> BuiltByHand | None:
    """None where such a network cannot be. model: of MODELS, one by hand."""
    chosen, values = MODELS[model], values_of("parity", bits)
    assert isinstance(chosen, ByHand)
    if misfit(chosen.kind, values, activation, "exact", ALIKE[activation]):
        return None
    built = build(chosen.kind, values, activation, dict(chosen.parameters))
    error, margin = measured(built, boolean.load(Path(), "parity", bits, ""), activation)
    return BuiltByHand(chosen.method, activation, bits, len(built.units), built.parameters, built.layers, error, margin)


def one_unit(function: str, bits: int, gain: float = 10.0) -> Construction:
    """A single logistic unit that computes `and` or `or` of its inputs: it is on from all, or one, of them on."""
    fewest = bits if function == "and" else 1
    block = Layer(np.full((1, bits), gain, np.float32), np.array([-gain * (fewest - 0.5)], np.float32))
    return Construction(bits, [block], [Unit(0, 0, tuple(range(bits)))], 1)


def parity(bits: Sequence[int]) -> list[BuiltByHand]:
    """All constructions x bits, as far as there are such networks."""
    found = [of_parity(model, activation, n) for model, activation in KINDS for n in bits]
    return [one for one in found if one]
