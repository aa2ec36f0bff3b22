"""The GPU's kernels: the CPU's twin, in float32, through numba.cuda.

Layer l computes z = W a with W: (fan_out, fan_in + 1), the bias in the last column. W is cut into tiles, of about
91 x 91 weights, and a block of threads works on a tile in its shared memory, first forward, then backward::

                 columns: units below (and the bias)
               +-------+-------+-------+   forward:   a -> partial z      backward:   W tile as it was
               | 0     | 1     | 2     |   +-------+                      +-------+
      rows:    |       |       |       |   |  W    | -> a row of tiles    |  W    |  <- delta of its rows
      units    +-------+-------+-------+   +-------+    sums up to z      +-------+
      above    | 3     | 4     | 5     |       ^                              |
               |       |       |       |    a of its columns                  v  partial delta: a column of tiles
               +-------+-------+-------+                                         sums up to the delta below

    in a block:  32 lanes x 3 units each, for all (up to 10) examples of a tile; the warps share the other dimension

Who needs a or delta of some units sums up their partial sums, in the order of the tiles, and applies the activation or its
slope (``gather_below``, ``gather_above``). So an update takes one step a layer forward and one backward, with a barrier
of the whole grid between them, and `run_updates` makes thousands of updates in one launch. The weights are read once
forward, read and written once backward, and come from the chip's L2 cache where they fit.

A network with more tiles than the GPU has room for gives a block several (a *span* of them: their sum is made in
registers); more than 10 examples are several tiles of examples, and the weights are then updated in a step of their own.
Where the grid cannot be launched as one (no cooperative launch), every step is a launch.

All sums have an order that shapes and the GPU's number of blocks alone decide, and no sum is made by atomics: the same seed
on the same device gives the same bits. The simulator (NUMBA_ENABLE_CUDASIM=1) runs all of this, with small tiles.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, types
from numba.core import config

from glorot.activations import ACTIVATIONS
from glorot.datasets import Examples
from glorot.elementary import ONE, ZERO, F, fma
from glorot.errors import DeviceError
from glorot.losses import LOSSES
from glorot.network import Layer

SIMULATED = bool(config.ENABLE_CUDASIM)
if not SIMULATED:
    from glorot.kernels import simd  # noqa: F401  # its primitives are compiled for this device too

LANES, WARPS, MOST_EXAMPLES = (4, 2, 3) if SIMULATED else (32, 8, 10)
THREADS = LANES * WARPS
PER_LANE = 3  # units
TILE_ROWS = PER_LANE * LANES
TILE_COLUMNS = TILE_ROWS - 3  # an odd stride, so that rows lie in different banks of the shared memory
ROW_TURNS = TILE_ROWS // WARPS  # rows of a tile that one warp updates
PAD = -(-MOST_EXAMPLES // 4) * 4
TILE_FLOATS = TILE_ROWS * TILE_COLUMNS + 4  # lanes behind the last column read on
BELOW_AT, ABOVE_AT = TILE_FLOATS, TILE_FLOATS + TILE_ROWS * PAD  # in a block's shared memory
SHARED_FLOATS = TILE_FLOATS + 2 * TILE_ROWS * PAD
SHARED_BYTES = 4 * SHARED_FLOATS  # below the 48 KB that every GPU gives without being asked
MOST_BLOCKS, STEPWISE_BLOCKS = 65535, 128
EVALUATION_CHUNK = 6 if SIMULATED else 1280  # examples that pass the network together

_FLOATS, _BYTES, _TABLE = types.float32[::1], types.uint8[::1], types.int64[:, ::1]
_STEP = (_TABLE, types.int64, _FLOATS, _FLOATS)
_UPDATE = (*_STEP, _FLOATS, _FLOATS, _BYTES, types.float64[::1], types.int64, types.int64, types.float32)
SIGNATURES = {
    "run_updates": (_TABLE, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _BYTES, _FLOATS, types.float64[::1],
                    types.int64[::1], types.int64, types.float32),
    "forward_step": (*_STEP, _FLOATS, _BYTES, types.float64[::1], types.int64, types.int64),
    "loss_step": (_TABLE, _FLOATS, _FLOATS, _FLOATS, _BYTES, _FLOATS, types.float64[::1], types.int64, types.int64),
    "backward_step": (*_UPDATE, types.boolean),
    "update_step": _UPDATE,
    "predict": (_TABLE, _FLOATS, _BYTES),
}  # fmt: skip

# Columns of ``layers``. Tiles: (TILES_OUT, TILES_IN) of (ROWS, COLUMNS). W lies at W, a row every W_STRIDE; a and delta below at
# BELOW, an example every STRIDE_IN; above likewise. SPAN_IN tiles of a row are summed up by one block forward, SPAN_OUT
# of a column backward; PARTS_BELOW sums make z below, PARTS_ABOVE delta above.
(FAN_IN, FAN_OUT, W, W_STRIDE, BELOW, ABOVE, STRIDE_IN, STRIDE_OUT, TILES_OUT, TILES_IN, ROWS, COLUMNS,
 SPAN_IN, SPAN_OUT, PARTS_BELOW, PARTS_ABOVE) = range(16)  # fmt: skip


def _device(function):
    options = {} if SIMULATED else {"forceinline": True}  # so that small local arrays live in registers
    return cuda.jit(device=True, **options)(function)


@_device
def wait_for_all(counter, passed):
    """A barrier of the whole grid: the passed-th of this launch. counter: (1,), 0 at the launch."""
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.threadfence()
        cuda.atomic.add(counter, 0, 1)
        while cuda.atomic.add(counter, 0, 0) < passed * cuda.gridDim.x:
            pass
        cuda.threadfence()
    cuda.syncthreads()


class Compiled(NamedTuple):
    run_updates: Any
    forward_step: Any
    loss_step: Any
    backward_step: Any
    update_step: Any
    predict: Any


@lru_cache
def compiled(activation: str, loss: str, T: int):
    """The kernels for an activation, a loss and tiles of T examples."""
    f, slope = _device(ACTIVATIONS[activation].value), _device(ACTIVATIONS[activation].slope)
    normalizer, loss_value, output_delta = map(_device, (LOSSES[loss].normalizer, LOSSES[loss].value, LOSSES[loss].delta))
    N_ACC = PER_LANE * T
    TURNS = -(-TILE_ROWS * T // THREADS)  # values of a tile that one thread gathers

    @_device
    def load_tile(layers, l, weights, row, column, tile):
        """W's tile (row, column) to shared memory, zeros around it. tile: (TILE_ROWS, TILE_COLUMNS)."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        j0, k0 = row * layers[l, ROWS], column * layers[l, COLUMNS]
        rows = min(layers[l, ROWS], layers[l, FAN_OUT] - j0)
        columns = min(layers[l, COLUMNS], layers[l, FAN_IN] + 1 - k0)
        stride = layers[l, W_STRIDE]
        first = layers[l, W] + j0 * stride + k0
        for turn in range(ROW_TURNS):
            j = warp + turn * WARPS
            for i in range(PER_LANE):
                k = lane + i * LANES
                if k < TILE_COLUMNS:
                    inside = j < rows and k < columns
                    tile[j * TILE_COLUMNS + k] = weights[first + j * stride + k] if inside else ZERO

    @_device
    def sum_parts(partial, first, parts, part_stride, offsets, sums):
        """sums[i] = sum over p < parts of partial[first + p * part_stride + offsets[i]], p in order, four at a time."""
        for i in range(TURNS):
            sums[i] = ZERO
        for p in range(0, parts - 3, 4):
            at = first + p * part_stride
            for i in range(TURNS):
                x0, x1 = partial[at + offsets[i]], partial[at + part_stride + offsets[i]]
                x2, x3 = partial[at + 2 * part_stride + offsets[i]], partial[at + 3 * part_stride + offsets[i]]
                sums[i] += (x0 + x1) + (x2 + x3)
        for p in range(parts // 4 * 4, parts):
            at = first + p * part_stride
            for i in range(TURNS):
                sums[i] += partial[at + offsets[i]]

    @_device
    def gather_below(layers, l, column, e0, n, pixels, u, partial, a, ready, keep, below):
        """a of the units under tile column `column` and of examples e0.. to shared memory; the constant 1 for the bias.

        below: (TILE_ROWS, PAD), a unit a row. ready: whether a stands in global memory, or else partial sums do.
        keep: whether to store it there.
        """
        k0 = column * layers[l, COLUMNS]
        fan_in, stride = layers[l, FAN_IN], layers[l, STRIDE_IN]
        columns = min(layers[l, COLUMNS], fan_in + 1 - k0)
        offsets, sums = cuda.local.array(TURNS, np.int64), cuda.local.array(TURNS, np.float32)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, k = s // TILE_ROWS, s % TILE_ROWS
            inside = e < T and e0 + e < n and k < columns and k0 + k < fan_in
            offsets[i] = ((e0 + e) * (fan_in if l == 0 else stride) + k0 + k) if inside else 0
        if l == 0:
            for i in range(TURNS):
                sums[i] = F(pixels[u * n * fan_in + offsets[i]]) / F(255)
        elif ready:
            for i in range(TURNS):
                sums[i] = a[layers[l, BELOW] + offsets[i]]
        else:
            size = partial.shape[0] // 2
            sum_parts(partial, ((l + 1) & 1) * size, layers[l, PARTS_BELOW], n * stride, offsets, sums)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, k = s // TILE_ROWS, s % TILE_ROWS
            if e < T:
                value = ZERO
                if e0 + e < n and k < columns:
                    value = ONE
                    if k0 + k < fan_in:
                        value = sums[i] if ready or l == 0 else f(sums[i])
                        if keep and l > 0:
                            a[layers[l, BELOW] + offsets[i]] = value
                below[k * PAD + e] = value

    @_device
    def gather_above(layers, l, row, e0, n, partial, a, delta, ready, keep, above):
        """delta of the units of tile row `row` and of examples e0.. to shared memory; as gather_below."""
        j0 = row * layers[l, ROWS]
        fan_out, stride, first = layers[l, FAN_OUT], layers[l, STRIDE_OUT], layers[l, ABOVE]
        rows = min(layers[l, ROWS], fan_out - j0)
        ready = ready or l + 1 == layers.shape[0]
        offsets, sums = cuda.local.array(TURNS, np.int64), cuda.local.array(TURNS, np.float32)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            inside = e < T and e0 + e < n and j < rows
            offsets[i] = ((e0 + e) * stride + j0 + j) if inside else 0
        if ready:
            for i in range(TURNS):
                sums[i] = delta[first + offsets[i]]
        else:
            size = partial.shape[0] // 2
            sum_parts(partial, (l & 1) * size, layers[l, PARTS_ABOVE], n * stride, offsets, sums)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            if e < T:
                value = ZERO
                if e0 + e < n and j < rows:
                    value = sums[i]
                    if not ready:
                        value = value * slope(a[first + offsets[i]])
                        if keep:
                            delta[first + offsets[i]] = value
                above[j * PAD + e] = value

    @_device
    def multiply_rows(tile, below, columns, acc):
        """acc[i, e] += W[j, k] a[e, k], over this warp's k, for the rows j = lane, lane + LANES, ..."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        for k in range(warp, columns, WARPS):
            for i in range(PER_LANE):
                w = tile[(lane + i * LANES) * TILE_COLUMNS + k]
                for e in range(T):
                    acc[i * T + e] = fma(w, below[k * PAD + e], acc[i * T + e])

    @_device
    def multiply_columns(tile, above, rows, acc):
        """acc[i, e] += W[j, k] delta[e, j], over this warp's j, for the columns k = lane, lane + LANES, ..."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        for j in range(warp, rows, WARPS):
            for i in range(PER_LANE):
                w = tile[j * TILE_COLUMNS + lane + i * LANES]
                for e in range(T):
                    acc[i * T + e] = fma(w, above[j * PAD + e], acc[i * T + e])

    @_device
    def descend(layers, l, weights, row, column, tile, below, above, step):
        """W -= step * sum over e of delta[e, j] a[e, k], from the tile in shared memory to global memory."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        j0, k0 = row * layers[l, ROWS], column * layers[l, COLUMNS]
        rows = min(layers[l, ROWS], layers[l, FAN_OUT] - j0)
        columns = min(layers[l, COLUMNS], layers[l, FAN_IN] + 1 - k0)
        stride = layers[l, W_STRIDE]
        first = layers[l, W] + j0 * stride + k0
        x = cuda.local.array(N_ACC, np.float32)
        for i in range(PER_LANE):
            for e in range(T):
                x[i * T + e] = below[(lane + i * LANES) * PAD + e]
        for j in range(warp, rows, WARPS):
            for i in range(PER_LANE):
                k = lane + i * LANES
                gradient = ZERO
                for e in range(T):
                    gradient = fma(above[j * PAD + e], x[i * T + e], gradient)
                if k < columns:
                    weights[first + j * stride + k] = fma(-step, gradient, tile[j * TILE_COLUMNS + k])

    @_device
    def add_gradient(below, above, gradient):
        """gradient[j, k] += sum over e of delta[e, j] a[e, k]. gradient: (TILE_ROWS, TILE_COLUMNS), in shared memory."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        x = cuda.local.array(N_ACC, np.float32)
        for i in range(PER_LANE):
            for e in range(T):
                x[i * T + e] = below[(lane + i * LANES) * PAD + e]
        for j in range(warp, TILE_ROWS, WARPS):
            for i in range(PER_LANE):
                k = lane + i * LANES
                if k < TILE_COLUMNS:
                    total = gradient[j * TILE_COLUMNS + k]
                    for e in range(T):
                        total = fma(above[j * PAD + e], x[i * T + e], total)
                    gradient[j * TILE_COLUMNS + k] = total

    @_device
    def descend_tile(layers, l, weights, row, column, gradient, step):
        """W -= step * gradient. gradient: (TILE_ROWS, TILE_COLUMNS), in shared memory."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        j0, k0 = row * layers[l, ROWS], column * layers[l, COLUMNS]
        rows = min(layers[l, ROWS], layers[l, FAN_OUT] - j0)
        columns = min(layers[l, COLUMNS], layers[l, FAN_IN] + 1 - k0)
        stride = layers[l, W_STRIDE]
        first = layers[l, W] + j0 * stride + k0
        for j in range(warp, rows, WARPS):
            for i in range(PER_LANE):
                k = lane + i * LANES
                if k < columns:
                    at = first + j * stride + k
                    weights[at] = fma(-step, gradient[j * TILE_COLUMNS + k], weights[at])

    @_device
    def store_sums(acc, tile, partial, first, stride, e0, n, units):
        """The warps' sums, added up in the warps' order, to partial[first + e * stride + unit]. tile: room, its W is lost."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        cuda.syncthreads()
        for i in range(PER_LANE):
            for e in range(T):
                tile[(warp * T + e) * TILE_ROWS + i * LANES + lane] = acc[i * T + e]
        cuda.syncthreads()
        for s in range(cuda.threadIdx.x, TILE_ROWS * T, THREADS):
            e, unit = s // TILE_ROWS, s % TILE_ROWS
            if e0 + e < n and unit < units:
                total = ZERO
                for other in range(WARPS):
                    total += tile[other * T * TILE_ROWS + s]
                partial[first + (e0 + e) * stride + unit] = total
        cuda.syncthreads()

    # The steps. ---------------------------------------------------------------------------------------------------

    @_device
    def forward(layers, l, weights, a, partial, pixels, u, n, tile, below):
        """z of layer l, as partial sums, from those of the layer below. A work item: a tile row, a span of columns, T examples."""
        parts = (layers[l, TILES_IN] + layers[l, SPAN_IN] - 1) // layers[l, SPAN_IN]
        tiles = layers[l, TILES_OUT] * parts
        acc = cuda.local.array(N_ACC, np.float32)
        for item in range(cuda.blockIdx.x, tiles * ((n + T - 1) // T), cuda.gridDim.x):
            e0, row, part = item // tiles * T, item % tiles // parts, item % parts
            for i in range(N_ACC):
                acc[i] = ZERO
            start = part * layers[l, SPAN_IN]
            for column in range(start, min(start + layers[l, SPAN_IN], layers[l, TILES_IN])):
                load_tile(layers, l, weights, row, column, tile)
                gather_below(layers, l, column, e0, n, pixels, u, partial, a, False, row == 0, below)
                cuda.syncthreads()
                columns = min(layers[l, COLUMNS], layers[l, FAN_IN] + 1 - column * layers[l, COLUMNS])
                multiply_rows(tile, below, columns, acc)
                cuda.syncthreads()
            j0, stride = row * layers[l, ROWS], layers[l, STRIDE_OUT]
            first = (l & 1) * (partial.shape[0] // 2) + part * n * stride + j0
            store_sums(acc, tile, partial, first, stride, e0, n, min(layers[l, ROWS], layers[l, FAN_OUT] - j0))

    @_device
    def output(layers, a, delta, partial, labels, example_losses, u, n):
        """Logits, loss and delta of every example; returns the mean loss. Every block does it all, with equal results."""
        l = layers.shape[0] - 1
        fan_out, stride, first = layers[l, FAN_OUT], layers[l, STRIDE_OUT], layers[l, ABOVE]
        parts = (layers[l, TILES_IN] + layers[l, SPAN_IN] - 1) // layers[l, SPAN_IN]
        z = (l & 1) * (partial.shape[0] // 2)
        for s in range(cuda.threadIdx.x, n * fan_out, THREADS):
            at = s // fan_out * stride + s % fan_out
            total = ZERO
            for part in range(parts):
                total += partial[z + part * n * stride + at]
            a[first + at] = total
        cuda.syncthreads()
        for e in range(cuda.threadIdx.x, n, THREADS):
            logits = a[first + e * stride : first + e * stride + fan_out]
            shared, total = normalizer(logits), ZERO
            for k in range(fan_out):
                target = ONE if k == labels[u * n + e] else ZERO
                total += loss_value(logits[k], shared, target)
                delta[first + e * stride + k] = output_delta(logits[k], shared, target)
            example_losses[e] = total
        cuda.syncthreads()
        mean = np.float64(0)
        for e in range(n):
            mean += example_losses[e]
        return mean / n

    @_device
    def backward(layers, l, weights, a, delta, partial, pixels, u, n, step, learn, tile, below, above):
        """delta below layer l, as partial sums, from those above. A work item: a tile column, a span of rows, T examples.

        learn: whether to update W in the same pass (the minibatch is one tile of examples then).
        """
        parts = (layers[l, TILES_OUT] + layers[l, SPAN_OUT] - 1) // layers[l, SPAN_OUT]
        tiles = layers[l, TILES_IN] * parts
        acc = cuda.local.array(N_ACC, np.float32)
        for item in range(cuda.blockIdx.x, tiles * ((n + T - 1) // T), cuda.gridDim.x):
            e0, part, column = item // tiles * T, item % tiles // layers[l, TILES_IN], item % layers[l, TILES_IN]
            for i in range(N_ACC):
                acc[i] = ZERO
            start = part * layers[l, SPAN_OUT]
            for row in range(start, min(start + layers[l, SPAN_OUT], layers[l, TILES_OUT])):
                load_tile(layers, l, weights, row, column, tile)
                gather_above(layers, l, row, e0, n, partial, a, delta, False, column == 0, above)
                if learn:
                    gather_below(layers, l, column, e0, n, pixels, u, partial, a, True, False, below)
                cuda.syncthreads()
                if l > 0:
                    multiply_columns(tile, above, min(layers[l, ROWS], layers[l, FAN_OUT] - row * layers[l, ROWS]), acc)
                if learn:
                    descend(layers, l, weights, row, column, tile, below, above, step)
                cuda.syncthreads()
            if l > 0:
                k0, stride = column * layers[l, COLUMNS], layers[l, STRIDE_IN]
                first = ((l + 1) & 1) * (partial.shape[0] // 2) + part * n * stride + k0
                units = min(layers[l, COLUMNS], layers[l, FAN_IN] - k0)
                store_sums(acc, tile, partial, first, stride, e0, n, units)

    @_device
    def update(layers, l, weights, a, delta, partial, pixels, u, n, step, gradient, below, above):
        """W -= step * gradient of the whole minibatch, where that is several tiles of examples. A work item: a tile of W."""
        for item in range(cuda.blockIdx.x, layers[l, TILES_OUT] * layers[l, TILES_IN], cuda.gridDim.x):
            row, column = item // layers[l, TILES_IN], item % layers[l, TILES_IN]
            for i in range(cuda.threadIdx.x, TILE_FLOATS, THREADS):
                gradient[i] = ZERO
            for e0 in range(0, n, T):
                gather_above(layers, l, row, e0, n, partial, a, delta, True, False, above)
                gather_below(layers, l, column, e0, n, pixels, u, partial, a, True, False, below)
                cuda.syncthreads()
                add_gradient(below, above, gradient)
                cuda.syncthreads()
            descend_tile(layers, l, weights, row, column, gradient, step)
            cuda.syncthreads()

    # The kernels. -------------------------------------------------------------------------------------------------

    @cuda.jit
    def run_updates(layers, weights, a, delta, partial, pixels, labels, example_losses, losses, counter, n, step):
        """len(losses) updates on consecutive minibatches of n examples, in one launch of the whole grid.

        layers: (n_layers, 16) int64. weights, a, delta, partial: flat float32. pixels: flat uint8. labels: uint8.
        example_losses: (n,) float32. losses: (updates,) float64, NaN at first. counter: (1,), 0 at first.
        step: learning rate / n. Stops before an update whose loss is not finite.
        """
        room = cuda.shared.array(0, types.float32)
        tile, below, above = room[:TILE_FLOATS], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:SHARED_FLOATS]
        n_layers, passed, fused = layers.shape[0], 0, n <= T
        for u in range(losses.shape[0]):
            for l in range(n_layers):
                forward(layers, l, weights, a, partial, pixels, u, n, tile, below)
                passed += 1
                wait_for_all(counter, passed)
            mean = output(layers, a, delta, partial, labels, example_losses, u, n)
            if cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
                losses[u] = mean
            if not math.isfinite(mean):
                return
            for l in range(n_layers - 1, -1, -1):
                backward(layers, l, weights, a, delta, partial, pixels, u, n, step, fused, tile, below, above)
                passed += 1
                wait_for_all(counter, passed)
                if not fused:
                    update(layers, l, weights, a, delta, partial, pixels, u, n, step, tile, below, above)
            if not fused:
                passed += 1
                wait_for_all(counter, passed)

    @cuda.jit
    def forward_step(layers, l, weights, a, partial, pixels, losses, u, n):
        """One step of run_updates as a launch of its own, as the others below; none after a loss that is not finite."""
        room = cuda.shared.array(0, types.float32)
        tile, below = room[:TILE_FLOATS], room[BELOW_AT:ABOVE_AT]
        if u == 0 or math.isfinite(losses[u - 1]):
            forward(layers, l, weights, a, partial, pixels, u, n, tile, below)

    @cuda.jit
    def loss_step(layers, a, delta, partial, labels, example_losses, losses, u, n):
        """For one block."""
        if u == 0 or math.isfinite(losses[u - 1]):
            mean = output(layers, a, delta, partial, labels, example_losses, u, n)
            if cuda.threadIdx.x == 0:
                losses[u] = mean

    @cuda.jit
    def backward_step(layers, l, weights, a, delta, partial, pixels, losses, u, n, step, learn):
        room = cuda.shared.array(0, types.float32)
        tile, below, above = room[:TILE_FLOATS], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:SHARED_FLOATS]
        if math.isfinite(losses[u]):
            backward(layers, l, weights, a, delta, partial, pixels, u, n, step, learn, tile, below, above)

    @cuda.jit
    def update_step(layers, l, weights, a, delta, partial, pixels, losses, u, n, step):
        room = cuda.shared.array(0, types.float32)
        tile, below, above = room[:TILE_FLOATS], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:SHARED_FLOATS]
        if math.isfinite(losses[u]):
            update(layers, l, weights, a, delta, partial, pixels, u, n, step, tile, below, above)

    @cuda.jit
    def predict(layers, a, predictions):
        """The class of the largest logit, the first of equals."""
        l = layers.shape[0] - 1
        for e in range(cuda.grid(1), predictions.shape[0], cuda.gridsize(1)):
            first, best = layers[l, ABOVE] + e * layers[l, STRIDE_OUT], 0
            for k in range(1, layers[l, FAN_OUT]):
                if a[first + k] > a[first + best]:
                    best = k
            predictions[e] = best

    return Compiled(run_updates, forward_step, loss_step, backward_step, update_step, predict)


# What the rest of the package sees. -----------------------------------------------------------------------------


def _padded(n: int) -> int:
    return -(-n // 32) * 32


def tile_of(n: int) -> int:
    """Examples of a tile, for minibatches of n: few tiles, and even ones."""
    return -(-n // -(-n // MOST_EXAMPLES))


class Layout:
    """Where everything lies in the flat arrays, and how it is cut, for minibatches of n examples and a grid of so many blocks.

    layers: the table of the kernels. T: examples of a tile. blocks: how many can be of use. For blocks = 0 the
    grid may have any number of blocks, and the order of sums depends on nothing but the sizes.
    """

    def __init__(self, sizes: tuple[int, ...], n: int, blocks: int):
        self.T = tile_of(n)
        batches = -(-n // self.T)
        table = np.zeros((len(sizes) - 1, 16), np.int64)
        self.n_weights = self.n_activations = self.n_partial = items = 0
        above = parts_below = 0
        for l, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            down, across = -(-fan_out // TILE_ROWS), -(-(fan_in + 1) // TILE_COLUMNS)
            span_in, span_out = _span(across, down * batches, blocks), _span(down, across * batches, blocks)
            parts = -(-across // span_in), -(-down // span_out)
            stride, stride_above = _padded(fan_in + 1), _padded(fan_out)
            table[l] = (
                fan_in, fan_out, self.n_weights, stride, above, self.n_activations, _padded(fan_in), stride_above,
                down, across, -(-fan_out // down), -(-(fan_in + 1) // across), span_in, span_out, parts_below, 0,
            )  # fmt: skip
            above = self.n_activations
            self.n_weights += fan_out * stride
            self.n_activations += n * stride_above
            self.n_partial = max(self.n_partial, n * parts[0] * stride_above, n * parts[1] * _padded(fan_in) * (l > 0))
            items = max(items, batches * down * parts[0], batches * across * parts[1])
            if l > 0:
                table[l - 1, PARTS_ABOVE] = parts[1]
            parts_below = parts[0]  # of the layer below, for the next one
        self.layers, self.blocks = table, min(items, blocks or MOST_BLOCKS)


def _span(tiles: int, others: int, blocks: int) -> int:
    """How many tiles one block sums up: the fewest with which there is a block for every item; else all."""
    for span in range(1, tiles):
        if others * -(-tiles // span) <= blocks:
            return span
    return tiles


@contextmanager
def device_errors() -> Iterator[None]:
    """What the driver has to say, as a DeviceError."""
    try:
        yield
    except MemoryError as error:
        raise DeviceError(_trouble(error)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "cuda" or type(error).__module__.startswith("numba.cuda.cudadrv"):
            raise DeviceError(_trouble(error)) from error
        raise


def _trouble(error: Exception) -> str:
    """One line on what happened and what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "OUT_OF_MEMORY" in text:
        return f"the GPU has not enough memory for this network and minibatch; use --device cpu, or fewer -j ({text})"
    return f"the GPU cannot go on: {text}; check it with nvidia-smi, or use --device cpu"


class Whole(NamedTuple):
    """A kernel whose grid is launched as one, so that its blocks can wait for each other. blocks: at most."""

    kernel: Any
    blocks: int

    def launch(self, blocks: int, *arguments: Any) -> None:
        self.kernel[blocks, THREADS, 0, SHARED_BYTES](*arguments)


def resident(kernel: Any) -> Whole | None:
    """The kernel, ready for launches as one grid; None where the device has no such launches."""
    if SIMULATED:
        return Whole(kernel, 1)
    if not cuda.get_current_device().COOPERATIVE_LAUNCH:
        return None
    kernel.compile(SIGNATURES["run_updates"])
    (one,) = kernel.overloads.values()
    one.cooperative = True  # the launch's attribute; our own barrier needs no library for it
    blocks = one.max_cooperative_grid_blocks(THREADS, SHARED_BYTES)
    return Whole(kernel, blocks) if blocks else None


class Room:
    """The arrays on the device that a pass of up to n examples needs."""

    def __init__(self, layout: Layout, n: int):
        self.layers = cuda.to_device(layout.layers)
        self.a, self.delta = (cuda.to_device(np.zeros(layout.n_activations, np.float32)) for _ in range(2))
        self.partial = cuda.device_array(2 * layout.n_partial, np.float32)
        self.example_losses = cuda.device_array(n, np.float32)


class Staged(NamedTuple):
    """Examples on the device. pixels: flat."""

    pixels: Any
    labels: Any

    def __len__(self) -> int:
        return self.labels.shape[0]


class CudaKernels:
    """One network on an NVIDIA GPU: runs segments of updates, evaluates, probes, copies parameters in and out.

    Raises DeviceError where the GPU cannot, or cannot any more: out of memory, a lost device.
    """

    device = "cuda"

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        threads: int = 1,
        blocks: int | None = None,
    ):
        """sizes: from input to output. activation, loss: keys of the registries. threads: of the host, not used.

        blocks: of a grid whose steps are launches of their own, instead of one launch for many updates.
        """
        with device_errors():
            self.sizes, self.batch_size, self.threads = sizes, batch_size, threads
            self._kernels = compiled(activation, loss, tile_of(batch_size))
            self._whole = None if blocks else resident(self._kernels.run_updates)
            self._layout = Layout(sizes, batch_size, self._whole.blocks if self._whole else blocks or STEPWISE_BLOCKS)
            self._chunk = EVALUATION_CHUNK
            self._evaluation = Layout(sizes, self._chunk, 0)
            self._evaluation_kernels = compiled(activation, loss, tile_of(self._chunk))
            self._weights = cuda.to_device(np.zeros(self._layout.n_weights, np.float32))
            self._room = Room(self._layout, batch_size)
            self._evaluation_room: Room | None = None
            self._step = np.float32(learning_rate / batch_size)

    def _rows(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Each layer's (fan_out, stride) part of the flat weights, biases in column fan_in, as a view."""
        for layer in self._layout.layers:
            flat = weights[layer[W] : layer[W] + layer[FAN_OUT] * layer[W_STRIDE]]
            yield flat.reshape(layer[FAN_OUT], layer[W_STRIDE])

    @property
    def parameters(self) -> list[Layer]:
        """A copy of the parameters, on the host."""
        with device_errors():
            rows = self._rows(self._weights.copy_to_host())
        fan_ins = self._layout.layers[:, FAN_IN]
        return [Layer(w[:, :k].copy(), w[:, k].copy()) for w, k in zip(rows, fan_ins, strict=True)]

    @parameters.setter
    def parameters(self, layers: list[Layer]) -> None:
        weights = np.zeros(self._layout.n_weights, np.float32)
        for w, (fan_in, *_), layer in zip(self._rows(weights), self._layout.layers, layers, strict=True):
            w[:, :fan_in], w[:, fan_in] = layer
        with device_errors():
            self._weights.copy_to_device(weights)

    def stage(self, examples: Examples) -> Staged:
        """Copy examples to the device: for train, from any thread, also while it runs."""
        with device_errors():
            pixels = np.ascontiguousarray(examples.pixels).reshape(-1)
            return Staged(cuda.to_device(pixels), cuda.to_device(np.ascontiguousarray(examples.labels)))

    def train(self, examples: Examples | Staged) -> np.ndarray:
        """SGD updates on consecutive minibatches: theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        if not len(examples):
            return np.empty(0)
        staged = examples if isinstance(examples, Staged) else self.stage(examples)
        with device_errors():
            updates = len(staged) // self.batch_size
            losses = cuda.to_device(np.full(updates, np.nan))
            if self._whole:
                room, counter = self._room, cuda.to_device(np.zeros(1, np.int64))
                self._whole.launch(
                    self._layout.blocks, room.layers, self._weights, room.a, room.delta, room.partial, staged.pixels,
                    staged.labels, room.example_losses, losses, counter, self.batch_size, self._step,
                )  # fmt: skip
            else:
                for u in range(updates):
                    self._update(staged, losses, u)
            made = losses.copy_to_host()
        diverged = np.flatnonzero(~np.isfinite(made))
        return made[: diverged[0] + 1] if len(diverged) else made

    def _update(self, staged: Staged, losses: Any, u: int) -> None:
        """One update, every step a launch."""
        n, fused = self.batch_size, self.batch_size <= self._layout.T
        self._forward(self._kernels, self._layout, self._room, staged, losses, u, n)
        self._backward(self._kernels, self._layout, self._room, staged, losses, u, n, fused)

    def _forward(self, kernels, layout, room, staged, losses, u, n):
        for l in range(len(layout.layers)):
            kernels.forward_step[layout.blocks, THREADS, 0, SHARED_BYTES](
                room.layers, l, self._weights, room.a, room.partial, staged.pixels, losses, u, n
            )
        kernels.loss_step[1, THREADS](
            room.layers, room.a, room.delta, room.partial, staged.labels, room.example_losses, losses, u, n
        )

    def _backward(self, kernels, layout, room, staged, losses, u, n, learn, update=True):
        for l in range(len(layout.layers) - 1, -1, -1):
            shared = (room.layers, l, self._weights, room.a, room.delta, room.partial, staged.pixels, losses, u, n)
            kernels.backward_step[layout.blocks, THREADS, 0, SHARED_BYTES](*shared, self._step, learn)
            if update and not learn:
                kernels.update_step[layout.blocks, THREADS, 0, SHARED_BYTES](*shared, self._step)

    def _pass(self, examples: Examples) -> Iterator[tuple[slice, Room, Staged, Any]]:
        """Take examples forward, chunk by chunk: their places, the room with the chunk's a and losses, the chunk."""
        layout = self._evaluation
        if self._evaluation_room is None:
            self._evaluation_room = Room(layout, self._chunk)
        for start in range(0, len(examples), self._chunk):
            places = slice(start, min(start + self._chunk, len(examples)))
            staged = self.stage(Examples(examples.pixels[places], examples.labels[places]))
            loss = cuda.to_device(np.zeros(1))
            self._forward(
                self._evaluation_kernels, layout, self._evaluation_room, staged, loss, 0, len(staged)
            )
            yield places, self._evaluation_room, staged, loss

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)
        with device_errors():
            for places, room, staged, _ in self._pass(examples):
                predicted = cuda.device_array(len(staged), np.uint8)
                self._evaluation_kernels.predict[-(-len(staged) // THREADS), THREADS](room.layers, room.a, predicted)
                losses[places] = room.example_losses.copy_to_host()[: len(staged)]
                predictions[places] = predicted.copy_to_host()
        return losses, predictions

    def probe(self, examples: Examples) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Activations of each hidden layer, (n, units) each, and deltas dC/dz of each hidden layer and the logits,
        where C is the loss of that one example. float32; no update is made."""
        n, layers = len(examples), self._evaluation.layers
        units = layers[:, FAN_OUT]
        activations, deltas = ([np.empty((n, k), np.float32) for k in units] for _ in range(2))
        with device_errors():
            for places, room, staged, _ in self._pass(examples):
                finite, some = cuda.to_device(np.zeros(1)), len(staged)
                self._backward(
                    self._evaluation_kernels, self._evaluation, room, staged, finite, 0, some, False, update=False
                )
                for found, flat in ((activations, room.a.copy_to_host()), (deltas, room.delta.copy_to_host())):
                    for l, (first, stride) in enumerate(layers[:, [ABOVE, STRIDE_OUT]]):
                        found[l][places] = flat[first : first + some * stride].reshape(some, stride)[:, : units[l]]
        return activations[:-1], deltas
