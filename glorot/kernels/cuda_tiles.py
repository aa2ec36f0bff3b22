"""Tiles of weights in the shared memory of blocks of threads: what lies where, how it is read and written, and the
barrier of the whole grid. ``cuda_steps`` has a picture.
"""

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


def device(function):
    """A function for kernels to call."""
    options = {} if SIMULATED else {"forceinline": True}  # so that small local arrays live in registers
    return cuda.jit(device=True, **options)(function)


@device
def arrive(counter):
    """At the barrier: what this block has written is there for the others. counter: (1,), 0 at the launch."""
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.threadfence()
        cuda.atomic.add(counter, 0, 1)


@device
def wait(counter, passed):
    """Until all blocks of the grid have arrived `passed` times in this launch."""
    if cuda.threadIdx.x == 0:
        while cuda.atomic.add(counter, 0, 0) < passed * cuda.gridDim.x:
            pass
        cuda.threadfence()
    cuda.syncthreads()


@device
def load_layer(layers, l, layer):
    """A row of ``layers``, to shared memory."""
    if cuda.threadIdx.x < LAYER:
        layer[cuda.threadIdx.x] = layers[l, cuda.threadIdx.x]
    if THREADS < LAYER:
        layer[cuda.threadIdx.x + THREADS] = layers[l, cuda.threadIdx.x + THREADS]
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
