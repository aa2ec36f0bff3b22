"""The simulator of numba.cuda with all blocks of a grid at work at a time; its own has them one after another.

So kernels whose blocks wait for each other can be tried on any machine. Each block has shared memory of its own, full
of numbers that are wrong, as on a GPU.
"""

import threading
from contextlib import contextmanager

import numpy as np
from numba.cuda.simulator import kernel, kernelapi


@contextmanager
def blocks_side_by_side(monkeypatch):
    under_way, errors, lock = [], [], threading.Lock()
    run_block, swapped, of_one_line = (
        kernel.BlockManager.run,
        kernel.swapped_cuda_module,
        kernelapi.FakeCUDAShared.array,
    )

    def run(manager, point, *arguments):
        def work():
            try:
                run_block(manager, point, *arguments)
            except BaseException as error:
                errors.append(error)

        under_way.append(threading.Thread(target=work))
        under_way[-1].start()

    def array(shared, shape, dtype, alignment=None):
        if shape != 0:
            return of_one_line(shared, shape, dtype, alignment)
        block = threading.current_thread().blockIdx
        with lock:
            size = shared._dynshared_size
            room = shared._allocations.setdefault((block.x, block.y, block.z), np.full(size, 0x7F, np.byte))
        dtype = kernelapi.numpy_support.as_dtype(dtype)
        return np.frombuffer(room.data, dtype, size // dtype.itemsize)

    @contextmanager
    def until_all_are_done(function, module):
        with swapped(function, module):
            yield
            if not isinstance(threading.current_thread(), kernel.BlockThread):
                while under_way:
                    under_way.pop().join()
                if errors:
                    raise errors[0]

    with monkeypatch.context() as patch:
        patch.setattr(kernel.BlockManager, "run", run)
        patch.setattr(kernelapi.FakeCUDAShared, "array", array)
        patch.setattr(kernel, "swapped_cuda_module", until_all_are_done)
        yield
