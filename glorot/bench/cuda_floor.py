"""What one GPU can do at most: reading and writing weights, arithmetic, and a barrier of the whole grid. Measured."""

import time
from dataclasses import dataclass

import numpy as np
from numba import cuda, types

from glorot.compiled.elementary import F, fma
from glorot.kernels.cuda import Queue, device_errors
from glorot.kernels.cuda_tiles import THREADS as BARRIER_THREADS
from glorot.kernels.cuda_tiles import arrive, at, put, wait

THREADS, BLOCKS_A_PROCESSOR = 1024, 2
CHAINS, TURNS = 8, 4096
BARRIERS = 2000


@dataclass(frozen=True)
class GpuFloor:
    """read, read_write: bytes/s of weights of the size measured. flops: operations/s. barrier: seconds, of as many
    blocks as the network's grid has. weights_stay: in shared memory, so that none is read or written in an update."""

    read: float
    read_write: float
    flops: float
    barrier: float
    weights_stay: bool = False


@cuda.jit
def _read(values, sums):
    first, total = cuda.grid(1), F(0)
    for i in range(first, len(values), cuda.gridsize(1)):
        total += at(values, i)
    if total == F(1.5):  # so that the loop is not for nothing
        put(sums, 0, total)


@cuda.jit
def _read_write(values):
    for i in range(cuda.grid(1), len(values), cuda.gridsize(1)):
        put(values, i, at(values, i) * F(0.999))


@cuda.jit
def _compute(start, sums):
    x = cuda.local.array(CHAINS, types.float32)
    for i in range(CHAINS):
        x[i] = start + F(i)
    for _ in range(TURNS):
        for i in range(CHAINS):
            x[i] = fma(x[i], F(0.999), F(0.5))
    total = F(0)
    for i in range(CHAINS):
        total += x[i]
    if total == F(1.5):
        put(sums, 0, total)


@cuda.jit
def _barriers(counter):
    for passed in range(BARRIERS):
        arrive(counter)
        wait(counter, passed + 1)


def measure(n_bytes: int, blocks: int, weights_stay: bool) -> GpuFloor:
    """The best of a few tries, for weights of so many bytes and a grid of so many blocks. Raises DeviceError."""
    with device_errors():
        queue, processors = Queue(), cuda.get_current_device().MULTIPROCESSOR_COUNT
        grid = processors * BLOCKS_A_PROCESSOR, THREADS, queue.stream
        values, sums = queue.put(np.ones(n_bytes // 4, np.float32)), queue.put(np.zeros(1, np.float32))

        def seconds(work, repeats):
            best = np.inf
            for _ in range(5):
                queue.stream.synchronize()
                began = time.perf_counter()
                for _ in range(repeats):
                    work()
                queue.stream.synchronize()
                best = min(best, (time.perf_counter() - began) / repeats)
            return best

        counters = [queue.put(np.zeros(1, np.int64)) for _ in range(8)]
        _barriers.compile((types.int64[::1],))
        for one in _barriers.overloads.values():
            one.cooperative = True
        barrier = np.inf
        for counter in counters:
            began = time.perf_counter()
            _barriers[blocks, BARRIER_THREADS, queue.stream](counter)
            queue.stream.synchronize()
            barrier = min(barrier, (time.perf_counter() - began) / BARRIERS)
        threads = processors * BLOCKS_A_PROCESSOR * THREADS
        return GpuFloor(
            n_bytes / seconds(lambda: _read[grid](values, sums), 200),
            2 * n_bytes / seconds(lambda: _read_write[grid](values), 200),
            2 * CHAINS * TURNS * threads / seconds(lambda: _compute[grid](F(1), sums), 20),
            barrier,
            weights_stay,
        )
