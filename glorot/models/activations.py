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

from glorot.compiled.elementary import ONE, ZERO, exp, log1p
from glorot.compiled.elementary import tanh as _tanh


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


def linear(z):
    return z


def linear_slope(a):
    return ONE


ACTIVATIONS = {
    "sigmoid": Activation("Sigmoid", "1 / (1 + exp(-z))", sigmoid, sigmoid_slope),
    "tanh": Activation("Tanh", "tanh(z)", tanh, tanh_slope),
    "softsign": Activation("Softsign", "z / (1 + |z|)", softsign, softsign_slope),
    "relu": Activation("ReLU", "max(0, z)", relu, relu_slope),
    "softplus": Activation("Softplus", "log(1 + exp(z))", softplus, softplus_slope),
    "linear": Activation("Linear", "z", linear, linear_slope),
}
