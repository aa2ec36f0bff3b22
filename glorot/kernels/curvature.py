"""The diagonal of the Hessian on the CPU, by back-propagation of second derivatives (LeCun et al. 1998, "Efficient
BackProp", section 7.4): per example, with the terms in f'' left out,

    d2E/dz_i^2   = f'(z_i)^2 d2E/da_i^2         of the logits: the loss's own
    d2E/dW_ij^2  = d2E/dz_i^2 a_j^2
    d2E/da_j^2   = sum_i W_ij^2 d2E/dz_i^2

This is the backward pass with W, a and f' squared, so it uses the same tiles: W^2 in W's place, and an "optimizer" that
adds the gradient to what it keeps. The order of sums is fixed as there.
"""

from functools import cache

import numpy as np
from numba.core import types

from glorot.compiled.cache import compiling, inner, jit
from glorot.compiled.calls import Apart, calling
from glorot.compiled.elementary import ONE, ZERO
from glorot.datasets import Examples
from glorot.kernels.barrier import wait_for_all
from glorot.kernels.cpu import CpuKernels, forward, read_inputs, slope_arguments
from glorot.kernels.formulas import LABELS, LEAST, call_times_slope, loss_normalizer, parts_of, with_formulas
from glorot.kernels.moves import MOVE, call_move_columns, move_one
from glorot.kernels.products import UPDATE_ROWS, share, strip_columns
from glorot.kernels.simd import LANES, MATRIX
from glorot.kernels.views import FAN_IN, FAN_OUT, STRIDE_IN, above_of, below_of, weights_of
from glorot.models.losses import LOSSES


def _own(*arguments):
    raise NotImplementedError("each loss has its own")


loss_curvature = _own
_CURVATURES = types.void(MATRIX, types.intp, LABELS, MATRIX)
call_curvatures = calling(_CURVATURES)


def add_up(w, gradient, kept, rate, correction):
    """An "optimizer" that moves nothing and keeps the sum of the gradients."""
    return w, kept + gradient


def output_curvatures(logits, classes, labels, curvatures):
    """d2C/d logit2 of some examples. logits, curvatures: (examples, >= classes)."""
    for e in range(len(labels)):
        shared = loss_normalizer(logits[e, :classes])
        for k in range(classes):
            target = ONE if k == labels[e] else ZERO
            curvature = loss_curvature(logits[e, k], shared, target)
            curvatures[e, k] = ZERO if abs(curvature) < LEAST else curvature


@inner
def curvature_backward(own, layers, l, squares, memory, a, a2, delta, examples, rates, thread, threads):
    """This thread's columns of layer l: d2E/dz2 of the units below, and d2E/dW2 added to memory. own: its move is
    add_up."""
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
        call_move_columns(
            own.move_columns, layer, l == 0, W2, memory, k, n, below2, delta_above, delta_below, gradients, rates,
            own.move,
        )  # fmt: skip
        if l > 0:
            slopes = slope_arguments(own, layer, a, examples)
            call_times_slope(own.times_slope, delta_below, slopes, k, k + n, own.least)
            call_times_slope(own.times_slope, delta_below, slopes, k, k + n, own.least)


def add_curvatures(
    own, curvatures, layers, parameters, squares, memory, a, a2, delta, inputs, labels, chunk, rates, barrier, thread,
    threads,
):  # fmt: skip
    """The mean d2E/dW2 of some examples, added to memory, as thread number `thread` of `threads`.

    own: an Own. curvatures: address of output_curvatures. squares: the parameters squared. a, a2, delta: room for
    `chunk` examples. inputs: Inputs. rates: (0, 0, 1 / examples).
    """
    n_layers = len(layers)
    for first in range(0, len(labels), chunk):
        examples = min(chunk, len(labels) - first)
        start, stop = share(layers[0][FAN_IN], LANES, thread, threads)
        read_inputs(inputs, first, below_of(layers[0], a, examples), start, stop)
        wait_for_all(barrier, threads)
        for l in range(n_layers):
            forward(own, layers, l, parameters, a, examples, thread, threads)
            wait_for_all(barrier, threads)
        if thread == 0:
            logits, deltas = above_of(layers[-1], a, examples), above_of(layers[-1], delta, examples)
            call_curvatures(curvatures, logits, layers[-1][FAN_OUT], labels[first : first + examples], deltas)
        wait_for_all(barrier, threads)
        for l in range(n_layers - 1, -1, -1):
            curvature_backward(own, layers, l, squares, memory, a, a2, delta, examples, rates, thread, threads)
            wait_for_all(barrier, threads)


@cache
def adding_curvatures():
    """Compiled on its first call, or loaded from the cache; the same for all networks."""
    return jit(add_curvatures)


@cache
def of_loss(loss: str) -> Apart:
    """output_curvatures with this loss in it."""
    one = LOSSES[loss]
    formulas = {"loss_normalizer": one.normalizer, "loss_curvature": one.curvature}
    return with_formulas(output_curvatures, _CURVATURES, loss, formulas)


@cache
def adding_up() -> Apart:
    return with_formulas(move_one, MOVE, "add_up", {"optimizer_step": add_up})


class CurvatureKernels(CpuKernels):
    """Those of an optimizer that keeps the curvature of each parameter."""

    def __init__(self, sizes, activation, loss, *others, **named):
        super().__init__(sizes, activation, loss, *others, **named)
        self._curvatures = of_loss(loss).address
        self._own = self.own._replace(move=adding_up().address)

    def estimate(self, examples: Examples) -> None:
        """Keep the mean second derivative of each parameter over these examples."""
        layout, barrier = self._evaluation, np.zeros(2 * LANES, np.int64)
        a, a2 = layout.workspace(self._keeps_z), layout.workspace(False)
        delta = np.zeros(layout.n_activations, np.float32)
        squares, self._memory[:] = self._parameters * self._parameters, 0
        rates, inputs = np.array([0, 0, 1 / len(examples)], np.float32), self.inputs_of(examples)
        self.on_each_thread(
            lambda thread: adding_curvatures()(
                self._own, self._curvatures, layout.layers, self._parameters, squares, self._memory, a, a2, delta,
                inputs, examples.labels, layout.examples, rates, barrier, thread, self.threads,
            )
        )  # fmt: skip


def prepare(activation: str, loss: str, optimizer: str) -> None:
    """Compile the estimate, or load it from the cache, before any thread waits for another."""
    parts = *parts_of(activation, loss, optimizer).values(), of_loss(loss)
    with compiling(adding_curvatures(), *(part.compiled for part in parts)):
        network = CurvatureKernels((2, 2, 2), activation, loss, 1, 0.1, optimizer=optimizer)
        network.estimate(Examples(np.zeros((1, 2), np.uint8), np.zeros(1, np.uint8)))
