"""Denoising autoencoders with tied weights on the CPU: one hidden layer's pre-training, in segments of updates.

An update of layer l, by the tiles of ``cpu.py``, with every thread at the same step::

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

import numba
import numpy as np

from glorot.compiled.cache import compiling, jit
from glorot.compiled.elementary import ONE, ZERO
from glorot.compiled.names import bound, symbol
from glorot.datasets import Examples
from glorot.datasets.draws import word
from glorot.kernels.cpu import (
    FAN_IN,
    FAN_OUT,
    STRIDE_IN,
    STRIDE_OUT,
    CpuKernels,
    activate,
    below_of,
    forward,
    read_pixels,
    steps_of,
    times_slope,
    weights_of,
)
from glorot.kernels.products import NARROW, UPDATE_ROWS, dots, share, update_first_columns
from glorot.kernels.simd import LANES, update_tile, wait_for_all
from glorot.models.activations import ACTIVATIONS
from glorot.models.pretraining import DECODERS
from glorot.randomness import generator

WHOLE = 2**24  # of a hash's bits that decide: a corruption is rounded to 1 / WHOLE

decode_tile = update_tile(UPDATE_ROWS, with_delta=True, lanes=NARROW, ahead=UPDATE_ROWS, learn=False)
decode_row = update_tile(1, with_delta=True, learn=False)


def _own(*arguments):
    raise NotImplementedError("each network has its own")


decoder_value = decoder_delta = _own


@numba.njit(error_model="numpy")
def keeps(key, place, dropped):
    """Whether the number at a place (of all examples' numbers) stays. dropped: how many of WHOLE do not."""
    return (word(key, place) >> np.uint64(40)) >= np.uint64(dropped)


@numba.njit(error_model="numpy")
def corrupt(clean, x, fan_in, key, first, dropped, start, stop):
    """x = clean where it stays, else 0, columns start..stop-1 of the units. first: number of the first example."""
    for e in range(len(clean)):
        for k in range(start, min(stop, fan_in)):
            x[e, k] = clean[e, k] if keeps(key, (first + e) * fan_in + k, dropped) else ZERO


def decode(W, y, clean, s, bias, costs, fan_in, start, stop):
    """The decoder's delta of units start..stop-1, to s, and their costs over the minibatch. y: (examples, fan_out)."""
    s[:, start:stop] = ZERO
    n, j = stop - start, 0
    while n > 0 and j < len(W):
        if j + UPDATE_ROWS <= len(W):
            decode_tile(W, j, start, n, clean, start, y, 0, j, s, ZERO)
            j += UPDATE_ROWS
        else:
            decode_row(W, j, start, n, clean, start, y, 0, j, s, ZERO)
            j += 1
    for k in range(start, stop):
        costs[k] = ZERO
        for e in range(len(s)):
            if k < fan_in:
                z = s[e, k] + bias[k]
                costs[k] += decoder_value(z, clean[e, k])
                s[e, k] = decoder_delta(z, clean[e, k])
            else:
                s[e, k] = ZERO


def run_denoising(
    layers, l, parameters, bias, a, inputs, outputs, slopes, levels, pixels, n, step, noise, unit_costs, costs, barrier,
    thread, threads,
):  # fmt: skip
    """Run len(costs) updates of hidden layer l on consecutive minibatches of n examples, as one thread of `threads`.

    layers, parameters, a, levels, pixels: as run_updates' of the whole network. bias: (stride_in,) the decoder's.
    inputs, outputs: (2 n, stride_in), (2 n, stride_out), see above. slopes: room for z,
    (n, stride_out), of an activation whose slope takes z, else for none, (0, 0). step: learning rate / n. noise: (3,)
    uint64: key, number of the first example, numbers dropped of WHOLE. unit_costs: (stride_in,). costs: (updates,)
    float64, gets each minibatch's mean cost before its update. Stops before an update whose cost is not finite. Returns
    the number of updates done.
    """
    layer = layers[l]
    W_, clean = weights_of(layer, parameters), below_of(layer, a, n)
    x, d, e, y = inputs[:n], inputs[n:], outputs[:n], outputs[n:]
    rows = share(layer[FAN_OUT], LANES, thread, threads)
    columns = share(layer[STRIDE_IN], LANES, thread, threads)
    pixels_share = share(layers[0][FAN_IN], LANES, thread, threads)
    for u in range(len(costs)):
        read_pixels(pixels[u * n : (u + 1) * n], levels, below_of(layers[0], a, n), pixels_share[0], pixels_share[1])
        wait_for_all(barrier, threads)
        for below in range(l):
            forward(layers, below, parameters, a, n, thread, threads)
            wait_for_all(barrier, threads)
        first = np.int64(noise[1]) + u * n
        corrupt(clean, x, layer[FAN_IN], noise[0], first, noise[2], columns[0], columns[1])
        wait_for_all(barrier, threads)
        dots(W_, x, y, rows[0], rows[1])
        if len(slopes):
            slopes[:, rows[0] : rows[1]] = y[:, rows[0] : rows[1]]
        activate(y, rows[0], rows[1])
        wait_for_all(barrier, threads)
        decode(W_, y, clean, d, bias, unit_costs, layer[FAN_IN], columns[0], columns[1])
        wait_for_all(barrier, threads)
        if thread == 0:
            total = 0.0
            for k in range(layer[FAN_IN]):
                total += unit_costs[k]
            costs[u] = total / n
        wait_for_all(barrier, threads)
        if not np.isfinite(costs[u]):
            return u
        dots(W_, d, e, rows[0], rows[1])
        times_slope(e, slopes if len(slopes) else y, rows[0], rows[1])
        wait_for_all(barrier, threads)
        update_first_columns(W_, columns[0], columns[1], inputs, outputs, step)
        for k in range(columns[0], min(columns[1], layer[FAN_IN])):
            total_delta = ZERO
            for i in range(n):
                total_delta += d[i, k]
            bias[k] -= step * total_delta
        wait_for_all(barrier, threads)
    return len(costs)


@cache
def denoising_of(activation: str, loss: str, decoder: str):
    """run_denoising with these in it, compiled on its first call, or loaded from the cache. decoder: of DECODERS."""
    own = steps_of(activation, loss)
    own |= {"decoder_value": numba.njit(DECODERS[decoder].value), "decoder_delta": numba.njit(DECODERS[decoder].delta)}
    name = symbol(f"{activation} {loss} {decoder}")
    own["decode"] = numba.njit(error_model="numpy")(bound(decode, f"decode_{name}", own))
    return jit(bound(run_denoising, f"run_denoising_{name}", own))


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
        self._run = denoising_of(*network.formulas, decoder)

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
        done = one.on_each_thread(
            lambda thread: self._run(
                one.layout.layers, self._l, one.flat, self._bias, one.activations, self._inputs, self._outputs,
                self._slopes, one.levels, examples.pixels, self.batch_size, self._step, noise, self._unit_costs,
                costs, barrier, thread, one.threads,
            )
        )[0]  # fmt: skip
        return costs[: done + 1]


def prepare(activation: str, loss: str, decoders: set[str]) -> None:
    """Compile the kernels of such layers, or load them from the cache, before any thread waits for another."""
    for decoder in sorted(decoders):
        with compiling(denoising_of(activation, loss, decoder)):
            network = CpuKernels((2, 2, 2), activation, loss, 1, 0.1)
            Denoising(network, 0, decoder, 0.5, 0.1, 0).train(
                Examples(np.zeros((1, 2), np.uint8), np.zeros(1, np.uint8)), 0
            )
