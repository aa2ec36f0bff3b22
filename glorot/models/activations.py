"""Activation functions and their slopes, side by side.

To add one: write the two functions, as below, and add a line to ACTIVATIONS at the bottom. Nothing else changes:
`glorot list`, sweep files, kernels and the gradient checks of the tests all read that table.

``value(z)`` maps a pre-activation to an activation. ``slope(a)`` is the derivative with respect to z, written
in terms of the *activation* a = value(z), so that the backward pass needs no z. Both take and return one float32
and are compiled for each device: use float32 constants (a bare 1.0 would be a float64), the functions of
``elementary.py``, and `x if condition else y`, which compiles to a branch-free selection.
"""

from collections.abc import Callable
from dataclasses import dataclass

from glorot.compiled.elementary import HALF, ONE, ZERO, exp, log1p
from glorot.compiled.elementary import tanh as _tanh
from glorot.compiled.names import fixed
from glorot.registry import Family, Number, Registry


@dataclass(frozen=True)
class Activation:
    """label: as in the paper's tables. formula: for `glorot list`."""

    label: str
    formula: str
    value: Callable
    slope: Callable


def sigmoid(z):
    return ONE / (ONE + exp(-z))


def sigmoid_slope(a):
    return a * (ONE - a)


def tanh(z):
    return _tanh(z)


def tanh_slope(a):
    return ONE - a * a


def softsign(z):
    return z / (ONE + abs(z))


def softsign_slope(a):
    return (ONE - abs(a)) * (ONE - abs(a))


def relu(z):
    return ZERO if z < ZERO else z  # written so that NaN stays NaN


def relu_slope(a):
    return ONE if a > ZERO else ZERO


def softplus(z):
    return (z if z > ZERO else ZERO) + log1p(exp(-abs(z)))


def softplus_slope(a):
    return ONE - exp(-a)


def leaky_relu(z, slope):
    return slope * z if z < ZERO else z


def leaky_relu_slope(a, slope):
    return ONE if a > ZERO else slope


def elu(z, alpha):
    return alpha * (_tanh(HALF * z) * (exp(z) + ONE)) if z < ZERO else z  # exp(z) - 1, exact near 0


def elu_slope(a, alpha):
    return ONE if a > ZERO else a + alpha


def linear(z):
    return z


def linear_slope(a):
    return ONE


def _leaky_relu(slope: float) -> Activation:
    value, derivative = (fixed(function, slope=slope) for function in (leaky_relu, leaky_relu_slope))
    return Activation(f"Leaky ReLU {slope:g}", "z for z > 0, else slope * z", value, derivative)


def _elu(alpha: float) -> Activation:
    value, derivative = (fixed(function, alpha=alpha) for function in (elu, elu_slope))
    return Activation(f"ELU {alpha:g}", "z for z > 0, else alpha * (exp(z) - 1)", value, derivative)


ACTIVATIONS: Registry[Activation] = Registry(
    "activation",
    {
        "sigmoid": Activation("Sigmoid", "1 / (1 + exp(-z))", sigmoid, sigmoid_slope),
        "tanh": Activation("Tanh", "tanh(z)", tanh, tanh_slope),
        "softsign": Activation("Softsign", "z / (1 + |z|)", softsign, softsign_slope),
        "relu": Activation("ReLU", "max(0, z)", relu, relu_slope),
        "softplus": Activation("Softplus", "log(1 + exp(z))", softplus, softplus_slope),
        "leaky_relu": Family(_leaky_relu, {"slope": Number(0.01, 0, 1, low_open=True)}),
        "elu": Family(_elu, {"alpha": Number(1, 0, 100, low_open=True)}),
        "linear": Activation("Linear", "z", linear, linear_slope),
    },
)
