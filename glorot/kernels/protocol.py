"""What every device's kernels offer."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from glorot.datasets import Examples
from glorot.models.network import Layer


class Probed(NamedTuple):
    """What some examples do in a network: float32 arrays (n, units) of each hidden layer; deltas also of the logits.

    activations: a = f(z). deltas: dC/dz, C the loss of the one example. slope_arguments: of what the activation's slope
    takes: a again, or z. gradients: of the mean loss, in each layer with parameters; None where all layers are fully
    connected: then they are products of deltas and activations.
    """

    activations: list[np.ndarray]
    deltas: list[np.ndarray]
    slope_arguments: list[np.ndarray]
    gradients: list[Layer] | None = None


class Staging(Protocol):
    """How examples come to a device with memory of its own, ahead of the training that takes them.

    What comes back is for `Kernels.train`. Both may be called from any thread, also while it runs. Raises DeviceError.
    """

    def stage(self, examples: Examples) -> Any:
        """Copy examples to the device."""
        ...

    def keep(self, examples: Examples) -> Callable[[np.ndarray], Any]:
        """Copy a whole data set to the device, to stay. What it returns picks examples by their numbers, (n,) int64."""
        ...


class Kernels(Protocol):
    """One network on one device (``cpu.py``, ``cuda.py``).

    memory: what the optimizer keeps of each parameter, by its names. learning_rate: of the updates to come.
    updates_made: since the memory was empty; some optimizers need it. levels: (256,) float32, what the network sees of
    each byte. threads: of the host. staging: None where train takes examples as they are.
    """

    parameters: list[Layer]
    memory: dict[str, list[Layer]]
    learning_rate: float
    updates_made: int
    levels: np.ndarray
    threads: int

    @property
    def staging(self) -> Staging | None: ...

    def train(self, examples: Any) -> np.ndarray:
        """Updates on consecutive minibatches; with plain SGD theta -= learning_rate * mean gradient.

        examples: Examples, or what staging made of them. Returns the (updates,) float64 mean losses of the
        minibatches, each before its update; where one is not finite it is the last, and its update was not made.
        """
        ...

    def estimate(self, examples: Examples) -> None:
        """Measure what the optimizer keeps of each parameter, where that is a statistic of the network."""
        ...

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8."""
        ...

    def probe(self, examples: Examples) -> Probed:
        """Pass some examples forward and backward. Changes nothing."""
        ...
