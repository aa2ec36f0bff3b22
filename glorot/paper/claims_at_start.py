"""The paper's claims about a network before training (figures 6-8, eq. 5-14): measured here, no stored run needed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glorot.paper.claims import REVISED, Evidence, Rule, Verdict, decided, label, not_measured

if TYPE_CHECKING:
    from glorot.training.inspection import Inspection

# What is measured: the paper's network for its figures 6 to 8.
ACTIVATION, HIDDEN, EXAMPLES = "tanh", (1000,) * 5, 300

A_THIRD, WITHIN = 1 / 3, 0.2
KEPT = (0.72, 1.1)
LEVEL_SPREAD = 2.0  # of the weight gradients' variances, where those of the gradients span 3^4 = 81
JACOBIAN_WITHIN = 0.1

SHRINKS = Rule(
    f"The variance changes by 1/3 per layer, give or take {100 * WITHIN:g} % (geometric mean over the layers)."
)
KEEPS = Rule(
    f"The variance changes by a factor from {KEPT[0]:g} to {KEPT[1]:g} per layer (geometric mean over the layers). "
    "Theory says 1, the paper measured 0.8 for a layer's Jacobian, and 10 % are allowed on both sides.",
    REVISED,
)
SAME = Rule(
    f"The largest variance of a hidden layer's weight gradients is at most {LEVEL_SPREAD:g} times the smallest."
)
SINGULAR = Rule(f"The mean over the layers is within {100 * JACOBIAN_WITHIN:g} % of the paper's number.")


def start(initializer: str) -> "Inspection":
    """The network before training. Takes seconds."""
    from glorot.training.inspection import inspect

    return inspect("shapeset", ACTIVATION, initializer, HIDDEN, examples=EXAMPLES, data_folder=Path())


def size(seen: "Inspection") -> str:
    sizes = [one.fan_out for one in seen.hidden]
    layers = f"{len(sizes)} x {sizes[0]}" if len(set(sizes)) == 1 else "-".join(map(str, sizes))
    examples = f"{seen.examples} {label(seen.dataset)} test examples"
    return f"no training: {seen.activation}, {layers}, seed {seen.seed}, {examples}"


# Rules: numbers -> verdict -------------------------------------------------------------------------


def shrinks(factor: float, ratios: Sequence[float]) -> Verdict:
    """factor: geometric mean of the ratios from layer to layer."""
    return decided(abs(factor - A_THIRD) <= WITHIN * A_THIRD, _factors(factor, ratios))


def keeps(factor: float, ratios: Sequence[float]) -> Verdict:
    """factor: geometric mean of the ratios from layer to layer."""
    return decided(KEPT[0] <= factor <= KEPT[1], _factors(factor, ratios))


def same(variances: Sequence[float]) -> Verdict:
    """variances: of each hidden layer's weight gradients."""
    spread = max(variances) / min(variances)
    return decided(spread <= LEVEL_SPREAD, f"largest / smallest {spread:.2f}")


def singular(values: Sequence[float], papers: float) -> Verdict:
    """values: the mean singular value of each layer's Jacobian."""
    mean = sum(values) / len(values)
    ours = f"{mean:.2f} (layers 2 to {len(values) + 1}: {', '.join(f'{value:.2f}' for value in values)})"
    return decided(abs(mean - papers) <= JACOBIAN_WITHIN * papers, ours)


def _factors(factor: float, ratios: Sequence[float]) -> str:
    return f"{factor:.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})"


# Judges: evidence -> verdict -----------------------------------------------------------------------


def spreads(initializer: str, quantity: str, rule: Callable[[float, Sequence[float]], Verdict]) -> Callable:
    """A rule about the factor a layer of "activation" (upwards) or "gradient" (downwards)."""

    def judge(evidence: Evidence) -> Verdict:
        seen = evidence.start(initializer)
        return _sized(rule(seen.factors(quantity).measured, seen.ratios(quantity)), seen)

    return judge


def weight_gradients(initializer: str) -> Callable:
    def judge(evidence: Evidence) -> Verdict:
        seen = evidence.start(initializer)
        return _sized(same([one.weight_gradient.measured for one in seen.hidden if one.weight_gradient]), seen)

    return judge


def jacobian(initializer: str, papers: float) -> Callable:
    def judge(evidence: Evidence) -> Verdict:
        seen = evidence.start(initializer)
        values = [one.jacobian.measured for one in seen.hidden if one.jacobian]
        return _sized(singular(values, papers), seen) if values else not_measured("one hidden layer")

    return judge


def _sized(verdict: Verdict, seen: "Inspection") -> Verdict:
    return replace(verdict, runs=size(seen))
