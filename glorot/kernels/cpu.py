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

import numba
import numba.extending
import numpy as np

from glorot.compiled.cache import compiling, jit
from glorot.compiled.elementary import ONE, ZERO
from glorot.compiled.names import bound, symbol
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.kernels.products import (
    NARROW,
    UPDATE_ROWS,
    dots,
    share,
    strip_columns,
    update_columns,
    update_first_columns,
)
from glorot.kernels.protocol import Probed
from glorot.kernels.simd import LANES, prefetch_part, update_tile, wait_for_all
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.models.network import Layer
from glorot.models.optimizers import OPTIMIZERS, Optimizer

# Columns of ``layers``: W is (FAN_OUT, STRIDE_IN) at W; a below, a (or z) above, delta below and above.
FAN_IN, FAN_OUT, STRIDE_IN, STRIDE_OUT, W, BELOW, ABOVE = range(7)

EVALUATION_CHUNK = 96  # examples that pass the network together
gradient = update_tile(UPDATE_ROWS, with_delta=True, lanes=NARROW, ahead=UPDATE_ROWS, apart=True)
gradient_first = update_tile(UPDATE_ROWS, with_delta=False, ahead=UPDATE_ROWS, apart=True)
gradient_row = update_tile(1, with_delta=True, apart=True)
gradient_first_row = update_tile(1, with_delta=False, apart=True)


# What depends on the activation, the loss and the optimizer. The functions below that call these names are compiled
# each time with one network's own.


def _own(*arguments):
    raise NotImplementedError("each network has its own")


value = slope = loss_normalizer = loss_value = loss_delta = optimizer_step = keep = slope_arguments = _own


def activate(z, start, stop):
    """a = f(z) in place, columns start..stop-1. z: (examples, units)."""
    for e in range(len(z)):
        row = z[e, start:stop]
        for i in range(len(row)):
            row[i] = value(row[i])


def times_slope(delta, a, start, stop):
    """delta *= f'(z), which slope gives from a = f(z) or from z, columns start..stop-1. delta, a: (examples, units)."""
    for e in range(len(a)):
        row, a_row = delta[e, start:stop], a[e, start:stop]
        for i in range(len(row)):
            row[i] *= slope(a_row[i])


def keep_nothing(layer, a, examples, start, stop):
    """For a slope in terms of a."""


def keep_z(layer, a, examples, start, stop):
    """For a slope in terms of z: a copy of z, columns start..stop-1, in the second half of the flat a."""
    z, kept = above_of(layer, a, examples), above_of(layer, a[len(a) // 2 :], examples)
    for e in range(examples):
        kept[e, start:stop] = z[e, start:stop]


def loss_and_delta(logits, label, delta):
    """Loss of one example; writes dC/dlogits to delta. logits, delta: (n_classes,)."""
    shared = loss_normalizer(logits)
    total = ZERO
    for k in range(len(logits)):
        target = ONE if k == label else ZERO
        total += loss_value(logits[k], shared, target)
        delta[k] = loss_delta(logits[k], shared, target)
    return total


def move_one(w, gradients, memory, place, rate, correction, scale):
    """The weights of a row's part and what is kept of them: one number of each. gradients: sums over the minibatch.

    memory: (kept, n_parameters). place: of w among the parameters. scale: 1 / batch_size.
    """
    kept = memory[0, place : place + len(w)]
    for i in range(len(w)):
        w[i], kept[i] = optimizer_step(w[i], scale * gradients[i], kept[i], rate, correction)


def move_two(w, gradients, memory, place, rate, correction, scale):
    """As move_one, where two numbers of each weight are kept."""
    first, second = memory[0, place : place + len(w)], memory[1, place : place + len(w)]
    for i in range(len(w)):
        w[i], first[i], second[i] = optimizer_step(w[i], scale * gradients[i], first[i], second[i], rate, correction)


move = _own
MOVES = {1: move_one, 2: move_two}  # by the optimizer's number of numbers kept


# Views of the flat arrays. ----------------------------------------------------------------------------------


@numba.njit(error_model="numpy")
def weights_of(layer, parameters):
    """W: (fan_out, stride_in), the bias in column fan_in."""
    flat = parameters[layer[W] : layer[W] + layer[FAN_OUT] * layer[STRIDE_IN]]
    return flat.reshape((layer[FAN_OUT], layer[STRIDE_IN]))


@numba.njit(error_model="numpy")
def below_of(layer, values, examples):
    """Activations or deltas below a layer: (examples, stride_in)."""
    return values[layer[BELOW] : layer[BELOW] + examples * layer[STRIDE_IN]].reshape((examples, layer[STRIDE_IN]))


@numba.njit(error_model="numpy")
def z_below_of(layer, a, examples):
    """What keep_z kept of the units below a layer: (examples, stride_in)."""
    return below_of(layer, a[len(a) // 2 :], examples)


@numba.njit(error_model="numpy")
def above_of(layer, values, examples):
    """Activations (or z) or deltas of a layer's units: (examples, stride_out)."""
    return values[layer[ABOVE] : layer[ABOVE] + examples * layer[STRIDE_OUT]].reshape((examples, layer[STRIDE_OUT]))


def input_of(levels, number):
    """What the network sees of a byte, or of a float32, which is the input itself."""
    raise NotImplementedError("compiled by the number's type")


def _of_byte(levels, number):
    return levels[number]


def _of_float(levels, number):
    return number


@numba.extending.overload(input_of)
def _input_of(levels, number):
    return _of_float if isinstance(number, numba.types.Float) else _of_byte


# The steps of an update. ------------------------------------------------------------------------------------


@numba.njit(error_model="numpy")
def read_pixels(pixels, levels, a, start, stop):
    """a = levels[pixels], or pixels that are float32 already, columns start..stop-1. pixels: (examples, n_inputs).

    a: (examples, stride).
    """
    for e in range(len(pixels)):
        row, source = a[e, start:stop], pixels[e, start:stop]
        for k in range(len(row)):
            row[k] = input_of(levels, source[k])


def forward(layers, l, parameters, a, examples, thread, threads):
    """This thread's units of layer l: z = W a, then the activation (the last layer stays linear)."""
    layer = layers[l]
    start, stop = share(layer[FAN_OUT], LANES, thread, threads)
    z = above_of(layer, a, examples)
    dots(weights_of(layer, parameters), below_of(layer, a, examples), z, start, stop)
    if l + 1 < len(layers):
        keep(layer, a, examples, start, stop)
        activate(z, start, stop)


def backward(layers, l, parameters, a, delta, examples, step, thread, threads):
    """This thread's columns of layer l: delta of the units below them, and their weights' update."""
    layer = layers[l]
    W_ = weights_of(layer, parameters)
    a_below, delta_below = below_of(layer, a, examples), below_of(layer, delta, examples)
    delta_above = above_of(layer, delta, examples)
    start, stop = share(layer[STRIDE_IN], LANES, thread, threads)
    if l == 0:
        update_first_columns(W_, start, stop, a_below, delta_above, step)
    else:
        update_columns(W_, start, stop, a_below, delta_above, delta_below, step)
        times_slope(delta_below, slope_arguments(layer, a, examples), start, stop)


def learn_by_sgd(layers, l, parameters, memory, a, delta, examples, rates, thread, threads):
    """backward with plain SGD. rates: (learning rate / examples, ...) float32."""
    backward(layers, l, parameters, a, delta, examples, rates[0], thread, threads)


def learn_by_moving(layers, l, parameters, memory, a, delta, examples, rates, thread, threads):
    """backward with an optimizer that keeps something of each weight. rates: (rate, correction, 1 / examples)."""
    layer = layers[l]
    W_, width = weights_of(layer, parameters), layer[STRIDE_IN]
    a_below, delta_below = below_of(layer, a, examples), below_of(layer, delta, examples)
    delta_above = above_of(layer, delta, examples)
    start, stop = share(width, LANES, thread, threads)
    block = strip_columns(examples)
    gradients = np.empty((UPDATE_ROWS, min(block, width)), np.float32)
    for k in range(start, stop, block):
        n = min(block, stop - k)
        move_columns(layer, l == 0, W_, memory, k, n, a_below, delta_above, delta_below, gradients, rates)
        if l > 0:
            times_slope(delta_below, slope_arguments(layer, a, examples), k, k + n)


learn = _own


def move_columns(layer, first, W_, memory, k, n, a_below, delta_above, delta_below, gradients, rates):
    """Columns k..k+n-1 of a layer: delta below (without the slope; not of the first layer), and their weights."""
    width = layer[STRIDE_IN]
    if not first:
        delta_below[:, k : k + n] = ZERO
    j = 0
    while j < len(W_):
        rows = UPDATE_ROWS if j + UPDATE_ROWS <= len(W_) else 1
        if first and rows > 1:
            gradient_first(W_, j, k, n, a_below, k, delta_above, 0, j, a_below, gradients)
        elif first:
            gradient_first_row(W_, j, k, n, a_below, k, delta_above, 0, j, a_below, gradients)
        elif rows > 1:
            gradient(W_, j, k, n, a_below, k, delta_above, 0, j, delta_below, gradients)
        else:
            gradient_row(W_, j, k, n, a_below, k, delta_above, 0, j, delta_below, gradients)
        for r in range(rows):
            place = layer[W] + (j + r) * width + k
            for kept in range(len(memory)):
                prefetch_part(memory, kept, place + UPDATE_ROWS * width, n)
            move(W_[j + r, k : k + n], gradients[r], memory, place, rates[0], rates[1], rates[2])
        j += rows


def output_delta(layers, a, delta, labels):
    """Delta of the logits for a minibatch; its mean loss (float64, summed in the order of the examples)."""
    last = layers[-1]
    logits, deltas = above_of(last, a, len(labels)), above_of(last, delta, len(labels))
    total = 0.0
    for e in range(len(labels)):
        total += loss_and_delta(logits[e, : last[FAN_OUT]], labels[e], deltas[e, : last[FAN_OUT]])
    return total / len(labels)


def run_updates(
    layers, parameters, memory, a, delta, levels, pixels, labels, batch_size, rates, losses, barrier, thread, threads
):  # fmt: skip
    """Run len(losses) updates on consecutive minibatches, as thread number `thread` of `threads`.

    layers: (n_layers, 7) int64. parameters, a, delta: flat float32. memory: (kept, n_parameters) float32, the
    optimizer's. levels: (256,) float32, the network's inputs by byte. pixels: (updates * batch_size, n_inputs) uint8 or
    float32. labels: (updates * batch_size,) uint8. rates: (updates, 3) float32, what `learn` takes. losses: (updates,)
    float64, gets each minibatch's mean loss before its update. Stops before an update whose loss is not finite. Returns
    the number of updates done.
    """
    n_layers, inputs = len(layers), below_of(layers[0], a, batch_size)
    for u in range(len(losses)):
        batch = slice(u * batch_size, (u + 1) * batch_size)
        start, stop = share(layers[0][FAN_IN], LANES, thread, threads)
        read_pixels(pixels[batch], levels, inputs, start, stop)
        wait_for_all(barrier, threads)
        for l in range(n_layers):
            forward(layers, l, parameters, a, batch_size, thread, threads)
            wait_for_all(barrier, threads)
        if thread == 0:
            losses[u] = output_delta(layers, a, delta, labels[batch])
        wait_for_all(barrier, threads)
        if not np.isfinite(losses[u]):
            return u
        for l in range(n_layers - 1, -1, -1):
            learn(layers, l, parameters, memory, a, delta, batch_size, rates[u], thread, threads)
            wait_for_all(barrier, threads)
    return len(losses)


def evaluate_examples(layers, parameters, a, delta, levels, pixels, labels, start, stop, losses, predictions):
    """Loss and predicted class (the largest logit, the first of equals) of examples start..stop-1.

    a: room for EVALUATION_CHUNK examples. delta: (>= n_classes,). losses: (n,) float32. predictions: (n,) uint8.
    """
    n_layers, n_classes = len(layers), layers[-1][FAN_OUT]
    for first in range(start, stop, EVALUATION_CHUNK):
        examples = min(EVALUATION_CHUNK, stop - first)
        inputs = below_of(layers[0], a, examples)
        read_pixels(pixels[first : first + examples], levels, inputs, 0, layers[0][FAN_IN])
        for l in range(n_layers):
            forward(layers, l, parameters, a, examples, 0, 1)
        logits = above_of(layers[-1], a, examples)
        for e in range(examples):
            losses[first + e] = loss_and_delta(logits[e, :n_classes], labels[first + e], delta[:n_classes])
            best = 0
            for k in range(1, n_classes):
                if logits[e, k] > logits[e, best]:
                    best = k
            predictions[first + e] = best


def probe_examples(layers, parameters, a, delta, levels, pixels, labels):
    """Forward and backward for some examples at once, for their activations (in a) and deltas (in delta).

    parameters: a copy, since the backward pass makes an update; of step 0, so it stays equal where all is finite.
    """
    examples, n_layers = len(labels), len(layers)
    read_pixels(pixels, levels, below_of(layers[0], a, examples), 0, layers[0][FAN_IN])
    for l in range(n_layers):
        forward(layers, l, parameters, a, examples, 0, 1)
    output_delta(layers, a, delta, labels)
    for l in range(n_layers - 1, 0, -1):
        backward(layers, l, parameters, a, delta, examples, ZERO, 0, 1)


# One network's kernels. -----------------------------------------------------------------------------------------


class Compiled(NamedTuple):
    """The kernels that change nothing, with one activation and one loss in them."""

    evaluate_examples: Callable
    probe_examples: Callable


def steps_of(activation: str, loss: str) -> dict[str, Callable]:
    """What the kernels of such networks call, by name."""
    f, cost = ACTIVATIONS[activation], LOSSES[loss]
    own = {"value": f.value, "slope": f.slope}
    own |= {"loss_normalizer": cost.normalizer, "loss_value": cost.value, "loss_delta": cost.delta}
    own = {name: numba.njit(formula) for name, formula in own.items()}
    # Inlined whatever their size: a loop with a call in it makes no vectors, and GELU would take ten times as long.
    own |= {name: numba.njit(forceinline=True)(formula) for name, formula in (("value", f.value), ("slope", f.slope))}
    own["keep"] = numba.njit(error_model="numpy")(keep_z if f.keeps_z else keep_nothing)
    own["slope_arguments"] = z_below_of if f.keeps_z else below_of
    name = symbol(f"{activation} {loss}")
    for step in (activate, times_slope, loss_and_delta, forward, backward, output_delta):
        own[step.__name__] = numba.njit(error_model="numpy")(bound(step, f"{step.__name__}_{name}", own))
    return own


@cache
def kernels_of(activation: str, loss: str) -> Compiled:
    """Compiled on their first call, or loaded from the cache. activation, loss: keys of the registries."""
    own, name = steps_of(activation, loss), symbol(f"{activation} {loss}")
    return Compiled(*(jit(bound(one, f"{one.__name__}_{name}", own)) for one in (evaluate_examples, probe_examples)))


@cache
def updates_of(activation: str, loss: str, optimizer: str) -> Callable:
    """run_updates with these in it, compiled on its first call, or loaded from the cache."""
    own, chosen = steps_of(activation, loss), OPTIMIZERS[optimizer]
    name = symbol(f"{activation} {loss} {optimizer}")
    steps: tuple[tuple[str, Callable], ...] = (("learn", learn_by_sgd),)
    if chosen.step:
        own["optimizer_step"] = numba.njit(error_model="numpy")(chosen.step)
        steps = (("move", MOVES[len(chosen.keeps)]), ("move_columns", move_columns), ("learn", learn_by_moving))
    for key, step in steps:
        own[key] = numba.njit(error_model="numpy")(bound(step, f"{step.__name__}_{name}", own))
    return jit(bound(run_updates, f"run_updates_{name}", own))


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
        return above_of.py_func(layer, values, examples)[:, : layer[FAN_OUT]]


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
        self._evaluation_delta = [_aligned(_padded(sizes[-1])) for _ in range(threads)]
        kept = len(self._optimizer.keeps)
        self._memory = _aligned(kept * self._layout.n_parameters).reshape(kept, self._layout.n_parameters)
        self.layout, self.flat, self.activations = self._layout, self._parameters, self._a
        self.formulas = activation, loss
        self._kernels, self._run_updates = kernels_of(activation, loss), updates_of(activation, loss, optimizer)
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
        done = self.on_each_thread(
            lambda thread: self._run_updates(
                self._layout.layers, self._parameters, self._memory, self._a, self._delta, self.levels,
                examples.pixels, examples.labels, self.batch_size, rates, losses, barrier, thread, self.threads,
            )
        )[0]  # fmt: skip
        self.updates_made += done
        return losses[: done + 1]

    def estimate(self, examples: Examples) -> None:
        """Nothing: what other optimizers than `curvature.py`'s keep is no statistic of the network."""

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)
        self.on_each_thread(
            lambda thread: self._kernels.evaluate_examples(
                self._evaluation.layers, self._parameters, self._evaluation_a[thread], self._evaluation_delta[thread],
                self.levels, examples.pixels, examples.labels, *share.py_func(len(examples), 16, thread, self.threads),
                losses, predictions,
            )
        )  # fmt: skip
        return losses, predictions

    def probe(self, examples: Examples) -> Probed:
        """As the protocol has it."""
        layout, a, parameters = self._evaluation, self._evaluation_a[0], self._parameters.copy()
        delta, layers = _aligned(layout.n_activations), range(len(layout.layers))
        chunks: list[list[np.ndarray]] = []
        for first in range(0, len(examples), layout.examples):
            chunk = slice(first, first + layout.examples)
            pixels, labels = examples.pixels[chunk], examples.labels[chunk]
            self._kernels.probe_examples(layout.layers, parameters, a, delta, self.levels, pixels, labels)
            of_slopes = a[len(a) // 2 :] if self._keeps_z else a
            seen = [layout.above(values, l, len(labels)).copy() for values in (a, delta, of_slopes) for l in layers]
            chunks.append(seen)
        whole = [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
        n = len(layers)
        return Probed(whole[: n - 1], whole[n : 2 * n], whole[2 * n : 3 * n - 1])

    def on_each_thread(self, work):
        """Call work(thread) for every thread at the same time."""
        if self.threads == 1:
            return [work(0)]
        return list(self._pool.map(work, range(self.threads)))


def prepare(activation: str, loss: str, optimizer: str = "sgd", numbers: np.dtype | type = np.uint8) -> None:
    """Compile the kernels of such networks, or load them from the cache, before any thread waits for another.

    numbers: the type of their examples' pixels.
    """
    with compiling(updates_of(activation, loss, optimizer)):
        network = CpuKernels((2, 2, 2), activation, loss, 1, 0.1, optimizer=optimizer)
        examples = Examples(np.zeros((1, 2), numbers), np.zeros(1, np.uint8))
        network.train(examples)
        network.evaluate(examples)
