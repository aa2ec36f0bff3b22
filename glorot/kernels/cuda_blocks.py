"""What a block of threads does with one tile, for tiles of T examples: brings values to shared memory, multiplies, adds
up. ``cuda_steps`` has a picture.

Each function here makes one for kernels to call. Values in shared memory: (TILE_ROWS, PAD), a unit a row, an example a
column.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from glorot.compiled.elementary import ONE, ZERO, fma
from glorot.kernels.cuda_tiles import (
    ABOVE,
    BELOW,
    COLUMNS,
    FAN_IN,
    LANES,
    PAD,
    PARTS_ABOVE,
    PARTS_BELOW,
    PER_LANE,
    ROWS,
    STRIDE_IN,
    STRIDE_OUT,
    THREADS,
    TILE_COLUMNS,
    TILE_ROWS,
    W_STRIDE,
    WARPS,
    W,
    at,
    columns_of,
    device,
    four_at,
    put,
    rows_of,
)  # fmt: skip

AT_A_TIME = 4  # partial sums that a thread fetches together, to registers


class OnTiles(NamedTuple):
    """The functions for tiles of T examples."""

    gather_below: Any
    gather_above: Any
    multiply_rows: Any
    multiply_columns: Any
    descend: Any
    add_gradient: Any
    store_sums: Any


def on_tiles(T: int, f, slope, keeps_z: bool) -> OnTiles:
    """T: up to MOST_EXAMPLES. f, slope: of the activation, for kernels to call. keeps_z: whether slope takes z, which
    then lies in the second half of a."""
    sum_parts, examples_of, own_columns = _sum_parts(T), _examples_of(T), _own_columns(T)
    return OnTiles(
        _gather_below(T, f, sum_parts, keeps_z),
        _gather_above(T, slope, sum_parts, keeps_z),
        # acc[i, e] += sum over this warp's k of W[j, k] a[e, k], for the rows j = lane + i LANES;
        # acc[i, e] += sum over this warp's j of W[j, k] delta[e, j], for the columns k = lane + i LANES.
        _multiply(T, examples_of, across=TILE_COLUMNS, along=1),
        _multiply(T, examples_of, across=1, along=TILE_COLUMNS),
        _descend(T, examples_of, own_columns),
        _add_gradient(T, examples_of, own_columns),
        _store_sums(T),
    )


def _turns(T: int) -> int:
    """Values of a tile that one thread gathers."""
    return -(-TILE_ROWS * T // THREADS)


def _padded(T: int) -> int:
    return 4 * -(-T // 4)


# Values to shared memory. --------------------------------------------------------------------------------------------


def _sum_parts(T):
    TURNS = _turns(T)
    FETCHED = TURNS * AT_A_TIME

    @device
    def sum_parts(partial, first, parts, part_stride, offsets, sums):
        """sums[i] = sum over p < parts of partial[first + p * part_stride + offsets[i]], in this order."""
        x = cuda.local.array(FETCHED, np.float32)
        for i in range(TURNS):
            sums[i] = ZERO
        for p in range(0, parts, AT_A_TIME):
            for q in range(AT_A_TIME):  # all of these loads are under way together
                start = first + min(p + q, parts - 1) * part_stride
                for i in range(TURNS):
                    x[q * TURNS + i] = at(partial, start + offsets[i])
            for q in range(AT_A_TIME):
                if p + q < parts:
                    for i in range(TURNS):
                        sums[i] += x[q * TURNS + i]

    return sum_parts


def _gather_below(T, f, sum_parts, keeps_z):
    TURNS = _turns(T)

    @device
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
                        if keeps_z:
                            put(a, len(a) // 2 + base + offsets[i], sums[i])
            if e < T:
                put(below, k * PAD + e, value)

    return gather_below


def _gather_above(T, slope, sum_parts, keeps_z):
    TURNS = _turns(T)

    @device
    def gather_above(layer, l, row, e0, n, partial, a, delta, ready, keep, above):
        """delta of the units of a tile row; as gather_below."""
        j0, stride, base, rows = row * layer[ROWS], layer[STRIDE_OUT], layer[ABOVE], rows_of(layer, row)
        offsets, sums = cuda.local.array(TURNS, np.int64), cuda.local.array(TURNS, np.float32)
        kept = cuda.local.array(TURNS, np.float32)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            offsets[i] = (e0 + e) * stride + j0 + j if e < T and e0 + e < n and j < rows else 0
        if ready:
            for i in range(TURNS):
                sums[i] = at(delta, base + offsets[i])
        else:
            for i in range(TURNS):
                kept[i] = at(a, (len(a) // 2 if keeps_z else 0) + base + offsets[i])
            sum_parts(partial, (l & 1) * (len(partial) // 2), layer[PARTS_ABOVE], n * stride, offsets, sums)
        for i in range(TURNS):
            s = cuda.threadIdx.x + i * THREADS
            e, j = s // TILE_ROWS, s % TILE_ROWS
            value = ZERO
            if e < T and e0 + e < n and j < rows:
                value = sums[i]
                if not ready:
                    value *= slope(kept[i])
                    if keep:
                        put(delta, base + offsets[i], value)
            if e < T:
                put(above, j * PAD + e, value)

    return gather_above


# Products, on shared memory. ---------------------------------------------------------------------------------------


def _examples_of(T):
    FOURS = -(-T // 4)

    @device
    def examples_of(values, unit, x):
        """x = a row of values, four numbers a load. x: at least T long."""
        for four in range(FOURS):
            x[4 * four], x[4 * four + 1], x[4 * four + 2], x[4 * four + 3] = four_at(values, unit * PAD + 4 * four)

    return examples_of


def _multiply(T, examples_of, across, along):
    """A product of a tile with examples. across, along: strides in the tile of what a lane keeps and of the sum."""
    PADDED = _padded(T)

    @device
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


def _own_columns(T):
    @device
    def own_columns(below, x):
        """x[i, e] = a[e, k], k = lane + i LANES."""
        for i in range(PER_LANE):
            for e in range(T):
                x[i * T + e] = at(below, (cuda.threadIdx.x % LANES + i * LANES) * PAD + e)

    return own_columns


def _descend(T, examples_of, own_columns):
    SUMS, PADDED = PER_LANE * T, _padded(T)

    @device
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

    return descend


def _add_gradient(T, examples_of, own_columns):
    SUMS, PADDED = PER_LANE * T, _padded(T)

    @device
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

    return add_gradient


def _store_sums(T):
    @device
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

    return store_sums
