"""Thousands of updates in one launch, with the weights in the shared memory of the GPU all the while.

Where there is a block for every tile of a layer, and a block's shared memory has room for one tile of each layer, no
weight travels: a block takes its tiles in at the start, and writes them back at the end. Only partial sums and
activations pass between blocks (``cuda_exchange``): a block waits for what it needs, not for all other blocks. The
paper's network is 132 tiles a layer at most, and needs 214 KB a block: an H100 has 132 multiprocessors with 227 KB
each. ``cuda_steps`` has the picture, and the kernels for other networks and devices.

Values of a unit, in shared memory as in global: PADDED floats, one an example and zeros behind. Thread t of a block
has four examples of one unit, those from 4 t on, wherever units of a tile are gathered or summed up.
"""

from typing import Any

import numpy as np
from numba import cuda, types

from glorot.compiled.elementary import ZERO
from glorot.kernels.cuda_exchange import withdraw_four
from glorot.kernels.cuda_resident_blocks import (
    COLUMN,
    MULTIPLIERS,
    RESIDENT_THREADS,
    ROW,
    SHARE,
    WIDTH,
    in_blocks,
    padded,
)
from glorot.kernels.cuda_tiles import (
    A_AT,
    ALIGNMENT,
    COLUMNS,
    D_AT,
    FAN_IN,
    FAN_OUT,
    LANES,
    LAYER,
    PLACE,
    ROWS,
    SIMULATED,
    TILE_COLUMNS,
    TILE_ROWS,
    TILES_IN,
    TILES_OUT,
    WARPS,
    Z_AT,
    columns_of,
    count_up,
    device,
    load_tile,
    put,
    rows_of,
    store_tile,
    wait_for_all,
)  # fmt: skip

OPTIONS: dict[str, Any] = {} if SIMULATED else {"launch_bounds": RESIDENT_THREADS}
CLERK = RESIDENT_THREADS - LANES  # a thread of the last warp, which has nothing else to do


def places(depth: int, rows: list[int], T: int) -> tuple[list[int], int]:
    """Where a block keeps its tile of each layer, in floats from the start of its shared memory, and how many floats it
    needs in all. rows: of a tile of each layer. The table of layers comes first; behind the tiles: values of columns,
    of rows, the examples' losses, and what the warps have to add up."""
    ends = [-(-2 * WIDTH * depth // 4) * 4]
    for count in rows:
        ends.append(-(-(ends[-1] + count * TILE_COLUMNS) // 4) * 4)
    behind = (2 * TILE_ROWS + 1 + WARPS * TILE_ROWS) * padded(T)
    return ends[:-1], max(ends[-1] + behind, max(ends[:-1]) + (TILE_ROWS + WARPS) * TILE_COLUMNS + 4)


def exchange_places(table: np.ndarray, T: int) -> int:
    """Where the blocks exchange what, to the table of layers. Returns how many floats one update has of this."""
    end = 0
    for l, layer in enumerate(table):
        above, below = (layer[kind] * padded(T) for kind in (FAN_OUT, FAN_IN))
        layer[Z_AT], layer[D_AT], layer[A_AT] = starts = np.cumsum(
            [end, layer[TILES_IN] * above, layer[TILES_OUT] * below * (l > 0)]
        )
        end = starts[-1] + 2 * above  # a, and perhaps z
    return int(end)


def run_resident(T: int, loss: str, f: Any, slope: Any, keeps_z: bool) -> Any:
    """The kernel, for minibatches of T examples.

    Each value has two places, for even and odd updates: an update's logits need something of every block, so whoever
    has them all knows that all blocks have read what they need of the update before, and withdraws what it published
    then. All count up when they have done so, and nobody looks at those places again until all have counted.
    """
    SUMS, PADDED = SHARE * T, padded(T)
    FOURS = PADDED // 4
    b = in_blocks(T, loss, f, slope, keeps_z)
    gather_forward, gather_backward, look_up, pixels_of = b.gather_forward, b.gather_backward, b.look_up, b.pixels_of
    multiply, multiply_and_descend, put_sums, publish_sums = b.multiply, b.descend, b.put_sums, b.publish_sums
    gather_logits, output, sum_of = b.gather_logits, b.output, b.sum_of

    @device
    def withdraw(table, depth, t, published, slot):
        """What this block published, so that it can publish again."""
        for l in range(depth):
            layer = table[l * WIDTH : l * WIDTH + WIDTH]
            row, column, fan_in, fan_out = layer[ROW], layer[COLUMN], layer[FAN_IN], layer[FAN_OUT]
            if row < layer[TILES_OUT]:
                j0, k0 = row * layer[ROWS], column * layer[COLUMNS]
                if t < rows_of(layer, row) * FOURS:
                    withdraw_four(published, slot + layer[Z_AT] + (column * fan_out + j0) * PADDED + 4 * t)
                if l > 0 and t < min(layer[COLUMNS], fan_in - k0) * FOURS:
                    withdraw_four(published, slot + layer[D_AT] + (row * fan_in + k0) * PADDED + 4 * t)
                    if row == 0:
                        first = slot + table[(l - 1) * WIDTH + A_AT] + k0 * PADDED + 4 * t
                        withdraw_four(published, first)
                        if keeps_z:
                            withdraw_four(published, first + fan_in * PADDED)

    @cuda.jit(**OPTIONS)
    def run_updates(layers, weights, published, levels, pixels, labels, losses, counter, step):
        """len(losses) updates on consecutive minibatches of T examples. published: two halves. Else as in
        `cuda_steps`."""
        room, table = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        depth, t = layers.shape[0], cuda.threadIdx.x
        for l in range(depth):
            for i in range(t, LAYER, RESIDENT_THREADS):
                table[l * WIDTH + i] = layers[l, i]
            table[l * WIDTH + ROW] = cuda.blockIdx.x // layers[l, TILES_IN]
            table[l * WIDTH + COLUMN] = cuda.blockIdx.x % layers[l, TILES_IN]
        cuda.syncthreads()
        last = table[(depth - 1) * WIDTH : depth * WIDTH]
        below_at = (last[PLACE] + last[ROWS] * TILE_COLUMNS + 3) // 4 * 4
        below = room[below_at : below_at + TILE_ROWS * PADDED]
        above = room[below_at + TILE_ROWS * PADDED :]
        totals = room[below_at + 2 * TILE_ROWS * PADDED :]
        scratch = room[below_at + (2 * TILE_ROWS + 1) * PADDED :]
        for l in range(depth):  # zeros behind a tile give way to the next one
            layer = table[l * WIDTH : l * WIDTH + WIDTH]
            if layer[ROW] < layer[TILES_OUT] and t < WARPS * LANES:
                load_tile(layer, weights, layer[ROW], layer[COLUMN], room[layer[PLACE] :])
            cuda.syncthreads()
        half = len(published) // 2
        for i in range(4 * cuda.grid(1), len(published), 4 * cuda.gridsize(1)):
            withdraw_four(published, i)
        cuda.syncthreads()
        if t == CLERK:
            count_up(counter)
        acc = cuda.local.array(SUMS, np.float32)
        image = cuda.local.array(4, np.float32)
        first_layer = table[:WIDTH]
        bytes_ahead = pixels_of(first_layer, t, pixels, 0)
        look_up(first_layer, t, levels, bytes_ahead, image)
        for u in range(len(losses)):
            slot = (u & 1) * half
            if t < TILE_ROWS * FOURS:
                for i in range(4):
                    put(below, 4 * t + i, image[i])
            if t == CLERK:
                wait_for_all(counter, u + 1)
            cuda.syncthreads()
            for l in range(depth):
                layer = table[l * WIDTH : l * WIDTH + WIDTH]
                row, column = layer[ROW], layer[COLUMN]
                if row < layer[TILES_OUT]:
                    if l > 0:
                        gather_forward(table, l, t, published, slot, below)
                        cuda.syncthreads()
                    if t < MULTIPLIERS * LANES:
                        for i in range(SUMS):
                            acc[i] = ZERO
                        multiply(room[layer[PLACE] :], below, columns_of(layer, column), acc)
                        put_sums(acc, scratch)
                    cuda.syncthreads()
                    first = slot + layer[Z_AT] + (column * layer[FAN_OUT] + row * layer[ROWS]) * PADDED
                    publish_sums(scratch, t, published, first, rows_of(layer, row))
            cuda.syncthreads()
            gather_logits(last, t, published, slot, scratch)
            cuda.syncthreads()
            if u > 0:
                withdraw(table, depth, t, published, half - slot)
            if not output(last, t, labels, u, scratch, above, totals):
                break  # losses[u] stays NaN
            for back in range(depth):
                l = depth - 1 - back
                layer = table[l * WIDTH : l * WIDTH + WIDTH]
                row, column = layer[ROW], layer[COLUMN]
                if u + 1 < len(losses) and l == min(1, depth - 1):
                    bytes_ahead = pixels_of(first_layer, t, pixels, u + 1)
                if row < layer[TILES_OUT] and back > 0:
                    gather_backward(table, l, t, published, slot, image, below, above)
                    cuda.syncthreads()
                if l == 0:
                    look_up(first_layer, t, levels, bytes_ahead, image)
                if t == CLERK and l == max(depth - 2, 0):
                    if cuda.blockIdx.x == 0:
                        losses[u] = sum_of(totals)
                    count_up(counter)
                if row < layer[TILES_OUT]:
                    if t < MULTIPLIERS * LANES:
                        for i in range(SUMS):
                            acc[i] = ZERO
                        rows, columns = rows_of(layer, row), columns_of(layer, column)
                        multiply_and_descend(room[layer[PLACE] :], rows, columns, below, above, step, acc)
                        if l > 0:
                            put_sums(acc, scratch)
                    if l > 0:
                        cuda.syncthreads()
                        k0 = column * layer[COLUMNS]
                        first = slot + layer[D_AT] + (row * layer[FAN_IN] + k0) * PADDED
                        publish_sums(scratch, t, published, first, min(layer[COLUMNS], layer[FAN_IN] - k0))
            cuda.syncthreads()
        for l in range(depth):
            layer = table[l * WIDTH : l * WIDTH + WIDTH]
            if layer[ROW] < layer[TILES_OUT] and t < WARPS * LANES:
                store_tile(layer, weights, layer[ROW], layer[COLUMN], room[layer[PLACE] :])

    return run_updates
