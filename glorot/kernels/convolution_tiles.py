"""The innermost loops of ``convolution_layers.py`` in LLVM IR, as ``tiles.py`` has those of fully connected layers.

Arrays are flat; a map is a number of rows, `row` floats apart. Vectors lie along the rows: every lane is a column.

All tiles have their sums in one order, whatever their size:

    forward    (along u in each of the kernel's columns v in turn), one fused step at a time, in each lane
    gradient   examples, then vectors of a row, then rows, in each of 16 lanes; then the lanes as a tree
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from glorot.kernels.simd import FLOAT, LANES, fused, lane_sums, load, pointer_to, splat, store, variables


def convolution_tile(rows, side, lanes=LANES, flipped=False):
    """Intrinsic convolve(a, at, row, W, k, z, place, z_row): for y < rows and l < lanes

        z[place + y * z_row + l] += sum_v sum_u W[k + u * side + v] * a[at + (y + u) * row + v + l]

    flipped: the kernel is turned by 180 degrees, W[k + (side - 1 - u) * side + side - 1 - v] in its place.
    a, W, z: flat. A row of a is loaded once and used for all u; its sums stay in registers.
    """

    @intrinsic
    def convolve(typingctx, a, at, row, W, k, z, place, z_row):
        def codegen(context, builder, signature, args):
            a_, at_, row_, W_, k_, z_, place_, z_row_ = args
            vector, i = ir.VectorType(FLOAT, lanes), at_.type
            source, kernel = pointer_to(context, builder, a, a_, at_), pointer_to(context, builder, W, W_, k_)
            target = pointer_to(context, builder, z, z_, place_)
            places = [builder.mul(z_row_, i(y)) for y in range(rows)]
            sums = [load(builder, target, place, vector) for place in places]
            for v in range(side):
                taps = [u * side + v for u in range(side)]
                taps = [side * side - 1 - tap for tap in taps] if flipped else taps
                weights = [splat(builder, load_one(builder, kernel, i(tap)), vector) for tap in taps]
                for r in range(rows + side - 1):
                    x = load(builder, source, builder.add(builder.mul(row_, i(r)), i(v)), vector)
                    for u in range(side):
                        if 0 <= r - u < rows:
                            sums[r - u] = fused(builder, weights[u], x, sums[r - u])
            for total, place in zip(sums, places, strict=True):
                store(builder, total, target, place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, W, n, z, n, n), codegen

    return convolve


def kernel_gradient(rows, side, columns):
    """Intrinsic gradient(a, at, row, step, delta, place, d_row, d_step, examples, height, vectors, G, g): one kernel's

        G[g + u * side + v] = sum_e sum_yx delta[place + e * d_step + y * d_row + x]
                                           * a[at + e * step + (y + u) * row + v + x]

    for e < examples, y < height, x < 16 * vectors. The deltas behind a row's end must be 0.
    rows: of a tile; what is left of the height goes one by one. columns: of the kernel at a time, a divisor of side.
    Of a tile, its deltas and all sums stay in registers.
    """

    @intrinsic
    def gradient(typingctx, a, at, row, step, delta, place, d_row, d_step, examples, height, vectors, G, g):
        def codegen(context, builder, signature, args):
            a_, at_, row_, step_, delta_, place_, d_row_, d_step_, examples_, height_, vectors_, G_, g_ = args
            i = at_.type
            result = pointer_to(context, builder, G, G_, g_)
            whole = builder.mul(builder.sdiv(height_, i(rows)), i(rows))

            def tile(source, target, y, count, sums, first):
                """Add the products of `count` rows of deltas from y on."""
                at_row = builder.mul(row_, y)
                deltas = [load(builder, target, builder.mul(d_row_, builder.add(y, i(j)))) for j in range(count)]
                for r in range(count + side - 1):
                    here = builder.add(at_row, builder.mul(row_, i(r)))
                    for v in range(columns):
                        x = load(builder, source, builder.add(here, i(first + v)))
                        for u in range(side):
                            if 0 <= r - u < count:
                                s = sums[u * columns + v]
                                builder.store(fused(builder, deltas[r - u], x, builder.load(s)), s)

            for first in range(0, side, columns):
                sums = variables(builder, side * columns)
                with cgutils.for_range(builder, examples_) as example:
                    at_example = builder.add(at_, builder.mul(step_, example.index))
                    place_example = builder.add(place_, builder.mul(d_step_, example.index))
                    with cgutils.for_range(builder, vectors_) as vector:
                        x = builder.mul(vector.index, i(LANES))
                        source = pointer_to(context, builder, a, a_, builder.add(at_example, x))
                        target = pointer_to(context, builder, delta, delta_, builder.add(place_example, x))
                        with cgutils.for_range_slice(builder, i(0), whole, i(rows), inc=True) as (y, _):
                            tile(source, target, y, rows, sums, first)
                        with cgutils.for_range_slice(builder, whole, height_, i(1), inc=True) as (y, _):
                            tile(source, target, y, 1, sums, first)
                totals = lane_sums(builder, [builder.load(s) for s in sums])
                for u in range(side):
                    for v in range(columns):
                        tap = builder.gep(result, [i(u * side + first + v)])
                        builder.store(totals[u * columns + v], tap, align=4)
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, n, delta, n, n, n, n, n, n, G, n), codegen

    return gradient


def delta_tile(examples, vectors, lanes=LANES):
    """Intrinsic pass_down(W, n, delta, e, below, k): for a tile of examples x columns that begins at (e, k)

        below[e, k] = sum_j delta[e, j] * W[j, k],    j < n, in this order

    W: (n, m), delta: (examples, >= n), below: (examples, m). A tile has `vectors` of `lanes` columns.
    """

    @intrinsic
    def pass_down(typingctx, W, n, delta, e, below, k):
        def codegen(context, builder, signature, args):
            W_, n_, delta_, e_, below_, k_ = args
            i, vector = n_.type, ir.VectorType(FLOAT, lanes)
            sums = variables(builder, examples * vectors, vector)
            with cgutils.for_range(builder, n_) as loop:
                row = pointer_to(context, builder, W, W_, loop.index, k_)
                weights = [load(builder, row, i(lanes * v), vector) for v in range(vectors)]
                for one in range(examples):
                    place = pointer_to(context, builder, delta, delta_, builder.add(e_, i(one)), loop.index)
                    d = splat(builder, builder.load(place, align=4), vector)
                    for v in range(vectors):
                        s = sums[one * vectors + v]
                        builder.store(fused(builder, d, weights[v], builder.load(s)), s)
            for one in range(examples):
                place = pointer_to(context, builder, below, below_, builder.add(e_, i(one)), k_)
                for v in range(vectors):
                    store(builder, builder.load(sums[one * vectors + v]), place, i(lanes * v))
            return context.get_dummy_value()

        return types.void(W, types.intp, delta, types.intp, below, types.intp), codegen

    return pass_down


def gradient_tile(rows, lanes=LANES):
    """Intrinsic gradient(delta, j, a, G, k): for a tile of rows x `lanes` columns that begins at (j, k)

        G[j, k] = sum_e delta[e, j] * a[e, k], e in their order

    delta: (examples, >= n), a: (examples, m), G: (n, m).
    """

    @intrinsic
    def gradient(typingctx, delta, j, a, G, k):
        def codegen(context, builder, signature, args):
            delta_, j_, a_, G_, k_ = args
            i, vector = j_.type, ir.VectorType(FLOAT, lanes)
            examples = builder.extract_value(context.make_array(a)(context, builder, a_).shape, 0)
            sums = variables(builder, rows, vector)
            with cgutils.for_range(builder, examples) as loop:
                x = load(builder, pointer_to(context, builder, a, a_, loop.index, k_), i(0), vector)
                deltas = pointer_to(context, builder, delta, delta_, loop.index, j_)
                for one in range(rows):
                    d = splat(builder, load_one(builder, deltas, i(one)), vector)
                    builder.store(fused(builder, d, x, builder.load(sums[one])), sums[one])
            for one in range(rows):
                place = pointer_to(context, builder, G, G_, builder.add(j_, i(one)), k_)
                store(builder, builder.load(sums[one]), place, i(0))
            return context.get_dummy_value()

        return types.void(delta, types.intp, a, G, types.intp), codegen

    return gradient


def load_one(builder, pointer, offset):
    return builder.load(builder.gep(pointer, [offset]), align=4)


@intrinsic
def keep_apart(typingctx):
    """Keep the function that calls this one machine function, which LLVM copies nowhere: less to compile."""

    def codegen(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen
