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

More tiles than blocks: a block takes a *span* of them, whose sum is made in registers. More examples than ten: several
tiles of examples, and the weights are updated in a step of their own.

Every sum has an order that the shapes and the number of blocks decide; no sum is made by atomics.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import cuda, types
from numba.core import config

from glorot.compiled.elementary import ONE, ZERO, fma
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES

SIMULATED = bool(config.ENABLE_CUDASIM)  # every GPU thread a Python thread: small tiles

LANES, WARPS, MOST_EXAMPLES = (4, 2, 3) if SIMULATED else (32, 8, 10)
THREADS = LANES * WARPS
PER_LANE = 3  # units
TILE_ROWS = PER_LANE * LANES
TILE_COLUMNS = TILE_ROWS - 3  # an odd number, so that a column of the tile lies in different banks
PAD = -(-MOST_EXAMPLES // 4) * 4  # floats of a unit: a value an example, read four at a time

# Columns of ``layers``. Tiles: (TILES_OUT, TILES_IN) of (ROWS, COLUMNS). W begins at W, a row every W_STRIDE; a and
# delta below at BELOW, an example every STRIDE_IN; above likewise. SPAN_IN tiles of a row are summed up by one block,
# backward SPAN_OUT of a column; PARTS_BELOW partial sums make z below, PARTS_ABOVE delta above.
(FAN_IN, FAN_OUT, W, W_STRIDE, BELOW, ABOVE, STRIDE_IN, STRIDE_OUT, TILES_OUT, TILES_IN, ROWS, COLUMNS,
 SPAN_IN, SPAN_OUT, PARTS_BELOW, PARTS_ABOVE) = range(16)  # fmt: skip
LAYER = 16

# The shared memory of a block: two rows of ``layers`` (int64), then a tile of W, values of its columns, of its rows.
TILE_AT = 2 * 2 * LAYER
BELOW_AT = TILE_AT + TILE_ROWS * TILE_COLUMNS + 4  # lanes behind the last column read on
ABOVE_AT = BELOW_AT + TILE_ROWS * PAD
SHARED_FLOATS = ABOVE_AT + TILE_ROWS * PAD
ALIGNMENT = None if SIMULATED else 16  # bytes; for four floats in one load
SHARED_BYTES = 4 * SHARED_FLOATS  # less than the 48 KB that every GPU gives without being asked

_INT, _FLOATS, _BYTES, _LOSSES = types.int64, types.float32[::1], types.uint8[::1], types.float64[::1]
_LAYERS = types.int64[:, ::1]
_UPDATE = (_LAYERS, _INT, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _LOSSES, _INT, _INT, types.float32)
SIGNATURES = {
    "run_updates": (_LAYERS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _BYTES, _FLOATS, _LOSSES,
                    types.int64[::1], _INT, types.float32),
    "forward_step": (_LAYERS, _INT, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _LOSSES, _INT, _INT),
    "loss_step": (_LAYERS, _FLOATS, _FLOATS, _FLOATS, _BYTES, _FLOATS, _LOSSES, _INT, _INT),
    "backward_step": (*_UPDATE, types.boolean),
    "update_step": _UPDATE,
    "predict": (_LAYERS, _FLOATS, _BYTES),
    "gather": (_BYTES, _BYTES, types.int64[::1], _BYTES, _BYTES),
}  # fmt: skip


# Access to flat arrays without a look at the sign of the index, which would cost more than the load itself. ----------

if SIMULATED:

    def at(array, i):
        return array[i]

    def put(array, i, value):
        array[i] = value

    def four_at(array, i):
        return array[i], array[i + 1], array[i + 2], array[i + 3]

else:
    from numba.cuda.extending import intrinsic

    from glorot.kernels import simd  # noqa: F401  # its primitives are compiled for this device too

    def _pointer(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.gep(array.data, [args[1]])

    @intrinsic
    def at(typingctx, array, i):
        """array[i], i >= 0."""

        def codegen(context, builder, signature, args):
            return builder.load(_pointer(context, builder, signature, args))

        return array.dtype(array, i), codegen

    @intrinsic
    def put(typingctx, array, i, value):
        """array[i] = value, i >= 0."""

        def codegen(context, builder, signature, args):
            builder.store(args[2], _pointer(context, builder, signature, args))
            return context.get_dummy_value()

        return types.void(array, i, array.dtype), codegen

    @intrinsic
    def four_at(typingctx, array, i):
        """array[i], ..., array[i + 3] in one load, i a multiple of 4. array: float32, of 16-byte alignment."""

        def codegen(context, builder, signature, args):
            vector = ir.VectorType(ir.FloatType(), 4)
            pointer = builder.bitcast(_pointer(context, builder, signature, args), vector.as_pointer())
            loaded = builder.load(pointer, align=16)
            values = [builder.extract_element(loaded, ir.IntType(32)(lane)) for lane in range(4)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.float32, 4)(array, i), codegen


def _device(function):
    options = {} if SIMULATED else {"forceinline": True}  # so that small local arrays live in registers
    return cuda.jit(device=True, **options)(function)


@_device
def arrive(counter):
    """At the barrier: what this block has written is there for the others. counter: (1,), 0 at the launch."""
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.threadfence()
        cuda.atomic.add(counter, 0, 1)


@_device
def wait(counter, passed):
    """Until all blocks of the grid have arrived `passed` times in this launch."""
    if cuda.threadIdx.x == 0:
        while cuda.atomic.add(counter, 0, 0) < passed * cuda.gridDim.x:
            pass
        cuda.threadfence()
    cuda.syncthreads()


@_device
def load_layer(layers, l, layer):
    """A row of ``layers``, to shared memory."""
    if cuda.threadIdx.x < LAYER:
        layer[cuda.threadIdx.x] = layers[l, cuda.threadIdx.x]
    if THREADS < LAYER:
        layer[cuda.threadIdx.x + THREADS] = layers[l, cuda.threadIdx.x + THREADS]
    cuda.syncthreads()


@_device
def rows_of(layer, row):
    return min(layer[ROWS], layer[FAN_OUT] - row * layer[ROWS])


@_device
def columns_of(layer, column):
    return min(layer[COLUMNS], layer[FAN_IN] + 1 - column * layer[COLUMNS])


@_device
def load_tile(layer, weights, row, column, tile):
    """A tile of W to shared memory, zeros around it. tile: (TILE_ROWS, TILE_COLUMNS)."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    rows, columns, stride = rows_of(layer, row), columns_of(layer, column), layer[W_STRIDE]
    first = layer[W] + row * layer[ROWS] * stride + column * layer[COLUMNS]
    for j in range(warp, TILE_ROWS, WARPS):
        for i in range(PER_LANE):
            k = lane + i * LANES
            if k < TILE_COLUMNS:
                put(
                    tile,
                    j * TILE_COLUMNS + k,
                    at(weights, first + j * stride + k) if j < rows and k < columns else ZERO,
                )


class Compiled(NamedTuple):
    run_updates: Any
    forward_step: Any
    loss_step: Any
    backward_step: Any
    update_step: Any
    predict: Any
    gather: Any


@lru_cache
def compiled(activation: str, loss: str, T: int) -> Compiled:
    """The kernels for an activation, a loss and tiles of T examples (up to MOST_EXAMPLES)."""
    f, slope = _device(ACTIVATIONS[activation].value), _device(ACTIVATIONS[activation].slope)
    normalizer, value_of, delta_of = map(_device, (LOSSES[loss].normalizer, LOSSES[loss].value, LOSSES[loss].delta))
    FOURS = -(-T // 4)
    PADDED = 4 * FOURS
    SUMS = PER_LANE * T  # of one thread
    TURNS = -(-TILE_ROWS * T // THREADS)  # values of a tile that one thread gathers

    # Values to shared memory: (TILE_ROWS, PAD), a unit a row, an example a column. ------------------------------------

    @_device
    def sum_parts(partial, first, parts, part_stride, offsets, sums):
        """sums[i] = sum over p < parts of partial[first + p * part_stride + offsets[i]]."""
        for i in range(TURNS):
            sums[i] = ZERO
        for p in range(0, parts - 3, 4):  # many loads under way at a time
            start = first + p * part_stride
            for i in range(TURNS):
                x0, x1 = at(partial, start + offsets[i]), at(partial, start + part_stride + offsets[i])
                x2, x3 = (
                    at(partial, start + 2 * part_stride + offsets[i]),
                    at(partial, start + 3 * part_stride + offsets[i]),
                )
                sums[i] += (x0 + x1) + (x2 + x3)
        for p in range(parts // 4 * 4, parts):
            for i in range(TURNS):
                sums[i] += at(partial, first + p * part_stride + offsets[i])

    @_device
    def gather_below(layer, l, column, e0, n, levels, pixels, u, partial, a, ready, keep, below):
        """a of the units of a tile column and of the examples e0, e0 + 1, ...; the constant 1 for the bias.

        ready: whether a stands in global memory; else partial sums do. keep: whether to store it there.
        """
        k0, fan_in, stride, base = column * layer[COLUMNS], layer[FAN_IN], layer[STRIDE_IN], layer[BELOW]
        columns = columns_of(layer, column)
        offsets, sums = cuda.local.array(TURNS, np.int64), cuda.local.array(TURNS, np.float32)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, k = s // TILE_ROWS, s % TILE_ROWS
            inside = e < T and e0 + e < n and k < columns and k0 + k < fan_in
            offsets[i] = (e0 + e) * (fan_in if l == 0 else stride) + k0 + k if inside else 0
        if l == 0:
            for i in range(TURNS):
                sums[i] = at(levels, np.int64(at(pixels, u * n * fan_in + offsets[i])))
        elif ready:
            for i in range(TURNS):
                sums[i] = at(a, base + offsets[i])
        else:
            sum_parts(partial, ((l + 1) & 1) * (len(partial) // 2), layer[PARTS_BELOW], n * stride, offsets, sums)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, k = s // TILE_ROWS, s % TILE_ROWS
            value = ZERO
            if e < T and e0 + e < n and k < columns:
                if k0 + k == fan_in:
                    value = ONE
                else:
                    value = sums[i] if ready or l == 0 else f(sums[i])
                    if keep and l > 0:
                        put(a, base + offsets[i], value)
            if e < T:
                put(below, k * PAD + e, value)

    @_device
    def gather_above(layer, l, row, e0, n, partial, a, delta, ready, keep, above):
        """delta of the units of a tile row; as gather_below."""
        j0, stride, base, rows = row * layer[ROWS], layer[STRIDE_OUT], layer[ABOVE], rows_of(layer, row)
        offsets, sums = cuda.local.array(TURNS, np.int64), cuda.local.array(TURNS, np.float32)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            offsets[i] = (e0 + e) * stride + j0 + j if e < T and e0 + e < n and j < rows else 0
        if ready:
            for i in range(TURNS):
                sums[i] = at(delta, base + offsets[i])
        else:
            sum_parts(partial, (l & 1) * (len(partial) // 2), layer[PARTS_ABOVE], n * stride, offsets, sums)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            value = ZERO
            if e < T and e0 + e < n and j < rows:
                value = sums[i]
                if not ready:
                    value *= slope(at(a, base + offsets[i]))
                    if keep:
                        put(delta, base + offsets[i], value)
            if e < T:
                put(above, j * PAD + e, value)

    # Products, on shared memory. -----------------------------------------------------------------------------------

    @_device
    def examples_of(values, unit, x):
        """x = a row of values, four numbers a load. x: at least T long."""
        for four in range(FOURS):
            x[4 * four], x[4 * four + 1], x[4 * four + 2], x[4 * four + 3] = four_at(values, unit * PAD + 4 * four)

    def multiplier(across, along):
        """A product of a tile with examples. across, along: strides in the tile of what a lane keeps and of the sum."""

        @_device
        def multiply(tile, vectors, terms, acc):
            lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
            x = cuda.local.array(PADDED, np.float32)
            for k in range(warp, terms, WARPS):
                examples_of(vectors, k, x)
                for i in range(PER_LANE):
                    w = at(tile, (lane + i * LANES) * across + k * along)
                    for e in range(T):
                        acc[i * T + e] = fma(w, x[e], acc[i * T + e])

        return multiply

    # acc[i, e] += sum over this warp's k of W[j, k] a[e, k], for the rows j = lane + i LANES;
    # acc[i, e] += sum over this warp's j of W[j, k] delta[e, j], for the columns k = lane + i LANES.
    multiply_rows = multiplier(across=TILE_COLUMNS, along=1)
    multiply_columns = multiplier(across=1, along=TILE_COLUMNS)

    @_device
    def own_columns(below, x):
        """x[i, e] = a[e, k], k = lane + i LANES."""
        for i in range(PER_LANE):
            for e in range(T):
                x[i * T + e] = at(below, (cuda.threadIdx.x % LANES + i * LANES) * PAD + e)

    @_device
    def descend(layer, weights, row, column, tile, below, above, step):
        """W -= step * sum over e of delta[e, j] a[e, k], from the tile in shared memory to global memory."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        rows, columns, stride = rows_of(layer, row), columns_of(layer, column), layer[W_STRIDE]
        first = layer[W] + row * layer[ROWS] * stride + column * layer[COLUMNS]
        x, y = cuda.local.array(SUMS, np.float32), cuda.local.array(PADDED, np.float32)
        own_columns(below, x)
        for j in range(warp, rows, WARPS):
            examples_of(above, j, y)
            for i in range(PER_LANE):
                k, gradient = lane + i * LANES, ZERO
                for e in range(T):
                    gradient = fma(y[e], x[i * T + e], gradient)
                if k < columns:
                    put(weights, first + j * stride + k, fma(-step, gradient, at(tile, j * TILE_COLUMNS + k)))

    @_device
    def add_gradient(below, above, gradient):
        """gradient[j, k] += sum over e of delta[e, j] a[e, k]. gradient: in shared memory, as a tile."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        x, y = cuda.local.array(SUMS, np.float32), cuda.local.array(PADDED, np.float32)
        own_columns(below, x)
        for j in range(warp, TILE_ROWS, WARPS):
            examples_of(above, j, y)
            for i in range(PER_LANE):
                k = lane + i * LANES
                if k < TILE_COLUMNS:
                    total = at(gradient, j * TILE_COLUMNS + k)
                    for e in range(T):
                        total = fma(y[e], x[i * T + e], total)
                    put(gradient, j * TILE_COLUMNS + k, total)

    @_device
    def store_sums(acc, tile, partial, first, stride, e0, n, units):
        """The warps' acc, added up in the warps' order, to partial[first + e * stride + unit]. The tile's W is lost."""
        lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
        for i in range(PER_LANE):
            for e in range(T):
                put(tile, (warp * T + e) * TILE_ROWS + i * LANES + lane, acc[i * T + e])
        cuda.syncthreads()
        for s in range(cuda.threadIdx.x, TILE_ROWS * T, THREADS):
            e, unit = s // TILE_ROWS, s % TILE_ROWS
            if e0 + e < n and unit < units:
                total = ZERO
                for other in range(WARPS):
                    total += at(tile, other * T * TILE_ROWS + s)
                put(partial, first + (e0 + e) * stride + unit, total)
        cuda.syncthreads()

    # The steps: each does this block's work items. --------------------------------------------------------------------

    @_device
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

    @_device
    def output(layer, l, a, delta, partial, labels, example_losses, u, n):
        """Logits, loss and delta of every example; returns the mean loss. Every block does all, with equal results."""
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
        mean = np.float64(0)
        for e in range(n):
            mean += at(example_losses, e)
        return mean / n

    @_device
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

    @_device
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

    # The kernels. -----------------------------------------------------------------------------------------------------

    @cuda.jit
    def run_updates(
        layers, weights, a, delta, partial, levels, pixels, labels, example_losses, losses, counter, n, step
    ):
        """len(losses) updates on consecutive minibatches of n examples, by a grid whose blocks all run at a time.

        layers: (n_layers, LAYER) int64. weights, a, delta, partial: flat float32. levels: (256,) float32, the network's
        inputs by byte. pixels, labels: flat uint8.
        example_losses: (n,) float32. losses: (updates,) float64, NaN at first. counter: (1,) int64, 0 at first.
        step: learning rate / n. Stops before an update whose loss is not finite.
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
                        mean = output(layer, l, a, delta, partial, labels, example_losses, u, n)
                        if cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
                            losses[u] = mean
                        if not math.isfinite(mean):
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

    # The same steps as launches of their own; none after a loss that is not finite.

    @cuda.jit
    def forward_step(layers, l, weights, a, partial, levels, pixels, losses, u, n):
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        layer, tile, below = rows[:LAYER], room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT]
        load_layer(layers, l, layer)
        if u == 0 or math.isfinite(losses[u - 1]):
            forward(layer, l, weights, a, partial, levels, pixels, u, n, False, tile, below)

    @cuda.jit
    def loss_step(layers, a, delta, partial, labels, example_losses, losses, u, n):
        """For one block."""
        layer, last = cuda.shared.array(0, types.int64)[:LAYER], layers.shape[0] - 1
        load_layer(layers, last, layer)
        if u == 0 or math.isfinite(losses[u - 1]):
            mean = output(layer, last, a, delta, partial, labels, example_losses, u, n)
            if cuda.threadIdx.x == 0:
                losses[u] = mean

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

    @cuda.jit
    def update_step(layers, l, weights, a, delta, partial, levels, pixels, losses, u, n, step):
        room, rows = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        layer, tile, below, above = rows[:LAYER], room[TILE_AT:BELOW_AT], room[BELOW_AT:ABOVE_AT], room[ABOVE_AT:]
        load_layer(layers, l, layer)
        if math.isfinite(losses[u]):
            update(layer, l, weights, a, delta, partial, levels, pixels, u, n, step, tile, below, above)

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

    return Compiled(run_updates, forward_step, loss_step, backward_step, update_step, predict, gather)
