"""The products of one fully connected layer, over the tiles of ``tiles.py``: forward z = W a; backward the delta of the
units below together with W's step of plain SGD, in one pass over W.

Which tiles, in which order, decides the speed alone; no choice below changes the order of a sum:

- Forward, `dots`: PANEL rows of W stay in L2 while all examples pass, a tile at a time. The next panel is prefetched
  meanwhile. With AVX-512 each of the first passes of several examples fetches a share of it: all at once would wait for
  memory alone. Other passes ask for all of it, and get what is still missing.
- Backward, `update_columns`: strips of columns, each from the first row to the last, so that the strip's a and delta
  stay in L1. From PACKED examples on, where W has MANY rows, they are copied, so that what a strip needs lies together:
  in place each example would be on a page of its own.
- Backward with HELD examples (the paper's minibatch) on AVX-512: a column's a and delta stay in registers for a block
  of HELD_BLOCK rows of W. The next block is fetched meanwhile. With all rows of a column as one block, every row would
  be on a page of its own, and the weights of a large network would come late.

The three products are compiled by themselves (``compiled/calls.py``): networks of all kinds call the same machine code.
"""

from functools import cache
from typing import NamedTuple

import numba
import numpy as np
from numba.core import types

from glorot.compiled.cache import inner, jit_apart, registers
from glorot.compiled.calls import Apart, calling
from glorot.kernels.simd import LANES, MATRIX
from glorot.kernels.tiles import dot_tile, held_tile, update_tile
from glorot.kernels.views import clear, copy

L1_BYTES = 24 * 1024  # share of the first-level cache for delta and a of a strip
PACKED = 17  # examples
MANY = 256  # rows of W, which pay for the copy
PAGE = 512  # floats: with rows of so many or more, every example is on a page of its own
FEW = 2  # rows of a tile for what the larger ones leave


class Tiles(NamedTuple):
    """What fits the registers. panel: rows. rows, examples: of a dot tile. rest_examples: of those that come first,
    until `examples` divides the rest of the minibatch. part: lanes that a dot tile loads together. update_: of an
    update tile with a delta below, first_: of one without. spread: whether the passes share the next panel's
    prefetches. held: examples whose a and delta stay in registers for held_block rows, held_rows at a time; 0: they
    never do."""

    panel: int
    rows: int
    examples: int
    rest_examples: int
    part: int
    update_rows: int
    update_columns: int
    first_rows: int
    first_columns: int
    spread: bool = False
    held: int = 0
    held_rows: int = 1
    held_block: int = 1


# By the registers of the processor compiled for: how many, and the floats of each. A vector of ours takes 16 floats.
TILES = {
    (32, 16): Tiles(48, 4, 4, 5, 16, 6, 32, 8, 32, spread=True, held=10, held_rows=2, held_block=24),  # AVX-512
    (16, 8): Tiles(32, 2, 3, 2, 16, 5, 8, 5, 16),  # AVX2, with a smaller L2
    (32, 4): Tiles(32, 2, 3, 2, 8, 6, 8, 6, 16),  # Arm
}
TILE = TILES[registers()]
PANEL, ROWS, EXAMPLES, REST_EXAMPLES, PART = TILE[:5]
UPDATE_ROWS, UPDATE_COLUMNS, FIRST_ROWS, FIRST_COLUMNS, SPREAD, HELD, HELD_ROWS, HELD_BLOCK = TILE[5:]
NARROW = min(LANES, UPDATE_COLUMNS)  # columns of a tile that every strip is a multiple of

dot, dot_rest = (dot_tile(ROWS, n, ahead=PANEL, part=PART, spread=SPREAD) for n in (EXAMPLES, REST_EXAMPLES))
dot_one = dot_tile(ROWS, 1, ahead=PANEL, part=PART)
row_dot, row_dot_one = (dot_tile(1, n, part=PART) for n in (EXAMPLES, 1))
update = update_tile(UPDATE_ROWS, with_delta=True, lanes=UPDATE_COLUMNS, ahead=2 * UPDATE_ROWS)
update_narrow = update_tile(UPDATE_ROWS, with_delta=True, lanes=NARROW, ahead=2 * UPDATE_ROWS)
update_first = update_tile(FIRST_ROWS, with_delta=False, lanes=FIRST_COLUMNS, ahead=2 * FIRST_ROWS)
update_first_narrow = update_tile(FIRST_ROWS, with_delta=False, ahead=2 * FIRST_ROWS)
update_few, update_first_few = update_tile(FEW, with_delta=True), update_tile(FEW, with_delta=False)
update_row, update_first_row = update_tile(1, with_delta=True), update_tile(1, with_delta=False)
held = held_tile(HELD, HELD_ROWS, LANES, with_delta=True, ahead=HELD_BLOCK)
held_row = held_tile(HELD, 1, LANES, with_delta=True)
held_first = held_tile(HELD, HELD_ROWS, 2 * LANES, with_delta=False, ahead=HELD_BLOCK)
held_first_row = held_tile(HELD, 1, LANES, with_delta=False)


@inner
def share(n, unit, thread, threads):
    """This thread's part of 0..n-1, in whole units."""
    units = (n + unit - 1) // unit
    return min(n, units * thread // threads * unit), min(n, units * (thread + 1) // threads * unit)


@inner
def row_dots(W, j, a, z):
    """z of one unit."""
    whole = len(a) // EXAMPLES * EXAMPLES
    for e in range(0, whole, EXAMPLES):
        row_dot(W, j, a, e, z, 0, 0)
    for e in range(whole, len(a)):
        row_dot_one(W, j, a, e, z, 0, 0)


def dots(W, a, z, start, stop):
    """z[e, j] = sum_k W[j, k] a[e, k] for the units j = start..stop-1."""
    examples = len(a)
    passes = max(1, examples // EXAMPLES)
    share_of_pass = -(-ROWS // passes)  # with SPREAD: rows that its tiles prefetch, of the ROWS a panel below their own
    for panel in range(start, stop, PANEL):
        end = min(panel + PANEL, stop)
        whole = panel + (end - panel) // ROWS * ROWS
        e, fetched, each = 0, 0, share_of_pass
        while examples - e >= REST_EXAMPLES and (examples - e) % EXAMPLES != 0:
            for j in range(panel, whole, ROWS):
                dot_rest(W, j, a, e, z, fetched, each)
            e, fetched = e + REST_EXAMPLES, fetched + each
            each = min(each, ROWS - fetched)
        while examples - e >= EXAMPLES:
            for j in range(panel, whole, ROWS):
                dot(W, j, a, e, z, fetched, each)
            e, fetched = e + EXAMPLES, fetched + each
            each = min(each, ROWS - fetched)
        for e_one in range(e, examples):
            for j in range(panel, whole, ROWS):
                dot_one(W, j, a, e_one, z, 0, 0)
        for j in range(whole, end):
            row_dots(W, j, a, z)


@inner
def strip_columns(examples):
    """How many columns' a and delta fit into the L1 cache: a multiple of the tiles' columns."""
    columns = max(LANES, UPDATE_COLUMNS)
    return max(1, L1_BYTES // (2 * 4 * columns * examples)) * columns


@inner
def packed_deltas(delta, fan_out, rows):
    """delta of the units by tile of rows: (tiles * examples, rows), the examples of a tile one after another. Empty
    where a copy is not worth it."""
    examples, tiles = len(delta), fan_out // rows
    if examples < PACKED or delta.shape[1] < PAGE:
        return delta[:0]
    packed = np.empty((tiles * examples, rows), np.float32)
    for tile in range(tiles):
        for e in range(examples):
            for r in range(rows):
                packed[tile * examples + e, r] = delta[e, tile * rows + r]
    return packed


@numba.njit(error_model="numpy", inline="always")
def update_strip(W, k, n, a, c, delta, packed, below, step):
    """Columns k..k+n-1 of a layer, which are columns c.. of a and below: adds to delta below (without the slope), then
    W -= step * delta a. packed: as packed_deltas has them."""
    examples = len(a)
    wide, whole = n // UPDATE_COLUMNS * UPDATE_COLUMNS, len(W) // UPDATE_ROWS * UPDATE_ROWS
    for j in range(0, whole, UPDATE_ROWS):
        tile, first, i = (packed, j // UPDATE_ROWS * examples, 0) if len(packed) else (delta, 0, j)
        if wide:
            update(W, j, k, wide, a, c, tile, first, i, below, step)
        if UPDATE_COLUMNS > NARROW and wide < n:
            update_narrow(W, j, k + wide, n - wide, a, c + wide, tile, first, i, below, step)
    few = whole + (len(W) - whole) // FEW * FEW
    for j in range(whole, few, FEW):
        update_few(W, j, k, n, a, c, delta, 0, j, below, step)
    for j in range(few, len(W)):
        update_row(W, j, k, n, a, c, delta, 0, j, below, step)


@numba.njit(error_model="numpy", inline="always")
def update_first_strip(W, k, n, a, c, delta, packed, step):
    """As update_strip, for the first layer, which needs no delta below."""
    examples = len(a)
    wide, whole = n // FIRST_COLUMNS * FIRST_COLUMNS, len(W) // FIRST_ROWS * FIRST_ROWS
    for j in range(0, whole, FIRST_ROWS):
        tile, first, i = (packed, j // FIRST_ROWS * examples, 0) if len(packed) else (delta, 0, j)
        if wide:
            update_first(W, j, k, wide, a, c, tile, first, i, a, step)
        if FIRST_COLUMNS > LANES and wide < n:
            update_first_narrow(W, j, k + wide, n - wide, a, c + wide, tile, first, i, a, step)
    few = whole + (len(W) - whole) // FEW * FEW
    for j in range(whole, few, FEW):
        update_first_few(W, j, k, n, a, c, delta, 0, j, a, step)
    for j in range(few, len(W)):
        update_first_row(W, j, k, n, a, c, delta, 0, j, a, step)


@inner
def update_held(W, start, stop, a, delta, below, step):
    """As update_columns, for HELD examples."""
    whole = len(W) // HELD_ROWS * HELD_ROWS
    clear(below, start, stop - start)
    for j in range(0, whole, HELD_BLOCK):
        for k in range(start, stop, LANES):
            held(W, j, min(HELD_BLOCK, whole - j), k, a, delta, below, step)
    if whole < len(W):
        for k in range(start, stop, LANES):
            held_row(W, whole, len(W) - whole, k, a, delta, below, step)


@inner
def update_first_held(W, start, stop, a, delta, step):
    """As update_first_columns, for HELD examples."""
    whole, wide = len(W) // HELD_ROWS * HELD_ROWS, start + (stop - start) // (2 * LANES) * 2 * LANES
    for j in range(0, whole, HELD_BLOCK):
        for k in range(start, wide, 2 * LANES):
            held_first(W, j, min(HELD_BLOCK, whole - j), k, a, delta, a, step)
    for k in range(start, stop, LANES):
        top = whole if k < wide else 0
        if top < len(W):
            held_first_row(W, top, len(W) - top, k, a, delta, a, step)


def update_columns(W, start, stop, a, delta, below, step):
    """Columns start..stop-1 of a layer: delta below (without the slope), then W -= step * delta a."""
    examples = len(a)
    if examples == HELD:
        update_held(W, start, stop, a, delta, below, step)
        return
    columns, packed = strip_columns(examples), packed_deltas(delta, len(W), UPDATE_ROWS)
    together = examples >= PACKED and a.shape[1] >= PAGE and len(W) >= MANY
    a_strip, below_strip = a, below
    if together:
        a_strip, below_strip = np.empty((examples, columns), np.float32), np.empty((examples, columns), np.float32)
    for k in range(start, stop, columns):
        n, c = min(columns, stop - k), 0 if together else k
        if together:
            copy(a, k, a_strip, 0, n)
        clear(below_strip, c, n)
        update_strip(W, k, n, a_strip, c, delta, packed, below_strip, step)
        if together:
            copy(below_strip, 0, below, k, n)


def update_first_columns(W, start, stop, a, delta, step):
    """As update_columns, for the first layer, which needs no delta below."""
    examples = len(a)
    if examples == HELD:
        update_first_held(W, start, stop, a, delta, step)
        return
    columns, packed = strip_columns(examples), packed_deltas(delta, len(W), FIRST_ROWS)
    together = examples >= PACKED and a.shape[1] >= PAGE and len(W) >= MANY
    a_strip = a
    if together:
        a_strip = np.empty((examples, columns), np.float32)
    for k in range(start, stop, columns):
        n, c = min(columns, stop - k), 0 if together else k
        if together:
            copy(a, k, a_strip, 0, n)
        update_first_strip(W, k, n, a_strip, c, delta, packed, step)


_DOTS = types.void(MATRIX, MATRIX, MATRIX, types.intp, types.intp)
_UPDATE = types.void(MATRIX, types.intp, types.intp, MATRIX, MATRIX, MATRIX, types.float32)
_UPDATE_FIRST = types.void(MATRIX, types.intp, types.intp, MATRIX, MATRIX, types.float32)
call_dots, call_update_columns, call_update_first_columns = map(calling, (_DOTS, _UPDATE, _UPDATE_FIRST))


@cache
def products() -> dict[str, Apart]:
    """By their names."""
    return {
        "dots": Apart(jit_apart(dots), _DOTS),
        "update_columns": Apart(jit_apart(update_columns), _UPDATE),
        "update_first_columns": Apart(jit_apart(update_first_columns), _UPDATE_FIRST),
    }
