"""The CPU's kernels of convolutional networks: segments of SGD updates, and evaluation, in float32.

They take pairs of a convolution and a 2x2 pooling layer, then fully connected layers as ``cpu.py`` has them (a
convolution whose output is one unit per map is such a layer), then RBF units, if any. What a layer computes is in
``convolution_layers.py``.

One update runs, with a barrier between the steps::

    forward, loss and backward     threads share the EXAMPLES: each takes some through all layers, down to the deltas
    gradients                      threads share the KERNELS and the rows of W: each sums over all examples
    update                         threads share the parameters

Neither sharing nor tiling changes the order of any sum (see ``convolution_tiles.py``), so the bits depend on the shapes
alone.
"""

from functools import cache

import numpy as np

from glorot.compiled.cache import inner, jit
from glorot.compiled.elementary import fma
from glorot.compiled.names import bound
from glorot.kernels import cpu
from glorot.kernels.barrier import wait_for_all
from glorot.kernels.convolution_layers import (
    backward_pair,
    copy,
    delta_below,
    dense_delta_below,
    dense_gradient,
    distances,
    distances_delta,
    forward_pair,
    pair_gradients,
)
from glorot.kernels.convolution_layout import OUT_ROW, POOL, POOL_DELTA
from glorot.kernels.convolution_tiles import keep_apart
from glorot.kernels.formulas import call_activate, call_losses_and_deltas, call_times_slope
from glorot.kernels.moves import call_move
from glorot.kernels.products import call_dots, share
from glorot.kernels.simd import LANES
from glorot.kernels.views import FAN_IN, FAN_OUT, above_of, below_of, weights_of

EVALUATION_CHUNK = 16  # examples that pass the network together


@inner
def read_image(image, levels, pixels, a):
    """Put an image into the middle of the input, whose border stays as it is. pixels: (height * width,) bytes."""
    keep_apart()
    height, width, begin, row = image[0], image[1], image[2], image[3]
    for y in range(height):
        target, source = a[begin + y * row : begin + y * row + width], pixels[y * width : (y + 1) * width]
        for x in range(width):
            target[x] = levels[source[x]]


@inner
def forward(own, network, parameters, room, levels, pixels, first, start, stop):
    """Logits of examples start..stop-1 of the room, which are images first + start, ... of pixels."""
    keep_apart()
    dense, last = network.dense, network.pairs[-1]
    inputs = below_of(dense[0], room.dense_a, len(room.a))
    for e in range(start, stop):
        a, kept = room.a[e], room.kept[e]
        read_image(network.image, levels, pixels[first + e], a)
        for l in range(len(network.pairs)):
            forward_pair(own, network.pairs[l], network.kernels, parameters, a, kept)
        n = dense[0, FAN_IN]
        copy(a, last[POOL], inputs[e], n)
    rbf, weights = len(network.patterns) > 0, parameters[network.first_dense :]
    for l in range(len(dense)):
        a = below_of(dense[l], room.dense_a, len(room.a))[start:stop]
        z = above_of(dense[l], room.dense_a, len(room.a))[start:stop]
        call_dots(own.dots, weights_of(dense[l], weights), a, z, 0, dense[l, FAN_OUT])
        if rbf or l + 1 < len(dense):
            if own.keeps_z:
                kept = above_of(dense[l], room.dense_kept, len(room.a))
                for e in range(start, stop):
                    copy(z[e - start], 0, kept[e], dense[l, FAN_OUT])
            call_activate(own.activate, z, 0, dense[l, FAN_OUT], own.least)
    top = above_of(dense[-1], room.dense_a, len(room.a))
    for e in range(start, stop):
        if rbf:
            distances(network.patterns, top[e], room.logits[e])
        else:
            copy(top[e], 0, room.logits[e], dense[-1, FAN_OUT])


@inner
def backward(own, network, parameters, room, start, stop, lanes):
    """All deltas of examples start..stop-1, from those of their logits."""
    keep_apart()
    dense, last, examples = network.dense, network.pairs[-1], len(room.a)
    top = above_of(dense[-1], room.dense_delta, examples)
    n = dense[-1, FAN_OUT]
    if len(network.patterns) > 0:
        a, kept = above_of(dense[-1], room.dense_a, examples), above_of(dense[-1], room.dense_kept, examples)
        for e in range(start, stop):
            distances_delta(network.patterns, a[e], room.logit_delta[e], top[e])
        call_times_slope(own.times_slope, top[start:stop], kept[start:stop], 0, n, own.least)
    else:
        for e in range(start, stop):
            copy(room.logit_delta[e], 0, top[e], n)
    for l in range(len(dense) - 1, -1, -1):
        W = weights_of(dense[l], parameters[network.first_dense :])
        below = below_of(dense[l], room.dense_delta, examples)
        dense_delta_below(W, above_of(dense[l], room.dense_delta, examples), below, start, stop)
        if l > 0:
            kept = below_of(dense[l], room.dense_kept, examples)
            call_times_slope(own.times_slope, below[start:stop], kept[start:stop], 0, dense[l, FAN_IN], own.least)
    n = dense[0, FAN_IN]
    inputs = below_of(dense[0], room.dense_delta, examples)
    for e in range(start, stop):
        copy(inputs[e], 0, room.delta[e, last[POOL_DELTA] :], n)
        for l in range(len(network.pairs) - 1, -1, -1):
            pair = network.pairs[l]
            backward_pair(own, pair, network.kernels, parameters, room.a[e], room.kept[e], room.delta[e], lanes)
            if l > 0:
                delta_below(pair, network.pairs[l - 1], network.kernels, parameters, room.delta[e])


@inner
def gradients(network, room, gradient, thread, threads):
    """This thread's share of the gradient: sums over all examples of the room."""
    keep_apart()
    for l in range(len(network.pairs)):
        pair_gradients(network.pairs[l], network.kernels, room.a, room.delta, gradient, thread, threads)
    for l in range(len(network.dense)):
        layer = network.dense[l]
        a = below_of(layer, room.dense_a, len(room.a))
        delta = above_of(layer, room.dense_delta, len(room.a))
        dense_gradient(delta, a, weights_of(layer, gradient[network.first_dense :]), thread, threads)


@inner
def descend(own, parameters, gradient, memory, rates, thread, threads):
    """An update of this thread's share of the parameters. rates: as `host.rates_of` has them."""
    start, stop = share(len(parameters), LANES, thread, threads)
    if len(memory):
        all_in_a_row, sums = parameters.reshape((1, len(parameters))), gradient[start:stop].reshape((1, stop - start))
        call_move(own.move, all_in_a_row, 0, 1, start, stop - start, sums, memory, start, rates)
        return
    some, slopes, step = parameters[start:stop], gradient[start:stop], -rates[0]
    for i in range(len(some)):
        some[i] = fma(step, slopes[i], some[i])


def run_updates(
    own, network, parameters, memory, gradient, room, levels, pixels, labels, rates, losses, barrier, thread, threads
):  # fmt: skip
    """Run len(losses) updates on consecutive minibatches, as thread number `thread` of `threads`.

    own: an Own. parameters, gradient: flat float32. memory: (kept, parameters) float32. room: for one minibatch.
    levels: (256,) float32, the network's inputs by byte. pixels: (examples, height * width) uint8. labels: (examples,)
    uint8. rates: (updates, 3) float32, see `descend`. losses: (updates,) float64, gets each minibatch's mean loss
    before its update. Stops before an update whose loss is not finite. Returns the number of updates done.
    """
    batch_size = len(room.a)
    start, stop = share(batch_size, 1, thread, threads)
    lanes = np.zeros((4, network.pairs[0, OUT_ROW]), np.float32)
    for u in range(len(losses)):
        forward(own, network, parameters, room, levels, pixels, u * batch_size, start, stop)
        losses_and_deltas(own, room, labels[u * batch_size + start : u * batch_size + stop], start, stop)
        backward(own, network, parameters, room, start, stop, lanes)
        wait_for_all(barrier, threads)
        mean = 0.0
        for e in range(batch_size):
            mean += room.cost[e]
        mean /= batch_size
        if thread == 0:
            losses[u] = mean
        if not np.isfinite(mean):
            return u
        gradients(network, room, gradient, thread, threads)
        wait_for_all(barrier, threads)
        descend(own, parameters, gradient, memory, rates[u], thread, threads)
        wait_for_all(barrier, threads)
    return len(losses)


@inner
def losses_and_deltas(own, room, labels, start, stop):
    """Costs of examples start..stop-1 of the room, and the deltas of their logits. labels: of these examples."""
    logits, deltas = room.logits[start:stop], room.logit_delta[start:stop]
    call_losses_and_deltas(
        own.losses_and_deltas, logits, logits.shape[1], labels, deltas, room.cost[start:stop], own.least
    )


def evaluate_examples(own, network, parameters, room, levels, pixels, labels, start, stop, losses, predictions):
    """Loss and predicted class (the largest logit, the first of equals) of examples start..stop-1."""
    for first in range(start, stop, len(room.a)):
        examples = min(len(room.a), stop - first)
        forward(own, network, parameters, room, levels, pixels, first, 0, examples)
        losses_and_deltas(own, room, labels[first : first + examples], 0, examples)
        for e in range(examples):
            logits, losses[first + e] = room.logits[e], room.cost[e]
            best = 0
            for k in range(1, len(logits)):
                if logits[k] > logits[best]:
                    best = k
            predictions[first + e] = best


def probe_examples(own, network, parameters, gradient, room, levels, pixels, labels):
    """Forward and backward for as many examples as the room has: their activations, deltas and the gradient of the
    sum of their losses."""
    lanes = np.zeros((4, network.pairs[0, OUT_ROW]), np.float32)
    forward(own, network, parameters, room, levels, pixels, 0, 0, len(labels))
    losses_and_deltas(own, room, labels, 0, len(labels))
    backward(own, network, parameters, room, 0, len(labels), lanes)
    gradients(network, room, gradient, 0, 1)


@cache
def kernels() -> cpu.Kernels:
    """Compiled on their first call, or loaded from the cache; the same for all networks."""
    return cpu.Kernels(*map(jit, KERNELS))


KERNELS = tuple(
    bound(one, f"{one.__name__}_convolution", {}) for one in (run_updates, evaluate_examples, probe_examples)
)  # fmt: skip
