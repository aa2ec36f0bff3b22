"""exp, log, tanh, erf, sin and others in float32, from IEEE operations alone, so that no result depends on a libm.

Written once, on scalars, without branches; the kernels compile these very functions for each device, where
LLVM turns loops over them into vector code. The primitives at the top have plain Python twins here; a compiled
kernel uses the machine's own (``kernels/simd.py`` registers them).

Error bounds over all float32, in units in the last place (tests/test_elementary.py measures them against float64):
exp 1.02, log 0.83, log1p 1.26, tanh 1.34, erf 1.8, normal_cdf 5, sin and cos 1.6 (up to LARGEST_ANGLE). exp, log and
tanh never fall where they should rise; log1p can, by one such unit. Coefficients: those of exp, log and tanh are S. L.
Moshier's Cephes library's, single precision; the others are least maximum fits of our own.
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
SQRT_2, QUARTER = F(1.41421356237309505), F(0.25)
TWO_OVER_PI = F(0.636619772367581343)
HALF_PI, HALF_PI_LOW, HALF_PI_LOWEST = F(1.5707963705), F(-4.3711388287e-8), F(-1.7151245100e-15)  # their sum: pi / 2
LARGEST_ANGLE = F(2**17)


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


def _normal_tail(t):
    """exp(t^2 / 2) Phi(-t) for 0 <= t <= 15, Phi the standard normal distribution: a polynomial in (t - 4) / (t + 4),
    divided by t + 4 (the substitution of Shepherd & Laframboise 1981)."""
    shrunk = ONE / (t + F(4))
    u = (t - F(4)) * shrunk
    p = fma(F(-1.3419636260e-4), u, F(1.7465921136e-4))
    p = fma(p, u, F(1.5684082976e-3))
    p = fma(p, u, F(-3.5102108802e-3))
    p = fma(p, u, F(-7.5240043356e-3))
    p = fma(p, u, F(6.0403489459e-2))
    p = fma(p, u, F(-1.8652365631e-1))
    p = fma(p, u, F(3.8713691652e-1))
    p = fma(p, u, F(-6.0789657988e-1))
    p = fma(p, u, F(7.5528513525e-1))
    return p * shrunk


def _exp_of_minus(scale, x):
    """exp(-scale x^2), with what x^2 loses by rounding; scale: a power of two."""
    square = x * x
    lost = fma(x, x, -square)
    e = exp(-scale * square)
    return fma(-scale * lost, e, e)


def erf(x):
    """The error function; -1 and 1 at the ends, NaN for NaN."""
    x2 = x * x
    p = fma(F(7.8538942447e-5), x2, F(-8.0102044110e-4))
    p = fma(p, x2, F(5.1883290485e-3))
    p = fma(p, x2, F(-2.6853812764e-2))
    p = fma(p, x2, F(1.1283585173e-1))
    p = fma(p, x2, F(-3.7612625827e-1))
    near = fma(fma(p, x2, F(1.2837916571e-1)), x, x)
    size = abs(x)
    size = F(5) if size > F(5) else size
    far = ONE - TWO * _exp_of_minus(ONE, size) * _normal_tail(size * SQRT_2)
    far = -far if x < ZERO else far
    return near if size < ONE else far


def normal_cdf(x):
    """Phi(x), the standard normal distribution, also of its left tail; 0 and 1 at the ends, NaN for NaN."""
    x2 = x * x
    p = fma(F(-6.8095211403e-6), x2, F(1.1104125497e-4))
    p = fma(p, x2, F(-1.1838373582e-3))
    p = fma(p, x2, F(9.9722828641e-3))
    p = fma(p, x2, F(-6.6490207978e-2))
    p = fma(p, x2, F(3.9894227659e-1))
    near = fma(p, x, HALF)
    size = abs(x)
    size = F(15) if size > F(15) else size
    tail = _exp_of_minus(HALF, size) * _normal_tail(size)
    far = ONE - tail if x > ZERO else tail
    return near if size < F(0.8) else far


def _near_zero(x, n):
    """x - n pi / 2, to the last place."""
    return fma(n, -HALF_PI_LOWEST, fma(n, -HALF_PI_LOW, fma(n, -HALF_PI, x)))


def _sin_near_zero(r):
    r2 = r * r
    p = fma(F(2.7181141806e-6), r2, F(-1.9839311495e-4))
    p = fma(p, r2, F(8.3333293025e-3))
    p = fma(p, r2, F(-1.6666666641e-1))
    return fma(p * r2, r, r)


def _cos_near_zero(r):
    r2 = r * r
    p = fma(F(2.4433081317e-5), r2, F(-1.3887315604e-3))
    p = fma(p, r2, F(4.1666645670e-2))
    return fma(p * r2, r2, fma(-HALF, r2, ONE))


def sin(x):
    """Sine; NaN beyond LARGEST_ANGLE on either side, where float32 has no digits left for it."""
    n = fma(x, TWO_OVER_PI, ROUND) - ROUND
    r = _near_zero(x, n)
    turn = n - F(4) * (fma(n, QUARTER, ROUND) - ROUND)  # -2, -1, 0, 1 or 2 quarter turns
    y = _cos_near_zero(r) if abs(turn) == ONE else _sin_near_zero(r)
    y = y if abs(turn - HALF) == HALF else -y
    return y if abs(x) <= LARGEST_ANGLE else NAN


def cos(x):
    """Cosine; as sin."""
    n = fma(x, TWO_OVER_PI, ROUND) - ROUND
    r = _near_zero(x, n)
    turn = n - F(4) * (fma(n, QUARTER, ROUND) - ROUND)
    y = _sin_near_zero(r) if abs(turn) == ONE else _cos_near_zero(r)
    y = y if abs(turn + HALF) == HALF else -y
    return y if abs(x) <= LARGEST_ANGLE else NAN


# All that compiled code may call, but the primitives.
FUNCTIONS = (
    exp, log, log1p, tanh, erf, normal_cdf, sin, cos,
    _normal_tail, _exp_of_minus, _near_zero, _sin_near_zero, _cos_near_zero,
)  # fmt: skip
