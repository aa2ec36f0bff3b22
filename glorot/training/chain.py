"""A chain of single units: why gradients vanish, factor by factor.

    a1 = f(w1 x + b1), a2 = f(w2 a1 + b2), ...,    dC/db1 = f'(z1) w2 f'(z2) w3 f'(z3) ... dC/da

with x = 1 and dC/da = 1 of the last unit. No f'(z) is larger than the function's largest slope, 1/4 of the sigmoid, so
the product is at most largest slope^n |w2 w3 ...|: below 1 in each step wherever |w| is below 4 (Nielsen 2015, chapter
5). Weights above that explode only if z stays where the slope is large: ``steep`` chooses each b so that it does.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.training.theory import steepest

INPUT = 1.0


class Factor(NamedTuple):
    """name: "f'(z1)" or "w2". bound: the largest size it can have. product, bounds: of all factors up to this one."""

    name: str
    value: float
    bound: float
    product: float
    bounds: float


@dataclass(frozen=True)
class Chain:
    """weights: of each unit, the first one's from the input. zs, activations: of each unit. factors: of dC/db1."""

    activation: str
    weights: tuple[float, ...]
    steep: bool
    zs: tuple[float, ...]
    activations: tuple[float, ...]
    factors: tuple[Factor, ...]

    @property
    def gradient(self) -> float:
        """dC/db1."""
        return self.factors[-1].product

    def by_depth(self) -> tuple[list[float], list[float]]:
        """|dC/db1| and its bound, were the chain only 1, 2, ... units long."""
        ends = self.factors[::2]  # behind each f'(z)
        return [abs(one.product) for one in ends], [one.bounds for one in ends]


def chain(activation: str, weights: Sequence[float], steep: bool = False) -> Chain:
    """The factors of dC/db1. activation: a key of ACTIVATIONS. weights: one for each unit. steep: biases such that
    every unit is where its slope is largest; else 0."""
    f, (largest, there) = ACTIVATIONS[activation], steepest(activation)
    a, zs, activations, factors = INPUT, [], [], []
    product = bounds = 1.0
    for number, w in enumerate(weights, 1):
        z = np.float32(there if steep else w * a)
        if number > 1:
            product, bounds = product * w, bounds * abs(w)
            factors.append(Factor(f"w{number}", w, abs(w), product, bounds))
        a = float(f.value(z))
        slope = float(f.slope_at(z))
        product, bounds = product * slope, bounds * largest
        factors.append(Factor(f"f'(z{number})", slope, largest, product, bounds))
        zs.append(float(z))
        activations.append(a)
    return Chain(activation, tuple(map(float, weights)), steep, tuple(zs), tuple(activations), tuple(factors))


def as_json(chains: Sequence[Chain]) -> str:
    def record(one: Chain) -> dict:
        return asdict(one) | {"factors": [factor._asdict() for factor in one.factors], "gradient": one.gradient}

    return json.dumps([record(one) for one in chains], indent=2) + "\n"
