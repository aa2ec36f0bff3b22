"""The CPU's kernels: segments of SGD updates, and evaluation, in float32.

Every array below is flat; ``layers[l]`` says where layer l's parts begin. Rows are padded with zeros to a
multiple of 16 floats. The bias is a column of W: activations carry a constant 1 behind their last unit, so

    z = W a,    W: (fan_out, fan_in + 1),    a: (fan_in + 1,)

and every sum, forward, backward and update, takes the biases along.

One update runs, with every thread at the same step (a barrier between the steps)::

    forward, layer by layer           threads share the ROWS of W: each computes some units' z and a
    loss and delta of the output      one thread
    backward, layer by layer          threads share the COLUMNS of W: each computes some units' delta
                                      and updates their weights, in one pass over W

             k (fan_in + 1) ->                          k ->
        +---------------------------+            +-------+-------+-------+-------+
     j  | panel: some rows, stay in |  thread    | block | block | block | block |   a tile of some rows x
        | L2 while all examples of  |    0       |       |       |       |       |   columns at a time: W is
        | the minibatch pass,       |            |       |       |       |       |   read and written once,
        +---------------------------+            |       |       |       |       |   delta below and a stay
        | a tile of some rows x     |  thread    |       |       |       |       |   in L1
        | examples at a time, in    |    1       |   thread 0    |   thread 1    |
        | registers                 |            |               |               |
        +---------------------------+            +-------+-------+-------+-------+
                  forward                                   backward

                   panel     tile forward              tile backward          the same in the first layer
        AVX-512    48 rows   4 rows x 4 (5) examples   6 rows x 32 columns    8 rows x 32 columns
        AVX2       32 rows   2 rows x 3 (2) examples   5 rows x 8 columns     5 rows x 16 columns
        Arm        32 rows   2 rows x 3 (2) examples   6 rows x 8 columns     6 rows x 16 columns

W is prefetched into L2, a panel (forward) or two tiles (backward) ahead, while the arithmetic goes on. With ten
examples and AVX-512, a and delta of a strip stay in registers instead: ``products.py`` has these loops.

Neither sharing nor tiling changes the order of any sum: forward, lane i of 16 adds up k = i, i+16, ...; backward,
delta adds up j = 0, 1, 2, ... and the gradient e = 0, 1, 2, .... So the bits depend on the shapes alone.

Plain SGD subtracts a tile's gradient as it is computed. For other optimizers the gradient of a tile is left in L1, and
a loop over its rows moves the weights and what the optimizer keeps of each of them, laid out as W is.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from glorot.compiled.cache import compiling, inner, jit
from glorot.compiled.elementary import ZERO
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT, line_of
from glorot.kernels.barrier import wait_for_all
from glorot.kernels.formulas import call_activate, call_losses_and_deltas, call_times_slope, own_of, parts_of
from glorot.kernels.host import OnCpu
from glorot.kernels.layout import Layout, aligned, padded
from glorot.kernels.moves import call_move_columns
from glorot.kernels.products import (
    UPDATE_ROWS,
    call_dots,
    call_update_columns,
    call_update_first_columns,
    share,
    strip_columns,
)
from glorot.kernels.protocol import Probed
from glorot.kernels.simd import LANES
from glorot.kernels.views import (
    FAN_IN,
    FAN_OUT,
    STRIDE_IN,
    STRIDE_OUT,
    above_of,
    below_of,
    copy,
    matrix,
    weights_of,
    z_above_of,
    z_below_of,
)
from glorot.models.activations import ACTIVATIONS

EVALUATION_CHUNK = 96  # examples that pass the network together

# The steps of an update. ------------------------------------------------------------------------------------


class Inputs(NamedTuple):
    """Examples' inputs: pixels (examples, inputs) are bytes k, seen as (a k + b) / c, or else through levels (256,); or
    numbers are the inputs themselves, float32 of the same shape. line: a, b, c, whole numbers in float32. Of those that
    are not there, there are 0."""

    line: np.ndarray
    levels: np.ndarray
    pixels: np.ndarray
    numbers: np.ndarray


@inner
def read_inputs(inputs, first, a, start, stop):
    """a of examples first, first+1, ..., columns start..stop-1. a: (examples, stride)."""
    for e in range(len(a)):
        row = a[e, start:stop]
        if len(inputs.line):  # to the same bits as the table: exact but for the division; and in vectors
            source = inputs.pixels[first + e, start:stop]
            factor, shift, divisor = inputs.line[0], inputs.line[1], inputs.line[2]
            for k in range(len(row)):
                row[k] = (np.float32(np.int32(source[k])) * factor + shift) / divisor
        elif len(inputs.levels):
            source = inputs.pixels[first + e, start:stop]
            for k in range(len(row)):
                row[k] = inputs.levels[source[k]]
        else:
            numbers = inputs.numbers[first + e, start:stop]
            for k in range(len(row)):
                row[k] = numbers[k]


@inner
def slope_arguments(own, layer, a, examples):
    """What slope takes of the units below a layer: (examples, stride_in)."""
    return z_below_of(layer, a, examples) if own.keeps_z else below_of(layer, a, examples)


@inner
def keep_z(layer, a, examples, start, stop):
    """A copy of z, columns start..stop-1, in the second half of the flat a."""
    copy(above_of(layer, a, examples), start, z_above_of(layer, a, examples), start, stop - start)


@inner
def forward(own, layers, l, parameters, a, examples, thread, threads):
    """This thread's units of layer l: z = W a, then the activation (the last layer stays linear)."""
    layer = layers[l]
    start, stop = share(layer[FAN_OUT], LANES, thread, threads)
    z = above_of(layer, a, examples)
    call_dots(own.dots, weights_of(layer, parameters), below_of(layer, a, examples), z, start, stop)
    if l + 1 < len(layers):
        if own.keeps_z:
            keep_z(layer, a, examples, start, stop)
        call_activate(own.activate, z, start, stop, own.least)


@inner
def backward(own, layers, l, parameters, a, delta, examples, step, thread, threads):
    """This thread's columns of layer l: delta of the units below them, and their weights' update by plain SGD."""
    layer = layers[l]
    W_ = weights_of(layer, parameters)
    a_below, delta_below = below_of(layer, a, examples), below_of(layer, delta, examples)
    delta_above = above_of(layer, delta, examples)
    start, stop = share(layer[STRIDE_IN], LANES, thread, threads)
    if l == 0:
        call_update_first_columns(own.update_first_columns, W_, start, stop, a_below, delta_above, step)
    else:
        call_update_columns(own.update_columns, W_, start, stop, a_below, delta_above, delta_below, step)
        slopes = slope_arguments(own, layer, a, examples)
        call_times_slope(own.times_slope, delta_below, slopes, start, stop, own.least)


@inner
def backward_and_move(own, layers, l, parameters, memory, a, delta, examples, rates, thread, threads):
    """As backward, with an optimizer that keeps something of each weight. rates: rate, correction, 1 / examples."""
    layer = layers[l]
    W_, width = weights_of(layer, parameters), layer[STRIDE_IN]
    a_below, delta_below = below_of(layer, a, examples), below_of(layer, delta, examples)
    delta_above = above_of(layer, delta, examples)
    start, stop = share(width, LANES, thread, threads)
    block = strip_columns(examples)
    gradients = np.empty((UPDATE_ROWS, min(block, width)), np.float32)
    for k in range(start, stop, block):
        n = min(block, stop - k)
        call_move_columns(
            own.move_columns, layer, l == 0, W_, memory, k, n, a_below, delta_above, delta_below, gradients, rates,
            own.move,
        )  # fmt: skip
        if l > 0:
            slopes = slope_arguments(own, layer, a, examples)
            call_times_slope(own.times_slope, delta_below, slopes, k, k + n, own.least)


def run_updates(
    own, layers, parameters, memory, a, delta, inputs, labels, batch_size, rates, losses, barrier, thread, threads
):  # fmt: skip
    """Run len(losses) updates on consecutive minibatches, as thread number `thread` of `threads`.

    own: an Own. layers: (n_layers, 7) int64. parameters, a, delta: flat float32. memory: (kept, n_parameters) float32,
    the optimizer's; plain SGD keeps nothing. inputs: Inputs of updates * batch_size examples. labels: theirs, uint8.
    rates: (updates, 3) float32, see `host.rates_of`. losses: (updates,) float64, gets each minibatch's mean loss before
    its update. Stops before an update whose loss is not finite. Returns the number of updates done.
    """
    n_layers, seen, costs = len(layers), below_of(layers[0], a, batch_size), np.empty(batch_size, np.float32)
    logits, deltas = above_of(layers[-1], a, batch_size), above_of(layers[-1], delta, batch_size)
    for u in range(len(losses)):
        batch = slice(u * batch_size, (u + 1) * batch_size)
        start, stop = share(layers[0][FAN_IN], LANES, thread, threads)
        read_inputs(inputs, u * batch_size, seen, start, stop)
        wait_for_all(barrier, threads)
        for l in range(n_layers):
            forward(own, layers, l, parameters, a, batch_size, thread, threads)
            wait_for_all(barrier, threads)
        if thread == 0:
            call_losses_and_deltas(
                own.losses_and_deltas, logits, layers[-1][FAN_OUT], labels[batch], deltas, costs, own.least
            )  # fmt: skip
            total = 0.0
            for cost in costs:
                total += cost
            losses[u] = total / batch_size
        wait_for_all(barrier, threads)
        if not np.isfinite(losses[u]):
            return u
        for l in range(n_layers - 1, -1, -1):
            if len(memory):
                backward_and_move(
                    own, layers, l, parameters, memory, a, delta, batch_size, rates[u], thread, threads
                )  # fmt: skip
            else:
                backward(own, layers, l, parameters, a, delta, batch_size, rates[u, 0], thread, threads)
            wait_for_all(barrier, threads)
    return len(losses)


def evaluate_examples(own, layers, parameters, a, delta, inputs, labels, start, stop, losses, predictions):
    """Loss and predicted class (the largest logit, the first of equals) of examples start..stop-1.

    a: room for EVALUATION_CHUNK examples. delta: room for their logits. losses: (n,) float32. predictions: (n,) uint8.
    """
    n_layers, last = len(layers), layers[-1]
    for first in range(start, stop, EVALUATION_CHUNK):
        examples = min(EVALUATION_CHUNK, stop - first)
        chunk = slice(first, first + examples)
        read_inputs(inputs, first, below_of(layers[0], a, examples), 0, layers[0][FAN_IN])
        for l in range(n_layers):
            forward(own, layers, l, parameters, a, examples, 0, 1)
        logits = above_of(last, a, examples)
        deltas = matrix(delta, 0, examples, last[STRIDE_OUT])
        call_losses_and_deltas(
            own.losses_and_deltas, logits, last[FAN_OUT], labels[chunk], deltas, losses[chunk], own.least
        )
        for e in range(examples):
            best = 0
            for k in range(1, last[FAN_OUT]):
                if logits[e, k] > logits[e, best]:
                    best = k
            predictions[first + e] = best


def probe_examples(own, layers, parameters, a, delta, inputs, first, labels):
    """Forward and backward for some examples at once, for their activations (in a) and deltas (in delta).

    first: the number of the first of them in inputs. labels: theirs. parameters: a copy, since the backward pass makes
    an update; of step 0, so it stays equal where all is finite.
    """
    examples, n_layers, last = len(labels), len(layers), layers[-1]
    read_inputs(inputs, first, below_of(layers[0], a, examples), 0, layers[0][FAN_IN])
    for l in range(n_layers):
        forward(own, layers, l, parameters, a, examples, 0, 1)
    logits, deltas, costs = above_of(last, a, examples), above_of(last, delta, examples), np.empty(examples, np.float32)
    call_losses_and_deltas(own.losses_and_deltas, logits, last[FAN_OUT], labels, deltas, costs, own.least)
    for l in range(n_layers - 1, 0, -1):
        backward(own, layers, l, parameters, a, delta, examples, ZERO, 0, 1)


# One network's kernels. -----------------------------------------------------------------------------------------


class Kernels(NamedTuple):
    """Compiled on their first call, or loaded from the cache; the same for all networks."""

    run_updates: Callable
    evaluate_examples: Callable
    probe_examples: Callable


@cache
def kernels() -> Kernels:
    return Kernels(jit(run_updates), jit(evaluate_examples), jit(probe_examples))


# What the rest of the package sees. -----------------------------------------------------------------------------


class CpuKernels(OnCpu):
    """One network on the CPU: runs segments of updates, evaluates, probes, copies parameters in and out.

    layout, flat, activations: where its parameters lie, and what its units gave for a minibatch. formulas: activation
    and loss.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        threads: int = 1,
        levels: np.ndarray = UNIT,
        optimizer: str = "sgd",
    ):
        """sizes: from input to output. activation, loss, optimizer: keys of the registries. threads: at least 1.

        levels: (256,) float32, what the network sees of each byte (``datasets/inputs.py``).
        """
        self.layout = Layout(sizes, batch_size)
        super().__init__(self.layout, batch_size, learning_rate, threads, optimizer)
        self.levels, self._line = levels, np.array(line_of(levels) or (), np.float32)
        self._keeps_z = ACTIVATIONS[activation].keeps_z
        self._a, self._delta = self.layout.workspace(self._keeps_z), aligned(self.layout.n_activations)
        self._evaluation = Layout(sizes, EVALUATION_CHUNK)
        self._evaluation_a = [self._evaluation.workspace(self._keeps_z) for _ in range(threads)]
        self._evaluation_delta = [aligned(EVALUATION_CHUNK * padded(sizes[-1])) for _ in range(threads)]
        self.flat, self.activations = self._parameters, self._a
        self.formulas = activation, loss
        self._kernels, self.own = kernels(), own_of(activation, loss, optimizer)

    def train(self, examples: Examples) -> np.ndarray:
        """Updates on consecutive minibatches; with plain SGD theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        inputs = self.inputs_of(examples)
        return self.updates(
            len(examples) // self.batch_size,
            lambda rates, losses, barrier, thread: self._kernels.run_updates(
                self.own, self.layout.layers, self._parameters, self._memory, self._a, self._delta, inputs,
                examples.labels, self.batch_size, rates, losses, barrier, thread, self.threads,
            ),
        )  # fmt: skip

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)
        inputs = self.inputs_of(examples)
        self.on_each_thread(
            lambda thread: self._kernels.evaluate_examples(
                self.own, self._evaluation.layers, self._parameters, self._evaluation_a[thread],
                self._evaluation_delta[thread], inputs, examples.labels,
                *share(len(examples), 16, thread, self.threads), losses, predictions,
            )
        )  # fmt: skip
        return losses, predictions

    def probe(self, examples: Examples) -> Probed:
        """As the protocol has it."""
        layout, a, parameters = self._evaluation, self._evaluation_a[0], self._parameters.copy()
        delta, layers = aligned(layout.n_activations), range(len(layout.layers))
        chunks: list[list[np.ndarray]] = []
        inputs, own = self.inputs_of(examples), self.own._replace(least=ZERO)
        for first in range(0, len(examples), layout.examples):
            chunk = slice(first, first + layout.examples)
            labels = examples.labels[chunk]
            self._kernels.probe_examples(own, layout.layers, parameters, a, delta, inputs, first, labels)
            of_slopes = a[len(a) // 2 :] if self._keeps_z else a
            seen = [layout.above(values, l, len(labels)).copy() for values in (a, delta, of_slopes) for l in layers]
            chunks.append(seen)
        whole = [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
        n = len(layers)
        return Probed(whole[: n - 1], whole[n : 2 * n], whole[2 * n : 3 * n - 1])

    def inputs_of(self, examples: Examples) -> Inputs:
        """What the kernels take of them."""
        if examples.pixels.dtype == np.float32:
            return Inputs(self._line[:0], self.levels[:0], np.empty((0, 0), np.uint8), examples.pixels)
        return Inputs(self._line, self.levels, examples.pixels, np.empty((0, 0), np.float32))


def prepare(activation: str, loss: str, optimizer: str = "sgd") -> None:
    """Compile the kernels of such networks, or load them from the cache, before any thread waits for another."""
    parts = parts_of(activation, loss, optimizer)
    with compiling(kernels().run_updates, *(part.compiled for part in parts.values())):
        network = CpuKernels((2, 2, 2), activation, loss, 1, 0.1, optimizer=optimizer)
        examples = Examples(np.zeros((1, 2), np.uint8), np.zeros(1, np.uint8))
        network.train(examples)
        network.evaluate(examples)
