"""Denoising autoencoders with tied weights on the CPU: one hidden layer's pre-training, in segments of updates.

An update of layer l, by the tiles of ``tiles.py``, with every thread at the same step::

    clean t          forward through the layers below
    x = t, corrupted
    y = f(W x)       threads share the ROWS of W
    s = W^T y + c    threads share the COLUMNS of W; the cost and its delta d of these units follow
    e = W d f'(y)    rows again
    update           columns: W -= step * (e x + y d) in one pass, as of a minibatch with twice as many examples:
                     first those with input x and delta e, then those with input d and delta y; c -= step * d

The bias of the encoder is W's column fan_in: x has a 1 there, and d a 0. Whether unit k of example i is set to 0 is a
hash of (seed, layer, i, k) alone. Sums have the order of ``cpu.py``.
"""

from functools import cache

import numpy as np
from numba.core import types

from glorot.compiled.cache import compiling, inner, jit
from glorot.compiled.calls import Apart, calling
from glorot.compiled.elementary import ONE, ZERO
from glorot.datasets import Examples
from glorot.datasets.draws import word
from glorot.kernels.barrier import wait_for_all
from glorot.kernels.cpu import CpuKernels, forward, read_inputs
from glorot.kernels.formulas import LEAST, call_activate, call_times_slope, parts_of, with_formulas
from glorot.kernels.products import NARROW, UPDATE_ROWS, call_dots, call_update_first_columns, share
from glorot.kernels.simd import LANES, MATRIX, ROW
from glorot.kernels.tiles import update_tile
from glorot.kernels.views import FAN_IN, FAN_OUT, STRIDE_IN, STRIDE_OUT, below_of, clear, copy, weights_of
from glorot.models.activations import ACTIVATIONS
from glorot.models.pretraining import DECODERS
from glorot.randomness import generator

WHOLE = 2**24  # of a hash's bits that decide: a corruption is rounded to 1 / WHOLE

decode_tile = update_tile(UPDATE_ROWS, with_delta=True, lanes=NARROW, ahead=UPDATE_ROWS, learn=False)
decode_row = update_tile(1, with_delta=True, learn=False)


def _own(*arguments):
    raise NotImplementedError("each decoder has its own")


decoder_value = decoder_delta = _own
_COSTS = types.void(MATRIX, MATRIX, ROW, ROW, types.intp, types.intp)
call_costs = calling(_COSTS)


@inner
def keeps(key, place, dropped):
    """Whether the number at a place (of all examples' numbers) stays. dropped: how many of WHOLE do not."""
    return (word(key, place) >> np.uint64(40)) >= np.uint64(dropped)


@inner
def corrupt(clean, x, fan_in, key, first, dropped, start, stop):
    """x = clean where it stays, else 0, columns start..stop-1 of the units. first: number of the first example."""
    for e in range(len(clean)):
        for k in range(start, min(stop, fan_in)):
            x[e, k] = clean[e, k] if keeps(key, (first + e) * fan_in + k, dropped) else ZERO


@inner
def decode(W, y, clean, s, start, stop):
    """s = W^T y of units start..stop-1. y: (examples, fan_out). clean: not looked at."""
    n, j = stop - start, 0
    clear(s, start, n)
    while n > 0 and j < len(W):
        if j + UPDATE_ROWS <= len(W):
            decode_tile(W, j, start, n, clean, start, y, 0, j, s, ZERO)
            j += UPDATE_ROWS
        else:
            decode_row(W, j, start, n, clean, start, y, 0, j, s, ZERO)
            j += 1


def decoder_costs(s, clean, bias, costs, start, stop):
    """The costs of units start..stop-1 over the minibatch; the decoder's delta in place of W^T y, in s."""
    for k in range(start, stop):
        costs[k] = ZERO
        for e in range(len(s)):
            z = s[e, k] + bias[k]
            costs[k] += decoder_value(z, clean[e, k])
            d = decoder_delta(z, clean[e, k])
            s[e, k] = ZERO if abs(d) < LEAST else d


def run_denoising(
    own, decoder, layers, l, parameters, bias, a, inputs, outputs, slopes, seen, n, step, noise, unit_costs, costs,
    barrier, thread, threads,
):  # fmt: skip
    """Run len(costs) updates of hidden layer l on consecutive minibatches of n examples, as one thread of `threads`.

    own, layers, parameters, a: as run_updates' of the whole network; seen: its inputs. decoder: address of
    decoder_costs. bias: (stride_in,) the decoder's. inputs, outputs: (2 n, stride_in), (2 n, stride_out), see above.
    slopes: room for z, (n, stride_out), of an activation whose slope takes z, else for none, (0, 0). step: learning
    rate / n. noise: (3,) uint64: key, number of the first example, numbers dropped of WHOLE. unit_costs: (stride_in,).
    costs: (updates,) float64, gets each minibatch's mean cost before its update. Stops before an update whose cost is
    not finite. Returns the number of updates done.
    """
    layer = layers[l]
    W_, clean = weights_of(layer, parameters), below_of(layer, a, n)
    x, d, e, y = inputs[:n], inputs[n:], outputs[:n], outputs[n:]
    rows = share(layer[FAN_OUT], LANES, thread, threads)
    columns = share(layer[STRIDE_IN], LANES, thread, threads)
    pixels_share = share(layers[0][FAN_IN], LANES, thread, threads)
    for u in range(len(costs)):
        read_inputs(seen, u * n, below_of(layers[0], a, n), pixels_share[0], pixels_share[1])
        wait_for_all(barrier, threads)
        for below in range(l):
            forward(own, layers, below, parameters, a, n, thread, threads)
            wait_for_all(barrier, threads)
        first = np.int64(noise[1]) + u * n
        corrupt(clean, x, layer[FAN_IN], noise[0], first, noise[2], columns[0], columns[1])
        wait_for_all(barrier, threads)
        call_dots(own.dots, W_, x, y, rows[0], rows[1])
        if len(slopes):
            copy(y, rows[0], slopes, rows[0], rows[1] - rows[0])
        call_activate(own.activate, y, rows[0], rows[1], own.least)
        wait_for_all(barrier, threads)
        decode(W_, y, clean, d, columns[0], columns[1])
        units = min(columns[1], layer[FAN_IN])
        call_costs(decoder, d, clean, bias, unit_costs, columns[0], units)
        clear(d, max(columns[0], units), columns[1] - max(columns[0], units))
        wait_for_all(barrier, threads)
        if thread == 0:
            total = 0.0
            for k in range(layer[FAN_IN]):
                total += unit_costs[k]
            costs[u] = total / n
        wait_for_all(barrier, threads)
        if not np.isfinite(costs[u]):
            return u
        call_dots(own.dots, W_, d, e, rows[0], rows[1])
        call_times_slope(own.times_slope, e, slopes if len(slopes) else y, rows[0], rows[1], own.least)
        wait_for_all(barrier, threads)
        call_update_first_columns(own.update_first_columns, W_, columns[0], columns[1], inputs, outputs, step)
        for k in range(columns[0], min(columns[1], layer[FAN_IN])):
            total_delta = ZERO
            for i in range(n):
                total_delta += d[i, k]
            bias[k] -= step * total_delta
        wait_for_all(barrier, threads)
    return len(costs)


@cache
def denoising():
    """run_denoising, compiled on its first call, or loaded from the cache; the same for all networks."""
    return jit(run_denoising)


@cache
def of_decoder(decoder: str) -> Apart:
    """decoder_costs with a decoder in it: a key of DECODERS."""
    formulas = {"decoder_value": DECODERS[decoder].value, "decoder_delta": DECODERS[decoder].delta}
    return with_formulas(decoder_costs, _COSTS, decoder, formulas)


class Denoising:
    """Pre-training of one hidden layer of a network on the CPU. bias: (fan_in,) float32, the decoder's.

    The network's layer changes with every update; those below stay.
    """

    def __init__(self, network: CpuKernels, l: int, decoder: str, corruption: float, learning_rate: float, seed: int):
        """l: the layer, from 0. decoder: a key of DECODERS."""
        self._network, self._l, self.batch_size = network, l, network.batch_size
        layer = network.layout.layers[l]
        self._bias = np.zeros(layer[STRIDE_IN], np.float32)
        self._inputs = np.zeros((2 * self.batch_size, layer[STRIDE_IN]), np.float32)
        self._inputs[: self.batch_size, layer[FAN_IN]] = ONE
        self._outputs = np.zeros((2 * self.batch_size, layer[STRIDE_OUT]), np.float32)
        keeps_z = ACTIVATIONS[network.formulas[0]].keeps_z
        self._slopes = np.zeros((self.batch_size, layer[STRIDE_OUT]) if keeps_z else (0, 0), np.float32)
        self._unit_costs = np.zeros(layer[STRIDE_IN], np.float32)
        self._fan_in = int(layer[FAN_IN])
        self._step = np.float32(learning_rate / self.batch_size)
        key = generator(seed, "noise", l).integers(0, 2**64, dtype=np.uint64, endpoint=False)
        self._key, self._dropped = key, round(corruption * WHOLE)
        self._decoder = of_decoder(decoder).address

    @property
    def bias(self) -> np.ndarray:
        return self._bias[: self._fan_in].copy()

    @bias.setter
    def bias(self, bias: np.ndarray) -> None:
        self._bias[: self._fan_in] = bias

    def train(self, examples: Examples, first: int) -> np.ndarray:
        """Updates on consecutive minibatches. first: the number of the first example, of all of this layer's.

        Returns the (updates,) float64 mean costs of the minibatches, each before its update; where one is not finite
        it is the last, and its update was not made.
        """
        costs, barrier = np.empty(len(examples) // self.batch_size), np.zeros(2 * LANES, np.int64)
        noise = np.array([self._key, first, self._dropped], np.uint64)
        one = self._network
        seen = one.inputs_of(examples)
        done = one.on_each_thread(
            lambda thread: denoising()(
                one.own, self._decoder, one.layout.layers, self._l, one.flat, self._bias, one.activations,
                self._inputs, self._outputs, self._slopes, seen, self.batch_size, self._step, noise, self._unit_costs,
                costs, barrier, thread, one.threads,
            )
        )[0]  # fmt: skip
        return costs[: done + 1]


def prepare(activation: str, loss: str, decoders: set[str]) -> None:
    """Compile the kernels of such layers, or load them from the cache, before any thread waits for another."""
    for decoder in sorted(decoders):
        parts = *parts_of(activation, loss).values(), of_decoder(decoder)
        with compiling(denoising(), *(part.compiled for part in parts)):
            network = CpuKernels((2, 2, 2), activation, loss, 1, 0.1)
            Denoising(network, 0, decoder, 0.5, 0.1, 0).train(
                Examples(np.zeros((1, 2), np.uint8), np.zeros(1, np.uint8)), 0
            )
