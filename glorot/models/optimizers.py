"""Optimizers: how a parameter moves along its gradient, one at a time.

A ``step`` is a formula on float32 scalars, as in ``activations.py``, compiled for each device into the pass over W:

    step(w, gradient, kept_1, ..., rate, correction) -> (w, kept_1, ...)

gradient is the mean over the minibatch, and kept_1, ... what the optimizer remembers of this parameter (``keeps``),
0 at first. ``rates`` gives rate and correction of update t = 1, 2, ..., equal for all parameters. Plain SGD has no
step: its kernels subtract the gradient while they compute it.

To add one: write the step, and add a line to OPTIMIZERS at the bottom.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from glorot.compiled.elementary import sqrt
from glorot.compiled.names import fixed
from glorot.registry import Family, Number, Registry, Switch


def plain_rates(learning_rate: float, t: int) -> tuple[float, float]:
    """The learning rate as it is; no correction."""
    return learning_rate, 1.0


@dataclass(frozen=True)
class Statistic:
    """What the optimizer keeps is no running sum, but measured: on so many examples, at every so many updates."""

    examples: int
    every: int


@dataclass(frozen=True)
class Optimizer:
    """suffix: what a row label gets where a sweep compares optimizers. formula, source: for `glorot list`.

    keeps: names of what is remembered of each parameter. step, rates: see above; step is None for plain SGD.
    """

    suffix: str
    formula: str
    source: str
    keeps: tuple[str, ...] = ()
    step: Callable | None = None
    rates: Callable[[float, int], tuple[float, float]] = plain_rates
    statistic: Statistic | None = None


def momentum_step(w, gradient, velocity, rate, correction, momentum):
    velocity = momentum * velocity + gradient
    return w - rate * velocity, velocity


def nesterov_step(w, gradient, velocity, rate, correction, momentum):
    velocity = momentum * velocity + gradient
    return w - rate * (gradient + momentum * velocity), velocity


def adam_step(w, gradient, mean, square, rate, correction, beta1, new1, beta2, new2, epsilon):
    mean = beta1 * mean + new1 * gradient
    square = beta2 * square + new2 * (gradient * gradient)
    return w - rate * (mean / (sqrt(square) * correction + epsilon)), mean, square


def diagonal_hessian_step(w, gradient, curvature, rate, correction, mu):
    return w - rate * (mu / (curvature + mu)) * gradient, curvature


def gradient_variance_step(w, gradient, mean, variance, rate, correction, decay, new, epsilon):
    """West's update of a running mean and variance: no square is subtracted from another."""
    change = gradient - mean
    mean = mean + new * change
    variance = decay * (variance + new * (change * change))
    return w - rate * gradient / (sqrt(variance * correction) + epsilon), mean, variance


def power(base: float, n: int) -> float:
    """base**n for n >= 0 by multiplications alone, so that its bits are of no C library."""
    total = 1.0
    while n:
        if n & 1:
            total *= base
        base *= base
        n >>= 1
    return total


def _momentum(momentum: float, nesterov: bool) -> Optimizer:
    step = fixed(nesterov_step if nesterov else momentum_step, momentum=momentum)
    name, moved = ("Nesterov momentum", "g + momentum * v") if nesterov else ("momentum", "v")
    formula = f"v = momentum * v + g; w -= rate * {f'({moved})' if nesterov else moved}"
    source = "Sutskever et al. 2013" if nesterov else "Polyak 1964"
    return Optimizer(f"{name} {momentum:g}", formula, source, ("velocity",), step)


def _adam(beta1: float, beta2: float, epsilon: float) -> Optimizer:
    step = fixed(adam_step, beta1=beta1, new1=1 - beta1, beta2=beta2, new2=1 - beta2, epsilon=epsilon)

    def rates(learning_rate: float, t: int) -> tuple[float, float]:
        """Both means begin at 0; what they lack at update t is made up for here."""
        return learning_rate / (1 - power(beta1, t)), 1 / math.sqrt(1 - power(beta2, t))

    others = (beta1, beta2, epsilon) != (0.9, 0.999, 1e-8)
    return Optimizer(
        f"Adam {beta1:g}, {beta2:g}, {epsilon:g}" if others else "Adam",
        "m, v: running means of g and g^2, corrected for their start at 0; w -= rate * m / (sqrt(v) + epsilon)",
        "Kingma & Ba 2015",
        ("mean", "square"),
        step,
        rates,
    )


def _diagonal_hessian(mu: float, examples: int, every: int) -> Optimizer:
    others = (mu, examples, every) != (0.001, 500, 5000)
    return Optimizer(
        f"diagonal Hessian {mu:g}, {examples}, {every}" if others else "diagonal Hessian",
        "w -= rate * mu / (h + mu) * g, h: mean second derivative of w, estimated again and again",
        "LeCun et al. 1998",
        ("curvature",),
        fixed(diagonal_hessian_step, mu=mu),
        statistic=Statistic(examples, every),
    )


def _gradient_variance(decay: float, epsilon: float) -> Optimizer:
    def rates(learning_rate: float, t: int) -> tuple[float, float]:
        return learning_rate, 1 / (1 - power(decay, t))

    others = (decay, epsilon) != (0.999, 1e-6)
    return Optimizer(
        f"gradient variance {decay:g}, {epsilon:g}" if others else "gradient variance",
        "w -= rate * g / (sqrt(running variance of g) + epsilon)",
        "named in section 5 of Glorot & Bengio 2010, which has no formula: this one is ours",
        ("mean", "variance"),
        fixed(gradient_variance_step, decay=decay, new=1 - decay, epsilon=epsilon),
        rates,
    )


# Of diagonal_hessian: mu is that of the paper's author, in his code of 2010; LeNet-5 had 0.02, 500 examples, and a new
# estimate in each pass over the examples. Of gradient_variance: a decay of 0.999 averages over 1,000 minibatches, some
# thousand examples, as many as LeNet-5's estimate; epsilon bounds the steps of weights whose gradient hardly varies,
# and is far below the deviations of others.
OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    {
        "sgd": Optimizer("", "w -= rate * g, g: mean gradient of the minibatch", "Glorot & Bengio 2010"),
        "momentum": Family(_momentum, {"momentum": Number(0.9, 0, 0.9999), "nesterov": Switch(False)}),
        "adam": Family(
            _adam,
            {
                "beta1": Number(0.9, 0, 0.9999),
                "beta2": Number(0.999, 0, 0.999999),
                "epsilon": Number(1e-8, 0, 1, low_open=True),
            },
        ),
        "diagonal_hessian": Family(_diagonal_hessian, {
            "mu": Number(0.001, 0, 1000, low_open=True), "examples": Number(500, 1, 10**6, whole=True),
            "every": Number(5000, 1, 10**9, whole=True),
        }),
        "gradient_variance": Family(_gradient_variance, {
            "decay": Number(0.999, 0, 0.999999), "epsilon": Number(1e-6, 0, 1, low_open=True),
        }),
    },
)  # fmt: skip
