"""Activation functions and their slopes, side by side.

To add one: write the two functions, as below, and add a line to ACTIVATIONS at the bottom. Nothing else changes:
`glorot list`, sweep files, kernels and the gradient checks of the tests all read that table.

``value(z)`` maps a pre-activation to an activation. ``slope(a)`` is the derivative with respect to z, written
in terms of the *activation* a = value(z), so that the backward pass needs no z; or, with slope_of="z", in terms of z,
which is then kept beside a. Both take and return one float32 and are compiled for each device: use float32 constants (a
bare 1.0 would be a float64), the functions of ``elementary.py``, and `x if condition else y`, which compiles to a
branch-free selection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from glorot.compiled.elementary import HALF, ONE, TWO, ZERO, F, cos, exp, log1p, normal_cdf, sin
from glorot.compiled.elementary import tanh as _tanh
from glorot.compiled.names import fixed
from glorot.errors import PluginError
from glorot.registry import Family, Number, Registry


@dataclass(frozen=True)
class Activation:
    """label: as in the paper's tables. formula: for `glorot list`. slope_of: what slope takes, a = value(z) or z."""

    label: str
    formula: str
    value: Callable
    slope: Callable
    slope_of: Literal["a", "z"] = "a"

    @property
    def keeps_z(self) -> bool:
        return self.slope_of == "z"

    def slope_at(self, z: np.float32) -> np.float32:
        """f'(z)."""
        return self.slope(z if self.keeps_z else self.value(z))


def stand_in(label: str) -> Activation:
    """For one from a plug-in that is not there: it has a label, and computes nothing."""
    return Activation(label, "from a plug-in that is not loaded", not_there, not_there)


def not_there(*arguments):
    raise PluginError("expected the plug-in that this formula is from, found none loaded; add --plugin FILE")


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
    below = alpha * (_tanh(HALF * z) * (exp(z) + ONE))  # exp(z) - 1, exact near 0; here, so that loops become vectors
    return below if z < ZERO else z


def elu_slope(a, alpha):
    return ONE if a > ZERO else a + alpha


SELU_SCALE, SELU_ALPHA = F(1.0507009873554805), F(1.6732632423543772)


def selu(z):
    below = SELU_ALPHA * (_tanh(HALF * z) * (exp(z) + ONE))
    return SELU_SCALE * (below if z < ZERO else z)


def selu_slope(a):
    return SELU_SCALE if a > ZERO else a + SELU_SCALE * SELU_ALPHA


def gelu(z):
    return z * normal_cdf(z)


def gelu_slope(z):
    return normal_cdf(z) + z * (F(0.398942280401432678) * exp(-HALF * z * z))


def silu(z):
    root = exp(-HALF * abs(z))  # its square, exp(-|z|), may lie below the normal numbers
    return (z * root * root if z < ZERO else z) / (ONE + root * root)


def silu_slope(z):
    e = exp(-abs(z))
    larger = ONE / (ONE + e)
    smaller = e * larger
    return smaller * (ONE + z * larger) if z < ZERO else larger * (ONE + z * smaller)


def mish(z):
    root = exp(-HALF * abs(z))
    e = root * root
    left = z * root * root * (e + TWO) / (e * (e + TWO) + TWO)
    right = z * ((ONE + e + e) / (ONE + TWO * e * (ONE + e)))
    return left if z < ZERO else right


def mish_slope(z):
    """tanh(s) + z (1 - tanh(s)^2) sigmoid(z), s = softplus(z), in terms of exp(-|z|)."""
    e = exp(-abs(z))
    left, right = e * (e + TWO) + TWO, ONE + TWO * e * (ONE + e)
    below = e * ((e + TWO) / left + z * (F(4) * (ONE + e) / (left * left)))
    above = (ONE + e + e) / right + z * (F(4) * e * e * (ONE + e) / (right * right))
    return below if z < ZERO else above


def hard_tanh(z):
    return -ONE if z < -ONE else (ONE if z > ONE else z)


def hard_tanh_slope(a):
    return ONE if abs(a) < ONE else ZERO


def sine(z):
    return sin(z)


def sine_slope(z):
    return cos(z)


def scaled_tanh(z, a, b):
    return a * _tanh(b * z)


def scaled_tanh_slope(y, a, b):
    return b * a * (ONE - (y / a) * (y / a))


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


def _scaled_tanh(a: float, b: float) -> Activation:
    value, derivative = (fixed(function, a=a, b=b) for function in (scaled_tanh, scaled_tanh_slope))
    return Activation(
        f"{a:g} Tanh({b:.4g} z)", "a * tanh(b * z) (LeCun et al. 1998: a = 1.7159, b = 2/3)", value, derivative
    )


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
        "selu": Activation("SELU", "1.0507 z for z > 0, else 1.7581 (exp(z) - 1)", selu, selu_slope),
        "gelu": Activation("GELU", "z Phi(z), Phi the normal distribution", gelu, gelu_slope, "z"),
        "silu": Activation("SiLU", "z / (1 + exp(-z)), also called Swish", silu, silu_slope, "z"),
        "mish": Activation("Mish", "z tanh(log(1 + exp(z)))", mish, mish_slope, "z"),
        "hard_tanh": Activation("Hard tanh", "max(-1, min(1, z))", hard_tanh, hard_tanh_slope),
        "sine": Activation("Sine", "sin(z)", sine, sine_slope, "z"),
        "scaled_tanh": Family(
            _scaled_tanh, {"a": Number(1.7159, 0, 100, low_open=True), "b": Number(2 / 3, 0, 100, low_open=True)}
        ),
        "linear": Activation("Linear", "z", linear, linear_slope),
    },
    label=lambda activation: activation.label,
    stand_in=stand_in,
)
