"""The innermost loops of fully connected layers: products and updates of a few rows by a few examples.

A *tile* is the innermost loop of a kernel, written directly in LLVM IR so that its accumulators stay in registers. Its
vectors are those of ``simd.py``.
"""

from contextlib import ExitStack

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from glorot.kernels.simd import (
    FLOAT,
    LANES,
    fused,
    joined,
    lane_sums,
    load,
    pointer_to,
    prefetch,
    row_pointers,
    splat,
    store,
    variables,
)


def dot_tile(rows, examples, ahead=0, part=LANES, spread=False):
    """Intrinsic dot(W, j, a, e, z, first, count): for a tile of rows x examples that begins at (j, e)

        z[e, j] = sum_k W[j, k] * a[e, k],    W: (fan_out, n), a: (examples, n), z: (examples, >= fan_out).

    n is a multiple of 16. Lane i adds up the products k = i, i+16, i+32, ...; then the lanes are added as a tree.
    Meanwhile the rows j+ahead ... of W are prefetched, if ahead is not 0: all of them; or if spread is set,
    `count` of them (at most `rows`) from row j+ahead+first on.

    part: of the lanes are loaded together, a divisor of 16, so that registers hold no more than they must.
    """
    parts, vector = range(0, LANES, part), ir.VectorType(FLOAT, part)

    @intrinsic
    def dot(typingctx, W, j, a, e, z, first, count):
        def codegen(context, builder, signature, args):
            W_, j_, a_, e_, z_, first_, count_ = args
            w_rows = row_pointers(context, builder, W, W_, j_, rows)
            a_rows = row_pointers(context, builder, a, a_, e_, examples)
            z_rows = row_pointers(context, builder, z, z_, e_, examples, column=j_)
            n = builder.extract_value(context.make_array(W)(context, builder, W_).shape, 1)
            (fetched,) = row_pointers(context, builder, W, W_, builder.add(builder.add(j_, first_), n.type(ahead)), 1)
            sums = [variables(builder, len(parts), vector) for _ in range(examples * rows)]
            with cgutils.for_range_slice(builder, n.type(0), n, n.type(LANES), inc=True) as (k, _):
                for i, lane in enumerate(parts):
                    place = builder.add(k, n.type(lane))
                    weights = [load(builder, row, place, vector) for row in w_rows]
                    if ahead and i == 0 and spread:
                        with ExitStack() as nested:  # a loop over the rows would take longer
                            for row in range(rows):
                                nested.enter_context(builder.if_then(builder.icmp_signed(">", count_, n.type(row))))
                                prefetch(builder, fetched, builder.add(k, builder.mul(n, n.type(row))))
                    elif ahead and i == 0:
                        for row in w_rows:
                            prefetch(builder, row, builder.add(k, builder.mul(n, n.type(ahead))))
                    for example, a_row in enumerate(a_rows):
                        x = load(builder, a_row, place, vector)
                        for row, weight in enumerate(weights):
                            s = sums[example * rows + row][i]
                            builder.store(fused(builder, weight, x, builder.load(s)), s)
            totals = lane_sums(builder, [joined(builder, [builder.load(s) for s in each]) for each in sums])
            for example, z_row in enumerate(z_rows):
                for row in range(rows):
                    place = builder.gep(z_row, [n.type(row)])
                    builder.store(totals[example * rows + row], place, align=4)
            return context.get_dummy_value()

        i = types.intp
        return types.void(W, i, a, i, z, i, i), codegen

    return dot


def update_tile(rows, with_delta, lanes=LANES, ahead=0, apart=False, learn=True):
    """Intrinsic update(W, j, k, n, a, c, delta, first, i, below, step): one pass over the tile W[j : j+rows, k : k+n],
    n a multiple of `lanes`, that for every column t of the tile and every example e

        below[e, c+t] += sum_r delta[first+e, i+r] * W[j+r, k+t]           (if with_delta)
        W[j+r, k+t]   -= step * sum_e delta[first+e, i+r] * a[e, c+t]

    with the weights as they were before. Both sums run in the order of their index, one fused step at a time: each
    column for itself, so that any number of `lanes` of them may be done together without a change of bits.
    Meanwhile the rows j+ahead ... of the tile's columns are prefetched, if ahead is not 0.
    W: (fan_out, m), a and below: (examples, >= c+n), delta: (>= first+examples, >= i+rows).

    learn: else nothing but below changes, and step is of no use.
    apart: step is no number but a place, (rows, >= n) float32, that gets sum_e delta[e, j+r] * a[e, c]; W stays. Two
    more arguments: memory, (kept, n_parameters), is prefetched as W is; place, that of W[j, k] in each row of it.
    """

    def generated(W, a, delta, below, step, memory=None):
        def codegen(context, builder, signature, args):
            W_, j_, k_, n_, a_, c_, delta_, first_, i_, below_, step_ = args[:11]
            w_rows = row_pointers(context, builder, W, W_, j_, rows, column=k_)
            examples = builder.extract_value(context.make_array(a)(context, builder, a_).shape, 0)
            vector = ir.VectorType(FLOAT, lanes)
            if apart:
                gradient_rows = row_pointers(context, builder, step, step_, j_.type(0), rows)
                memory_, place_ = args[11:]
                kept = builder.extract_value(context.make_array(memory)(context, builder, memory_).shape, 0)
            else:
                minus_step = splat(builder, builder.fneg(step_), vector)
            width = builder.extract_value(context.make_array(W)(context, builder, W_).shape, 1)
            with cgutils.for_range_slice(builder, n_.type(0), n_, n_.type(lanes), inc=True) as (t, _):
                weights = [load(builder, row, t, vector) for row in w_rows if with_delta]
                for row in w_rows if ahead else []:
                    for line in range(0, lanes, LANES):
                        place = builder.add(builder.add(t, n_.type(line)), builder.mul(width, n_.type(ahead)))
                        prefetch(builder, row, place)
                if apart and ahead:
                    with cgutils.for_range(builder, kept) as loop:
                        place = pointer_to(context, builder, memory, memory_, loop.index, builder.add(place_, t))
                        for row in range(rows):
                            prefetch(builder, place, builder.mul(width, n_.type(ahead + row)))
                gradients = variables(builder, rows, vector)
                column = builder.add(c_, t)
                with cgutils.for_range(builder, examples) as loop:
                    x = load(builder, pointer_to(context, builder, a, a_, loop.index, column), n_.type(0), vector)
                    deltas = pointer_to(context, builder, delta, delta_, builder.add(first_, loop.index), i_)
                    if with_delta:
                        place = pointer_to(context, builder, below, below_, loop.index, column)
                        total = load(builder, place, n_.type(0), vector)
                    for row in range(rows):
                        d = splat(builder, builder.load(builder.gep(deltas, [n_.type(row)]), align=4), vector)
                        if with_delta:
                            total = fused(builder, d, weights[row], total)
                        if learn:
                            builder.store(fused(builder, d, x, builder.load(gradients[row])), gradients[row])
                    if with_delta:
                        store(builder, total, place, n_.type(0))
                for row in range(rows) if learn else []:
                    total = builder.load(gradients[row])
                    if apart:
                        store(builder, total, gradient_rows[row], t)
                    else:
                        weight = weights[row] if with_delta else load(builder, w_rows[row], t, vector)
                        store(builder, fused(builder, minus_step, total, weight), w_rows[row], t)
            return context.get_dummy_value()

        return codegen

    p = types.intp

    @intrinsic
    def update(typingctx, W, j, k, n, a, c, delta, first, i, below, step):
        arguments = W, p, p, p, a, p, delta, p, p, below, types.float32
        return types.void(*arguments), generated(W, a, delta, below, step)

    @intrinsic
    def gradients(typingctx, W, j, k, n, a, c, delta, first, i, below, room, memory, place):
        arguments = W, p, p, p, a, p, delta, p, p, below, room, memory, p
        return types.void(*arguments), generated(W, a, delta, below, room, memory)

    return gradients if apart else update


def held_tile(examples, rows, lanes, with_delta, ahead=0):
    """Intrinsic held(W, j, n, k, a, delta, below, step): what update_tile's does, for the tile W[j : j+n, k : k+lanes],
    where a and below of so many examples fit the registers and stay there for all n rows.

    n is a multiple of `rows`, which are done together. W: (fan_out, m), a and below: (examples, m), delta:
    (examples, >= fan_out). Meanwhile the rows `ahead` further on are prefetched, if ahead is not 0.
    """
    vector = ir.VectorType(FLOAT, lanes)

    @intrinsic
    def held(typingctx, W, j, n, k, a, delta, below, step):
        def codegen(context, builder, signature, args):
            W_, j_, n_, k_, a_, delta_, below_, step_ = args
            width = builder.extract_value(context.make_array(W)(context, builder, W_).shape, 1)
            top, zero = pointer_to(context, builder, W, W_, j_, k_), n_.type(0)
            deltas = row_pointers(context, builder, delta, delta_, zero, examples, column=j_)
            x = [load(builder, row, zero, vector) for row in row_pointers(context, builder, a, a_, zero, examples, k_)]
            if with_delta:
                below_rows = row_pointers(context, builder, below, below_, zero, examples, k_)
                totals = variables(builder, examples, vector)
                for row, total in zip(below_rows, totals, strict=True):
                    builder.store(load(builder, row, zero, vector), total)
            minus_step = splat(builder, builder.fneg(step_), vector)
            with cgutils.for_range_slice(builder, zero, n_, zero.type(rows), inc=True) as (r, _):
                each = [builder.add(r, zero.type(i)) for i in range(rows)]
                places = [builder.mul(row, width) for row in each]
                weights = [load(builder, top, place, vector) for place in places]
                for place in places if ahead else []:
                    for line in range(0, lanes, LANES):
                        further = builder.add(builder.mul(width, width.type(ahead)), width.type(line))
                        prefetch(builder, top, builder.add(place, further))
                gradients = [ir.Constant(vector, None)] * rows
                for e in range(examples):
                    for i, row in enumerate(each):
                        d = splat(builder, builder.load(builder.gep(deltas[e], [row]), align=4), vector)
                        gradients[i] = fused(builder, d, x[e], gradients[i])
                        if with_delta:
                            builder.store(fused(builder, d, weights[i], builder.load(totals[e])), totals[e])
                for place, gradient, weight in zip(places, gradients, weights, strict=True):
                    store(builder, fused(builder, minus_step, gradient, weight), top, place)
            if with_delta:
                for row, total in zip(below_rows, totals, strict=True):
                    store(builder, builder.load(total), row, zero)
            return context.get_dummy_value()

        p = types.intp
        return types.void(W, p, p, p, a, delta, below, types.float32), codegen

    return held
