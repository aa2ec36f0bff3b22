"""The diagonal of the Hessian on the CPU, by back-propagation of second derivatives (LeCun et al. 1998, "Efficient
BackProp", section 7.4): per example, with the terms in f'' left out,

    d2E/dz_i^2   = f'(z_i)^2 d2E/da_i^2         of the logits: the loss's own
    d2E/dW_ij^2  = d2E/dz_i^2 a_j^2
    d2E/da_j^2   = sum_i W_ij^2 d2E/dz_i^2

This is the backward pass with W, a and f' squared, so it uses the same tiles: W^2 in W's place, and an "optimizer" that
adds the gradient to what it keeps. The order of sums is fixed as there.
"""

from functools import cache

import numba
import numpy as np

from glorot.compiled.cache import compiling, jit
from glorot.compiled.elementary import ONE, ZERO
from glorot.compiled.names import bound, symbol
from glorot.datasets import Examples
from glorot.kernels.cpu import (
    FAN_IN,
    FAN_OUT,
    STRIDE_IN,
    CpuKernels,
    above_of,
    below_of,
    forward,
    loss_normalizer,
    move_columns,
    move_one,
    read_pixels,
    slope_arguments,
    steps_of,
    times_slope,
    weights_of,
)
from glorot.kernels.products import UPDATE_ROWS, share, strip_columns
from glorot.kernels.simd import LANES, wait_for_all
from glorot.models.losses import LOSSES


def _own(*arguments):
    raise NotImplementedError("each network has its own")


loss_curvature = _own


def add_up(w, gradient, kept, rate, correction):
    """An "optimizer" that moves nothing and keeps the sum of the gradients."""
    return w, kept + gradient


def output_curvature(layers, a, delta, labels):
    """d2C/d logit2 of some examples, to delta."""
    last = layers[-1]
    logits, curvatures = above_of(last, a, len(labels)), above_of(last, delta, len(labels))
    for e in range(len(labels)):
        one = logits[e, : last[FAN_OUT]]
        shared = loss_normalizer(one)
        for k in range(last[FAN_OUT]):
            target = ONE if k == labels[e] else ZERO
            curvatures[e, k] = loss_curvature(one[k], shared, target)


def curvature_backward(layers, l, squares, memory, a, a2, delta, examples, rates, thread, threads):
    """This thread's columns of layer l: d2E/dz2 of the units below, and d2E/dW2 added to memory."""
    layer = layers[l]
    W2, width = weights_of(layer, squares), layer[STRIDE_IN]
    below, below2 = below_of(layer, a, examples), below_of(layer, a2, examples)
    delta_below, delta_above = below_of(layer, delta, examples), above_of(layer, delta, examples)
    start, stop = share(width, LANES, thread, threads)
    block = strip_columns(examples)
    gradients = np.empty((UPDATE_ROWS, min(block, width)), np.float32)
    for k in range(start, stop, block):
        n = min(block, stop - k)
        for e in range(examples):
            for i in range(k, k + n):
                below2[e, i] = below[e, i] * below[e, i]
        move_columns(layer, l == 0, W2, memory, k, n, below2, delta_above, delta_below, gradients, rates)
        if l > 0:
            times_slope(delta_below, slope_arguments(layer, a, examples), k, k + n)
            times_slope(delta_below, slope_arguments(layer, a, examples), k, k + n)


def add_curvatures(
    layers, parameters, squares, memory, a, a2, delta, levels, pixels, labels, chunk, rates, barrier, thread, threads
):  # fmt: skip
    """The mean d2E/dW2 of some examples, added to memory, as thread number `thread` of `threads`.

    squares: the parameters squared. a, a2, delta: room for `chunk` examples. rates: (0, 0, 1 / examples).
    """
    n_layers = len(layers)
    for first in range(0, len(labels), chunk):
        examples = min(chunk, len(labels) - first)
        start, stop = share(layers[0][FAN_IN], LANES, thread, threads)
        read_pixels(pixels[first : first + examples], levels, below_of(layers[0], a, examples), start, stop)
        wait_for_all(barrier, threads)
        for l in range(n_layers):
            forward(layers, l, parameters, a, examples, thread, threads)
            wait_for_all(barrier, threads)
        if thread == 0:
            output_curvature(layers, a, delta, labels[first : first + examples])
        wait_for_all(barrier, threads)
        for l in range(n_layers - 1, -1, -1):
            curvature_backward(layers, l, squares, memory, a, a2, delta, examples, rates, thread, threads)
            wait_for_all(barrier, threads)


@cache
def curvatures_of(activation: str, loss: str):
    """add_curvatures with these in it, compiled on its first call, or loaded from the cache."""
    own, name = steps_of(activation, loss), symbol(f"{activation} {loss}")
    own["loss_curvature"] = numba.njit(LOSSES[loss].curvature)
    own["optimizer_step"] = numba.njit(add_up)
    for key, step in (
        ("move", move_one), ("move_columns", move_columns), ("output_curvature", output_curvature),
        ("curvature_backward", curvature_backward),
    ):  # fmt: skip
        own[key] = numba.njit(error_model="numpy")(bound(step, f"{step.__name__}_{name} curvature", own))
    return jit(bound(add_curvatures, f"add_curvatures_{name}", own))


class CurvatureKernels(CpuKernels):
    """Those of an optimizer that keeps the curvature of each parameter."""

    def __init__(self, sizes, activation, loss, *others, **named):
        super().__init__(sizes, activation, loss, *others, **named)
        self._add_curvatures = curvatures_of(activation, loss)

    def estimate(self, examples: Examples) -> None:
        """Keep the mean second derivative of each parameter over these examples."""
        layout, barrier = self._evaluation, np.zeros(2 * LANES, np.int64)
        a, a2 = layout.workspace(self._keeps_z), layout.workspace(False)
        delta = np.zeros(layout.n_activations, np.float32)
        squares, self._memory[:] = self._parameters * self._parameters, 0
        rates = np.array([0, 0, 1 / len(examples)], np.float32)
        self.on_each_thread(
            lambda thread: self._add_curvatures(
                layout.layers, self._parameters, squares, self._memory, a, a2, delta, self.levels, examples.pixels,
                examples.labels, layout.examples, rates, barrier, thread, self.threads,
            )
        )  # fmt: skip


def prepare(activation: str, loss: str, optimizer: str, numbers: np.dtype | type = np.uint8) -> None:
    """Compile the estimate, or load it from the cache, before any thread waits for another."""
    with compiling(curvatures_of(activation, loss)):
        network = CurvatureKernels((2, 2, 2), activation, loss, 1, 0.1, optimizer=optimizer)
        network.estimate(Examples(np.zeros((1, 2), numbers), np.zeros(1, np.uint8)))
