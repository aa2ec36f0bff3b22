"""What this machine can do at best: reading, reading and writing, and multiplying, as fast as vectors go.

`glorot bench` holds the kernels against these three rates.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from glorot.compiled.cache import jit, registers
from glorot.kernels.simd import LANES, VECTOR, fused, load, pointer_to, splat, store, variables

ACCUMULATORS = (
    24 if registers() == (32, 16) else 6
)  # sums: enough to hide the latency of additions, few enough for the registers


@intrinsic
def _sum_up(typingctx, x, start, stop):
    """Read x[start:stop], whole groups of 8 vectors; returns something that depends on all of it."""

    def codegen(context, builder, signature, args):
        base = pointer_to(context, builder, x, args[0], args[1])
        n = builder.sub(args[2], args[1])
        sums = variables(builder, 8)
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(8 * LANES), inc=True) as (k, _):
            for i, s in enumerate(sums):
                value = load(builder, base, builder.add(k, n.type(i * LANES)))
                builder.store(builder.fadd(builder.load(s), value), s)
        total = builder.load(sums[0])
        for s in sums[1:]:
            total = builder.fadd(total, builder.load(s))
        return builder.extract_element(total, ir.IntType(32)(0))

    return types.float32(x, types.intp, types.intp), codegen


@intrinsic
def _scale(typingctx, x, start, stop, factor):
    """x[start:stop] *= factor: read and write whole groups of 8 vectors."""

    def codegen(context, builder, signature, args):
        base = pointer_to(context, builder, x, args[0], args[1])
        n = builder.sub(args[2], args[1])
        factor_ = splat(builder, args[3])
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(8 * LANES), inc=True) as (k, _):
            for i in range(8):
                place = builder.add(k, n.type(i * LANES))
                store(builder, builder.fmul(load(builder, base, place), factor_), base, place)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, types.float32), codegen


@intrinsic
def _multiply_add(typingctx, times, factor):
    """`times` rounds of ACCUMULATORS fused multiply-adds of 16 lanes, in registers."""

    def codegen(context, builder, signature, args):
        factor_ = splat(builder, args[1])
        sums = variables(builder, ACCUMULATORS)
        with cgutils.for_range(builder, args[0]):
            for s in sums:
                builder.store(fused(builder, builder.load(s), factor_, factor_), s)
        total = ir.Constant(VECTOR, None)
        for s in sums:
            total = builder.fadd(total, builder.load(s))
        return builder.extract_element(total, ir.IntType(32)(0))

    return types.float32(types.intp, types.float32), codegen


@jit
def read(x, start, stop, times):
    total = np.float32(0)
    for _ in range(times):
        total += _sum_up(x, start, stop)
    return total


@jit
def read_and_write(x, start, stop, factor, times):
    for _ in range(times):
        _scale(x, start, stop, factor)


@jit
def multiply_add(times):
    return _multiply_add(times, np.float32(0.5))


@dataclass(frozen=True)
class Floor:
    """Rates of some threads together. read: bytes/s. read_write: bytes/s, counting both ways. flops: float32
    operations/s, a fused multiply-add counting two. barrier: seconds; a CPU's is not noticed. weights_stay: where an
    update need not read or write them, as on some GPUs (`cuda_floor`)."""

    read: float
    read_write: float
    flops: float
    barrier: float = 0.0
    weights_stay: bool = False


def measure(n_bytes: int, threads: int, repetitions: int = 7) -> Floor:
    """Measure this machine's rates, with a working set of so many bytes shared by the threads: the best of some."""
    group = 8 * LANES
    share = max(group, n_bytes // 4 // threads // group * group)
    x = np.ones(share * threads, np.float32)
    one = np.float32(1)  # not known to the compiler, which would leave out the multiplication
    times = max(1, 2**25 // x.nbytes)

    with ThreadPoolExecutor(threads) as pool:

        def best(work: Callable[[int], object]) -> float:
            seconds = []
            for _ in range(repetitions + 1):  # the first one compiles
                began = time.perf_counter()
                list(pool.map(work, range(threads)))
                seconds.append(time.perf_counter() - began)
            return min(seconds[1:])

        reading = best(lambda thread: read(x, thread * share, (thread + 1) * share, times))
        both = best(lambda thread: read_and_write(x, thread * share, (thread + 1) * share, one, times))
        rounds = 2**20
        adding = best(lambda thread: multiply_add(rounds))
    return Floor(
        x.nbytes * times / reading, 2 * x.nbytes * times / both, 2 * LANES * ACCUMULATORS * rounds * threads / adding
    )
