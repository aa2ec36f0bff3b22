"""A barrier between the threads of one run."""

from numba.core import types
from numba.extending import intrinsic

from glorot.compiled.cache import inner
from glorot.kernels.simd import pointer_to

_yield_processor = types.ExternalFunction("sched_yield", types.int32())


@intrinsic
def _atomic_add(typingctx, array, index, value):
    """array[index] += value in one step; the value before."""

    def codegen(context, builder, signature, args):
        pointer = pointer_to(context, builder, array, args[0], args[1])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def _atomic_load(typingctx, array, index):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(pointer_to(context, builder, array, args[0], args[1]), "seq_cst", align=8)

    return types.int64(array, types.intp), codegen


ARRIVED, ROUND = 0, 16  # places in the barrier's array: a cache line each
SPINS = 2000  # about 10 us; then give the processor away, for there may be fewer of them than threads


@inner
def wait_for_all(barrier, threads):
    """Return when all threads have called this. barrier: (32,) int64, zeros at first."""
    if threads == 1:
        return
    current = _atomic_load(barrier, ROUND)
    if _atomic_add(barrier, ARRIVED, 1) == threads - 1:
        _atomic_add(barrier, ARRIVED, -threads)
        _atomic_add(barrier, ROUND, 1)
        return
    spins = 0
    while _atomic_load(barrier, ROUND) == current:
        spins += 1
        if spins > SPINS:
            _yield_processor()
