"""Optimizers that keep something of each weight: the gradient of a tile of W is left in L1, and a loop over its rows
moves the weights and what is kept of them, laid out as W is.

A gradient below LEAST_GRADIENT counts as 0, and so does what is kept below LEAST_KEPT: the running mean of a weight
whose gradient is 0, such as that of a pixel that is mostly black, would become subnormal and stay so (``formulas.py``).
"""

from functools import cache

from numba.core import types

from glorot.compiled.cache import jit_apart
from glorot.compiled.calls import Apart, calling
from glorot.compiled.elementary import ZERO, F
from glorot.kernels.products import NARROW, UPDATE_ROWS
from glorot.kernels.simd import MATRIX, ROW
from glorot.kernels.tiles import update_tile
from glorot.kernels.views import STRIDE_IN, W, clear

LEAST_GRADIENT = F(2.0**-57)  # a thousandth of its square is normal: Adam's mean takes that
LEAST_KEPT = F(2.0**-125)

gradient = update_tile(UPDATE_ROWS, with_delta=True, lanes=NARROW, ahead=UPDATE_ROWS, apart=True)
gradient_first = update_tile(UPDATE_ROWS, with_delta=False, ahead=UPDATE_ROWS, apart=True)
gradient_row = update_tile(1, with_delta=True, apart=True)
gradient_first_row = update_tile(1, with_delta=False, apart=True)


def optimizer_step(*arguments):
    """In its place stands the formula of an optimizer (``formulas.py``)."""
    raise NotImplementedError("each optimizer has its own")


def move_one(W_, j, rows, k, n, gradients, memory, place, rates):
    """The weights W[j : j+rows, k : k+n] and what is kept of them: one number of each. gradients: (>= rows, >= n), sums
    over the minibatch.

    memory: (kept, n_parameters). place: of W[j, k] among the parameters. rates: rate, correction, 1 / batch_size.
    """
    rate, correction, scale = rates[0], rates[1], rates[2]
    for r in range(rows):
        first = place + r * W_.shape[1]
        w, gradient, kept = W_[j + r, k : k + n], gradients[r, :n], memory[0, first : first + n]
        for i in range(n):
            g = scale * gradient[i]
            w[i], one = optimizer_step(w[i], ZERO if abs(g) < LEAST_GRADIENT else g, kept[i], rate, correction)
            kept[i] = ZERO if abs(one) < LEAST_KEPT else one


def move_two(W_, j, rows, k, n, gradients, memory, place, rates):
    """As move_one, where two numbers of each weight are kept."""
    rate, correction, scale = rates[0], rates[1], rates[2]
    for r in range(rows):
        first = place + r * W_.shape[1]
        w, gradient = W_[j + r, k : k + n], gradients[r, :n]
        kept, too = memory[0, first : first + n], memory[1, first : first + n]
        for i in range(n):
            g = scale * gradient[i]
            g = ZERO if abs(g) < LEAST_GRADIENT else g
            w[i], one, two = optimizer_step(w[i], g, kept[i], too[i], rate, correction)
            kept[i] = ZERO if abs(one) < LEAST_KEPT else one
            too[i] = ZERO if abs(two) < LEAST_KEPT else two


MOVES = {1: move_one, 2: move_two}  # by the optimizer's number of numbers kept
MOVE = types.void(MATRIX, *[types.intp] * 4, MATRIX, MATRIX, types.intp, ROW)
call_move = calling(MOVE)


def move_columns(layer, first, W_, memory, k, n, a_below, delta_above, delta_below, gradients, rates, move):
    """Columns k..k+n-1 of a layer: delta below (without the slope; not of the first layer), and their weights.

    layer: its row of ``layers``. gradients: room. move: the address of one of MOVES.
    """
    width = layer[STRIDE_IN]
    if not first:
        clear(delta_below, k, n)
    j = 0
    while j < len(W_):
        rows = UPDATE_ROWS if j + UPDATE_ROWS <= len(W_) else 1
        place = layer[W] + j * width + k
        if first and rows > 1:
            gradient_first(W_, j, k, n, a_below, k, delta_above, 0, j, a_below, gradients, memory, place)
        elif first:
            gradient_first_row(W_, j, k, n, a_below, k, delta_above, 0, j, a_below, gradients, memory, place)
        elif rows > 1:
            gradient(W_, j, k, n, a_below, k, delta_above, 0, j, delta_below, gradients, memory, place)
        else:
            gradient_row(W_, j, k, n, a_below, k, delta_above, 0, j, delta_below, gradients, memory, place)
        call_move(move, W_, j, rows, k, n, gradients, memory, place, rates)
        j += rows


MOVE_COLUMNS = types.void(
    types.int64[::1], types.boolean, MATRIX, MATRIX, types.intp, types.intp, *[MATRIX] * 4, ROW, types.int64
)
call_move_columns = calling(MOVE_COLUMNS)


@cache
def columns_mover() -> Apart:
    return Apart(jit_apart(move_columns), MOVE_COLUMNS)
