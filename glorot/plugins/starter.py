"""What `glorot new --plugin` writes: a plug-in that works as it stands."""

TEXT = '''\
"""An activation, an initializer and a loss of your own, for `glorot run SWEEP --plugin FILE`.

Each dict at the bottom says what there is. Names go into sweep files, labels into tables. Before anything is run,
glorot compares slopes with numerical derivatives.

Formulas are of float32 numbers and are compiled: use constants such as ONE or F(1.5), the functions of
glorot.compiled.elementary, and `x if condition else y`.
"""

import numpy as np

from glorot.compiled.elementary import HALF, ONE, ZERO, F, exp
from glorot.compiled.names import fixed
from glorot.models.activations import Activation
from glorot.models.initializers import Drawn
from glorot.models.losses import Loss, no_normalizer
from glorot.registry import Family, Number

# An activation with a parameter: `activation: swish`, or `activation: {swish: {beta: 2}}`.


def swish(z, beta):
    return z / (ONE + exp(-beta * z))


def swish_slope(z, beta):  # the derivative; here in terms of z, hence slope_of="z" below
    p = ONE / (ONE + exp(-beta * z))
    return p + beta * z * p * (ONE - p)


def make_swish(beta):
    value, slope = fixed(swish, beta=beta), fixed(swish_slope, beta=beta)
    return Activation(f"Swish {beta:g}", "z / (1 + exp(-beta z))", value, slope, slope_of="z")


# One without: the slope in terms of a = relu6(z).


def relu6(z):
    return ZERO if z < ZERO else (F(6) if z > F(6) else z)  # written so that NaN stays NaN


def relu6_slope(a):
    return ONE if ZERO < a < F(6) else ZERO


# An initializer: weights (fan_out, fan_in) of a layer, drawn from the generator that is given.


def two_values(shape, fan_in, fan_out, generator, gain):
    """Plus or minus gain / sqrt(fan_in), with equal chance."""
    return gain / np.sqrt(fan_in) * generator.choice([-1.0, 1.0], shape)


# A loss: of each output unit, from its logit and its target (1 for the right class, else 0).


def squared_error(logit, normalizer, target):
    return HALF * (logit - target) * (logit - target)


def squared_error_delta(logit, normalizer, target):  # the derivative with respect to the logit
    return logit - target


def squared_error_curvature(logit, normalizer, target):  # the second derivative, for the optimizer diagonal_hessian
    return ONE


ACTIVATIONS = {
    "swish": Family(make_swish, {"beta": Number(1, 0, 100, low_open=True)}),
    "relu6": Activation("ReLU6", "min(6, max(0, z))", relu6, relu6_slope),
}
INITIALIZERS = {
    "two_values": Family(
        lambda gain: Drawn(f"(two values, {gain:g})", "+- gain / sqrt(fan_in)", "my own", two_values, {"gain": gain}),
        {"gain": Number(1, 0, 100, low_open=True)},
    ),
}
LOSSES = {
    "squared_error": Loss(
        "squared error", "sum_k (logit - t)^2 / 2", no_normalizer,
        squared_error, squared_error_delta, squared_error_curvature,
    ),
}
'''
