"""What networks on the CPU have in common, whatever their layers: parameters, what the optimizer keeps, threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from glorot.datasets import Examples
from glorot.kernels.layout import aligned
from glorot.kernels.simd import LANES
from glorot.models.network import Layer
from glorot.models.optimizers import OPTIMIZERS, Optimizer


class Places(Protocol):
    """Where parameters lie in a flat array."""

    n_parameters: int

    def read(self, parameters: np.ndarray) -> list[Layer]: ...

    def write(self, layers: list[Layer], parameters: np.ndarray) -> None: ...


def rates_of(optimizer: Optimizer, learning_rate: float, batch_size: int, made: int, updates: int) -> np.ndarray:
    """What each of the next updates, after `made`, needs beside its gradient: (updates, 3) float32."""
    rates = np.empty((updates, 3), np.float32)
    if optimizer.step is None:
        rates[:] = learning_rate / batch_size, 1, 1
        return rates
    for u in range(updates):
        rates[u] = *optimizer.rates(learning_rate, made + u + 1), 1 / batch_size
    return rates


class OnCpu:
    """A network on the CPU but for its kernels. threads: at least 1. optimizer: a key of the registry."""

    staging = None

    def __init__(self, places: Places, batch_size: int, learning_rate: float, threads: int, optimizer: str):
        self.batch_size, self.threads = batch_size, threads
        self.learning_rate, self.updates_made = learning_rate, 0
        self._optimizer, self._places = OPTIMIZERS[optimizer], places
        n, kept = places.n_parameters, len(self._optimizer.keeps)
        self._parameters, self._memory = aligned(n), aligned(kept * n).reshape(kept, n)
        self._pool = ThreadPoolExecutor(threads)

    @property
    def parameters(self) -> list[Layer]:
        """A copy of the parameters."""
        return self._places.read(self._parameters)

    @parameters.setter
    def parameters(self, layers: list[Layer]) -> None:
        self._places.write(layers, self._parameters)

    @property
    def memory(self) -> dict[str, list[Layer]]:
        """A copy of what the optimizer keeps of each parameter."""
        return {name: self._places.read(kept) for name, kept in zip(self._optimizer.keeps, self._memory, strict=True)}

    @memory.setter
    def memory(self, memory: dict[str, list[Layer]]) -> None:
        for name, kept in zip(self._optimizer.keeps, self._memory, strict=True):
            self._places.write(memory[name], kept)

    def estimate(self, examples: Examples) -> None:
        """Nothing: what other optimizers than `curvature.py`'s keep is no statistic of the network."""

    def updates(self, n: int, work) -> np.ndarray:
        """Make n updates: work(rates, losses, barrier, thread) on every thread gives the number that was made.

        Returns the (updates,) float64 mean losses of the minibatches, each before its update; where one is not finite
        it is the last, and its update was not made.
        """
        losses, barrier = np.empty(n), np.zeros(2 * LANES, np.int64)
        rates = rates_of(self._optimizer, self.learning_rate, self.batch_size, self.updates_made, n)
        done = self.on_each_thread(lambda thread: work(rates, losses, barrier, thread))[0]
        self.updates_made += done
        return losses[: done + 1]

    def on_each_thread(self, work):
        """Call work(thread) for every thread at the same time."""
        if self.threads == 1:
            return [work(0)]
        return list(self._pool.map(work, range(self.threads)))
