"""What Numba does not offer by itself: fused multiply-add, and 16-lane vectors in LLVM IR.

Vectors have 16 float32 lanes whatever the processor has (1 zmm, 2 ymm or 4 NEON registers), so a sum's order, and with
it every bit, is the same on all of them.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from glorot.compiled import elementary
from glorot.compiled.cache import inner
from glorot.models import activations

LANES = 16
FLOAT = ir.FloatType()
INT = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
ROW, MATRIX = types.float32[::1], types.float32[:, ::1]  # C-contiguous arrays


# The primitives and functions of elementary.py, for compiled code. -----------------------------------


@intrinsic
def _fma(typingctx, a, b, c):
    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def _power_of_two(typingctx, n):
    """The exponent's bits, shifted into place: adding 1.5 * 2**23 + 127 leaves n + 127 in the lowest bits."""

    def codegen(context, builder, signature, args):
        biased = builder.fadd(args[0], FLOAT(1.5 * 2**23 + 127))
        return builder.bitcast(builder.shl(builder.bitcast(biased, INT), INT(23)), FLOAT)

    return types.float32(types.float32), codegen


@intrinsic
def _exponent(typingctx, x):
    def codegen(context, builder, signature, args):
        bits = builder.and_(builder.lshr(builder.bitcast(args[0], INT), INT(23)), INT(255))
        return builder.sitofp(builder.sub(bits, INT(126)), FLOAT)

    return types.float32(types.float32), codegen


@intrinsic
def _mantissa(typingctx, x):
    def codegen(context, builder, signature, args):
        bits = builder.and_(builder.bitcast(args[0], INT), INT(0x007FFFFF))
        return builder.bitcast(builder.or_(bits, INT(0x3F000000)), FLOAT)

    return types.float32(types.float32), codegen


@intrinsic
def _sqrt(typingctx, x):
    def codegen(context, builder, signature, args):
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(FLOAT, [FLOAT]), "llvm.sqrt.f32")
        return builder.call(function, args)

    return types.float32(types.float32), codegen


@overload(elementary.fma)
def _overload_fma(a, b, c):
    return lambda a, b, c: _fma(a, b, c)


@overload(elementary.power_of_two)
def _overload_power_of_two(n):
    return lambda n: _power_of_two(n)


@overload(elementary.exponent)
def _overload_exponent(x):
    return lambda x: _exponent(x)


@overload(elementary.mantissa)
def _overload_mantissa(x):
    return lambda x: _mantissa(x)


@overload(elementary.sqrt)
def _overload_sqrt(x):
    return lambda x: _sqrt(x)


for function in (*elementary.FUNCTIONS, activations.sigmoid):
    inner(function)


# Vectors. ------------------------------------------------------------------------------------------------


def pointer_to(context, builder, array_type, array, *index):
    """Address of an element of a C-contiguous array of one or two dimensions."""
    struct = context.make_array(array_type)(context, builder, array)
    offset = index[-1]
    if len(index) == 2:
        width = builder.extract_value(struct.shape, 1)
        offset = builder.add(builder.mul(index[0], width), offset)
    return builder.gep(struct.data, [offset])


def row_pointers(context, builder, array_type, array, first, count, column=0):
    """Addresses of an element in each of some rows of a C-contiguous matrix."""
    struct = context.make_array(array_type)(context, builder, array)
    width = builder.extract_value(struct.shape, 1)
    column = column if isinstance(column, ir.Value) else width.type(column)
    base = builder.gep(struct.data, [builder.add(builder.mul(first, width), column)])
    return [builder.gep(base, [builder.mul(width, width.type(i))]) for i in range(count)]


def _vector_at(builder, pointer, offset, vector):
    return builder.bitcast(builder.gep(pointer, [offset]), vector.as_pointer())


def load(builder, pointer, offset, vector=VECTOR):
    return builder.load(_vector_at(builder, pointer, offset, vector), align=4)


def store(builder, value, pointer, offset):
    builder.store(value, _vector_at(builder, pointer, offset, value.type), align=4)


def prefetch(builder, pointer, offset):
    """Begin to fetch an element's cache line into L2. Any address will do, also one behind the array's end."""
    place = builder.bitcast(builder.gep(pointer, [offset]), ir.IntType(8).as_pointer())
    function = ir.FunctionType(ir.VoidType(), [place.type, INT, INT, INT])
    intrinsic = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0i8")
    to_read, into_l2, data = INT(0), INT(2), INT(1)
    builder.call(intrinsic, [place, to_read, into_l2, data])


def splat(builder, scalar, vector=VECTOR):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, INT(0))
    return _shuffle(builder, one, one, [0] * vector.count)


def fused(builder, a, b, c):
    """a * b + c, rounded once, lane by lane."""
    function = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fma.v{a.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [a, b, c])


def _shuffle(builder, x, y, lanes):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT, len(lanes)), lanes))


# Lanes of two vectors (0-15 and 16-31) that are added at each of the four levels of a sum over lanes: i and i+8,
# then i and i+4, i+2, i+1. Each level halves the lanes a sum takes, so two vectors of sums fit in one.
_LEVELS = [
    ([*range(0, 8), *range(16, 24)], [*range(8, 16), *range(24, 32)]),
    (
        [i + j for i in (0, 8, 16, 24) for j in range(4)],
        [i + j + 4 for i in (0, 8, 16, 24) for j in range(4)],
    ),
    (
        [i + j for k in range(0, 16, 4) for i in (k, k + 16) for j in range(2)],
        [i + j + 2 for k in range(0, 16, 4) for i in (k, k + 16) for j in range(2)],
    ),
    (
        [i for k in range(0, 16, 4) for i in (k, k + 2, k + 16, k + 18)],
        [i + 1 for k in range(0, 16, 4) for i in (k, k + 2, k + 16, k + 18)],
    ),
]


def lane_sums(builder, vectors):
    """Sum over the lanes of each vector, always in the same order; all vectors of a tile at once."""
    zero = ir.Constant(VECTOR, None)
    groups = [[[(index, lane)] for lane in range(LANES)] for index in range(len(vectors))]  # what each lane holds
    for first, second in _LEVELS:
        if len(vectors) % 2:
            vectors = [*vectors, zero]
            groups = [*groups, [[] for _ in range(LANES)]]
        paired, paired_groups = [], []
        for i in range(0, len(vectors), 2):
            x, y, held = vectors[i], vectors[i + 1], groups[i] + groups[i + 1]
            paired.append(builder.fadd(_shuffle(builder, x, y, first), _shuffle(builder, x, y, second)))
            paired_groups.append([held[f] + held[s] for f, s in zip(first, second, strict=True)])
        vectors, groups = paired, paired_groups
    sums = {}
    for vector, held in zip(vectors, groups, strict=True):
        for lane, parts in enumerate(held):
            if parts:
                sums[parts[0][0]] = builder.extract_element(vector, INT(lane))
    return [sums[index] for index in sorted(sums)]


def variables(builder, count, vector=VECTOR):
    """Vectors that start at zero; LLVM keeps them in registers."""
    variables = [cgutils.alloca_once(builder, vector) for _ in range(count)]
    for variable in variables:
        builder.store(ir.Constant(vector, None), variable)
    return variables


def joined(builder, parts):
    """One vector of the lanes of several, whose number is a power of two."""
    while len(parts) > 1:
        lanes = [*range(2 * parts[0].type.count)]
        parts = [_shuffle(builder, x, y, lanes) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
