"""Tiles of weights in the shared memory of blocks of threads: what lies where, how it is read and written, and the
barrier of the whole grid. ``cuda_steps`` has a picture.
"""

import numpy as np
from llvmlite import ir
from numba import cuda, types
from numba.core import config

from glorot.compiled.elementary import ZERO

SIMULATED = bool(config.ENABLE_CUDASIM)  # every GPU thread a Python thread: small tiles

LANES, WARPS, MOST_EXAMPLES = (4, 2, 3) if SIMULATED else (32, 8, 10)
THREADS = LANES * WARPS
PER_LANE = 3  # units
TILE_ROWS = PER_LANE * LANES
TILE_COLUMNS = TILE_ROWS - 3  # an odd number, so that a column of the tile lies in different banks
OF_A_TILE = TILE_ROWS // WARPS * PER_LANE  # weights that one thread loads
AT_ONCE = OF_A_TILE // 3  # more would not fit in registers beside sums
PAD = -(-MOST_EXAMPLES // 4) * 4  # floats of a unit: a value an example, read four at a time

# Columns of ``layers``. Tiles: (TILES_OUT, TILES_IN) of (ROWS, COLUMNS). W begins at W, a row every W_STRIDE; a and
# delta below at BELOW, an example every STRIDE_IN; above likewise. SPAN_IN tiles of a row are summed up by one block,
# backward SPAN_OUT of a column; PARTS_BELOW partial sums make z below, PARTS_ABOVE delta above. PLACE: of a tile in the
# shared memory of a block that keeps one of every layer; such blocks exchange partial sums of z and of delta below, and
# a, at Z_AT, D_AT and A_AT.
(FAN_IN, FAN_OUT, W, W_STRIDE, BELOW, ABOVE, STRIDE_IN, STRIDE_OUT, TILES_OUT, TILES_IN, ROWS, COLUMNS,
 SPAN_IN, SPAN_OUT, PARTS_BELOW, PARTS_ABOVE, PLACE, Z_AT, D_AT, A_AT) = range(20)  # fmt: skip
LAYER = 20

# The shared memory of a block: two rows of ``layers`` (int64), then a tile of W, values of its columns, of its rows.
TILE_AT = 2 * 2 * LAYER
BELOW_AT = TILE_AT + TILE_ROWS * TILE_COLUMNS + 4  # lanes behind the last column read on
ABOVE_AT = BELOW_AT + TILE_ROWS * PAD
SHARED_FLOATS = ABOVE_AT + TILE_ROWS * PAD
ALIGNMENT = None if SIMULATED else 16  # bytes; for four floats in one load
SHARED_BYTES = 4 * SHARED_FLOATS  # less than the 48 KB that every GPU gives without being asked


# Access to flat arrays without a look at the sign of the index, which would cost more than the load itself. ----------

if SIMULATED:

    def at(array, i):
        return array[i]

    def put(array, i, value):
        array[i] = value

    def four_at(array, i):
        return array[i], array[i + 1], array[i + 2], array[i + 3]

    def add_one(counter):
        cuda.threadfence()
        cuda.atomic.add(counter, 0, 1)

    def counted(counter):
        return cuda.atomic.add(counter, 0, 0)

else:
    from numba.cuda.extending import intrinsic

    from glorot.kernels import simd  # noqa: F401  # its primitives are compiled for this device too

    def pointer_to(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.gep(array.data, [args[1]])

    @intrinsic
    def at(typingctx, array, i):
        """array[i], i >= 0."""

        def codegen(context, builder, signature, args):
            return builder.load(pointer_to(context, builder, signature, args))

        return array.dtype(array, i), codegen

    @intrinsic
    def put(typingctx, array, i, value):
        """array[i] = value, i >= 0."""

        def codegen(context, builder, signature, args):
            builder.store(args[2], pointer_to(context, builder, signature, args))
            return context.get_dummy_value()

        return types.void(array, i, array.dtype), codegen

    @intrinsic
    def four_at(typingctx, array, i):
        """array[i], ..., array[i + 3] in one load, i a multiple of 4. array: float32, of 16-byte alignment."""

        def codegen(context, builder, signature, args):
            vector = ir.VectorType(ir.FloatType(), 4)
            pointer = builder.bitcast(pointer_to(context, builder, signature, args), vector.as_pointer())
            loaded = builder.load(pointer, align=16)
            values = [builder.extract_element(loaded, ir.IntType(32)(lane)) for lane in range(4)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.float32, 4)(array, i), codegen

    @intrinsic
    def add_one(typingctx, counter):
        """counter[0] += 1, behind all that this thread has written or seen written: a release in PTX's memory model."""

        def codegen(context, builder, signature, args):
            pointer = context.make_array(signature.args[0])(context, builder, args[0]).data
            kind = ir.FunctionType(ir.VoidType(), [pointer.type])
            builder.asm(kind, "red.release.gpu.add.u64 [$0], 1;", "l,~{memory}", [pointer], side_effect=True)
            return context.get_dummy_value()

        return types.void(counter), codegen

    @intrinsic
    def counted(typingctx, counter):
        """counter[0]; what was written before others added to it is there for what follows: an acquire."""

        def codegen(context, builder, signature, args):
            pointer = context.make_array(signature.args[0])(context, builder, args[0]).data
            kind = ir.FunctionType(ir.IntType(64), [pointer.type])
            return builder.asm(kind, "ld.acquire.gpu.u64 $0, [$1];", "=l,l,~{memory}", [pointer], side_effect=True)

        return types.int64(counter), codegen


def device(function):
    """A function for kernels to call."""
    options = {} if SIMULATED else {"forceinline": True}  # so that small local arrays live in registers
    return cuda.jit(device=True, **options)(function)


@device
def count_up(counter):
    """What this block wrote before its last syncthreads is there for the others. counter: (1,), 0 at the launch."""
    add_one(counter)


@device
def wait_for_all(counter, passed):
    """Until all blocks of the grid have counted up `passed` times in this launch. For one thread of a block."""
    while counted(counter) < passed * cuda.gridDim.x:
        pass


@device
def arrive(counter):
    """At the barrier of all blocks."""
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        count_up(counter)


@device
def wait(counter, passed):
    """Until all blocks of the grid have arrived `passed` times in this launch."""
    if cuda.threadIdx.x == 0:
        wait_for_all(counter, passed)
    cuda.syncthreads()


@device
def load_layer(layers, l, layer):
    """A row of ``layers``, to shared memory."""
    for i in range(cuda.threadIdx.x, LAYER, THREADS):
        layer[i] = layers[l, i]
    cuda.syncthreads()


@device
def rows_of(layer, row):
    return min(layer[ROWS], layer[FAN_OUT] - row * layer[ROWS])


@device
def columns_of(layer, column):
    return min(layer[COLUMNS], layer[FAN_IN] + 1 - column * layer[COLUMNS])


@device
def load_tile(layer, weights, row, column, tile):
    """A tile of W to shared memory, zeros around it. tile: (TILE_ROWS, TILE_COLUMNS)."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    rows, columns, stride = rows_of(layer, row), columns_of(layer, column), layer[W_STRIDE]
    first, x = layer[W] + row * layer[ROWS] * stride + column * layer[COLUMNS], cuda.local.array(AT_ONCE, np.float32)
    for start in range(0, OF_A_TILE, AT_ONCE):
        for i in range(AT_ONCE):  # these loads are under way together
            j, k = warp + (start + i) // PER_LANE * WARPS, lane + (start + i) % PER_LANE * LANES
            x[i] = at(weights, first + min(j, rows - 1) * stride + min(k, columns - 1))
        for i in range(AT_ONCE):
            j, k = warp + (start + i) // PER_LANE * WARPS, lane + (start + i) % PER_LANE * LANES
            if k < TILE_COLUMNS:
                put(tile, j * TILE_COLUMNS + k, x[i] if j < rows and k < columns else ZERO)


@device
def store_tile(layer, weights, row, column, tile):
    """A tile of W from shared memory to where it belongs."""
    lane, warp = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    rows, columns, stride = rows_of(layer, row), columns_of(layer, column), layer[W_STRIDE]
    first = layer[W] + row * layer[ROWS] * stride + column * layer[COLUMNS]
    for j in range(warp, rows, WARPS):
        for k in range(lane, columns, LANES):
            put(weights, first + j * stride + k, at(tile, j * TILE_COLUMNS + k))
