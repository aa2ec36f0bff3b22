"""The GPU's kernels: the steps of an update, on tiles of the weights in the shared memory of blocks of threads.

Layer l computes z = W a with W: (fan_out, fan_in + 1), the bias in the last column. W is cut into tiles of about 91 x
91 weights; a block takes a tile into its shared memory, first forward, then backward::

                 columns: units below (and the bias)
               +-------+-------+-------+   forward:   a -> partial z      backward:   the same tile
               | 0     | 1     | 2     |   +-------+                      +-------+
      rows:    |       |       |       |   |   W   | -> a row of tiles    |   W   |  <- delta of its rows
      units    +-------+-------+-------+   +-------+    sums up to z      +-------+
      above    | 3     | 4     | 5     |       ^                              v
               |       |       |       |   a of its columns              partial delta: a column of tiles
               +-------+-------+-------+                                 sums up to the delta below

      in a block: lanes x 3 units of one dimension, for all (up to 10) examples at once; 8 warps share the other one

Whoever needs a or delta of some units adds up the partial sums, in the order of the tiles, and applies the activation
or its slope (``gather_below``, ``gather_above``). So an update takes one step a layer forward and one backward, with a
barrier of the whole grid behind each, and `run_updates` makes thousands of updates in one launch. Weights are read
once forward, read and written once backward; the next step's tile is fetched while a block waits at the barrier.

Where all weights fit into shared memory, ``cuda_resident`` does the same without a barrier.

More tiles than blocks: a block takes a *span* of them, whose sum is made in registers. More examples than ten: several
tiles of examples, and the weights are updated in a step of their own.

Every sum has an order that the shapes and the number of blocks decide; no sum is made by atomics.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, types

from glorot.compiled.elementary import ONE, ZERO, fma
from glorot.kernels.cuda_blocks import OnTiles, on_tiles
from glorot.kernels.cuda_resident import run_resident
from glorot.kernels.cuda_tiles import (
    ABOVE,
    ABOVE_AT,
    ALIGNMENT,
    BELOW_AT,
    COLUMNS,
    FAN_IN,
    FAN_OUT,
    LANES,
    LAYER,
    PER_LANE,
    ROWS,
    SHARED_FLOATS,
    SPAN_IN,
    SPAN_OUT,
    STRIDE_IN,
    STRIDE_OUT,
    THREADS,
    TILE_AT,
    TILE_COLUMNS,
    TILE_ROWS,
    TILES_IN,
    TILES_OUT,
    W_STRIDE,
    WARPS,
    W,
    arrive,
    at,
    columns_of,
    device,
    load_layer,
    load_tile,
    put,
    rows_of,
    wait,
)  # fmt: skip
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES

_INT, _FLOATS, _BYTES, _LOSSES = types.int64, types.float32[::1], types.uint8[::1], types.float64[::1]
_LAYERS = types.int64[:, ::1]
_UPDATE = (_LAYERS, _INT, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _LOSSES, _INT, _INT, types.float32)
SIGNATURES = {
    "run_updates": (_LAYERS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _BYTES, _FLOATS, _LOSSES,
                    types.int64[::1], _INT, types.float32),
    "run_resident": (_LAYERS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _BYTES, _LOSSES, types.int64[::1], types.float32),
    "forward_step": (_LAYERS, _INT, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _LOSSES, _INT, _INT),
    "loss_step": (_LAYERS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _FLOATS, _LOSSES, _INT, _INT),
    "backward_step": (*_UPDATE, types.boolean),
    "update_step": _UPDATE,
    "predict": (_LAYERS, _FLOATS, _BYTES),
    "gather": (_BYTES, _BYTES, types.int64[::1], _BYTES, _BYTES),
}  # fmt: skip


class Compiled(NamedTuple):
    """keeps_z: whether a is followed by as many z."""

    run_updates: Any
    run_resident: Any
    forward_step: Any
    loss_step: Any
    backward_step: Any
    update_step: Any
    predict: Any
    gather: Any
    keeps_z: bool


@lru_cache
def compiled(activation: str, loss: str, T: int) -> Compiled:
    """The kernels for an activation, a loss and tiles of T examples (up to MOST_EXAMPLES)."""
    f = ACTIVATIONS[activation]
    formulas = device(f.value), device(f.slope), f.keeps_z
    tiles = on_tiles(T, *formulas)
    forward, output, backward, update = _forward(T, tiles), _output(loss), _backward(T, tiles), _update(T, tiles)
    return Compiled(
        _run_updates(T, forward, output, backward, update),
        run_resident(T, loss, *formulas),
        _forward_step(forward),
        _loss_step(output),
        _backward_step(backward),
        _update_step(update),
        predict,
        gather,
        f.keeps_z,
    )


# The steps: each does this block's work items. ------------------------------------------------------------------------


def _forward(T, tiles: OnTiles):
    SUMS = PER_LANE * T  # of one thread
    gather_below, multiply_rows, store_sums = tiles.gather_below, tiles.multiply_rows, tiles.store_sums

    @device
    def forward(layer, l, weights, a, partial, levels, pixels, u, n, fetched, tile, below):
        """z, as partial sums, from those of the layer below. A work item: a tile row, a span of its tiles, T examples.

        fetched: whether the first tile is in shared memory.
        """
        parts = (layer[TILES_IN] + layer[SPAN_IN] - 1) // layer[SPAN_IN]
        tiles = layer[TILES_OUT] * parts
        acc = cuda.local.array(SUMS, np.float32)
        for item in range(cuda.blockIdx.x, tiles * ((n + T - 1) // T), cuda.gridDim.x):
            e0, row, part = item // tiles * T, item % tiles // parts, item % parts
            for i in range(SUMS):
                acc[i] = ZERO
            start = part * layer[SPAN_IN]
            for column in range(start, min(start + layer[SPAN_IN], layer[TILES_IN])):
                if not fetched:
                    load_tile(layer, weights, row, column, tile)
                fetched = False
                gather_below(layer, l, column, e0, n, levels, pixels, u, partial, a, False, row == 0, below)
                cuda.syncthreads()
                multiply_rows(tile, below, columns_of(layer, column), acc)
                cuda.syncthreads()
            stride = layer[STRIDE_OUT]
            first = (l & 1) * (len(partial) // 2) + part * n * stride + row * layer[ROWS]
            store_sums(acc, tile, partial, first, stride, e0, n, rows_of(layer, row))

    return forward


def _output(loss):
    normalizer, value_of, delta_of = map(device, (LOSSES[loss].normalizer, LOSSES[loss].value, LOSSES[loss].delta))

    @device
    def output(layer, l, a, delta, partial, labels, example_losses, u, n):
        """Logits, loss and delta of every example; returns the losses' sum. All blocks find the same."""
        fan_out, stride, base = layer[FAN_OUT], layer[STRIDE_OUT], layer[ABOVE]
        parts = (layer[TILES_IN] + layer[SPAN_IN] - 1) // layer[SPAN_IN]
        first = (l & 1) * (len(partial) // 2)
        for s in range(cuda.threadIdx.x, n * fan_out, THREADS):
            offset, total = s // fan_out * stride + s % fan_out, ZERO
            for part in range(parts):
                total += at(partial, first + part * n * stride + offset)
            put(a, base + offset, total)
        cuda.syncthreads()
        for e in range(cuda.threadIdx.x, n, THREADS):
            logits = a[base + e * stride : base + e * stride + fan_out]
            shared, total, label = normalizer(logits), ZERO, at(labels, u * n + e)
            for k in range(fan_out):
                target = ONE if k == label else ZERO
                total += value_of(logits[k], shared, target)
                put(delta, base + e * stride + k, delta_of(logits[k], shared, target))
            put(example_losses, e, total)
        cuda.syncthreads()
        total_loss = np.float64(0)
        for e in range(n):
            total_loss += at(example_losses, e)
        return total_loss  # the host divides by n

    return output


def _backward(T, tiles: OnTiles):
    SUMS = PER_LANE * T
    gather_below, gather_above, multiply_columns = tiles.gather_below, tiles.gather_above, tiles.multiply_columns
    descend, store_sums = tiles.descend, tiles.store_sums

    @device
    def backward(
        layer, l, last, weights, a, delta, partial, levels, pixels, u, n, step, learn, fetched, tile, below, above
    ):
        """delta below, as partial sums, from those above. A work item: a tile column, a span of its tiles, T examples.

        last: whether this is the last layer. learn: whether to update W in passing (T examples are all there are then).
        """
        parts = (layer[TILES_OUT] + layer[SPAN_OUT] - 1) // layer[SPAN_OUT]
        tiles = layer[TILES_IN] * parts
        acc = cuda.local.array(SUMS, np.float32)
        for item in range(cuda.blockIdx.x, tiles * ((n + T - 1) // T), cuda.gridDim.x):
            e0, part, column = item // tiles * T, item % tiles // layer[TILES_IN], item % layer[TILES_IN]
            for i in range(SUMS):
                acc[i] = ZERO
            start = part * layer[SPAN_OUT]
            for row in range(start, min(start + layer[SPAN_OUT], layer[TILES_OUT])):
                if not fetched:
                    load_tile(layer, weights, row, column, tile)
                fetched = False
                gather_above(layer, l, row, e0, n, partial, a, delta, last, column == 0, above)
                if learn:
                    gather_below(layer, l, column, e0, n, levels, pixels, u, partial, a, True, False, below)
                cuda.syncthreads()
                if l > 0:
                    multiply_columns(tile, above, rows_of(layer, row), acc)
                if learn:
                    descend(layer, weights, row, column, tile, below, above, step)
                cuda.syncthreads()
            if l > 0:
                k0, stride = column * layer[COLUMNS], layer[STRIDE_IN]
                first = ((l + 1) & 1) * (len(partial) // 2) + part * n * stride + k0
                store_sums(acc, tile, partial, first, stride, e0, n, min(layer[COLUMNS], layer[FAN_IN] - k0))

    return backward


def _update(T, tiles: OnTiles):
    gather_below, gather_above, add_gradient = tiles.gather_below, tiles.gather_above, tiles.add_gradient

    @device
    def update(layer, l, weights, a, delta, partial, levels, pixels, u, n, step, gradient, below, above):
        """W -= step * gradient of a whole minibatch of several tiles of examples. A work item: a tile of W."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        stride = layer[W_STRIDE]
        for item in range(cuda.blockIdx.x, layer[TILES_OUT] * layer[TILES_IN], cuda.gridDim.x):
            row, column = item // layer[TILES_IN], item % layer[TILES_IN]
            for s in range(cuda.threadIdx.x, TILE_ROWS * TILE_COLUMNS, THREADS):
                put(gradient, s, ZERO)
            for e0 in range(0, n, T):
                gather_above(layer, l, row, e0, n, partial, a, delta, True, False, above)
                gather_below(layer, l, column, e0, n, levels, pixels, u, partial, a, True, False, below)
                cuda.syncthreads()
                add_gradient(below, above, gradient)
                cuda.syncthreads()
            rows, columns = rows_of(layer, row), columns_of(layer, column)
            first = layer[W] + row * layer[ROWS] * stride + column * layer[COLUMNS]
            for j in range(warp, rows, WARPS):
                for k in range(lane, columns, LANES):
                    place = first + j * stride + k
                    put(weights, place, fma(-step, at(gradient, j * TILE_COLUMNS + k), at(weights, place)))
            cuda.syncthreads()

    return update


# The kernels. ---------------------------------------------------------------------------------------------------------


def _run_updates(T, forward, output, backward, update):
    @cuda.jit
    def run_updates(
        layers, weights, a, delta, partial, levels, pixels, labels, example_losses, losses, counter, n, step
    ):
        """len(losses) updates on consecutive minibatches of n examples, by a grid whose blocks all run at a time.

        layers: (n_layers, LAYER) int64. weights, a, delta, partial: flat float32. levels: (256,) float32, the network's
        inputs by byte. pixels, labels: flat uint8.
        example_losses: (n,) float32. losses: (updates,) float64, sums over the minibatch, NaN at first.
        counter: (1,) int64, 0 at first. step: learning rate / n. Stops before an update whose loss is not finite.
        """
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        tile, below, above = room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:SHARED_FLOATS]
        depth, passed, turn, fused, fetched = layers.shape[0], 0, 0, n <= T, False
        load_layer(layers, 0, rows[:LAYER])
        for u in range(len(losses)):
            for stage in range(2 * depth):
                l = min(stage, 2 * depth - 1 - stage)
                layer = rows[turn * LAYER : turn * LAYER + LAYER]
                if stage < depth:
                    forward(layer, l, weights, a, partial, levels, pixels, u, n, fetched, tile, below)
                else:
                    if stage == depth:
                        loss = output(layer, l, a, delta, partial, labels, example_losses, u, n)
                        if cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
                            losses[u] = loss
                        if not math.isfinite(loss):
                            return
                    backward(
                        layer, l, stage == depth, weights, a, delta, partial, levels, pixels, u, n, step, fused,
                        fetched, tile, below, above,
                    )  # fmt: skip
                arrive(counter)
                passed, turn = passed + 1, 1 - turn
                following = (stage + 1) % (2 * depth)
                next_layer = rows[turn * LAYER : turn * LAYER + LAYER]
                load_layer(layers, min(following, 2 * depth - 1 - following), next_layer)
                # With spans of one tile a block has the same tile forward and backward: no other one changes it.
                item = cuda.blockIdx.x
                fetched = fused and next_layer[SPAN_IN] == 1 and next_layer[SPAN_OUT] == 1
                if fetched and item < next_layer[TILES_OUT] * next_layer[TILES_IN]:
                    load_tile(next_layer, weights, item // next_layer[TILES_IN], item % next_layer[TILES_IN], tile)
                wait(counter, passed)
                if stage >= depth and not fused:
                    update(layer, l, weights, a, delta, partial, levels, pixels, u, n, step, tile, below, above)
            if not fused:
                arrive(counter)
                passed += 1
                wait(counter, passed)

    return run_updates


# The same steps as launches of their own; none after a loss that is not finite.


def _forward_step(forward):
    @cuda.jit
    def forward_step(layers, l, weights, a, partial, levels, pixels, losses, u, n):
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        layer, tile, below = rows[:LAYER], room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT]
        load_layer(layers, l, layer)
        if u == 0 or math.isfinite(losses[u - 1]):
            forward(layer, l, weights, a, partial, levels, pixels, u, n, False, tile, below)

    return forward_step


def _loss_step(output):
    @cuda.jit
    def loss_step(layers, a, delta, partial, labels, example_losses, losses, u, n):
        """For one block."""
        layer, last = cuda.shared.array(0, types.int64)[:LAYER], layers.shape[0] - 1
        load_layer(layers, last, layer)
        if u == 0 or math.isfinite(losses[u - 1]):
            loss = output(layer, last, a, delta, partial, labels, example_losses, u, n)
            if cuda.threadIdx.x == 0:
                losses[u] = loss

    return loss_step


def _backward_step(backward):
    @cuda.jit
    def backward_step(layers, l, weights, a, delta, partial, levels, pixels, losses, u, n, step, learn):
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        layer, tile, below, above = rows[:LAYER], room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:]
        load_layer(layers, l, layer)
        last = l + 1 == layers.shape[0]
        if math.isfinite(losses[u]):
            backward(
                layer, l, last, weights, a, delta, partial, levels, pixels, u, n, step, learn, False, tile, below, above
            )

    return backward_step


def _update_step(update):
    @cuda.jit
    def update_step(layers, l, weights, a, delta, partial, levels, pixels, losses, u, n, step):
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        layer, tile, below, above = rows[:LAYER], room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:]
        load_layer(layers, l, layer)
        if math.isfinite(losses[u]):
            update(layer, l, weights, a, delta, partial, levels, pixels, u, n, step, tile, below, above)

    return update_step


@cuda.jit
def predict(layers, a, predictions):
    """The class of the largest logit, the first of equals."""
    last = layers.shape[0] - 1
    for e in range(cuda.grid(1), len(predictions), cuda.gridsize(1)):
        first, best = layers[last, ABOVE] + e * layers[last, STRIDE_OUT], 0
        for k in range(1, layers[last, FAN_OUT]):
            if a[first + k] > a[first + best]:
                best = k
        predictions[e] = best


@cuda.jit
def gather(pixels, labels, order, some_pixels, some_labels):
    """Examples order[0], order[1], ... of a data set, one behind the other. pixels: flat, (n * n_inputs,)."""
    n_inputs = len(pixels) // len(labels)
    for i in range(cuda.grid(1), len(some_pixels), cuda.gridsize(1)):
        some_pixels[i] = pixels[order[i // n_inputs] * n_inputs + i % n_inputs]
    for e in range(cuda.grid(1), len(order), cuda.gridsize(1)):
        some_labels[e] = labels[order[e]]
