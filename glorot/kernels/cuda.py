"""The CPU's twin on an NVIDIA GPU, through numba.cuda: where a network lies on the device, and what is launched when.

``cuda_steps`` has the kernels and a picture of what they do. `CudaKernels.train` launches one grid for a whole segment
of updates; where a device has no launches whose blocks can wait for each other, every step of an update is a launch.
The same seed on the same device gives the same bits. The simulator (NUMBA_ENABLE_CUDASIM=1) runs all of this.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config

from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.errors import DeviceError
from glorot.kernels.cuda_layout import Layout, tile_of
from glorot.kernels.cuda_resident_blocks import RESIDENT_THREADS
from glorot.kernels.cuda_steps import SIGNATURES, Compiled, compiled
from glorot.kernels.cuda_tiles import (
    ABOVE,
    FAN_IN,
    FAN_OUT,
    SHARED_BYTES,
    SIMULATED,
    STRIDE_OUT,
    THREADS,
    W_STRIDE,
    W,
)  # fmt: skip
from glorot.kernels.protocol import Probed
from glorot.models.network import Layer

EVALUATION_CHUNK = 6 if SIMULATED else 2560  # examples that pass the network together
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # the last layer is small

if not SIMULATED:
    from numba.cuda.cudadrv.driver import binding, driver

STEPWISE_BLOCKS = 128


@contextmanager
def device_errors() -> Iterator[None]:
    """What the driver has to say, as a DeviceError."""
    try:
        yield
    except MemoryError as error:
        raise DeviceError(_trouble(error)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "cuda" or type(error).__module__.startswith(
            "numba.cuda.cudadrv"
        ):
            raise DeviceError(_trouble(error)) from error
        raise


def _trouble(error: Exception) -> str:
    """One line on what happened and what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "OUT_OF_MEMORY" in text:
        return f"the GPU has not enough memory for this network and minibatch; use --device cpu, or fewer -j ({text})"
    return f"the GPU cannot go on: {text}; check it with nvidia-smi, or use --device cpu"


def can_wait_for_each_other() -> bool:
    """Whether this device launches grids whose blocks all run at a time."""
    return SIMULATED or bool(cuda.get_current_device().COOPERATIVE_LAUNCH)


def processors() -> tuple[int, int]:
    """Multiprocessors of this device, and how much shared memory a block can have there, in bytes."""
    if SIMULATED:
        return 1, 2**20
    chip = cuda.get_current_device()
    return chip.MULTIPROCESSOR_COUNT, chip.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN


def resident_blocks(kernel: Any, name: str, threads: int, shared_bytes: int) -> int:
    """How many blocks of a kernel can run at a time, and so wait for each other."""
    if SIMULATED:
        return 1
    kernel.compile(SIGNATURES[name])
    (one,) = kernel.overloads.values()
    one.cooperative = True  # asks for such a launch; the barrier is our own and needs no library
    if shared_bytes > 48 * 1024:  # more than a block gets without being asked
        function = one._codelibrary.get_cufunc()
        driver.cuKernelSetAttribute(
            binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes,
            function.handle, function.device.id,
        )  # fmt: skip
    return one.max_cooperative_grid_blocks(threads, shared_bytes)


# The simulator's launches return when they are done, and it takes one at a time.
ONE_AT_A_TIME = threading.Lock() if SIMULATED else nullcontext()


class Queue:
    """A stream of the device: copies and launches in their order, apart from those of other queues."""

    def __init__(self) -> None:
        self.stream = cuda.stream()

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device."""
        return cuda.to_device(np.ascontiguousarray(array), stream=self.stream)

    def get(self, array: Any) -> np.ndarray:
        """A copy on the host, when all before is done."""
        host = array.copy_to_host(stream=self.stream)
        self.stream.synchronize()
        return host

    def launch(
        self, kernel: Any, blocks: int, *arguments: Any, threads: int = THREADS, shared_bytes: int = SHARED_BYTES
    ) -> None:
        with ONE_AT_A_TIME:
            kernel[blocks, threads, self.stream, shared_bytes](*arguments)


@dataclass(frozen=True)
class Staged:
    """Examples on the device. pixels: flat."""

    pixels: Any
    labels: Any

    def __len__(self) -> int:
        return self.labels.shape[0]


class Passes:
    """Passes of up to n examples forward and backward, step by step, and the arrays on the device that they need."""

    def __init__(self, queue: Queue, layout: Layout, kernels: Compiled, weights: Any, levels: Any, n: int):
        self.queue, self.layout, self.kernels, self.weights, self.levels = queue, layout, kernels, weights, levels
        self.layers = queue.put(layout.layers)
        halves = 1 + kernels.keeps_z  # a, and as many z
        self.a, self.delta = (queue.put(np.zeros(k * layout.n_activations, np.float32)) for k in (halves, 1))
        self.partial = cuda.device_array(2 * layout.n_partial, np.float32, stream=queue.stream)
        self.example_losses = queue.put(np.zeros(n, np.float32))
        self.exchanged: Any = None

    def forward(self, staged: Staged, losses: Any, u: int, n: int) -> None:
        """a of every layer, losses and the delta of the logits of examples u * n, ...; losses[u] = their sum."""
        blocks = self.layout.blocks
        for l in range(len(self.layout.layers)):
            self.queue.launch(
                self.kernels.forward_step, blocks, self.layers, l, self.weights, self.a, self.partial, self.levels,
                staged.pixels, losses, u, n,
            )  # fmt: skip
        self.queue.launch(
            self.kernels.loss_step, 1, self.layers, self.a, self.delta, self.partial, staged.labels,
            self.example_losses, losses, u, n,
        )  # fmt: skip

    def backward(self, staged: Staged, losses: Any, u: int, n: int, step: np.float32 | None) -> None:
        """delta of every layer; W -= step * gradient, unless there is no step."""
        in_passing = step is not None and n <= self.layout.T
        for l in range(len(self.layout.layers) - 1, -1, -1):
            shared = (
                self.layers, l, self.weights, self.a, self.delta, self.partial, self.levels, staged.pixels, losses,
                u, n,
            )  # fmt: skip
            size = np.float32(0) if step is None else step
            self.queue.launch(self.kernels.backward_step, self.layout.blocks, *shared, size, in_passing)
            if step is not None and not in_passing:
                self.queue.launch(self.kernels.update_step, self.layout.blocks, *shared, size)

    def run_updates(self, staged: Staged, losses: Any, n: int, step: np.float32) -> None:
        """As many updates as losses has room for, in one launch."""
        self.queue.launch(
            self.kernels.run_updates, self.layout.blocks, self.layers, self.weights, self.a, self.delta, self.partial,
            self.levels, staged.pixels, staged.labels, self.example_losses, losses, self._counter(), n, step,
        )  # fmt: skip

    def run_resident(self, staged: Staged, losses: Any, step: np.float32) -> None:
        """The same with weights that stay in shared memory."""
        if self.exchanged is None:
            self.exchanged = cuda.device_array(2 * self.layout.n_exchanged, np.float32, stream=self.queue.stream)
        self.queue.launch(
            self.kernels.run_resident, self.layout.blocks, self.layers, self.weights, self.exchanged, self.levels,
            staged.pixels, staged.labels, losses, self._counter(), step,
            threads=RESIDENT_THREADS, shared_bytes=self.layout.resident_bytes,
        )  # fmt: skip

    def _counter(self) -> Any:
        return self.queue.put(np.zeros(1, np.int64))


class CudaKernels:
    """One network on an NVIDIA GPU: runs segments of updates, evaluates, probes, copies parameters in and out.

    resident: whether its weights stay in shared memory during a launch of updates. blocks: of the grid that makes them.

    Every method raises DeviceError where the GPU cannot, or cannot any more: out of memory, a lost device.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        threads: int = 1,
        levels: np.ndarray = UNIT,
        blocks: int | None = None,
        resident: bool = True,
    ):
        """sizes: from input to output. activation, loss: keys of the registries. threads: of the host, for examples.

        levels: (256,) float32, what the network sees of each byte (``datasets/inputs.py``).
        blocks: of grids that are launched step by step; else one launch makes many updates, where the device can.
        resident: whether weights may stay in shared memory meanwhile, where there is room.
        """
        with device_errors():
            self.batch_size, self.threads, self.learning_rate = batch_size, threads, learning_rate
            self.memory: dict[str, list[Layer]] = {}  # of plain SGD
            self.updates_made = 0
            self._queue, self._staging = Queue(), Queue()
            kernels = compiled(activation, loss, tile_of(batch_size))
            self._in_one_launch, self.resident = not blocks and can_wait_for_each_other(), False
            if self._in_one_launch:
                count, shared_bytes = processors()
                layout = Layout(sizes, batch_size, count)
                self.resident = resident and layout.can_be_resident(count, shared_bytes)
                if self.resident:
                    count = resident_blocks(
                        kernels.run_resident, "run_resident", RESIDENT_THREADS, layout.resident_bytes
                    )
                    self.resident = layout.can_be_resident(count, shared_bytes)
                if not self.resident:
                    layout = Layout(
                        sizes, batch_size, resident_blocks(kernels.run_updates, "run_updates", THREADS, SHARED_BYTES)
                    )
            else:
                layout = Layout(sizes, batch_size, blocks or STEPWISE_BLOCKS)
            self._layout = layout
            self.blocks = layout.blocks
            self._levels = self._queue.put(levels)
            self._weights = self._queue.put(np.zeros(self._layout.n_weights, np.float32))
            self._training = Passes(self._queue, self._layout, kernels, self._weights, self._levels, batch_size)
            self._evaluation: Passes | None = None
            self._what = activation, loss, sizes
        self.levels = levels

    def _rows(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Each layer's (fan_out, stride) part of the flat weights, biases in column fan_in, as a view."""
        for layer in self._layout.layers:
            flat = weights[layer[W] : layer[W] + layer[FAN_OUT] * layer[W_STRIDE]]
            yield flat.reshape(layer[FAN_OUT], layer[W_STRIDE])

    @property
    def parameters(self) -> list[Layer]:
        """A copy of the parameters, on the host."""
        with device_errors():
            rows = self._rows(self._queue.get(self._weights))
        fan_ins = self._layout.layers[:, FAN_IN]
        return [Layer(w[:, :k].copy(), w[:, k].copy()) for w, k in zip(rows, fan_ins, strict=True)]

    @parameters.setter
    def parameters(self, layers: list[Layer]) -> None:
        weights = np.zeros(self._layout.n_weights, np.float32)
        for w, (fan_in, *_), layer in zip(self._rows(weights), self._layout.layers, layers, strict=True):
            w[:, :fan_in], w[:, fan_in] = layer
        with device_errors():
            self._weights.copy_to_device(weights, stream=self._queue.stream)
            self._queue.stream.synchronize()

    @property
    def staging(self) -> "CudaKernels":
        return self

    def stage(self, examples: Examples) -> Staged:
        """Copy examples to the device: for train, from any thread, also while it runs."""
        with device_errors():
            staged = Staged(self._staging.put(examples.pixels.reshape(-1)), self._staging.put(examples.labels))
            self._staging.stream.synchronize()
        return staged

    def keep(self, examples: Examples) -> Callable[[np.ndarray], Staged]:
        """Copy a whole data set to the device, to stay. Returns what picks examples of it by their numbers, (n,) int64:
        for train, from any thread, also while it runs."""
        with device_errors():
            pixels, labels = self._staging.put(examples.pixels.reshape(-1)), self._staging.put(examples.labels)
            self._staging.stream.synchronize()
        n_inputs, gather = examples.pixels.shape[1], self._training.kernels.gather

        def pick(order: np.ndarray) -> Staged:
            with device_errors():
                stream = self._staging.stream
                some = Staged(
                    cuda.device_array(len(order) * n_inputs, np.uint8, stream=stream),
                    cuda.device_array(len(order), np.uint8, stream=stream),
                )
                numbers = self._staging.put(order.astype(np.int64))
                blocks = 1 if SIMULATED else STEPWISE_BLOCKS
                self._staging.launch(gather, blocks, pixels, labels, numbers, some.pixels, some.labels)
                stream.synchronize()
            return some

        return pick

    def train(self, examples: Examples | Staged) -> np.ndarray:
        """SGD updates on consecutive minibatches: theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        updates = len(examples) // self.batch_size
        if not updates:
            return np.empty(0)
        staged = examples if isinstance(examples, Staged) else self.stage(examples)
        step = np.float32(self.learning_rate / self.batch_size)
        with device_errors():
            losses = self._queue.put(np.full(updates, np.nan))
            if self.resident:
                self._training.run_resident(staged, losses, step)
            elif self._in_one_launch:
                self._training.run_updates(staged, losses, self.batch_size, step)
            else:
                for u in range(updates):
                    self._training.forward(staged, losses, u, self.batch_size)
                    self._training.backward(staged, losses, u, self.batch_size, step)
            made = self._queue.get(losses) / self.batch_size
        diverged = np.flatnonzero(~np.isfinite(made))
        return made[: diverged[0] + 1] if len(diverged) else made

    def estimate(self, examples: Examples) -> None:
        """Nothing: plain SGD has no statistic."""

    def _forward(self, examples: Examples) -> Iterator[tuple[slice, Passes, Staged, Any]]:
        """Take examples forward, chunk by chunk: their places, the passes, the chunk on the device, its summed loss."""
        activation, loss, sizes = self._what
        if self._evaluation is None:  # sums in an order that does not depend on the other examples
            layout, kernels = Layout(sizes, EVALUATION_CHUNK, 0), compiled(activation, loss, tile_of(EVALUATION_CHUNK))
            self._evaluation = Passes(self._queue, layout, kernels, self._weights, self._levels, EVALUATION_CHUNK)
        for start in range(0, len(examples), EVALUATION_CHUNK):
            places = slice(start, min(start + EVALUATION_CHUNK, len(examples)))
            staged = self.stage(Examples(examples.pixels[places], examples.labels[places]))
            summed = self._queue.put(np.zeros(1))
            self._evaluation.forward(staged, summed, 0, len(staged))
            yield places, self._evaluation, staged, summed

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)
        with device_errors():
            for places, passes, staged, _ in self._forward(examples):
                predicted = self._queue.put(np.zeros(len(staged), np.uint8))
                blocks = -(-len(staged) // THREADS)
                self._queue.launch(passes.kernels.predict, blocks, passes.layers, passes.a, predicted)
                losses[places] = self._queue.get(passes.example_losses)[: len(staged)]
                predictions[places] = self._queue.get(predicted)
        return losses, predictions

    def probe(self, examples: Examples) -> Probed:
        """As the protocol has it."""
        layers = self._layout.layers
        seen = [[np.empty((len(examples), k), np.float32) for k in layers[:, FAN_OUT]] for _ in range(3)]
        with device_errors():
            for places, passes, staged, _ in self._forward(examples):
                n, finite = len(staged), self._queue.put(np.zeros(1))
                passes.backward(staged, finite, 0, n, None)
                a, delta = self._queue.get(passes.a), self._queue.get(passes.delta)
                for found, flat in zip(seen, (a, delta, a[-passes.layout.n_activations :]), strict=True):
                    for values, layer in zip(found, passes.layout.layers, strict=True):
                        rows = flat[layer[ABOVE] : layer[ABOVE] + n * layer[STRIDE_OUT]].reshape(n, layer[STRIDE_OUT])
                        values[places] = rows[:, : layer[FAN_OUT]]
        return Probed(seen[0][:-1], seen[1], seen[2][:-1])
