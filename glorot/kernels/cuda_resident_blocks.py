"""What a block of threads does with the tiles that it keeps (``cuda_resident``), for minibatches of T examples."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from glorot.compiled.elementary import ONE, ZERO, fma
from glorot.kernels.cuda_exchange import late, look_at_four, not_there, publish_four, put_four
from glorot.kernels.cuda_tiles import (
    A_AT,
    COLUMNS,
    D_AT,
    FAN_IN,
    FAN_OUT,
    LANES,
    LAYER,
    PER_LANE,
    ROWS,
    SIMULATED,
    TILE_COLUMNS,
    TILE_ROWS,
    TILES_IN,
    TILES_OUT,
    WARPS,
    Z_AT,
    at,
    columns_of,
    device,
    four_at,
    put,
    rows_of,
)  # fmt: skip
from glorot.models.losses import LOSSES

# Sums have WARPS parts, as in `cuda_steps`. For each part there are GROUPS warps, which share the units of a tile.
GROUPS = 1
SHARE = PER_LANE // GROUPS  # units of a lane
MULTIPLIERS = WARPS * GROUPS  # warps that multiply; all gather
RESIDENT_WARPS = 4 if SIMULATED else max(10, MULTIPLIERS + 1)
RESIDENT_THREADS = LANES * RESIDENT_WARPS
AT_A_TIME = 12  # partial sums that a thread looks at together; 1000 units have eleven

ROW, COLUMN, WIDTH = LAYER, LAYER + 1, LAYER + 2  # of a block's table: the table of layers, and which tile is its own


def padded(T: int) -> int:
    """Floats of a unit: a value an example, four at a time."""
    return 4 * -(-T // 4)


class InBlocks(NamedTuple):
    """The functions for T examples."""

    gather_forward: Any
    gather_backward: Any
    gather_logits: Any
    pixels_of: Any
    look_up: Any
    output: Any
    sum_of: Any
    multiply: Any
    descend: Any
    put_sums: Any
    publish_sums: Any


def in_blocks(T: int, loss: str, f: Any, slope: Any, keeps_z: bool) -> InBlocks:
    sum_parts, examples_of = _sum_parts(), _examples_of(T)
    return InBlocks(
        _gather_forward(T, f, sum_parts, keeps_z),
        _gather_backward(T, slope, sum_parts, keeps_z),
        _gather_logits(T, sum_parts),
        _pixels_of(T),
        _look_up(T),
        _output(T, loss),
        _sum_of(T),
        _multiply(T, examples_of),
        _multiply_and_descend(T, examples_of),
        _put_sums(T),
        _publish_sums(T),
    )


# What other blocks have published. ----------------------------------------------------------------------------------


def _sum_parts():
    FETCHED = 4 * AT_A_TIME

    @device
    def sum_parts(published, first, parts, stride, sums):
        """sums[i] = sum over p < parts of published[first + p * stride + i], i < 4, in this order; waits for them."""
        x = cuda.local.array(FETCHED, np.float32)
        for i in range(4):
            sums[i] = ZERO
        for p in range(0, parts, AT_A_TIME):
            for q in range(AT_A_TIME):
                x[4 * q] = x[4 * q + 1] = x[4 * q + 2] = x[4 * q + 3] = ZERO
                if p + q < parts:
                    x[4 * q] = not_there()
            again = True
            while again:
                for q in range(AT_A_TIME):  # all of these loads are under way together
                    if late(x[4 * q], x[4 * q + 1], x[4 * q + 2], x[4 * q + 3]):
                        x[4 * q], x[4 * q + 1], x[4 * q + 2], x[4 * q + 3] = look_at_four(
                            published, first + (p + q) * stride
                        )
                again = False
                for q in range(AT_A_TIME):
                    again = again or late(x[4 * q], x[4 * q + 1], x[4 * q + 2], x[4 * q + 3])
            for q in range(AT_A_TIME):  # adding zeros behind the last one changes no bit: no sum is -0
                for i in range(4):
                    sums[i] += x[4 * q + i]

    return sum_parts


@device
def wait_for_four(published, i, x):
    """x: what was seen there; looks again until all is there."""
    while late(x[0], x[1], x[2], x[3]):
        x[0], x[1], x[2], x[3] = look_at_four(published, i)


def _gather_forward(T, f, sum_parts, keeps_z):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def gather_forward(table, l, t, published, slot, below):
        """a of the units of a tile column, l > 0, from partial sums; 1 for the bias. Row 0 of blocks publishes a."""
        layer, under = table[l * WIDTH : (l + 1) * WIDTH], table[(l - 1) * WIDTH : l * WIDTH]
        fan_in, k0 = layer[FAN_IN], layer[COLUMN] * layer[COLUMNS]
        x = cuda.local.array(4, np.float32)
        for i in range(4):
            x[i] = ZERO
        if t < columns_of(layer, layer[COLUMN]) * FOURS:
            if t < (fan_in - k0) * FOURS:
                here = k0 * PADDED + 4 * t
                sum_parts(published, slot + under[Z_AT] + here, under[TILES_IN], fan_in * PADDED, x)
                if layer[ROW] == 0 and keeps_z:
                    publish_four(published, slot + under[A_AT] + fan_in * PADDED + here, x[0], x[1], x[2], x[3])
                for i in range(4):
                    x[i] = f(x[i])
                if layer[ROW] == 0:
                    publish_four(published, slot + under[A_AT] + here, x[0], x[1], x[2], x[3])
            else:
                for i in range(4):
                    x[i] = ONE
        if t < TILE_ROWS * FOURS:
            put_four(below, 4 * t, x[0], x[1], x[2], x[3])

    return gather_forward


def _gather_backward(T, slope, sum_parts, keeps_z):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def gather_backward(table, l, t, published, slot, image, below, above):
        """a of a tile's columns, and delta of its rows from partial sums. image: a where l = 0."""
        layer = table[l * WIDTH : (l + 1) * WIDTH]
        over = table[(l + 1) * WIDTH : (l + 2) * WIDTH]
        fan_in, fan_out = layer[FAN_IN], layer[FAN_OUT]
        k0, j0 = layer[COLUMN] * layer[COLUMNS], layer[ROW] * layer[ROWS]
        x, kept, sums = (
            cuda.local.array(4, np.float32), cuda.local.array(4, np.float32), cuda.local.array(4, np.float32),
        )  # fmt: skip
        inside, is_row = l > 0 and t < min(layer[COLUMNS], fan_in - k0) * FOURS, t < rows_of(layer, layer[ROW]) * FOURS
        a_at = slot + k0 * PADDED + 4 * t
        if l > 0:
            a_at += table[(l - 1) * WIDTH + A_AT]
        kept_at = slot + layer[A_AT] + (fan_out * PADDED if keeps_z else 0) + j0 * PADDED + 4 * t
        for i in range(4):
            x[i] = image[i] if l == 0 else ONE
            kept[i] = sums[i] = ZERO
        if inside:
            x[0], x[1], x[2], x[3] = look_at_four(published, a_at)
        if is_row:
            kept[0], kept[1], kept[2], kept[3] = look_at_four(published, kept_at)
            first = slot + over[D_AT] + j0 * PADDED + 4 * t
            sum_parts(published, first, over[TILES_OUT], fan_out * PADDED, sums)
            wait_for_four(published, kept_at, kept)
            for i in range(4):
                sums[i] *= slope(kept[i])
        if inside:
            wait_for_four(published, a_at, x)
        elif l > 0 and t >= columns_of(layer, layer[COLUMN]) * FOURS:
            for i in range(4):
                x[i] = ZERO
        if t < TILE_ROWS * FOURS:
            put_four(below, 4 * t, x[0], x[1], x[2], x[3])
            put_four(above, 4 * t, sums[0], sums[1], sums[2], sums[3])

    return gather_backward


# Images. ------------------------------------------------------------------------------------------------------------


def _pixels_of(T):
    FOURS = padded(T) // 4

    @device
    def pixels_of(layer, t, pixels, u):
        """The bytes of this thread's pixel in its four examples, in one number."""
        unit, e0, fan_in, k0 = t // FOURS, t % FOURS * 4, layer[FAN_IN], layer[COLUMN] * layer[COLUMNS]
        found = np.int32(0)
        if layer[ROW] < layer[TILES_OUT] and unit < min(layer[COLUMNS], fan_in - k0):
            for i in range(4):
                if e0 + i < T:
                    found |= np.int32(at(pixels, (u * T + e0 + i) * fan_in + k0 + unit)) << (8 * i)
        return found

    return pixels_of


def _look_up(T):
    FOURS = padded(T) // 4

    @device
    def look_up(layer, t, levels, found, x):
        """What the network sees of these bytes; 1 for the bias."""
        unit, fan_in, k0 = t // FOURS, layer[FAN_IN], layer[COLUMN] * layer[COLUMNS]
        for i in range(4):
            x[i] = at(levels, np.int64((found >> (8 * i)) & 255))
            if unit >= fan_in - k0:
                x[i] = ONE if unit == fan_in - k0 else ZERO
            elif unit >= layer[COLUMNS]:
                x[i] = ZERO

    return look_up


# Logits and losses: every block computes them all, with equal results. ------------------------------------------------


def _gather_logits(T, sum_parts):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def gather_logits(layer, t, published, slot, scratch):
        """To scratch, (T, fan_out)."""
        fan_out, sums = layer[FAN_OUT], cuda.local.array(4, np.float32)
        if t < fan_out * FOURS:
            sum_parts(published, slot + layer[Z_AT] + 4 * t, layer[TILES_IN], fan_out * PADDED, sums)
            for i in range(4):
                e = t % FOURS * 4 + i
                if e < T:
                    put(scratch, e * fan_out + t // FOURS, sums[i])

    return gather_logits


def _output(T, loss):
    FOURS = padded(T) // 4
    normalizer, value_of, delta_of = map(device, (LOSSES[loss].normalizer, LOSSES[loss].value, LOSSES[loss].delta))

    @device
    def output(layer, t, labels, u, scratch, above, totals):
        """delta of the logits to above, losses of the examples to totals; whether all of them are finite.

        scratch: the logits; behind them room for a number an example, and for each unit's share of the loss.
        """
        fan_out, total = layer[FAN_OUT], ZERO
        if t < T:
            put(scratch, T * fan_out + t, normalizer(scratch[t * fan_out : (t + 1) * fan_out]))
        cuda.syncthreads()
        shares = T * (fan_out + 1)
        if t < fan_out * FOURS:
            unit = t // FOURS
            for i in range(4):
                e = t % FOURS * 4 + i
                if e < T:
                    target = ONE if unit == at(labels, u * T + e) else ZERO
                    logit, shared = at(scratch, e * fan_out + unit), at(scratch, T * fan_out + e)
                    put(scratch, shares + e * fan_out + unit, value_of(logit, shared, target))
                    put(above, 4 * t + i, delta_of(logit, shared, target))
        cuda.syncthreads()
        if t < T:
            for k in range(fan_out):
                total += at(scratch, shares + t * fan_out + k)
            put(totals, t, total)
        return cuda.syncthreads_and(1 if math.isfinite(total) else 0) != 0

    return output


def _sum_of(T):
    @device
    def sum_of(totals):
        total = np.float64(0)
        for e in range(T):
            total += at(totals, e)
        return total

    return sum_of


# Products, on shared memory: as in `cuda_blocks`, with the same order of every sum. -----------------------------------


def _examples_of(T):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def examples_of(values, unit, x):
        """x = a row of values, four numbers a load."""
        for four in range(FOURS):
            x[4 * four], x[4 * four + 1], x[4 * four + 2], x[4 * four + 3] = four_at(values, unit * PADDED + 4 * four)

    return examples_of


@device
def own_part():
    """Which part of a sum this warp makes."""
    return cuda.threadIdx.x // LANES % WARPS


@device
def own_unit():
    """The first unit of this lane; the others are LANES apart."""
    return cuda.threadIdx.x // (LANES * WARPS) * (SHARE * LANES) + cuda.threadIdx.x % LANES


def _multiply(T, examples_of):
    PADDED = padded(T)

    @device
    def multiply(tile, below, columns, acc):
        """acc[i, e] += sum over this warp's k of W[j, k] a[e, k], for the rows j = own_unit + i LANES."""
        x, first = cuda.local.array(PADDED, np.float32), own_unit() * TILE_COLUMNS
        for k in range(own_part(), columns, WARPS):
            examples_of(below, k, x)
            for i in range(SHARE):
                w = at(tile, first + i * LANES * TILE_COLUMNS + k)
                for e in range(T):
                    acc[i * T + e] = fma(w, x[e], acc[i * T + e])

    return multiply


def _multiply_and_descend(T, examples_of):
    PADDED, SUMS = padded(T), SHARE * padded(T)

    @device
    def multiply_and_descend(tile, rows, columns, below, above, step, acc):
        """acc[i, e] += sum over this warp's j of W[j, k] delta[e, j], for the columns k = own_unit + i LANES;
        and W[j, k] -= step * sum over e of delta[e, j] a[e, k]. The next row is on its way meanwhile."""
        unit, j = own_unit(), own_part()
        x, y = cuda.local.array(SUMS, np.float32), cuda.local.array(PADDED, np.float32)
        ahead, w, w_ahead = (
            cuda.local.array(PADDED, np.float32), cuda.local.array(SHARE, np.float32),
            cuda.local.array(SHARE, np.float32),
        )  # fmt: skip
        for i in range(SHARE):
            examples_of(below, unit + i * LANES, x[i * PADDED : (i + 1) * PADDED])
            w_ahead[i] = at(tile, j * TILE_COLUMNS + unit + i * LANES)
        examples_of(above, j, ahead)
        for j in range(own_part(), rows, WARPS):
            for e in range(PADDED):
                y[e] = ahead[e]
            for i in range(SHARE):
                w[i] = w_ahead[i]
                w_ahead[i] = at(tile, (j + WARPS) * TILE_COLUMNS + unit + i * LANES)
            examples_of(above, j + WARPS, ahead)
            for i in range(SHARE):
                gradient = ZERO
                for e in range(T):
                    acc[i * T + e] = fma(w[i], y[e], acc[i * T + e])
                    gradient = fma(y[e], x[i * PADDED + e], gradient)
                if unit + i * LANES < columns:
                    put(tile, j * TILE_COLUMNS + unit + i * LANES, fma(-step, gradient, w[i]))

    return multiply_and_descend


def _put_sums(T):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def put_sums(acc, scratch):
        """The warps' acc to scratch, (WARPS, TILE_ROWS, PADDED)."""
        four = cuda.local.array(4, np.float32)
        for i in range(SHARE):
            first = (own_part() * TILE_ROWS + own_unit() + i * LANES) * PADDED
            for q in range(FOURS):
                for c in range(4):
                    four[c] = acc[i * T + 4 * q + c] if 4 * q + c < T else ZERO
                put_four(scratch, first + 4 * q, four[0], four[1], four[2], four[3])

    return put_sums


def _publish_sums(T):
    PADDED = padded(T)
    FOURS = PADDED // 4

    @device
    def publish_sums(scratch, t, published, first, units):
        """What the warps have put to scratch, added up in the warps' order, to published[first + unit * PADDED + e]."""
        if t < units * FOURS:
            sums = cuda.local.array(4, np.float32)
            for i in range(4):
                sums[i] = ZERO
            for part in range(WARPS):
                a, b, c, d = four_at(scratch, part * TILE_ROWS * PADDED + 4 * t)
                sums[0] += a
                sums[1] += b
                sums[2] += c
                sums[3] += d
            publish_four(published, first + 4 * t, sums[0], sums[1], sums[2], sums[3])

    return publish_sums
