"""The CPU's twin on an NVIDIA GPU, through numba.cuda: where a network lies on the device, and what is launched when.

``cuda_steps`` has the kernels and a picture of what they do. `CudaKernels.train` launches one grid for a whole segment
of updates; where a device has no launches whose blocks can wait for each other, every step of an update is a launch.
The same seed on the same device gives the same bits. The simulator (NUMBA_ENABLE_CUDASIM=1) runs all of this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from glorot.datasets import Examples
from glorot.errors import DeviceError
from glorot.kernels.cuda_steps import (
    ABOVE, FAN_IN, FAN_OUT, MOST_EXAMPLES, PARTS_ABOVE, SHARED_BYTES, SIGNATURES, SIMULATED, STRIDE_OUT, THREADS,
    TILE_COLUMNS, TILE_ROWS, W_STRIDE, W, compiled,
)  # fmt: skip
from glorot.network import Layer

EVALUATION_CHUNK = 6 if SIMULATED else 1280  # examples that pass the network together
MOST_BLOCKS, STEPWISE_BLOCKS = 65535, 128


def _padded(n: int) -> int:
    return -(-n // 32) * 32


def tile_of(n: int) -> int:
    """Examples of a tile, for minibatches of n: few tiles, and even ones."""
    return -(-n // -(-n // MOST_EXAMPLES))


class Layout:
    """Where everything lies in the flat arrays, and how it is cut, for minibatches of n examples and so many blocks.

    layers: the table of the kernels. T: examples of a tile. blocks: how many can be of use. For blocks = 0 the
    grid may have any number of blocks, and the order of sums depends on nothing but the sizes.
    """

    def __init__(self, sizes: tuple[int, ...], n: int, blocks: int):
        self.T = tile_of(n)
        batches = -(-n // self.T)
        table = np.zeros((len(sizes) - 1, 16), np.int64)
        self.n_weights = self.n_activations = self.n_partial = items = 0
        above = parts_below = 0
        for l, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            down, across = -(-fan_out // TILE_ROWS), -(-(fan_in + 1) // TILE_COLUMNS)
            span_in, span_out = _span(across, down * batches, blocks), _span(down, across * batches, blocks)
            parts = -(-across // span_in), -(-down // span_out)
            stride, stride_above = _padded(fan_in + 1), _padded(fan_out)
            table[l] = (
                fan_in, fan_out, self.n_weights, stride, above, self.n_activations, _padded(fan_in), stride_above,
                down, across, -(-fan_out // down), -(-(fan_in + 1) // across), span_in, span_out, parts_below, 0,
            )  # fmt: skip
            above = self.n_activations
            self.n_weights += fan_out * stride
            self.n_activations += n * stride_above
            self.n_partial = max(self.n_partial, n * parts[0] * stride_above, n * parts[1] * _padded(fan_in) * (l > 0))
            items = max(items, batches * down * parts[0], batches * across * parts[1])
            if l > 0:
                table[l - 1, PARTS_ABOVE] = parts[1]
            parts_below = parts[0]  # of the layer below, for the next one
        self.layers, self.blocks = table, min(items, blocks or MOST_BLOCKS)


def _span(tiles: int, others: int, blocks: int) -> int:
    """How many tiles one block sums up: the fewest with which there is a block for every item; else all."""
    for span in range(1, tiles):
        if others * -(-tiles // span) <= blocks:
            return span
    return tiles


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


class Whole(NamedTuple):
    """A kernel whose grid is launched as one, so that its blocks can wait for each other. blocks: at most."""

    kernel: Any
    blocks: int

    def launch(self, blocks: int, *arguments: Any) -> None:
        self.kernel[blocks, THREADS, 0, SHARED_BYTES](*arguments)


def resident(kernel: Any) -> Whole | None:
    """The kernel, ready for launches as one grid; None where the device has no such launches."""
    if SIMULATED:
        return Whole(kernel, 1)
    if not cuda.get_current_device().COOPERATIVE_LAUNCH:
        return None
    kernel.compile(SIGNATURES["run_updates"])
    (one,) = kernel.overloads.values()
    one.cooperative = True  # the launch's attribute; our own barrier needs no library for it
    blocks = one.max_cooperative_grid_blocks(THREADS, SHARED_BYTES)
    return Whole(kernel, blocks) if blocks else None


class Room:
    """The arrays on the device that a pass of up to n examples needs."""

    def __init__(self, layout: Layout, n: int):
        self.layers = cuda.to_device(layout.layers)
        self.a, self.delta = (cuda.to_device(np.zeros(layout.n_activations, np.float32)) for _ in range(2))
        self.partial = cuda.device_array(2 * layout.n_partial, np.float32)
        self.example_losses = cuda.device_array(n, np.float32)


class Staged(NamedTuple):
    """Examples on the device. pixels: flat."""

    pixels: Any
    labels: Any

    def __len__(self) -> int:
        return self.labels.shape[0]


class CudaKernels:
    """One network on an NVIDIA GPU: runs segments of updates, evaluates, probes, copies parameters in and out.

    Raises DeviceError where the GPU cannot, or cannot any more: out of memory, a lost device.
    """

    device = "cuda"

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        threads: int = 1,
        blocks: int | None = None,
    ):
        """sizes: from input to output. activation, loss: keys of the registries. threads: of the host, not used.

        blocks: of a grid whose steps are launches of their own, instead of one launch for many updates.
        """
        with device_errors():
            self.sizes, self.batch_size, self.threads = sizes, batch_size, threads
            self._kernels = compiled(activation, loss, tile_of(batch_size))
            self._whole = None if blocks else resident(self._kernels.run_updates)
            self._layout = Layout(sizes, batch_size, self._whole.blocks if self._whole else blocks or STEPWISE_BLOCKS)
            self._chunk = EVALUATION_CHUNK
            self._evaluation = Layout(sizes, self._chunk, 0)
            self._evaluation_kernels = compiled(activation, loss, tile_of(self._chunk))
            self._weights = cuda.to_device(np.zeros(self._layout.n_weights, np.float32))
            self._room = Room(self._layout, batch_size)
            self._evaluation_room: Room | None = None
            self._step = np.float32(learning_rate / batch_size)

    def _rows(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Each layer's (fan_out, stride) part of the flat weights, biases in column fan_in, as a view."""
        for layer in self._layout.layers:
            flat = weights[layer[W] : layer[W] + layer[FAN_OUT] * layer[W_STRIDE]]
            yield flat.reshape(layer[FAN_OUT], layer[W_STRIDE])

    @property
    def parameters(self) -> list[Layer]:
        """A copy of the parameters, on the host."""
        with device_errors():
            rows = self._rows(self._weights.copy_to_host())
        fan_ins = self._layout.layers[:, FAN_IN]
        return [Layer(w[:, :k].copy(), w[:, k].copy()) for w, k in zip(rows, fan_ins, strict=True)]

    @parameters.setter
    def parameters(self, layers: list[Layer]) -> None:
        weights = np.zeros(self._layout.n_weights, np.float32)
        for w, (fan_in, *_), layer in zip(self._rows(weights), self._layout.layers, layers, strict=True):
            w[:, :fan_in], w[:, fan_in] = layer
        with device_errors():
            self._weights.copy_to_device(weights)

    def stage(self, examples: Examples) -> Staged:
        """Copy examples to the device: for train, from any thread, also while it runs."""
        with device_errors():
            pixels = np.ascontiguousarray(examples.pixels).reshape(-1)
            return Staged(cuda.to_device(pixels), cuda.to_device(np.ascontiguousarray(examples.labels)))

    def train(self, examples: Examples | Staged) -> np.ndarray:
        """SGD updates on consecutive minibatches: theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        if not len(examples):
            return np.empty(0)
        staged = examples if isinstance(examples, Staged) else self.stage(examples)
        with device_errors():
            updates = len(staged) // self.batch_size
            losses = cuda.to_device(np.full(updates, np.nan))
            if self._whole:
                room, counter = self._room, cuda.to_device(np.zeros(1, np.int64))
                self._whole.launch(
                    self._layout.blocks, room.layers, self._weights, room.a, room.delta, room.partial, staged.pixels,
                    staged.labels, room.example_losses, losses, counter, self.batch_size, self._step,
                )  # fmt: skip
            else:
                for u in range(updates):
                    self._update(staged, losses, u)
            made = losses.copy_to_host()
        diverged = np.flatnonzero(~np.isfinite(made))
        return made[: diverged[0] + 1] if len(diverged) else made

    def _update(self, staged: Staged, losses: Any, u: int) -> None:
        """One update, every step a launch."""
        n, fused = self.batch_size, self.batch_size <= self._layout.T
        self._forward(self._kernels, self._layout, self._room, staged, losses, u, n)
        self._backward(self._kernels, self._layout, self._room, staged, losses, u, n, fused)

    def _forward(self, kernels, layout, room, staged, losses, u, n):
        for l in range(len(layout.layers)):
            kernels.forward_step[layout.blocks, THREADS, 0, SHARED_BYTES](
                room.layers, l, self._weights, room.a, room.partial, staged.pixels, losses, u, n
            )
        kernels.loss_step[1, THREADS, 0, SHARED_BYTES](
            room.layers, room.a, room.delta, room.partial, staged.labels, room.example_losses, losses, u, n
        )

    def _backward(self, kernels, layout, room, staged, losses, u, n, learn, update=True):
        for l in range(len(layout.layers) - 1, -1, -1):
            shared = (room.layers, l, self._weights, room.a, room.delta, room.partial, staged.pixels, losses, u, n)
            kernels.backward_step[layout.blocks, THREADS, 0, SHARED_BYTES](*shared, self._step, learn)
            if update and not learn:
                kernels.update_step[layout.blocks, THREADS, 0, SHARED_BYTES](*shared, self._step)

    def _pass(self, examples: Examples) -> Iterator[tuple[slice, Room, Staged, Any]]:
        """Take examples forward, chunk by chunk: their places, the room with the chunk's a and losses, the chunk."""
        layout = self._evaluation
        if self._evaluation_room is None:
            self._evaluation_room = Room(layout, self._chunk)
        for start in range(0, len(examples), self._chunk):
            places = slice(start, min(start + self._chunk, len(examples)))
            staged = self.stage(Examples(examples.pixels[places], examples.labels[places]))
            loss = cuda.to_device(np.zeros(1))
            self._forward(self._evaluation_kernels, layout, self._evaluation_room, staged, loss, 0, len(staged))
            yield places, self._evaluation_room, staged, loss

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)
        with device_errors():
            for places, room, staged, _ in self._pass(examples):
                predicted = cuda.device_array(len(staged), np.uint8)
                self._evaluation_kernels.predict[-(-len(staged) // THREADS), THREADS](room.layers, room.a, predicted)
                losses[places] = room.example_losses.copy_to_host()[: len(staged)]
                predictions[places] = predicted.copy_to_host()
        return losses, predictions

    def probe(self, examples: Examples) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Activations of each hidden layer, (n, units) each, and deltas dC/dz of each hidden layer and the logits,
        where C is the loss of that one example. float32; no update is made."""
        n, layers = len(examples), self._evaluation.layers
        units = layers[:, FAN_OUT]
        activations, deltas = ([np.empty((n, k), np.float32) for k in units] for _ in range(2))
        with device_errors():
            for places, room, staged, _ in self._pass(examples):
                finite, some = cuda.to_device(np.zeros(1)), len(staged)
                self._backward(
                    self._evaluation_kernels, self._evaluation, room, staged, finite, 0, some, False, update=False
                )
                for found, flat in ((activations, room.a.copy_to_host()), (deltas, room.delta.copy_to_host())):
                    for l, (first, stride) in enumerate(layers[:, [ABOVE, STRIDE_OUT]]):
                        found[l][places] = flat[first : first + some * stride].reshape(some, stride)[:, : units[l]]
        return activations[:-1], deltas
