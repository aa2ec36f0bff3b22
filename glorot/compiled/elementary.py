"""exp, log, log1p and tanh in float32, from IEEE operations alone, so that no result depends on a libm.

Written once, on scalars, without branches; the kernels compile these very functions for each device, where
LLVM turns loops over them into vector code. The primitives at the top have plain Python twins here; a compiled
kernel uses the machine's own (``kernels/simd.py`` registers them).

Error bounds over all float32, in units in the last place (tests/test_elementary.py measures them against float64):
exp 1.02, log 0.83, log1p 1.26, tanh 1.34. exp, log and tanh never fall where they should rise; log1p can, by one
such unit. Coefficients: S. L. Moshier's Cephes library, single precision.
"""

import numpy as np

F = np.float32
ONE, TWO, HALF, ZERO = F(1), F(2), F(0.5), F(0)


# Primitives. ---------------------------------------------------------------------------------------


def fma(a, b, c):
    """a * b + c, rounded once (here: through float64, where the product is exact)."""
    return F(np.float64(a) * np.float64(b) + np.float64(c))


def power_of_two(n):
    """2**n for a whole float32 n in -126..127."""
    return F(np.exp2(n))


def exponent(x):
    """e of a positive normal x = m * 2**e with m in [0.5, 1), as float32."""
    return F(np.frexp(x)[1])


def mantissa(x):
    """m of a positive normal x = m * 2**e with m in [0.5, 1)."""
    return F(np.frexp(x)[0])


def sqrt(x):
    """Square root, correctly rounded; NaN below 0."""
    return F(np.sqrt(x))


# Functions. ----------------------------------------------------------------------------------------

ROUND = F(12582912)  # 1.5 * 2**23: adding it leaves no room for a fraction, so it rounds to a whole number
LOG2_E = F(1.44269504088896341)
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)  # n * LN2_HIGH is exact for every n that occurs
INFINITY, NAN = F(np.inf), F(np.nan)
SQRT_HALF = F(0.707106781186547524)
TWO_23 = F(2**23)
TINY = F(np.finfo(np.float32).tiny)


def exp(x):
    """e**x; 0 below -104, inf above 88.73, NaN for NaN."""
    x = F(89) if x > F(89) else x
    x = F(-105) if x < F(-105) else x
    n = fma(x, LOG2_E, ROUND) - ROUND
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))  # |r| <= ln(2) / 2
    p = fma(F(1.9875691500e-4), r, F(1.3981999507e-3))
    p = fma(p, r, F(8.3334519073e-3))
    p = fma(p, r, F(4.1665795894e-2))
    p = fma(p, r, F(1.6666665459e-1))
    p = fma(p, r, F(5.0000001201e-1))
    p = fma(p, r * r, r) + ONE
    half_n = fma(n, HALF, ROUND) - ROUND  # two steps, since 2**n itself may lie outside the normal range
    return p * power_of_two(half_n) * power_of_two(n - half_n)


def log(x):
    """Natural logarithm; -inf at 0, NaN below, inf at inf."""
    subnormal = x < TINY
    y = x * TWO_23 if subnormal else x
    e = exponent(y)
    m = mantissa(y)
    low = m < SQRT_HALF
    e = (e - ONE if low else e) - (F(23) if subnormal else ZERO)
    f = (m + m if low else m) - ONE  # x = (1 + f) * 2**e with 1 + f in [sqrt(1/2), sqrt(2))
    p = fma(F(7.0376836292e-2), f, F(-1.1514610310e-1))
    p = fma(p, f, F(1.1676998740e-1))
    p = fma(p, f, F(-1.2420140846e-1))
    p = fma(p, f, F(1.4249322787e-1))
    p = fma(p, f, F(-1.6668057665e-1))
    p = fma(p, f, F(2.0000714765e-1))
    p = fma(p, f, F(-2.4999993993e-1))
    p = fma(p, f, F(3.3333331174e-1))
    f2 = f * f
    y = fma(e, LN2_LOW, p * f * f2)
    y = fma(-HALF, f2, y)
    y = fma(e, LN2_HIGH, f + y)
    y = y if x < INFINITY else x  # inf and NaN as they came
    y = y if x != ZERO else -INFINITY
    return NAN if x < ZERO else y


def log1p(x):
    """log(1 + x) for x >= 0, also where 1 + x rounds to 1."""
    w = ONE + x
    lost = x - (w - ONE)  # what the sum rounded away; log(w + lost) = log(w) + lost / w
    y = log(w) + lost / w
    return y if w < INFINITY else w


def tanh(x):
    """Hyperbolic tangent; -1 and 1 at the ends, NaN for NaN."""
    x2 = x * x
    p = fma(F(-5.70498872745e-3), x2, F(2.06390887954e-2))
    p = fma(p, x2, F(-5.37397155531e-2))
    p = fma(p, x2, F(1.33314422036e-1))
    p = fma(p, x2, F(-3.33332819422e-1))
    near = fma(p * x2, x, x)
    size = abs(x)
    far = ONE - TWO / (exp(size + size) + ONE)
    far = -far if x < ZERO else far
    return near if size < F(0.625) else far
