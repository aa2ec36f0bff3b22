"""Thousands of updates in one launch, with the weights in the shared memory of the GPU all the while.

Where there is a block for every tile of a layer, and a block's shared memory has room for one tile of each layer, no
weight travels: a block takes its tiles in at the start, and writes them back at the end. Only partial sums pass between
blocks. The paper's network is 132 tiles a layer at most, and needs 205 KB a block: an H100 has 132 multiprocessors with
227 KB each. ``cuda_steps`` has the picture, and the kernels for other networks and devices.
"""

import math
from typing import Any

import numpy as np
from numba import cuda, types

from glorot.compiled.elementary import ONE, ZERO
from glorot.kernels.cuda_blocks import MANY_AT_A_TIME, OnTiles
from glorot.kernels.cuda_tiles import (
    ALIGNMENT,
    COLUMNS,
    FAN_IN,
    FAN_OUT,
    LAYER,
    PAD,
    PER_LANE,
    PLACE,
    ROWS,
    STRIDE_IN,
    STRIDE_OUT,
    THREADS,
    TILE_COLUMNS,
    TILE_ROWS,
    TILES_IN,
    TILES_OUT,
    WARPS,
    arrive,
    at,
    columns_of,
    device,
    load_tile,
    put,
    rows_of,
    store_tile,
    wait,
)  # fmt: skip
from glorot.models.losses import LOSSES


def places(depth: int, rows: list[int], T: int) -> tuple[list[int], int]:
    """Where a block keeps its tile of each layer, in floats from the start of its shared memory, and how many floats it
    needs in all. rows: of a tile of each layer. The table of layers comes first; behind the tiles: values of columns,
    of rows, and what the warps have to add up."""
    ends = [-(-2 * LAYER * depth // 4) * 4]
    for count in rows:
        ends.append(-(-(ends[-1] + count * TILE_COLUMNS) // 4) * 4)
    behind = 2 * TILE_ROWS * PAD + WARPS * T * TILE_ROWS
    return ends[:-1], max(ends[-1] + behind, max(ends[:-1]) + TILE_ROWS * TILE_COLUMNS + 4)


def run_resident(T: int, loss: str, tiles: OnTiles) -> Any:
    """The kernel, for minibatches of up to T examples. It takes what `cuda_steps` gives to run_updates."""
    SUMS = PER_LANE * T
    gather_below, gather_above, multiply_rows = tiles.gather_below, tiles.gather_above, tiles.multiply_rows
    multiply_and_descend, store_sums, output = tiles.multiply_and_descend, tiles.store_sums, _output(loss)

    @cuda.jit
    def run_updates(
        layers, weights, a, delta, partial, levels, pixels, labels, example_losses, losses, counter, n, step
    ):
        room, table = cuda.shared.array(0, types.float32, alignment=ALIGNMENT), cuda.shared.array(0, types.int64)
        depth, block, passed = layers.shape[0], cuda.blockIdx.x, 0
        for i in range(cuda.threadIdx.x, depth * LAYER, THREADS):
            table[i] = layers[i // LAYER, i % LAYER]
        cuda.syncthreads()
        last = table[(depth - 1) * LAYER : depth * LAYER]
        below_at = (last[PLACE] + last[ROWS] * TILE_COLUMNS + 3) // 4 * 4
        below = room[below_at : below_at + TILE_ROWS * PAD]
        above = room[below_at + TILE_ROWS * PAD : below_at + 2 * TILE_ROWS * PAD]
        scratch = room[below_at + 2 * TILE_ROWS * PAD :]
        for l in range(depth):  # zeros behind a tile give way to the next one
            layer = table[l * LAYER : l * LAYER + LAYER]
            if block < layer[TILES_OUT] * layer[TILES_IN]:
                load_tile(layer, weights, block // layer[TILES_IN], block % layer[TILES_IN], room[layer[PLACE] :])
            cuda.syncthreads()
        acc = cuda.local.array(SUMS, np.float32)
        if block < table[TILES_OUT] * table[TILES_IN]:
            gather_below(table, 0, block % table[TILES_IN], 0, n, levels, pixels, 0, partial, a, True, False, below)
        for u in range(len(losses)):
            finite = True
            for stage in range(2 * depth):
                l = min(stage, 2 * depth - 1 - stage)
                layer = table[l * LAYER : l * LAYER + LAYER]
                row, column = block // layer[TILES_IN], block % layer[TILES_IN]
                mine, tile = row < layer[TILES_OUT], room[layer[PLACE] :]
                for i in range(SUMS):
                    acc[i] = ZERO
                if stage < depth:
                    if mine:
                        if l > 0:
                            gather_below(layer, l, column, 0, n, levels, pixels, u, partial, a, False, row == 0, below)
                        cuda.syncthreads()
                        multiply_rows(tile, below, columns_of(layer, column), acc)
                        first = (l & 1) * (len(partial) // 2) + column * n * layer[STRIDE_OUT] + row * layer[ROWS]
                        store_sums(acc, scratch, partial, first, layer[STRIDE_OUT], 0, n, rows_of(layer, row))
                else:
                    if stage == depth:
                        mean = output(layer, l, partial, labels, u, n, scratch, above)
                        if block == 0 and cuda.threadIdx.x == 0:
                            losses[u] = mean
                        finite = math.isfinite(mean)
                        if not finite:
                            break
                    elif mine:
                        gather_above(layer, l, row, 0, n, partial, a, delta, False, False, above)
                    if mine:
                        cuda.syncthreads()
                        multiply_and_descend(
                            tile, rows_of(layer, row), columns_of(layer, column), below, above, step, acc
                        )
                        if l > 0:
                            k0, stride = column * layer[COLUMNS], layer[STRIDE_IN]
                            first = ((l + 1) & 1) * (len(partial) // 2) + row * n * stride + k0
                            store_sums(
                                acc, scratch, partial, first, stride, 0, n, min(layer[COLUMNS], layer[FAN_IN] - k0)
                            )
                arrive(counter)
                passed += 1
                # Meanwhile, what no other block has to give: a of the units below, and the next images.
                l = max(2 * depth - 2 - stage, 0)
                layer, ahead = table[l * LAYER : l * LAYER + LAYER], u + (stage + 1 == 2 * depth)
                if stage >= depth and ahead < len(losses) and block < layer[TILES_OUT] * layer[TILES_IN]:
                    gather_below(
                        layer, l, block % layer[TILES_IN], 0, n, levels, pixels, ahead, partial, a, True, False, below
                    )
                wait(counter, passed)
            if not finite:
                break
        for l in range(depth):
            layer = table[l * LAYER : l * LAYER + LAYER]
            if block < layer[TILES_OUT] * layer[TILES_IN]:
                store_tile(layer, weights, block // layer[TILES_IN], block % layer[TILES_IN], room[layer[PLACE] :])

    return run_updates


def _output(loss: str) -> Any:
    normalizer, value_of, delta_of = map(device, (LOSSES[loss].normalizer, LOSSES[loss].value, LOSSES[loss].delta))

    @device
    def output(layer, l, partial, labels, u, n, scratch, above):
        """As in `cuda_steps`, with logits and losses in shared memory. The delta of the logits goes to `above`."""
        fan_out, stride = layer[FAN_OUT], layer[STRIDE_OUT]
        first, parts = (l & 1) * (len(partial) // 2), layer[TILES_IN]
        x, losses = cuda.local.array(MANY_AT_A_TIME, np.float32), scratch[n * fan_out :]
        for s in range(cuda.threadIdx.x, n * fan_out, THREADS):
            offset, total = first + s // fan_out * stride + s % fan_out, ZERO
            for p in range(0, parts, MANY_AT_A_TIME):
                for q in range(MANY_AT_A_TIME):
                    x[q] = at(partial, offset + min(p + q, parts - 1) * n * stride)
                for q in range(MANY_AT_A_TIME):
                    if p + q < parts:
                        total += x[q]
            put(scratch, s, total)
        cuda.syncthreads()
        for e in range(cuda.threadIdx.x, n, THREADS):
            logits = scratch[e * fan_out : (e + 1) * fan_out]
            shared, total, label = normalizer(logits), ZERO, at(labels, u * n + e)
            for k in range(fan_out):
                target = ONE if k == label else ZERO
                total += value_of(logits[k], shared, target)
                put(above, k * PAD + e, delta_of(logits[k], shared, target))
            put(losses, e, total)
        cuda.syncthreads()
        mean = np.float64(0)
        for e in range(n):
            mean += at(losses, e)
        return mean / n

    return output
