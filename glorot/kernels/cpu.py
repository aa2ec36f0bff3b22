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
        others     32 rows   2 rows x 3 (2) examples   5 rows x 8 columns     5 rows x 16 columns

W is prefetched into L2, a panel (forward) or two tiles (backward) ahead, while the arithmetic goes on. With ten
examples and AVX-512, a and delta of a strip stay in registers instead: ``products.py`` has these loops.

Neither sharing nor tiling changes the order of any sum: forward, lane i of 16 adds up k = i, i+16, ...; backward,
delta adds up j = 0, 1, 2, ... and the gradient e = 0, 1, 2, .... So the bits depend on the shapes alone.

Plain SGD subtracts a tile's gradient as it is computed. For other optimizers the gradient of a tile is left in L1, and
a loop over its rows moves the weights and what the optimizer keeps of each of them, laid out as W is.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np

from glorot.compiled.cache import compiling, inner, jit
from glorot.compiled.elementary import ZERO
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.kernels.formulas import call_activate, call_losses_and_deltas, call_times_slope, own_of, parts_of
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
from glorot.kernels.simd import LANES, wait_for_all
from glorot.kernels.views import (
    BELOW,
    FAN_IN,
    FAN_OUT,
    STRIDE_IN,
    STRIDE_OUT,
    W,
    above_of,
    below_of,
    copy,
    matrix,
    weights_of,
    z_above_of,
    z_below_of,
)
from glorot.models.activations import ACTIVATIONS
from glorot.models.network import Layer
from glorot.models.optimizers import OPTIMIZERS, Optimizer

EVALUATION_CHUNK = 96  # examples that pass the network together

# The steps of an update. ------------------------------------------------------------------------------------


class Inputs(NamedTuple):
    """Examples' inputs: pixels (examples, inputs) are bytes, seen through levels (256,); or numbers are the inputs
    themselves, float32 of the same shape. Of those that are not there, there are 0."""

    levels: np.ndarray
    pixels: np.ndarray
    numbers: np.ndarray


@inner
def read_inputs(inputs, first, a, start, stop):
    """a of examples first, first+1, ..., columns start..stop-1. a: (examples, stride)."""
    for e in range(len(a)):
        row = a[e, start:stop]
        if len(inputs.levels):
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
        call_activate(own.activate, z, start, stop)


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
        call_times_slope(own.times_slope, delta_below, slope_arguments(own, layer, a, examples), start, stop)


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
            call_times_slope(own.times_slope, delta_below, slope_arguments(own, layer, a, examples), k, k + n)


def run_updates(
    own, layers, parameters, memory, a, delta, inputs, labels, batch_size, rates, losses, barrier, thread, threads
):  # fmt: skip
    """Run len(losses) updates on consecutive minibatches, as thread number `thread` of `threads`.

    own: an Own. layers: (n_layers, 7) int64. parameters, a, delta: flat float32. memory: (kept, n_parameters) float32,
    the optimizer's; plain SGD keeps nothing. inputs: Inputs of updates * batch_size examples. labels: theirs, uint8.
    rates: (updates, 3) float32, see `rates_of`. losses: (updates,) float64, gets each minibatch's mean loss before its
    update. Stops before an update whose loss is not finite. Returns the number of updates done.
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
                own.losses_and_deltas, logits, layers[-1][FAN_OUT], labels[batch], deltas, costs
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
        call_losses_and_deltas(own.losses_and_deltas, logits, last[FAN_OUT], labels[chunk], deltas, losses[chunk])
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
    call_losses_and_deltas(own.losses_and_deltas, logits, last[FAN_OUT], labels, deltas, costs)
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


def _aligned(n: int) -> np.ndarray:
    """n float32 zeros that begin at a cache line."""
    raw = np.zeros(n + LANES, np.float32)
    offset = -raw.ctypes.data // 4 % LANES
    return raw[offset : offset + n]


def _padded(n: int) -> int:
    return -(-n // LANES) * LANES


class Layout:
    """Where everything lies in the flat arrays, for minibatches of a given number of examples."""

    def __init__(self, sizes: tuple[int, ...], examples: int):
        strides = [_padded(size + 1) for size in sizes[:-1]] + [_padded(sizes[-1])]
        weights = np.cumsum([0] + [out * stride for out, stride in zip(sizes[1:], strides[:-1], strict=True)])
        rows = np.cumsum([0] + [examples * stride for stride in strides])
        self.layers = np.array(
            [
                (sizes[l], sizes[l + 1], strides[l], strides[l + 1], weights[l], rows[l], rows[l + 1])
                for l in range(len(sizes) - 1)
            ],
            np.int64,
        )
        self.n_parameters = int(weights[-1])
        self.n_activations = int(rows[-1])
        self.examples = examples

    def workspace(self, keeps_z: bool) -> np.ndarray:
        """Room for activations, with the constant 1 behind the units of each layer but the last; and for as many z."""
        a = _aligned((1 + keeps_z) * self.n_activations)
        for layer in self.layers:
            rows = a[layer[BELOW] : layer[BELOW] + self.examples * layer[STRIDE_IN]]
            rows.reshape(self.examples, layer[STRIDE_IN])[:, layer[FAN_IN]] = 1
        return a

    def read(self, parameters: np.ndarray) -> list[Layer]:
        """A copy of flat parameters, layer by layer."""
        layers = []
        for l, (fan_in, *_) in enumerate(self.layers):
            weights = self.weights(parameters, l)
            layers.append(Layer(weights[:, :fan_in].copy(), weights[:, fan_in].copy()))
        return layers

    def write(self, layers: list[Layer], parameters: np.ndarray) -> None:
        """Set flat parameters; their padding to 0, where a diverged update may have left NaN."""
        parameters[:] = 0
        for l, (fan_in, *_) in enumerate(self.layers):
            weights = self.weights(parameters, l)
            weights[:, :fan_in], weights[:, fan_in] = layers[l]

    def weights(self, parameters: np.ndarray, l: int) -> np.ndarray:
        """Layer l's (fan_out, stride) part of the flat parameters, biases in column fan_in, as a view."""
        layer = self.layers[l]
        flat = parameters[layer[W] : layer[W] + layer[FAN_OUT] * layer[STRIDE_IN]]
        return flat.reshape(layer[FAN_OUT], layer[STRIDE_IN])

    def above(self, values: np.ndarray, l: int, examples: int) -> np.ndarray:
        """Layer l's units in the flat activations or deltas of some examples: (examples, fan_out), as a view."""
        layer = self.layers[l]
        return above_of(layer, values, examples)[:, : layer[FAN_OUT]]


def rates_of(optimizer: Optimizer, learning_rate: float, batch_size: int, made: int, updates: int) -> np.ndarray:
    """What each of the next updates, after `made`, needs beside its gradient: (updates, 3) float32."""
    rates = np.empty((updates, 3), np.float32)
    if optimizer.step is None:
        rates[:] = learning_rate / batch_size, 1, 1
        return rates
    for u in range(updates):
        rates[u] = *optimizer.rates(learning_rate, made + u + 1), 1 / batch_size
    return rates


class CpuKernels:
    """One network on the CPU: runs segments of updates, evaluates, probes, copies parameters in and out.

    layout, flat, activations: where its parameters lie, and what its units gave for a minibatch. formulas: activation
    and loss.
    """

    staging = None

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
        self.batch_size, self.threads, self.levels = batch_size, threads, levels
        self.learning_rate, self.updates_made = learning_rate, 0
        self._optimizer = OPTIMIZERS[optimizer]
        self._layout = Layout(sizes, batch_size)
        self._parameters = _aligned(self._layout.n_parameters)
        self._keeps_z = ACTIVATIONS[activation].keeps_z
        self._a, self._delta = self._layout.workspace(self._keeps_z), _aligned(self._layout.n_activations)
        self._evaluation = Layout(sizes, EVALUATION_CHUNK)
        self._evaluation_a = [self._evaluation.workspace(self._keeps_z) for _ in range(threads)]
        self._evaluation_delta = [_aligned(EVALUATION_CHUNK * _padded(sizes[-1])) for _ in range(threads)]
        kept = len(self._optimizer.keeps)
        self._memory = _aligned(kept * self._layout.n_parameters).reshape(kept, self._layout.n_parameters)
        self.layout, self.flat, self.activations = self._layout, self._parameters, self._a
        self.formulas = activation, loss
        self._kernels, self.own = kernels(), own_of(activation, loss, optimizer)
        self._pool = ThreadPoolExecutor(threads)

    @property
    def parameters(self) -> list[Layer]:
        """A copy of the parameters."""
        return self._layout.read(self._parameters)

    @parameters.setter
    def parameters(self, layers: list[Layer]) -> None:
        self._layout.write(layers, self._parameters)

    @property
    def memory(self) -> dict[str, list[Layer]]:
        """A copy of what the optimizer keeps of each parameter."""
        return {name: self._layout.read(kept) for name, kept in zip(self._optimizer.keeps, self._memory, strict=True)}

    @memory.setter
    def memory(self, memory: dict[str, list[Layer]]) -> None:
        for name, kept in zip(self._optimizer.keeps, self._memory, strict=True):
            self._layout.write(memory[name], kept)

    def train(self, examples: Examples) -> np.ndarray:
        """Updates on consecutive minibatches; with plain SGD theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        losses = np.empty(len(examples) // self.batch_size)
        barrier = np.zeros(2 * LANES, np.int64)
        rates = rates_of(self._optimizer, self.learning_rate, self.batch_size, self.updates_made, len(losses))
        inputs = self.inputs_of(examples)
        done = self.on_each_thread(
            lambda thread: self._kernels.run_updates(
                self.own, self._layout.layers, self._parameters, self._memory, self._a, self._delta, inputs,
                examples.labels, self.batch_size, rates, losses, barrier, thread, self.threads,
            )
        )[0]  # fmt: skip
        self.updates_made += done
        return losses[: done + 1]

    def estimate(self, examples: Examples) -> None:
        """Nothing: what other optimizers than `curvature.py`'s keep is no statistic of the network."""

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
        delta, layers = _aligned(layout.n_activations), range(len(layout.layers))
        chunks: list[list[np.ndarray]] = []
        inputs = self.inputs_of(examples)
        for first in range(0, len(examples), layout.examples):
            chunk = slice(first, first + layout.examples)
            labels = examples.labels[chunk]
            self._kernels.probe_examples(self.own, layout.layers, parameters, a, delta, inputs, first, labels)
            of_slopes = a[len(a) // 2 :] if self._keeps_z else a
            seen = [layout.above(values, l, len(labels)).copy() for values in (a, delta, of_slopes) for l in layers]
            chunks.append(seen)
        whole = [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
        n = len(layers)
        return Probed(whole[: n - 1], whole[n : 2 * n], whole[2 * n : 3 * n - 1])

    def inputs_of(self, examples: Examples) -> Inputs:
        """What the kernels take of them."""
        if examples.pixels.dtype == np.float32:
            return Inputs(self.levels[:0], np.empty((0, 0), np.uint8), examples.pixels)
        return Inputs(self.levels, examples.pixels, np.empty((0, 0), np.float32))

    def on_each_thread(self, work):
        """Call work(thread) for every thread at the same time."""
        if self.threads == 1:
            return [work(0)]
        return list(self._pool.map(work, range(self.threads)))


def prepare(activation: str, loss: str, optimizer: str = "sgd") -> None:
    """Compile the kernels of such networks, or load them from the cache, before any thread waits for another."""
    parts = parts_of(activation, loss, optimizer)
    with compiling(kernels().run_updates, *(part.compiled for part in parts.values())):
        network = CpuKernels((2, 2, 2), activation, loss, 1, 0.1, optimizer=optimizer)
        examples = Examples(np.zeros((1, 2), np.uint8), np.zeros(1, np.uint8))
        network.train(examples)
        network.evaluate(examples)
