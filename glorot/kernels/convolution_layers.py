"""The layers of convolutional networks on a CPU, one example or one minibatch at a time: forward, backward, gradients.

``convolution.py`` puts them together.

An example's maps lie in a block of a of its own. Their rows are padded to a multiple of 16 floats, with at least
side - 1 floats behind each, so that vectors along a row may begin at any column of a kernel and read behind its end::

            x ->      width          row                       delta of the same map: 0 behind each row and below
        +---------------------+-----+                +---------------------+-----+
     y  | units of map 0      | any |             y  | deltas of map 0     |  0  |    so that the sum over the turned
        |        +-----+      |     |                |                     |  0  |    kernel, which reads side - 1 units
        |        |kern.|16 columns  |                +---------------------+-----+    before and behind each row and
        |        |     |->    |     |                |  0         0          0   |    map, meets zeros there
        +--------+-----+------+-----+                +---------------------+-----+
        | units of map 1      | any |                | deltas of map 1     |  0  |

Sums are taken in tiles::

    a tile of a convolution: 4 or 5 rows of 16 columns of z stay in registers; a row of a is loaded once for all rows
    of the kernel. A tile of a kernel's gradient: the deltas of 5 rows and all 25 sums stay in registers.

                   forward, delta below     gradient of a kernel         delta of W's columns      gradient of W
        AVX-512    5 or 4 rows x 16         5 rows x 25 weights          5 examples x 2 vectors    8 rows x 16
        others     5 or 4 rows x 8          5 rows x 5 weights           5 examples x 2 vectors    5 rows x 8
"""

from glorot.compiled.cache import inner, registers
from glorot.compiled.elementary import ZERO
from glorot.kernels.convolution_layout import (
    BIASES,
    COUNT,
    DELTA,
    DELTA_MAP,
    FIRST,
    HEIGHT,
    IN,
    IN_HEIGHT,
    IN_MAP,
    IN_ROW,
    IN_WIDTH,
    MAPS,
    MAPS_IN,
    OUT,
    OUT_MAP,
    OUT_ROW,
    POOL,
    POOL_DELTA,
    POOL_MAP,
    POOL_ROW,
    SIDE,
    SUMS,
    TAPS,
    WEIGHTS,
    WIDTH,
)  # fmt: skip
from glorot.kernels.convolution_tiles import convolution_tile, delta_tile, gradient_tile, keep_apart, kernel_gradient
from glorot.kernels.formulas import call_activate, call_times_slope
from glorot.kernels.products import share
from glorot.kernels.simd import LANES

if registers() == (32, 16):
    COLUMNS, ROWS, GRADIENT_COLUMNS = 16, 8, SIDE
else:
    COLUMNS, ROWS, GRADIENT_COLUMNS = 8, 5, 1
FIVE, FOUR = 5, 4

convolve_five, convolve_four, convolve_one = (convolution_tile(rows, SIDE, COLUMNS) for rows in (FIVE, FOUR, 1))
turned_five, turned_four, turned_one = (convolution_tile(rows, SIDE, COLUMNS, flipped=True) for rows in (FIVE, FOUR, 1))
gradient_of_kernel = kernel_gradient(FIVE, SIDE, GRADIENT_COLUMNS)
EXAMPLES = 5
pass_down, pass_down_one, pass_down_rest = (delta_tile(*tile, COLUMNS) for tile in ((EXAMPLES, 2), (1, 2), (1, 1)))
gradient_rows, gradient_row = gradient_tile(ROWS, COLUMNS), gradient_tile(1, COLUMNS)


# Convolutions. ----------------------------------------------------------------------------------------------


@inner
def convolve(a, at, row, W, k, z, place, z_row, height, width):
    """Add to a map of height x width what one kernel makes of another map. a, z, W: flat."""
    keep_apart()
    for x in range(0, width, COLUMNS):
        y = 0
        while height - y >= FIVE and (height - y) % FOUR != 0:
            convolve_five(a, at + y * row + x, row, W, k, z, place + y * z_row + x, z_row)
            y += FIVE
        while height - y >= FOUR:
            convolve_four(a, at + y * row + x, row, W, k, z, place + y * z_row + x, z_row)
            y += FOUR
        for y_one in range(y, height):
            convolve_one(a, at + y_one * row + x, row, W, k, z, place + y_one * z_row + x, z_row)


@inner
def convolve_turned(a, at, row, W, k, z, place, z_row, height, width):
    """As `convolve`, with the kernel turned by 180 degrees."""
    keep_apart()
    for x in range(0, width, COLUMNS):
        y = 0
        while height - y >= FIVE and (height - y) % FOUR != 0:
            turned_five(a, at + y * row + x, row, W, k, z, place + y * z_row + x, z_row)
            y += FIVE
        while height - y >= FOUR:
            turned_four(a, at + y * row + x, row, W, k, z, place + y * z_row + x, z_row)
            y += FOUR
        for y_one in range(y, height):
            turned_one(a, at + y_one * row + x, row, W, k, z, place + y_one * z_row + x, z_row)


@inner
def activate(own, z, kept):
    """a = f(z) in place; to kept what its slope takes, if that is z: else it is a itself. z, kept: (units,)."""
    if own.keeps_z:
        copy(z, 0, kept, len(z))
    call_activate(own.activate, z.reshape((1, len(z))), 0, len(z), own.least)


@inner
def times_slope(own, delta, kept):
    """delta *= f'(z). delta, kept: (units,)."""
    n = len(delta)
    call_times_slope(own.times_slope, delta.reshape((1, n)), kept.reshape((1, n)), 0, n, own.least)


@inner
def forward_pair(own, pair, kernels, parameters, a, kept):
    """Convolution, pooling and their activations, of one example. a: its block. kept: the same block of what slopes
    take."""
    keep_apart()
    k = pair[FIRST]
    for m in range(pair[MAPS]):
        place = pair[OUT] + m * pair[OUT_MAP]
        z = a[place : place + pair[OUT_MAP]]
        b = parameters[pair[BIASES] + m]
        for i in range(len(z)):
            z[i] = b
        while k < pair[FIRST] + pair[COUNT] and kernels[k, 0] == m:
            at, weights = pair[IN] + kernels[k, 1] * pair[IN_MAP], pair[WEIGHTS] + (k - pair[FIRST]) * TAPS
            convolve(a, at, pair[IN_ROW], parameters, weights, a, place, pair[OUT_ROW], pair[HEIGHT], pair[WIDTH])
            k += 1
        activate(own, z, kept[place : place + pair[OUT_MAP]])
        pool(own, pair, m, parameters, a, kept)


@inner
def pool(own, pair, m, parameters, a, kept):
    """Pooled units of map m of one example: f(c * sum + b)."""
    c = parameters[pair[BIASES] + pair[MAPS] + m]
    b = parameters[pair[BIASES] + 2 * pair[MAPS] + m]
    width = pair[WIDTH] // 2
    for y in range(pair[HEIGHT] // 2):
        upper = pair[OUT] + m * pair[OUT_MAP] + 2 * y * pair[OUT_ROW]
        place = pair[POOL] + m * pair[POOL_MAP] + y * pair[POOL_ROW]
        top, bottom = a[upper : upper + 2 * width], a[upper + pair[OUT_ROW] : upper + pair[OUT_ROW] + 2 * width]
        row = a[place : place + width]
        for x in range(width):
            row[x] = c * ((top[2 * x] + top[2 * x + 1]) + (bottom[2 * x] + bottom[2 * x + 1])) + b
        activate(own, row, kept[place : place + width])


@inner
def backward_pair(own, pair, kernels, parameters, a, kept, delta, lanes):
    """Deltas of one example's convolution, from those that its pooled units got (which become deltas of their z), and
    what c and the biases get. a, kept, delta: its blocks. lanes: (4, >= width) float32, for sums along columns."""
    keep_apart()
    width = pair[WIDTH] // 2
    for m in range(pair[MAPS]):
        c = parameters[pair[BIASES] + pair[MAPS] + m]
        for x in range(lanes.shape[1]):
            lanes[0, x] = lanes[1, x] = lanes[2, x] = ZERO
        for y in range(pair[HEIGHT] // 2):
            upper = pair[OUT] + m * pair[OUT_MAP] + 2 * y * pair[OUT_ROW]
            top, bottom = a[upper : upper + 2 * width], a[upper + pair[OUT_ROW] : upper + pair[OUT_ROW] + 2 * width]
            place = pair[POOL] + m * pair[POOL_MAP] + y * pair[POOL_ROW]
            pooled = kept[place : place + width]
            place += pair[POOL_DELTA] - pair[POOL]
            above, below = delta[place : place + width], lanes[3]
            times_slope(own, above, pooled)
            for x in range(width):
                below[x] = above[x] * c
                lanes[0, x] += above[x] * ((top[2 * x] + top[2 * x + 1]) + (bottom[2 * x] + bottom[2 * x + 1]))
                lanes[1, x] += above[x]
            place = pair[DELTA] + m * pair[DELTA_MAP] + 2 * y * pair[OUT_ROW]
            spread(own, below, kept[upper : upper + 2 * width], delta[place : place + 2 * width], lanes[2])
            place += pair[OUT_ROW]
            upper += pair[OUT_ROW]
            spread(own, below, kept[upper : upper + 2 * width], delta[place : place + 2 * width], lanes[2])
        delta[pair[SUMS] + m] = total(lanes[2, : 2 * width])
        delta[pair[SUMS] + pair[MAPS] + m] = total(lanes[0, :width])
        delta[pair[SUMS] + 2 * pair[MAPS] + m] = total(lanes[1, :width])


@inner
def spread(own, pooled, kept, delta, sums):
    """Deltas of a row of units from the row of pooled ones above them; adds them to sums. kept, delta: (2 * width,)."""
    for x in range(len(kept) // 2):
        delta[2 * x] = delta[2 * x + 1] = pooled[x]
    times_slope(own, delta, kept)
    for x in range(len(kept)):
        sums[x] += delta[x]


@inner
def total(numbers):
    """Their sum, in their order."""
    result = ZERO
    for number in numbers:
        result += number
    return result


@inner
def delta_below(pair, before, kernels, parameters, delta):
    """What the pooled units below a convolution get, of one example, without their slope. before: the pair below."""
    keep_apart()
    for i in range(pair[MAPS_IN]):
        place = before[POOL_DELTA] + i * pair[IN_MAP]
        for x in range(place, place + pair[IN_MAP]):
            delta[x] = ZERO
    back = (SIDE - 1) * (pair[OUT_ROW] + 1)
    for k in range(pair[COUNT]):
        m, i = kernels[pair[FIRST] + k, 0], kernels[pair[FIRST] + k, 1]
        convolve_turned(
            delta, pair[DELTA] + m * pair[DELTA_MAP] - back, pair[OUT_ROW], parameters, pair[WEIGHTS] + k * TAPS, delta,
            before[POOL_DELTA] + i * pair[IN_MAP], pair[IN_ROW], pair[IN_HEIGHT], pair[IN_WIDTH],
        )  # fmt: skip


@inner
def pair_gradients(pair, kernels, a, delta, gradient, thread, threads):
    """This thread's kernels of one convolution, and for thread 0 what c and the biases get: sums over all examples."""
    keep_apart()
    start, stop = share(pair[COUNT], 1, thread, threads)
    flat_a, flat_delta, vectors = a.reshape(-1), delta.reshape(-1), (pair[WIDTH] + LANES - 1) // LANES
    for k in range(start, stop):
        m, i = kernels[pair[FIRST] + k, 0], kernels[pair[FIRST] + k, 1]
        gradient_of_kernel(
            flat_a, pair[IN] + i * pair[IN_MAP], pair[IN_ROW], a.shape[1], flat_delta,
            pair[DELTA] + m * pair[DELTA_MAP], pair[OUT_ROW], delta.shape[1], len(a), pair[HEIGHT], vectors, gradient,
            pair[WEIGHTS] + k * TAPS,
        )  # fmt: skip
    if thread == 0:
        for i in range(3 * pair[MAPS]):
            gradient[pair[BIASES] + i] = total(delta[:, pair[SUMS] + i])


# Fully connected layers and RBF units. --------------------------------------------------------------------------


@inner
def dense_delta_below(W, delta, below, start, stop):
    """What the units below a layer get, of examples start..stop-1, without their slope."""
    keep_apart()
    columns = below.shape[1]
    whole = columns // (2 * COLUMNS) * 2 * COLUMNS
    for k in range(0, whole, 2 * COLUMNS):
        e = start
        while stop - e >= EXAMPLES:
            pass_down(W, len(W), delta, e, below, k)
            e += EXAMPLES
        for e_one in range(e, stop):
            pass_down_one(W, len(W), delta, e_one, below, k)
    for k in range(whole, columns, COLUMNS):
        for e in range(start, stop):
            pass_down_rest(W, len(W), delta, e, below, k)


@inner
def dense_gradient(delta, a, gradient, thread, threads):
    """This thread's rows of a layer: gradient = delta^T a, over all examples. gradient: as W."""
    keep_apart()
    start, stop = share(len(gradient), ROWS, thread, threads)
    for k in range(0, gradient.shape[1], COLUMNS):
        whole = start + (stop - start) // ROWS * ROWS
        for j in range(start, whole, ROWS):
            gradient_rows(delta, j, a, gradient, k)
        for j in range(whole, stop):
            gradient_row(delta, j, a, gradient, k)


@inner
def distances(patterns, a, logits):
    """logit_i = -sum_j (a_j - p_ji)^2, j in their order. patterns: (inputs, classes)."""
    keep_apart()
    for i in range(len(logits)):
        logits[i] = ZERO
    for j in range(len(patterns)):
        for i in range(patterns.shape[1]):
            difference = a[j] - patterns[j, i]
            logits[i] -= difference * difference


@inner
def distances_delta(patterns, a, above, below):
    """below_j = sum_i above_i * -2 (a_j - p_ji)."""
    keep_apart()
    for j in range(len(patterns)):
        result = ZERO
        for i in range(patterns.shape[1]):
            difference = a[j] - patterns[j, i]
            result -= above[i] * (difference + difference)
        below[j] = result


# Between them. -------------------------------------------------------------------------------------------------


@inner
def copy(source, first, target, n):
    """target[:n] = source[first : first + n]."""
    for i in range(n):
        target[i] = source[first + i]
