"""Random numbers that have an address: number `address` of a stream is a function of the two, on every device."""

import numpy as np

from glorot.compiled.cache import inner

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


@inner
def mix(z):
    """The output function of splitmix64 (Steele, Lea & Flood, 2014): a bijection of uint64."""
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@inner
def word(stream, address):
    """Number `address` of the splitmix64 sequence that starts from `stream`: uint64."""
    return mix(stream + np.uint64(address + 1) * GAMMA)


@inner
def draw(stream, address, n):
    """Integer uniform on 0..n-1, 1 <= n < 2^32: the upper 32 bits times n, divided by 2^32.

    No rejection: a value's probability is off by less than 2^-32, that is 6e-8 of it for n = 255.
    """
    return np.int64(((word(stream, address) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
