"""Losses: the value of one example and the delta of each output unit, side by side.

The network's last layer is linear; its pre-activations are the ``logits``. A loss names what it does with them:

- ``normalizer(logits)``: one number an example that all its output units share (softmax needs one, others do not);
- ``value(logit, normalizer, target)``: this unit's share of C, to be summed over the units;
- ``delta(logit, normalizer, target)``: dC/d logit;
- ``curvature(logit, normalizer, target)``: d2C/d logit2, without the terms that may be negative.

target is 1 for the unit of the example's class and 0 for the others. To add one: write the functions on float32
scalars, as in ``activations.py``, and add a line to LOSSES at the bottom.
"""

from collections.abc import Callable
from dataclasses import dataclass

from glorot.compiled.elementary import HALF, ONE, ZERO, F, exp, log, log1p
from glorot.models.activations import not_there, sigmoid
from glorot.registry import Registry


@dataclass(frozen=True)
class Loss:
    """suffix: what a row label gets where a sweep compares losses. formula: for `glorot list`. rbf: whether its output
    units measure distances (`models/layers.py`), so that a logit is -y, y the squared distance to a class's pattern."""

    suffix: str
    formula: str
    normalizer: Callable
    value: Callable
    delta: Callable
    curvature: Callable
    rbf: bool = False


def stand_in(suffix: str) -> Loss:
    """For one from a plug-in that is not there."""
    return Loss(suffix, "from a plug-in that is not loaded", not_there, not_there, not_there, not_there)


def no_normalizer(logits):
    return ZERO


def log_sum_exp(logits):
    """log(sum_k exp(logit_k)), summed in the order of the units. logits: (n_classes,)."""
    largest = logits[0]
    for logit in logits[1:]:
        largest = logit if logit > largest else largest
    total = ZERO
    for logit in logits:
        total += exp(logit - largest)
    return largest + log(total)


def cross_entropy(logit, normalizer, target):
    """Softmax, then -log P(y|x): the paper's cost."""
    return target * (normalizer - logit) if target > ZERO else ZERO


def cross_entropy_delta(logit, normalizer, target):
    return exp(logit - normalizer) - target


def cross_entropy_curvature(logit, normalizer, target):
    p = exp(logit - normalizer)
    return p - p * p


def sigmoid_cross_entropy(logit, normalizer, target):
    """Each unit a sigmoid of its own: -t log p - (1 - t) log(1 - p), p = sigmoid(logit)."""
    return (logit if logit > ZERO else ZERO) - logit * target + log1p(exp(-abs(logit)))


def sigmoid_cross_entropy_delta(logit, normalizer, target):
    return sigmoid(logit) - target


def sigmoid_cross_entropy_curvature(logit, normalizer, target):
    p = sigmoid(logit)
    return p - p * p


def quadratic(logit, normalizer, target):
    """Each unit a sigmoid of its own: (p - t)^2 / 2."""
    error = sigmoid(logit) - target
    return HALF * error * error


def quadratic_delta(logit, normalizer, target):
    p = sigmoid(logit)
    return (p - target) * p * (ONE - p)


def quadratic_curvature(logit, normalizer, target):
    """Without (p - t) p'', which may be negative (Gauss and Newton's approximation)."""
    p = sigmoid(logit)
    return p * (ONE - p) * (p * (ONE - p))


REJECTION = F(1)  # j of eq. 9: how far all patterns may be before an image is rather no class at all


def log_sum_exp_with_rejection(logits):
    """log(e^-j + sum_k exp(logit_k)), summed in this order. logits: (n_classes,)."""
    largest = -REJECTION
    for logit in logits:
        largest = logit if logit > largest else largest
    total = exp(-REJECTION - largest)
    for logit in logits:
        total += exp(logit - largest)
    return largest + log(total)


def nearest_pattern(logit, normalizer, target):
    """y of the right class: the squared distance to its pattern. The others' count only where they are not finite."""
    return -logit if target > ZERO else ZERO * logit


def nearest_pattern_delta(logit, normalizer, target):
    return -target


def nearest_pattern_curvature(logit, normalizer, target):
    """As a function of the logit it is linear."""
    return ZERO * target


LOSSES: Registry[Loss] = Registry("loss", {
    "cross_entropy": Loss(
        "", "softmax, then -log P(y|x)", log_sum_exp, cross_entropy, cross_entropy_delta,
        cross_entropy_curvature,
    ),
    "sigmoid_cross_entropy": Loss(
        "sigmoid cross-entropy",
        "sum_k -t log p - (1 - t) log(1 - p), p = sigmoid(logit)",
        no_normalizer,
        sigmoid_cross_entropy,
        sigmoid_cross_entropy_delta,
        sigmoid_cross_entropy_curvature,
    ),
    "quadratic": Loss(
        "quadratic", "sum_k (p - t)^2 / 2, p = sigmoid(logit)", no_normalizer, quadratic, quadratic_delta,
        quadratic_curvature,
    ),
    "rbf": Loss(
        "RBF",
        "distance y of the last hidden layer to the right class's pattern (LeCun et al. 1998, eq. 8)",
        no_normalizer,
        nearest_pattern,
        nearest_pattern_delta,
        nearest_pattern_curvature,
        rbf=True,
    ),
    "rbf_map": Loss(
        "RBF, MAP",
        "y_right + log(exp(-1) + sum_k exp(-y_k)) (LeCun et al. 1998, eq. 9)",
        log_sum_exp_with_rejection,
        cross_entropy,
        cross_entropy_delta,
        cross_entropy_curvature,
        rbf=True,
    ),
}, label=lambda loss: loss.suffix, stand_in=stand_in)  # fmt: skip
OF_LINEAR_UNITS = tuple(name for name, loss in LOSSES.items() if not loss.rbf)
