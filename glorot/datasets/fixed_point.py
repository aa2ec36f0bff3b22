"""Fixed-point mathematics in int64, in units of 1/ONE: the same bits on every device.

Lengths, sines, cosines, angles (radians) and areas are all in these units.
"""

import math

import numpy as np

from glorot.compiled.cache import inner

FRACTION_BITS = 30
ONE = 1 << FRACTION_BITS
HALF = ONE >> 1
LN2 = round(math.log(2) * ONE)


def fixed(value: float) -> int:
    """Nearest multiple of 1/ONE. So coarse that any sine is good enough for the same bits everywhere."""
    return round(value * ONE)


@inner
def times(a, b):
    """a * b, rounded to the nearest unit."""
    return (a * b + HALF) >> FRACTION_BITS


@inner
def sine_cosine(angle):
    """Sine and cosine for |angle| <= pi/3.

    Nested Taylor series, sin x = x (1 - x^2/(2*3) (1 - x^2/(4*5) (...))), to x^13 and x^12: right to a few
    units.
    """
    square = times(angle, angle)
    sine = cosine = ONE
    for k in (12, 10, 8, 6, 4, 2):
        sine = ONE - times(square, sine) // (k * (k + 1))
        cosine = ONE - times(square, cosine) // (k * (k - 1))
    return times(angle, sine), cosine


@inner
def two_to_minus(t):
    """2^-t for t >= 0: the whole part is a shift, the rest a nested Taylor series of exp(-x)."""
    whole = t >> FRACTION_BITS
    if whole > FRACTION_BITS:
        return 0
    x = times(t & (ONE - 1), LN2)
    power = ONE
    for k in (12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1):
        power = ONE - times(x, power) // k
    return power >> whole


@inner
def unit(x, y):
    """(x, y) / |(x, y)|. The factor ONE is a power of two, so a fused multiply-add would change nothing."""
    length = math.sqrt(float(x * x + y * y))
    nearest_x = math.floor(float(x) / length * ONE + 0.5)
    nearest_y = math.floor(float(y) / length * ONE + 0.5)
    return np.int64(nearest_x), np.int64(nearest_y)


@inner
def ceil_divide(a, b):
    """a / b rounded up, for a >= 0 and b > 0."""
    return (a + b - 1) // b


@inner
def whole_pixels(position, size):
    """The pixel a coordinate of the canvas lies in: rounded down, as a cast to an integer does."""
    return (position * size) >> FRACTION_BITS
