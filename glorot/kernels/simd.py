"""What Numba does not offer by itself: fused multiply-add, tiles of 16-lane vectors, and a barrier between threads.

A *tile* is the innermost loop of a kernel, written directly in LLVM IR so that its accumulators stay in
registers. Vectors have 16 float32 lanes whatever the processor has (1 zmm, 2 ymm or 4 NEON registers), so a sum's
order, and with it every bit, is the same on all of them.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload, register_jitable

from glorot import activations, elementary

LANES = 16
FLOAT = ir.FloatType()
INT = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)


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


for function in (elementary.exp, elementary.log, elementary.log1p, elementary.tanh, activations.sigmoid):
    register_jitable(function)


# Tiles. ------------------------------------------------------------------------------------------------


def _pointer(context, builder, array_type, array, offset):
    """Address of the element at a flat offset."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _vector_at(builder, pointer, offset):
    return builder.bitcast(builder.gep(pointer, [offset]), VECTOR.as_pointer())


def _load(builder, pointer, offset):
    return builder.load(_vector_at(builder, pointer, offset), align=4)


def _store(builder, value, pointer, offset):
    builder.store(value, _vector_at(builder, pointer, offset), align=4)


def _splat(builder, scalar):
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, INT(0))
    return _shuffle(builder, one, one, [0] * LANES)


def _fused(builder, a, b, c):
    """a * b + c, rounded once, lane by lane."""
    function = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.fma.v16f32"), [a, b, c])


def _shuffle(builder, x, y, lanes):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT, LANES), lanes))


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


def _lane_sums(builder, vectors):
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


def _rows(context, builder, array_type, array, offset, stride, count):
    """Addresses of the first elements of some rows."""
    base = _pointer(context, builder, array_type, array, offset)
    return [builder.gep(base, [builder.mul(stride, stride.type(i))]) for i in range(count)]


def _variables(builder, count):
    """Vectors that start at zero; LLVM keeps them in registers."""
    variables = [cgutils.alloca_once(builder, VECTOR) for _ in range(count)]
    for variable in variables:
        builder.store(ir.Constant(VECTOR, None), variable)
    return variables


def dot_tile(rows, examples):
    """Intrinsic dot(W, w, ldw, A, a, lda, n, Z, z, ldz): for a tile of rows x examples

        Z[z + e*ldz + r] = sum_k W[w + r*ldw + k] * A[a + e*lda + k],    k = 0..n-1, n a multiple of 16.

    Lane i adds up the products k = i, i+16, i+32, ... in this order; then the lanes are added as a tree.
    """

    @intrinsic
    def dot(typingctx, W, w, ldw, A, a, lda, n, Z, z, ldz):
        def codegen(context, builder, signature, args):
            W_, w_, ldw_, A_, a_, lda_, n_, Z_, z_, ldz_ = args
            w_rows = _rows(context, builder, W, W_, w_, ldw_, rows)
            a_rows = _rows(context, builder, A, A_, a_, lda_, examples)
            z_rows = _rows(context, builder, Z, Z_, z_, ldz_, examples)
            sums = _variables(builder, examples * rows)
            with cgutils.for_range_slice(builder, n_.type(0), n_, n_.type(LANES), inc=True) as (k, _):
                weights = [_load(builder, row, k) for row in w_rows]
                for e in range(examples):
                    x = _load(builder, a_rows[e], k)
                    for r in range(rows):
                        s = sums[e * rows + r]
                        builder.store(_fused(builder, weights[r], x, builder.load(s)), s)
            totals = _lane_sums(builder, [builder.load(s) for s in sums])
            for e in range(examples):
                for r in range(rows):
                    place = builder.gep(z_rows[e], [n_.type(r)])
                    builder.store(totals[e * rows + r], place, align=4)
            return context.get_dummy_value()

        i = types.intp
        return types.void(W, i, i, A, i, i, i, Z, i, i), codegen

    return dot


def update_tile(rows, with_delta):
    """Intrinsic update(W, w, ldw, n, A, a, lda, D, d, below, ldd, examples, step): one pass over a tile of W,
    rows x n weights, n a multiple of 16, that for every k = 0..n-1

        D[below + e*lda + k] += sum_r D[d + e*ldd + r] * W[w + r*ldw + k]      (if with_delta; e = 0..examples-1)
        W[w + r*ldw + k]     -= step * sum_e D[d + e*ldd + r] * A[a + e*lda + k]

    with the weights as they were before. Both sums run in the order of their index, one fused step at a time.
    """

    @intrinsic
    def update(typingctx, W, w, ldw, n, A, a, lda, D, d, below, ldd, examples, step):
        def codegen(context, builder, signature, args):
            W_, w_, ldw_, n_, A_, a_, lda_, D_, d_, below_, ldd_, examples_, step_ = args
            w_rows = _rows(context, builder, W, W_, w_, ldw_, rows)
            a_base = _pointer(context, builder, A, A_, a_)
            d_base = _pointer(context, builder, D, D_, d_)
            below_base = _pointer(context, builder, D, D_, below_)
            minus_step = _splat(builder, builder.fneg(step_))
            with cgutils.for_range_slice(builder, n_.type(0), n_, n_.type(LANES), inc=True) as (k, _):
                weights = [_load(builder, row, k) for row in w_rows]
                gradients = _variables(builder, rows)
                with cgutils.for_range(builder, examples_) as loop:
                    e = loop.index
                    x = _load(builder, a_base, builder.add(builder.mul(e, lda_), k))
                    place = builder.add(builder.mul(e, lda_), k)
                    delta_row = builder.gep(d_base, [builder.mul(e, ldd_)])
                    total = _load(builder, below_base, place) if with_delta else None
                    for r in range(rows):
                        delta = _splat(builder, builder.load(builder.gep(delta_row, [n_.type(r)]), align=4))
                        if with_delta:
                            total = _fused(builder, delta, weights[r], total)
                        g = gradients[r]
                        builder.store(_fused(builder, delta, x, builder.load(g)), g)
                    if with_delta:
                        _store(builder, total, below_base, place)
                for r in range(rows):
                    new = _fused(builder, minus_step, builder.load(gradients[r]), weights[r])
                    _store(builder, new, w_rows[r], k)
            return context.get_dummy_value()

        i = types.intp
        return types.void(W, i, i, i, A, i, i, D, i, i, i, i, types.float32), codegen

    return update


# A barrier between the threads of one run. ----------------------------------------------------------------

_yield_processor = types.ExternalFunction("sched_yield", types.int32())


@intrinsic
def _atomic_add(typingctx, array, index, value):
    """array[index] += value in one step; the value before."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, array, args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def _atomic_load(typingctx, array, index):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(_pointer(context, builder, array, args[0], args[1]), "seq_cst", align=8)

    return types.int64(array, types.intp), codegen


ARRIVED, ROUND = 0, 16  # places in the barrier's array: a cache line each
SPINS = 2000  # about 10 us; then give the processor away, for there may be fewer of them than threads


@register_jitable
def wait_for_all(barrier, threads):
    """Return when all threads have called this. barrier: (32,) int64, zeros at first."""
    if threads == 1:
        return
    current = _atomic_load(barrier, ROUND)
    if _atomic_add(barrier, ARRIVED, 1) == threads - 1:
        _atomic_add(barrier, ARRIVED, -threads)
        _atomic_add(barrier, ROUND, 1)
        return
    spins = 0
    while _atomic_load(barrier, ROUND) == current:
        spins += 1
        if spins > SPINS:
            _yield_processor()
